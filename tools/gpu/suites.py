"""Every test of the bundle that uses a GPU, and memory checks of the kernels' tests."""
import concurrent.futures
import json
import pathlib
import re
import shutil
import tempfile

from gpu.machine import ROOT
from gpu.proof import count_of, failures_of
from gpu.report import Result, Row

SANITIZED = ["pointwise_test", "gates_test", "sums_test", "norms_test", "softmax_test", "gemm_test", "attention_test", "update_test",
             "convolution_test", "recurrence_test", "selective_scan_test", "bf16_test"]


def mpirun():
    own = ROOT / "mpi/bin/mpirun"
    return str(own) if own.is_file() else shutil.which("mpirun")


def gpu_tests(listing, programs, pattern, scratch):
    """Name, command (None: it needs an mpirun that is not here), environment and wanted output of ctest's GPU entries."""
    for test in listing["tests"]:
        about = {p["name"]: p["value"] for p in test.get("properties", [])}
        if "cuda" not in about.get("LABELS", []) or "command" not in test or not re.search(pattern, test["name"]):
            continue
        own = dict(e.split("=", 1) for e in about.get("ENVIRONMENT", []))
        build = str(pathlib.Path(own.pop("LACT_BINARY", test["command"][0])).parent)
        command = []
        for word in test["command"]:
            packed = programs / pathlib.Path(word).name
            command.append(str(packed) if word.startswith("/") and packed.is_file() else word.replace(build + "/", scratch + "/"))
        if pathlib.Path(test["command"][0]).name in ("mpirun", "mpiexec"):
            command = [mpirun(), *command[1:]] if mpirun() else None
        own.setdefault("OMP_NUM_THREADS", "2")
        yield test["name"], command, {"LACT_TEST_DEVICE": "cuda", **own}, about.get("PASS_REGULAR_EXPRESSION", [])


class Together:
    """Programs that run side by side from the first measured row on; a row waits for its own."""

    def __init__(self, machine, report, seconds, jobs):
        self.machine, self.report, self.seconds = machine, report, seconds
        self.jobs, self.commands, self.running = jobs, [], []

    def begin(self):
        if not self.running:
            pool = concurrent.futures.ThreadPoolExecutor(self.jobs)
            self.running = [pool.submit(self.machine.run, command, self.seconds, env) for command, env in self.commands]

    def row(self, what, aim, command, env, judge):
        if not command:
            return Row(what, aim, 0, self.seconds, lambda _: Result("not run: no mpirun here"))
        place = len(self.commands)
        self.commands.append((command, env))

        def measure(most):
            self.begin()
            return judge(self.running[place].result(most + 5))
        return Row(what, aim, 0, self.seconds, measure)


def tests(machine, report, seconds, jobs, pattern):
    together = Together(machine, report, seconds, jobs)
    scratch = tempfile.mkdtemp()
    rows = []
    for name, command, env, wanted in gpu_tests(json.loads((ROOT / "tests.json").read_text()), machine.programs, pattern, scratch):
        def judge(outcome, name=name, wanted=wanted):
            right = outcome.status == 0 and all(re.search(w, outcome.text) for w in wanted)
            if not right:
                report.note(name, "\n".join(failures_of(outcome.text)))
            passed, failed = count_of(outcome.text)
            said = outcome.why() if outcome.status != 0 else f"{outcome.word}, {outcome.seconds:.0f} s"
            return Result(said, f"{passed} passed, {failed} failed" if right or passed + failed else "not what was wanted", right)
        rows.append(together.row(f"test {name}", "all pass", command, env, judge))
    return rows


def sanitizer(machine, report, seconds, jobs):
    if shutil.which("compute-sanitizer") is None:
        return [Row("compute-sanitizer on the kernel tests", "clean", 0, 1, lambda _: Result("not run: no compute-sanitizer here"))]
    together = Together(machine, report, seconds, jobs)
    rows = []
    for tool in ("memcheck", "racecheck"):
        for name in (n for n in SANITIZED if (machine.programs / n).is_file()):
            def judge(outcome, what=f"{tool} {name}"):
                found = [l for l in outcome.text.splitlines() if l.startswith("=====")]
                if outcome.status not in (0, None):
                    report.note(what, "\n".join(found[:25]))
                return Result(f"{outcome.word}, {outcome.seconds:.0f} s", found[-1].strip("= ") if found else "", outcome.status == 0)
            rows.append(together.row(f"compute-sanitizer, {tool} of {name}", "clean",
                                     ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", str(machine.programs / name)],
                                     {"LACT_TEST_DEVICE": "cuda", "OMP_NUM_THREADS": "2"}, judge))
    return rows
