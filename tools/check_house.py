#!/usr/bin/env python3
"""Checks the shape of the house: who may include whom, where outside libraries live, how large things grow, that one name means
one type, and that what is cited is there.

usage: tools/check_house.py [folder of the house]

example: tools/check_house.py

Prints the sizes, then every finding as `file:line: what is wrong and what to do`. Exit status 1 if there is any finding.
"""
import fnmatch
import functools
import pathlib
import re
import sys

if "-h" in sys.argv or "--help" in sys.argv:
    print(__doc__)
    sys.exit()
ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent).resolve()

# A file of src/ includes its own folder and folders strictly lower; so siblings of one height do not see each other.
HEIGHT = {"base": 0, "tensor": 1, "kernels": 2, "files": 2, "parallel": 3, "autograd": 4, "layers": 5,
          "data": 6, "optim": 7, "models": 7, "run": 7, "train": 8, "measure": 9, "verify": 9, "app": 10}
# These know the contract of a task and no task.
NO_TASK = re.compile(r"src/(train|measure|run|optim|parallel)/|src/verify/[^/]*$")
SEES_ONLY = {"data": {"data", "base", "tensor", "files"}}

# An outside header, and the only files that may know it: sources, never headers, so that a library can be exchanged.
VENDORS = [
    (r"fmt/", ["src/base/*.cpp"]),
    (r"spdlog/", ["src/base/log.cpp"]),
    (r"yaml-cpp/", ["src/base/config.cpp"]),
    (r"Random123/", ["src/base/random.cpp"]),
    (r"nlohmann/", ["src/files/json.cpp"]),
    (r"hdf5\.h|H5", ["src/files/hdf5*.cpp"]),
    (r"png\.h|turbojpeg\.h", ["src/data/views/images.cpp"]),
    (r"cairo\.h", ["src/run/drawing_png.cpp"]),
    (r"gif_lib\.h", ["src/data/views/animation.cpp", "tests/data/views/animation_test.cpp"]),
    (r"xxhash\.h", ["src/files/checksum.cpp"]),
    (r"pcre2\.h", ["src/data/text/tokenizers/pattern.cpp"]),
    (r"sentencepiece", ["src/data/text/tokenizers/sentence_piece_tokenizer.cpp"]),
    (r"CLI/", ["src/app/*.cpp"]),
    (r"dnnl|oneapi/", ["src/kernels/cpu/onednn.cpp"]),
    (r"mpi\.h", ["src/parallel/transport/mpi*.cpp", "tests/support/mpi_main.cpp"]),
    (r"nccl\.h", ["src/parallel/transport/nccl*.cpp", "tests/emulated/*"]),
    (r"cublas|cudnn", ["src/kernels/cuda/*", "tests/emulated/*", "tests/cudnn/*"]),
    (r"cuda|cub/|nvtx", ["src/tensor/*_cuda.cpp", "src/kernels/cuda/*", "src/parallel/transport/nccl*.cpp", "tests/emulated/*"]),
    (r"gtest/|gmock/", ["tests/*"]),
]
# Headers of the system and the compiler, besides the standard library's (which have no extension).
SYSTEM = re.compile(r"[a-z0-9_]+$|(math|stdlib|unistd|pwd|fcntl|signal|sched|pthread|dlfcn|poll|errno|netdb|immintrin|cpuid|omp|ifaddrs)\.h$"
                    r"|(sys|net|netinet|arpa|linux|asm)/\w+\.h$")

FOLDER_FILES = 24                                  # of src/: more are cut into rooms, folders below the one with the height
FILE_LINES, FILE_LIMIT = 400, 600                  # the aim, and where it stops being a matter of taste
FUNCTION_LINES, KERNEL_LINES, FUNCTION_LIMIT = 60, 120, 150
LONGEST_SHOWN = 10

# Spelled in pieces, so that this file does not find itself.
FORBIDDEN = [
    ("TO" + "DO", "finish it, or write it down where work is planned"),
    ("FIX" + "ME", "finish it, or write it down where work is planned"),
    ("GTEST" + "_SKIP", "a test that skips itself reports success; label it in tests/CMakeLists.txt instead"),
    ("-march" + "=native", "the program must start on any x86-64; choose instructions when it runs"),
]

