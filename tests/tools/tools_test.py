#!/usr/bin/env python3
"""The tools of the house on small made-up inputs: every rule finds what it is for, and nothing else."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


def run(tool, *arguments):
    done = subprocess.run([sys.executable, str(TOOLS / tool), *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, path, text):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place


class CheckHouse(InAFolder):
    def findings(self, **files):
        """Findings about a house in which every folder holds a file a.hpp."""
        for folder in "base tensor kernels files parallel autograd layers models data optim run train measure verify app".split():
            self.write(f"src/{folder}/a.hpp", "#pragma once\n#include <vector>\n")
        for path, text in files.items():
            self.write(path, text)
        status, out, err = run("check_house.py", self.folder)
        self.assertEqual(status, 1 if err else 0, out)
        return err.splitlines()

    def include(self, path, header):
        found = self.findings(**{path: f"#include {header}\n"})
        (self.folder / path).unlink()
        return found

    def test_lower_folders_and_the_own_are_seen(self):
        for path, header in [("src/run/b.cpp", '"run/a.hpp"'), ("src/models/b.cpp", '"data/a.hpp"'), ("src/data/b.cpp", '"files/a.hpp"'),
                             ("src/app/b.cpp", '"train/a.hpp"'), ("tests/unit/b.cpp", '"app/a.hpp"')]:
            self.assertEqual(self.include(path, header), [], (path, header))

    def test_higher_folders_and_siblings_are_not_seen(self):
        for path, header in [("src/base/b.cpp", '"tensor/a.hpp"'), ("src/files/b.cpp", '"kernels/a.hpp"'),
                             ("src/models/b.cpp", '"optim/a.hpp"'), ("src/data/b.cpp", '"kernels/a.hpp"'),
                             ("src/data/b.cpp", '"autograd/a.hpp"'), ("src/run/b.cpp", '"train/a.hpp"')]:
            found = self.include(path, header)
            self.assertEqual(len(found), 1, (path, header))
            self.assertTrue(found[0].startswith(f"{path}:1: "), found)

    def test_a_trainer_knows_no_task(self):
        self.write("src/models/views/a.hpp", "#pragma once\n")
        for path in "src/train/b.cpp", "src/measure/b.cpp", "src/verify/b.cpp":
            [found] = self.include(path, '"models/views/a.hpp"')
            self.assertIn("models/task.hpp", found)
        for path in "src/app/b.cpp", "src/verify/golden/b.cpp", "src/models/language/b.cpp":
            self.assertEqual(self.include(path, '"models/views/a.hpp"'), [], path)

    def test_includes_are_written_from_src(self):
        self.assertEqual(len(self.include("src/run/b.cpp", '"a.hpp"')), 1)

    def test_outside_libraries_stay_in_their_file(self):
        self.assertEqual(self.include("src/files/hdf5.cpp", "<hdf5.h>"), [])
        self.assertEqual(self.include("src/kernels/cpu/onednn.cpp", "<oneapi/dnnl/dnnl.hpp>"), [])
        self.assertEqual(len(self.include("src/files/hdf5.hpp", "<hdf5.h>")), 1)
        self.assertEqual(len(self.include("src/layers/b.cpp", "<nlohmann/json.hpp>")), 1)
        self.assertEqual(len(self.include("src/layers/b.cpp", "<eigen3/Eigen/Dense>")), 1)
        self.assertEqual(self.include("src/layers/b.cpp", "<string_view>"), [])

    def test_forbidden_words_are_named_with_their_line(self):
        word = "GTEST" + "_SKIP"
        found = self.findings(**{"tests/unit/b_test.cpp": f"\n\nTEST(A, B) {{ {word}(); }}\n"})
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("tests/unit/b_test.cpp:3: "), found)

    def test_two_types_of_one_name_are_named(self):
        found = self.findings(**{
            "src/io/b.hpp": "namespace lact {\nclass Progress final : public Base {\n  struct Row {};\n};\n}\n",
            "src/parallel/b.cpp": "namespace lact {\nstruct Progress;\nenum class Kind : int { a, b };\nstruct Progress {\n"
                                  "  struct Row { int x; };\n};\n}\n",
            "src/optim/b.cpp": "namespace lact::more {\ntemplate <class Kind>\nstruct Kind2 {};\n}\n"
                               "namespace lact {\nnamespace {\nstruct Progress {};\n}\nvoid f() { struct Kind { int y; }; }\n"
                               "class Kind g(const struct Progress& p) { return {}; }\n}\n"})
        self.assertEqual([f.split("; give")[0] for f in found],
                         ["src/parallel/b.cpp:4: lact::Progress is also defined in src/io/b.hpp:2",
                          "src/parallel/b.cpp:5: lact::Progress::Row is also defined in src/io/b.hpp:3"])

    def test_test_programs_do_not_meet(self):
        found = self.findings(**{"src/io/b.hpp": "namespace lact { struct A { int x; }; }\n",
                                 "tests/io/b_test.cpp": "namespace lact { struct B {}; }\n",
                                 "tests/io/c_test.cpp": "namespace lact { struct B { int x; };\nstruct A {}; }\n"})
        self.assertEqual([f.split("; give")[0] for f in found],
                         ["tests/io/c_test.cpp:2: lact::A is also defined in src/io/b.hpp:1"])

    def test_cited_documents_and_sections_are_there(self):
        found = self.findings(**{
            "docs/math.md": "# Mathematics\n## 2. Norms\n### 2.1 Rows\nSee [plans](plans.md), docs/plans.md and https://example.org/other.md.\n",
            "docs/plans.md": "See DESIGN.md.\n",
            "src/base/b.cpp": "// Formulas: docs/math.md, 2.1 and 2.3; see docs/plans.md\nauto s = \"notes.md\";  // docs/none.md\n",
            "tools/b.py": "# docs/math.md, section 2; other/README.md\n"})
        self.assertEqual([f.split(";")[0] for f in found], [
            "src/base/b.cpp:1: docs/math.md has no section 2.3", "src/base/b.cpp:2: docs/none.md is no file of this house",
            "tools/b.py:1: other/README.md is no file of this house", "docs/plans.md:1: DESIGN.md is no file of this house"])

    def test_documents_name_sources_and_members_that_are_there(self):
        found = self.findings(**{
            "docs/a.md": "`base/a.hpp`, `Thing::run`, `b.cpp`,\n`base/b.cpp`, `Thing::walk`, `layers/b.cpp`\n",
            "docs/architecture.md": "`Thing`, `first_step`, `last_step`\n", "docs/images/a.svg": "<text>first_step, next_step</text>\n",
            "src/base/b.cpp": "struct Thing { void run(); void first_step(); };\n"})
        self.assertEqual([f.split(";")[0] for f in found],
                         ["docs/a.md:2: there is no source layers/b.cpp", "docs/a.md:2: the code knows no Thing::walk",
                          "docs/architecture.md:1: the code knows no last_step", "docs/images/a.svg:1: the code knows no next_step"])

    def test_sizes_have_limits(self):
        body = "  x += '{' + f(\"}\");  // {{{\n"
        long = "template <class T>\nvoid longest(T x) {\n" + body * 160 + "}\n"
        near = "Thing::Thing(int x) : a_{x}, b_(2) {\n" + body * 80 + "}\n"
        text = f"namespace lact {{\n{long}{near}struct S {{\n  int g() const {{ return 1; }}\n}};\n}}\n"
        found = self.findings(**{"src/base/b.cpp": text, "src/base/c.cpp": "\n" * 601})
        self.assertEqual([f.split(", over")[0] for f in found],
                         ["src/base/b.cpp:2: longest has 163 lines", "src/base/c.cpp:601: 601 lines"])
        for i in range(25):
            self.write(f"src/base/room/f{i}.hpp", "")
        out = run("check_house.py", self.folder)[1]
        self.assertIn("src/base/room: 25 files, the aim is 24", out)
        self.assertIn("src/base/b.cpp:165: Thing::Thing has 82 lines, the aim is 60", out)


class CompareRuns(InAFolder):
    def runs(self, a, b, *flags):
        for name, rows in (("a", a), ("b", b)):
            self.write(f"{name}/metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return run("compare_runs.py", self.folder / "a", self.folder / "b", *flags)

    def rows(self, count):
        return [{"step": s, "loss": 1 / s, "grad_norm": 0.5, "seconds": s} for s in range(1, count + 1)]

    def test_equal_runs(self):
        a = self.rows(5)
        b = [dict(row, seconds=9) for row in a] + [{"step": 5, "eval_psnr": 20}]
        self.assertEqual(self.runs(a, b, "--equal")[:2], (0, "equal for 5 steps\n"))

    def test_the_first_difference_is_named(self):
        a, b = self.rows(5), self.rows(5)
        b[2]["grad_norm"] = 0.25
        b[3]["loss"] = None
        status, out, _ = self.runs(a, b)
        self.assertEqual((status, out), (0, "first difference at step 3: grad_norm 0.5 in A, 0.25 in B (relative difference 5.00e-01)\n"))
        self.assertEqual(self.runs(a, b, "--equal")[0], 1)

    def test_a_shorter_run_is_not_equal(self):
        self.assertEqual(self.runs(self.rows(5), self.rows(3))[0], 0)
        self.assertEqual(self.runs(self.rows(5), self.rows(3), "--equal")[0], 1)

    def test_what_is_no_run_is_named(self):
        status, _, err = run("compare_runs.py", self.folder, self.folder)
        self.assertEqual(status, 1)
        self.assertIn("metrics.jsonl", err)


class CountTests(InAFolder):
    def counted(self, *entries):
        cases = "".join(f'<testcase name="t" status="{status}"><system-out>{out}</system-out></testcase>' for status, out in entries)
        path = self.write("tests.xml", f"<testsuite>{cases}</testsuite>")
        status, out, _ = run("count_tests.py", path)
        return (status, *out.splitlines()[-2:])

    def test_cases_are_counted_not_programs(self):
        program = "".join(f"[ RUN      ] {case}\n{said}[       OK ] {case}{values} (12 ms)\n"
                          for case, said, values in [("A.B", "", ""), ("A/C.D/1", "", ", where x = 3"), ("A.E", "step 3", "")])
        self.assertEqual(self.counted(("run", program), ("run", "house")), (0, "4 passed, 0 failed", "lact: 4 passed, 0 failed, 0 not run"))

    def test_failures_and_deaths_count(self):
        good = "[ RUN      ] A.B\n[       OK ] A.B (0 ms)\n"
        wrong = "[ RUN      ] A.C\n[  FAILED  ] A.C (3 ms)\n"
        dies = "[ RUN      ] A.D\n"
        self.assertEqual(self.counted(("fail", good + wrong + dies))[:2], (1, "1 passed, 2 failed"))
        self.assertEqual(self.counted(("fail", good))[:2], (1, "1 passed, 1 failed"))  # died after its last case
        self.assertEqual(self.counted(("run", good), ("fail", ""))[:2], (1, "1 passed, 1 failed"))

    def test_what_was_left_out_counts_as_not_run(self):
        build = self.folder / "build"
        build.mkdir()
        program = build / "some_test"
        program.write_text("#!/bin/sh\nprintf 'A.\\n  B\\n  C\\n'\n")
        program.chmod(0o755)
        labels = 'set_tests_properties([=[x]=] [=[y]=] [=[z]=] PROPERTIES LABELS "medium;cuda")\n'
        (build / "CTestTestfile.cmake").write_text(f'add_test([=[x]=] "{program}")\nadd_test([=[y]=] "/bin/echo" "{program}")\n'
                                                   f'add_test([=[z]=] "/bin/echo" "key=value")\n{labels}')
        path = self.write("tests.xml", '<testsuite><testcase name="t" status="run"><system-out>done</system-out></testcase></testsuite>')
        status, out, _ = run("count_tests.py", path, "--left-out", build, "cuda")
        self.assertEqual((status, out.splitlines()[-1]), (0, "lact: 1 passed, 0 failed, 5 not run"))

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.counted()[:2], (1, "0 passed, 0 failed"))
        status, out, _ = run("count_tests.py", self.folder / "missing.xml")
        self.assertEqual((status, out.splitlines()[-2]), (1, "0 passed, 1 failed"))


class Bundle(InAFolder):
    """Of a build whose programs are those of the system."""

    def test_what_a_gpu_needs_is_packed(self):
        house, build = self.folder / "house", self.folder / "build"
        shutil.copytree(TOOLS, house / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        for path in ("house/tests/a", "house/configs/b", "house/src/autograd/ops.hpp"):
            self.write(path, "")
        build.mkdir()
        for program in ("lact", "a_test", "cpu_test"):
            shutil.copy("/bin/true", build / program)
        label = 'set_tests_properties([=[{}]=] PROPERTIES LABELS "small;{}")\n'
        (build / "CTestTestfile.cmake").write_text(
            f'add_test([=[a.cuda]=] "{build}/a_test")\n' + label.format("a.cuda", "cuda") +
            f'add_test([=[b.cuda]=] "/usr/bin/mpiexec" "-n" "2" "{build}/b_test")\n' + label.format("b.cuda", "cuda") +
            f'add_test([=[cpu]=] "{build}/cpu_test")\n' + label.format("cpu", "cpu"))
        done = subprocess.run([house / "tools/bundle", build, self.folder / "out.tar.xz"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 tests of GPUs are not built and not packed", done.stderr)
        self.assertRegex(done.stdout, r"out\.tar\.xz: [0-9.]+[KM]iB; needs glibc 2\.[0-9]+ or newer, and of CUDA: nothing\n")
        names = subprocess.run(["tar", "tf", self.folder / "out.tar.xz"], capture_output=True, text=True).stdout.split()
        self.assertEqual(sorted(n for n in names if n.startswith("lact/bin/")), ["lact/bin/", "lact/bin/a_test", "lact/bin/lact"])
        for name in ("lact/tests.json", "lact/tools/gpu_report", "lact/tools/gpu/bars.py", "lact/configs/b", "lact/src/autograd/ops.hpp"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main()
