#!/usr/bin/env python3
"""The report of a GPU on made-up programs: every row comes, in time, on the disk at once, and one that fails ends no other."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
LACT = """#!/usr/bin/env python3
import json, os, pathlib, sys, time
words = sys.argv[1:]
mood = json.loads((pathlib.Path(__file__).parent / "mood.json").read_text())
with open(pathlib.Path(__file__).parent / "asked", "a") as asked:
    print(os.getpid(), *words, file=asked)
for word, seconds in mood.get("slow", {}).items():
    if word in words:
        time.sleep(seconds)
views = next((int(w.split("=")[1]) for w in words if w.startswith("data.num_input_views=")), 8)
loss = 0.25 + (0.1 if "compute.cudnn=all" in words and mood.get("wrong") else 0)
step = dict(seconds=views / 16, tokens=2048 * views, tokens_per_second=2048.0, peak_bytes=7e9, utilisation=0.55,
            product_flops_per_second=6e14, forward_seconds=0.1, backward_seconds=0.2, optimizer_seconds=0.1, loss=loss,
            graph="compute.graphs=false" not in words)
own = "own kernel" if "compute.cudnn=none" in words else "cuDNN 9.19.0"
said = dict(gemm=dict(rows=[dict(m=1, n=2, k=3, seconds=1e-6, flops_per_second=6e14, error=1e-7)]),
            copy=dict(rows=[dict(what="copy", bytes=8, seconds=1e-6, bytes_per_second=3e12, wrong=2)]),
            newton_schulz=dict(forward_seconds=1.5e-4, backward_seconds=4e-4, error=0.02, error_bound=0.1),
            attention=dict(forward_seconds=1e-4, backward_seconds=3e-4, forward_flops_per_second=5e14, backward_flops_per_second=4e14,
                           forward_by=own, backward_by="own kernel" if mood.get("no_cudnn") else own, error=2e-3, error_bound=2e-2),
            fast_weights=dict(step, error=0.03, error_bound=0.1), train=step)
if words[0] == "verify":
    print("17 files, 0 failed")
elif words[0] == "--version":
    print("lact 0.1")
elif words[0] == "plan":
    again = "train.activation_checkpointing=true" in words
    print(json.dumps(dict(layouts=[dict(activation_checkpointing=a, seconds=views / 64, memory_bytes=dict(total=views * (0.2e9 if a else 4e9)))
                                   for a in (not again, again)])))
elif words[0] == "train":
    run = pathlib.Path(next(w for w in reversed(words) if w.startswith("run.dir="))[8:])
    run.mkdir(parents=True)
    apart = 0 if "compute.device=cpu" in words else mood.get("apart", 1e-6)
    (run / "metrics.jsonl").write_text("".join(json.dumps(dict(step=s, loss=(1 + apart) / s, seconds=0.01)) + "\\n" for s in range(1, 21)))
elif "tokens=131072" in words:
    print("lact: a | b\\nTraceback")
    sys.exit(1)
elif views == 512:
    print("[error] out of memory on a GPU; a step is planned to take 124 GB of the device's 80 GB")
    sys.exit(1)
else:
    print(json.dumps(said[words[1]]))