CPP = {".cpp", ".hpp", ".cu", ".cuh"}
TEXT = CPP | {".py", ".cmake", ".txt", ".json", ".yaml", ".yml", ".sh", ".sbatch", ""}
FOLDERS = ["src", "tests", "tools", "cmake", "launch", "configs", ".ci"]
findings = []


def finding(path, line, sentence):
    findings.append(f"{path}:{line}: {sentence}")


def files_of_the_house():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            place = path.relative_to(ROOT).as_posix()
            fixture = place.startswith(("tests/golden/", "tests/data/")) and path.suffix not in CPP
            if path.is_file() and path.suffix in TEXT and not fixture and "__pycache__" not in place:
                yield place, path.read_text(encoding="utf-8", errors="replace")
    if (ROOT / "CMakeLists.txt").is_file():
        yield "CMakeLists.txt", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


# --- includes ---------------------------------------------------------------------------------------------------------

def check_own_include(path, line, header):
    target = header.split("/")[0]
    if path.startswith("src/"):
        folder = path.split("/")[1]
        if NO_TASK.match(path) and re.match(r"(models|data)/\w+/", header):
            finding(path, line, f'"{header}" is of one task; what {folder} needs to know of a task goes through models/task.hpp')
        if target not in HEIGHT or not (ROOT / "src" / header).is_file():
            finding(path, line, f'"{header}" is no file below src/; write includes from there, as "base/check.hpp"')
        elif target in SEES_ONLY.get(folder, {target}) and (target == folder or HEIGHT[target] < HEIGHT[folder]):
            return
        else:
            finding(path, line, f"{folder} (height {HEIGHT[folder]}) may not include {target} (height {HEIGHT[target]}); "
                                "move the code up, or what it needs down")
    elif not (ROOT / "src" / header).is_file() and not (ROOT / "tests" / header).is_file():
        finding(path, line, f'"{header}" is no file below src/ or tests/; outside headers are written in <>')


def check_outside_include(path, line, header):
    for pattern, homes in VENDORS:
        if re.match(pattern, header):
            if not any(fnmatch.fnmatch(path, home) for home in homes):
                finding(path, line, f"<{header}> belongs only into {' or '.join(homes)}; use the wrapper that stands there")
            return
    if not SYSTEM.match(header):
        finding(path, line, f"<{header}> has no home yet; name the one file that may include it in tools/check_house.py")


def check_includes(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if m := re.match(r'\s*#\s*include\s*"([^"]+)"', line):
            check_own_include(path, number, m[1])
        elif m := re.match(r"\s*#\s*include\s*<([^>]+)>", line):
            check_outside_include(path, number, m[1])


# --- sizes ------------------------------------------------------------------------------------------------------------

NOT_CODE = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"'
                      r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*", re.M)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum)\b")
TEMPLATE = re.compile(r"template\s*<[^<>]*(?:<[^<>]*>[^<>]*)*>")


@functools.cache
def only_code(text):
    """The text without comments, strings and preprocessor lines; line numbers stay."""
    return NOT_CODE.sub(lambda m: "\n" * m[0].count("\n") or " ", text)


def name_of(head):
    before = head.split("(", 1)[0].split()
    if before and before[-1] in ("TEST", "TEST_P", "TEST_F"):
        return " ".join(head.split())
    if before[-2:-1] == ["="] and before[-1].startswith("["):  # a lambda, which is known by its variable
        return before[-3]
    return before[-1].lstrip("*&") if before else "?"


def functions_of(text):
    """(name, first line, lines) of every function body that stands in a namespace or class; lambdas count to their owner."""
    code, found = only_code(text), []
    depth_of_function, depth, head_start, opened = None, 0, 0, None
    for m in re.finditer(r"[{};]", code):
        if m[0] == "{":
            head = code[head_start:m.start()]
            before_arguments, arguments, _ = TEMPLATE.sub("", head).partition("(")
            is_body = arguments and not SCOPE.search(before_arguments) and not head.rstrip().endswith("=")
            if depth_of_function is None and is_body:
                depth_of_function, opened = depth, (head, head_start + len(head) - len(head.lstrip()))
            depth += 1
        elif m[0] == "}":
            depth -= 1
            if depth_of_function == depth:
                depth_of_function = None
                if re.match(r"\s*[,{]", code[m.end():]):  # it was a member's initialiser: the body is still to come
                    continue
                first = code.count("\n", 0, opened[1]) + 1
                found.append((name_of(opened[0]), first, code.count("\n", 0, m.end()) + 2 - first))
        if depth_of_function is None:
            head_start = m.end()
    return found


def check_sizes(path, text):
    """Lines of the file, its functions as (lines, place, name); over a limit is a finding, over an aim a remark."""
    lines = text.count("\n")
    remarks = []
    if lines > FILE_LIMIT:
        finding(path, lines, f"{lines} lines, over the limit of {FILE_LIMIT}; give one of its nouns a file of its own")
    elif lines > FILE_LINES:
        remarks.append(f"{path}: {lines} lines, the aim is {FILE_LINES}")
    functions = functions_of(text) if pathlib.PurePath(path).suffix in CPP else []
    aim = KERNEL_LINES if path.startswith("src/kernels/") else FUNCTION_LINES
    for name, first, length in functions:
        if length > FUNCTION_LIMIT:
            finding(path, first, f"{name} has {length} lines, over the limit of {FUNCTION_LIMIT}; name its parts")
        elif length > aim:
            remarks.append(f"{path}:{first}: {name} has {length} lines, the aim is {aim}")
    return lines, [(length, f"{path}:{first}", name) for name, first, length in functions], remarks


# --- one name, one thing ----------------------------------------------------------------------------------------------

TYPE = re.compile(r"\b(?:class|struct|union|enum(?:\s+class|\s+struct)?)\s+(?:\[\[[^\]]*\]\]\s*|alignas\([^)]*\)\s*)*([\w:]+(?:<[^{;]*>)?)"
                  r"\s*(?:final\s*)?(?::[^:].*)?$", re.S)
NAMESPACE = re.compile(r"\bnamespace(?:\s+([\w:]+))?\s*$")


def types_of(text):
    """(qualified name, line) of every type that is defined in a named namespace: those of functions and of unnamed namespaces
    are nobody else's."""
    code = only_code(text)
    scopes, found, head_start = [], [], 0  # a scope without a name hides what stands in it
    for m in re.finditer(r"[{};]", code):
        if m[0] == "{":
            head = TEMPLATE.sub("", code[head_start:m.start()])
            space, kind = NAMESPACE.search(head), TYPE.search(head)
            scopes.append(space[1] if space else kind[1] if kind else None)
            if kind and not space and None not in scopes:
                found.append(("::".join(scopes), code.count("\n", 0, m.start()) + 1))
        elif m[0] == "}" and scopes:
            scopes.pop()
        head_start = m.end()
    return found


def check_twins(places):
    """places: {qualified name: [(path, line), ...]}. Two files of one program that define one name break the language's
    one-definition rule, and the linker takes either. Test programs do not meet each other."""
    for name, defined in sorted(places.items()):
        shared = [(p, n) for p, n in defined if not (p.startswith("tests/") and p.endswith(".cpp"))]
        programs = [(p, n) for p, n in defined if (p, n) not in shared]
        if len({p for p, _ in shared}) > 1 or (shared and programs):
            (first, line), *others = shared + programs
            for path, number in others:
                if path != first:
                    finding(path, number, f"{name} is also defined in {first}:{line}; give one of them another name")