sys.exit("copy" in words)
"""
SMALL = "16,384 tokens"


class GpuReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"
        shutil.copytree(TOOLS, self.folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(TOOLS.parent / "configs/machines", self.folder / "configs/machines")
        self.write("bin/lact", LACT)
        self.write("bin/a_test", "#!/bin/sh\necho \"[       OK ] A.B on $LACT_TEST_DEVICE $ORDER\"\n")
        self.write("bin/b_test", "#!/bin/sh\necho '[  FAILED  ] A.C (1 ms)'\necho '[  FAILED  ] A.C'\nexit 1\n")
        self.mood()

    def write(self, path, text):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)
        return place

    def mood(self, **how):
        self.write("bin/mood.json", json.dumps(how))

    def start(self, *arguments):
        return subprocess.Popen([sys.executable, str(self.folder / "tools/gpu_report"), "--out", str(self.out), *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": "/usr/bin:/bin"})

    def report(self, *arguments):
        with self.start(*arguments) as process:
            out = process.communicate(timeout=50)[0]
        part = arguments[arguments.index("--part") + 1]
        rows = self.rows(part)
        self.assertEqual([c for l in out.splitlines() if (c := self.cells(l))][2:], rows, out)  # what is printed is what is kept
        return process.returncode, rows, out

    @staticmethod
    def cells(line):
        return [c.strip() for c in line.strip("|").split(" | ")] if line.startswith("| ") else None

    def rows(self, part):
        rows = [self.cells(l) for l in (self.out / f"{part}.md").read_text().splitlines()][2:]
        self.assertTrue(all(len(r) == 5 for r in rows), rows)
        return rows

    def row(self, rows, part):
        found = [r for r in rows if part in r[0]]
        self.assertEqual(len(found), 1, (part, rows))
        return found[0]

    def pids(self):
        return [int(l.split()[0]) for l in (self.folder / "bin/asked").read_text().splitlines() if " bench " in l]

    def wait_for(self, what):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.05)
        self.fail("waited for 20 s")

    def test_bars_have_a_plan_a_number_and_whether_it_is_right(self):
        status, rows, out = self.report("--part", "bars", "--limit", "1000")
        self.assertEqual(status, 1)
        first = self.row(rows, "of the measured product rate")
        self.assertEqual(first[1:3], ["50 %", "125 ms, 32.0 GB"])
        self.assertIn("55.0 % of 600 TFLOP/s (met); 500.0 ms", first[3])
        self.assertIn("as a CUDA graph", first[3])
        self.assertEqual(first[4], "loss 0.250000, finite")
        unlike = self.row(rows, "without CUDA graphs")
        self.assertNotIn("as a CUDA graph", unlike[3])
        self.assertEqual(unlike[4], f"loss 0.250000, 0.0e+00 from that of {SMALL}, bound 0e+00")
        self.assertIn("(missed)", self.row(rows, "the same step at 32,768 tokens")[3])
        self.assertIn("150 us (met), 400 us (missed)", self.row(rows, "Newton-Schulz")[3])
        self.assertEqual(self.row(rows, "Newton-Schulz")[4], "error 2.0e-02, bound 1e-01")
        self.assertIn("100 us, 500 TFLOP/s (cuDNN 9.19.0); 300 us, 400 TFLOP/s", self.row(rows, "causal=true, through cuDNN")[3])
        self.assertIn("500 TFLOP/s (own kernel)", self.row(rows, "causal=false, own kernels")[3])
        self.assertIn("55.0 % of 600 TFLOP/s (missed)", self.row(rows, "width 768, 32,768 tokens")[3])
        self.assertIn("+0.0 % against 65,536 tokens (met)", self.row(rows, "524,288 tokens")[3])
        self.assertEqual(self.row(rows, "bytes read")[3:], ["copy of 8e-06 MB 3000 GB/s", "exit 1: the numbers are WRONG; 2 wrong"])
        self.assertEqual(self.row(rows, "LaCT language 760M")[4], "loss 0.250000, finite")
        self.assertIn("not run: no --peer", self.row(rows, "PyTorch")[3])

    def test_a_row_that_fails_says_why_and_ends_no_other(self):
        self.mood(wrong=True)
        status, rows, _ = self.report("--part", "bars", "--limit", "1000")
        self.assertEqual(status, 1)
        self.assertRegex(self.row(rows, "131,072 tokens")[3], r"exit 1 after \d+ s: lact: a / b")
        self.assertIn("4.0e-01 from that of", self.row(rows, "16,384 tokens with products through cuDNN")[4])
        self.assertEqual(len(rows), 23)

    def test_what_does_not_fit_the_card_has_the_programs_advice(self):
        _, rows, _ = self.report("--part", "bars", "--limit", "1000")
        largest = self.row(rows, "1,048,576 tokens")
        self.assertIn("102.4 GB: does not fit", largest[2])
        self.assertIn("a step is planned to take 124 GB of the device's 80 GB", largest[3])
        self.assertEqual(largest[4], "does not fit, as planned")
        self.assertEqual(rows[-1], largest)

    def test_rows_that_would_not_fit_the_time_are_left_out(self):
        status, rows, _ = self.report("--part", "bars", "--limit", "20")
        self.assertEqual((status, len(rows)), (1, 23))
        self.assertIn("150 us", self.row(rows, "Newton-Schulz")[3])
        self.assertRegex(self.row(rows, "524,288 tokens")[3], r"left out: no time \(wants [0-9]+ s, [0-9]+ s are left\)")

    def test_a_row_has_its_own_limit(self):
        self.mood(slow={"newton_schulz": 60})
        sys.path.insert(0, str(self.folder / "tools"))
        from gpu.machine import Machine
        begin = time.monotonic()
        outcome = Machine(100, self.folder / "bin").lact(2, "bench", "newton_schulz")
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(outcome.word, "too slow")

    def test_a_kill_keeps_the_rows_and_leaves_nothing_running(self):
        self.mood(slow={"newton_schulz": 60})
        for number in (signal.SIGKILL, signal.SIGTERM):
            (self.folder / "bin/asked").unlink(missing_ok=True)
            with self.start("--part", "bars") as process:
                self.wait_for(lambda: (self.folder / "bin/asked").exists() and " newton_schulz " in (self.folder / "bin/asked").read_text())
                process.send_signal(number)
                self.wait_for(lambda: process.poll() is not None)
                process.stdout.read()
            rows = self.rows("bars")
            self.assertIn("3000 GB/s", self.row(rows, "bytes read")[3])
            if number == signal.SIGTERM:
                self.assertEqual(process.returncode, 1)
                self.assertIn("cut off after", self.row(rows, "Newton-Schulz")[3])
                self.assertEqual(rows[-1][3], "left out: cut off before")
                self.assertEqual(len(rows), 23)
            else:
                self.assertEqual(len(rows), 3)
            child = self.pids()[-1]
            self.wait_for(lambda: not os.path.exists(f"/proc/{child}") or "State:\tZ" in pathlib.Path(f"/proc/{child}/status").read_text())

    def test_proof_compares_losses_and_names_what_is_missing(self):
        for program in ("pointwise_test", "norms_test", "gemm_test"):
            shutil.copy(self.folder / "bin/a_test", self.folder / f"bin/{program}")
        shutil.copy(self.folder / "bin/b_test", self.folder / "bin/ops_test")
        self.mood(apart=1e-2, no_cudnn=True)
        status, rows, _ = self.report("--part", "proof")
        self.assertEqual(status, 1)
        self.assertEqual(self.row(rows, "reference files")[4], "17 files, 0 failed")
        fp32 = next(r for r in rows if r[0].endswith("GPU, fp32"))
        self.assertEqual(fp32[4], "largest difference 1.0e-02 of the loss, beside cpu; bound 1e-03")
        self.assertIn("equal for 20 steps, beside fp32", self.row(rows, "GPU, fp32, without CUDA graphs")[4])
        self.assertIn("1 passed, 0 failed", self.row(rows, "pointwise_test")[4])
        self.assertIn("0 passed, 1 failed", self.row(rows, "ops_test")[4])
        self.assertIn("not run: there is no", self.row(rows, "bf16_test")[3])
        self.assertEqual(self.row(rows, "compute.cudnn=attention")[3], "forward by cuDNN 9.19.0, backward by own kernel")

    def test_tests_of_several_ranks_run_where_mpirun_is(self):
        entry = {"properties": [{"name": "LABELS", "value": ["cuda"]}, {"name": "ENVIRONMENT", "value": ["LACT_BINARY=/build/lact", "ORDER=1"]}]}
        tests = [dict(entry, name="a.cuda", command=["/build/a_test"]), dict(entry, name="b.cuda", command=["/build/b_test"]),
                 dict(entry, name="ranks.cuda", command=["/usr/bin/mpiexec", "-n", "2", "/build/a_test"]),
                 {"name": "a", "command": ["/build/b_test"], "properties": []}, dict(entry, name="was not built")]
        self.write("tests.json", json.dumps({"tests": tests}))
        status, rows, _ = self.report("--part", "tests")
        self.assertEqual(status, 1)
        self.assertEqual(self.row(rows, "test a.cuda")[4], "1 passed, 0 failed")
        self.assertEqual((self.row(rows, "test b.cuda")[3][:6], self.row(rows, "test b.cuda")[4]), ("exit 1", "0 passed, 1 failed"))
        self.write("mpi/bin/mpirun", '#!/bin/sh\nshift 2\n"$1" && "$1"\n')
        status, rows, out = self.report("--part", "tests", "--tests", "^(a|ranks)")
        self.assertEqual((status, self.row(rows, "test ranks.cuda")[4]), (0, "2 passed, 0 failed"), out)

    def test_the_parts_fit_their_time_on_paper(self):
        for part in ("proof", "bars"):
            with self.start("--part", part, "--paper", "--peer", str(self.folder)) as process:
                out = process.communicate(timeout=30)[0]
            self.assertEqual(process.returncode, 0, out)
            self.assertIn(f"the part '{part}'", out.splitlines()[-1])
        with self.start("--part", "bars", "--paper", "--limit", "30") as process:
            self.assertIn("TOO LONG", process.communicate(timeout=30)[0])
        self.assertEqual(process.returncode, 1)


if __name__ == "__main__":
    unittest.main()