def check_words(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        for word, advice in FORBIDDEN:
            if word in line:
                finding(path, number, f"'{word}' does not belong here; {advice}")


# --- citations --------------------------------------------------------------------------------------------------------

CITED = re.compile(r"(?<![\w./~-])[\w.-]+(?:/[\w.-]+)*\.md\b")  # a document of the house
NAMED_FILE = re.compile(r"`([\w/]+\.(?:hpp|cpp|cuh?))`")  # in docs/: a source, by its path or the end of it
NAMED_MEMBER = re.compile(r"`([A-Z]\w*)::(\w+)")          # and a name of the code
NAMED_WORD = {"docs/architecture.md": re.compile(r"`([A-Za-z]\w{3,})`"),  # where every name is one of the code
              ".svg": re.compile(r"\b([a-z]+(?:_[a-z]+)+)\b")}
SECTIONS = re.compile(r"docs/math\.md,((?:[ ,]|and|to|sections?|\d+(?:\.\d+)?)+)")
HEADING = re.compile(r"^#+ (\d+(?:\.\d+)?)\b", re.M)


def documents():
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.svg"), *ROOT.glob("tests/**/*.md")]):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


@functools.cache
def headings():
    math = ROOT / "docs/math.md"
    return HEADING.findall(math.read_text(encoding="utf-8")) if math.is_file() else []


def check_citations(path, text):
    """Documents named by other documents, or in comments of code, are there, and so are the sections of docs/math.md."""
    comment = re.compile("//.*" if pathlib.PurePath(path).suffix in CPP else ".*" if path.endswith(".md") else r"^\s*#.*")
    for number, line in enumerate(text.splitlines(), 1):
        said = m[0] if (m := comment.search(line)) else ""
        for cited in CITED.findall(said):
            if not (ROOT / cited).is_file() and not ((ROOT / path).parent / cited).is_file():
                finding(path, number, f"{cited} is no file of this house; cite one that is, or a public source")
        for sections in SECTIONS.findall(said):
            for section in re.findall(r"\d+(?:\.\d+)?", sections):
                if section not in headings():
                    finding(path, number, f"docs/math.md has no section {section}")


def check_names(path, text, sources, words):
    """Sources and members that a document names are there, `words` being those of all sources: it is told when they move."""
    for number, line in enumerate(text.splitlines(), 1):
        for cited in NAMED_FILE.findall(line):
            placeholder = re.search(r"[A-Z]{4}", cited)  # src/kernels/FAMILY.hpp
            if not placeholder and not any(("/" + source).endswith("/" + cited) for source in sources):
                finding(path, number, f"there is no source {cited}; say what is meant by its name of today")
        for owner, member in NAMED_MEMBER.findall(line):
            if owner not in words or member not in words:
                finding(path, number, f"the code knows no {owner}::{member}; say what is meant by its name of today")
        for where, pattern in NAMED_WORD.items():
            for name in pattern.findall(line) if path.endswith(where) else []:
                if name not in words:
                    finding(path, number, f"the code knows no {name}; say what is meant by its name of today")


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return 0
    totals, functions, remarks, rooms, types, sources = {}, [], [], {}, {}, {}
    for path, text in files_of_the_house():
        check_words(path, text)
        check_citations(path, text)
        if pathlib.PurePath(path).suffix in CPP:
            sources[path] = text
            check_includes(path, text)
            for name, line in types_of(text):
                types.setdefault(name, []).append((path, line))
        lines, found, over = check_sizes(path, text)
        room = "/".join(path.split("/")[:2]) if path.startswith("src/") else path.split("/")[0]
        if path.startswith("src/"):
            folder = path.rpartition("/")[0]
            rooms[folder] = rooms.get(folder, 0) + 1
        files, total = totals.get(room, (0, 0))
        totals[room] = files + 1, total + lines
        functions += found
        remarks += over
    words = set(re.findall(r"\w+", " ".join(sources.values())))
    for path, text in sources.items():
        if path.endswith((".hpp", ".cuh")):
            check_names(path, "\n".join(line.partition("//")[1] + line.partition("//")[2] for line in text.splitlines()), sources, words)
    for path, text in documents():
        check_citations(path, text)
        if path.startswith("docs/") or path in ("README.md", "CONTRIBUTING.md"):
            check_names(path, text, sources, words)
    check_twins(types)
    remarks += [f"{folder}: {files} files, the aim is {FOLDER_FILES}" for folder, files in rooms.items() if files > FOLDER_FILES]
    for room, (files, total) in totals.items():
        print(f"{room:16} {files:4} files {total:7} lines")
    print(f"{'all':16} {sum(f for f, _ in totals.values()):4} files {sum(t for _, t in totals.values()):7} lines")
    print("longest functions:")
    for length, place, name in sorted(functions, reverse=True)[:LONGEST_SHOWN]:
        print(f"  {length:4} {place} {name}")
    for remark in remarks:
        print(f"over the aim: {remark}")
    sys.stdout.flush()
    for sentence in findings:
        print(sentence, file=sys.stderr)
    if not findings:
        print("no findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
