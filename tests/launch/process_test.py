#!/usr/bin/env python3
"""The program as a process: its cores, its name, its descriptors, hang-ups, and readers of its output that go away."""
import os
import pathlib
import pty
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import cases  # noqa: E402
from support.started import LACT, OfRanks, comes_true  # noqa: E402

USABLE = sorted(os.sched_getaffinity(0))


class OfOne(OfRanks):
    def train(self, *words):
        return super().train("parallel.cp=1", *words)

    def start_training(self, *words, **environment):
        before = len(self.rows())
        run = self.start(self.train(*words), **environment)
        self.assertTrue(comes_true(lambda: len(self.rows()) > before + 20), run.said())
        return run

    def popen(self, command, **options):
        """A command whose descriptors the test chooses itself."""
        process = subprocess.Popen([str(word) for word in command], start_new_session=True, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class Cores(OfOne):
    # The program starts itself once more unless it finds settings of OpenMP: both ways are taken.
    AGAIN = {"GOMP_SPINCOUNT": None, "OMP_WAIT_POLICY": None}
    AT_ONCE = {"GOMP_SPINCOUNT": None, "OMP_WAIT_POLICY": "passive"}

    def threads(self, run):
        [line] = self.lines(run.said()[1], " threads; ")
        return int(line.split(" threads; ")[0].split()[-1])

    def cores_of_threads(self, **environment):
        """How many threads OpenMP has, and the cores that each thread of the process is bound to."""
        run = self.start_training("compute.threads=0", "data.threads=2", **environment)
        bound = [sorted(os.sched_getaffinity(int(task.name))) for task in pathlib.Path(f"/proc/{run.process.pid}/task").iterdir()]
        run.send(signal.SIGTERM)
        run.wait()
        return self.threads(run), bound

    def test_are_all_whatever_the_environment_says_of_binding(self):
        def threads(i, **environment):
            run = self.start(self.train("train.steps=2", f"run.dir={self.folder}/{i}", "compute.threads=0"), **environment)
            run.wait()
            return self.threads(run)

        every = threads("every")
        for i, wish in enumerate(["OMP_PROC_BIND=close", "OMP_PROC_BIND=spread", "OMP_PLACES=cores", "OMP_PLACES=threads",
                                  f"GOMP_CPU_AFFINITY={USABLE[0]}-{USABLE[-1]}", "KMP_AFFINITY=compact"]):
            self.assertEqual(threads(i, **dict([wish.split("=")]), **(self.AGAIN, self.AT_ONCE)[i % 2]), every, wish)

    def test_a_wish_to_bind_threads_binds_those_that_compute(self):
        for how in self.AGAIN, self.AT_ONCE:
            threads, bound = self.cores_of_threads(OMP_PROC_BIND="close", **how)
            self.assertEqual(sorted(cores for cores in bound if len(cores) == 1)[:threads], [[core] for core in USABLE[:threads]])
            self.assertGreaterEqual(bound.count(USABLE), 2, "threads that read pictures run everywhere")

    def test_without_a_wish_nothing_is_bound(self):
        _, bound = self.cores_of_threads()
        self.assertEqual(bound, [USABLE] * len(bound))

    def test_places_that_are_few_are_kept(self):
        last = USABLE[-1]
        threads, bound = self.cores_of_threads(OMP_PLACES=f"{{{last}}}")
        self.assertEqual(threads, 1)
        self.assertIn([last], bound)

    def test_ranks_that_are_played_are_not_all_on_the_first_core(self):
        run = self.start_training("train.deterministic=true", OMP_PROC_BIND="true")
        for task in pathlib.Path(f"/proc/{run.process.pid}/task").iterdir():
            self.assertEqual(sorted(os.sched_getaffinity(int(task.name))), USABLE)


class Name(OfOne):
    def test_is_that_of_the_program(self):
        (self.folder / "lact-link").symlink_to(LACT)
        for path, name in (LACT, "lact"), (self.folder / "lact-link", "lact-link"):
            run = self.start([path, *self.train()[1:]])
            comm = pathlib.Path(f"/proc/{run.process.pid}/comm")
            self.assertTrue(comes_true(lambda: comm.read_text() == f"{name}\n", 5), comm.read_text())
            self.assertTrue(comes_true(lambda: len(self.rows()) > 3), run.said())
            self.assertEqual(comm.read_text(), f"{name}\n")
            run.end()
            (self.folder / "run/metrics.jsonl").unlink()


class HangUp(OfOne):
    def test_saves_and_is_75_however_often_it_comes(self):
        run = self.start_training()
        for _ in range(3):
            run.send(signal.SIGHUP)
        status, _, err = run.wait()
        self.assertEqual((status, self.saved()), (75, 1), err)

    def test_together_with_a_request_to_end_saves(self):
        run = self.start_training()
        run.send(signal.SIGHUP)
        run.send(signal.SIGTERM)
        self.assertEqual((run.wait()[0], self.saved()), (75, 1))

    def test_is_nothing_where_it_was_ignored_at_the_start(self):
        run = self.start(["nohup", *self.train()])
        self.assertTrue(comes_true(lambda: len(self.rows()) > 20), run.said())
        run.send(signal.SIGHUP)
        before = len(self.rows())
        self.assertTrue(comes_true(lambda: len(self.rows()) > before + 50), self.all_said())
        run.send(signal.SIGTERM)
        self.assertEqual((run.wait()[0], self.saved()), (75, 1))

    def test_is_nothing_either_where_a_library_handles_it(self):
        (self.folder / "handler.c").write_text(
            "#include <signal.h>\nstatic void caught(int s) {}\n"
            "__attribute__((constructor)) static void begin(void) { signal(SIGHUP, caught); }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", self.folder / "handler.so", self.folder / "handler.c"], check=True)
        run = self.start(["nohup", "env", f"LD_PRELOAD={self.folder}/handler.so", *self.train()])
        self.assertTrue(comes_true(lambda: len(self.rows()) > 20), run.said())
        run.send(signal.SIGHUP)
        before = len(self.rows())
        self.assertTrue(comes_true(lambda: len(self.rows()) > before + 50), self.all_said())
        run.send(signal.SIGTERM)
        self.assertEqual((run.wait()[0], self.saved()), (75, 1))

    def test_of_a_terminal_that_is_closed_saves(self):
        words = [str(word) for word in self.train()]
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(words[0], words)
        self.assertTrue(comes_true(lambda: os.read(terminal, 4096) and len(self.rows()) > 20))
        os.close(terminal)
        self.assertEqual((os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), self.saved()), (75, 1))


class Readers(OfOne):
    def test_that_go_away_end_no_training(self):
        log, writes = os.pipe()
        run = self.popen(self.train("train.steps=2000"), stdin=subprocess.DEVNULL, stdout=writes, stderr=writes)
        os.close(writes)
        os.read(log, 1)
        os.close(log)
        self.assertEqual(run.wait(60), 0)
        self.assertEqual(self.rows(), list(range(1, 2001)))
        self.assertEqual(self.saved(), 1)

    def test_of_results_end_the_command_quietly(self):
        self.run_to_end(self.train("train.steps=2"))
        for restored in True, False:  # a parent may have SIGPIPE ignored, and that is inherited
            for words in ["inspect", self.folder / "run"], ["train", "--help-config"], ["plan", self.folder / "tiny.yaml", "machine=here"]:
                results, writes = os.pipe()
                os.close(results)
                run = self.popen([LACT, *words], stdin=subprocess.DEVNULL, stdout=writes, stderr=subprocess.PIPE, text=True, restore_signals=restored)
                os.close(writes)
                err = run.communicate(timeout=60)[1]
                self.assertIn(run.returncode, (0, -signal.SIGPIPE), words)
                self.assertEqual([line for line in err.splitlines() if line.startswith("lact: ")], [], words)

    def test_of_pictures_leave_all_of_them(self):
        self.run_to_end(self.train("train.steps=2"))
        results, writes = os.pipe()
        os.close(results)
        run = self.popen([LACT, "render", self.folder / "run", f"out={self.folder}/pictures"], stdin=subprocess.DEVNULL, stdout=writes, stderr=writes)
        os.close(writes)
        self.assertEqual(run.wait(60), 0)
        self.assertGreaterEqual(len(list((self.folder / "pictures").iterdir())), 2)

    def test_a_full_disk_for_results_is_still_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            run = self.popen([LACT, "train", "--help-config"], stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertIn("the results cannot be written to stdout", run.communicate(timeout=30)[1])
            self.assertEqual(run.returncode, 1)


class Closed(OfOne):
    def in_shell(self, words, closed):
        line = " ".join(str(word) for word in words) + f" {closed}"
        return subprocess.run(["bash", "-c", line], cwd=self.folder, timeout=60, check=False).returncode

    def test_descriptors_take_no_lines_of_the_log(self):
        for i, closed in enumerate((">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-", "2>&-", "<&-")):
            self.assertEqual(self.in_shell(self.train("train.steps=3", f"run.dir={self.folder}/run{i}"), closed), 0, closed)
            for file in (self.folder / f"run{i}").rglob("*"):
                if file.is_file() and file.name != "config.yaml":
                    self.assertNotIn(b" parameters, ", file.read_bytes(), f"{closed}: {file}")
            self.assertEqual(len((self.folder / f"run{i}/metrics.jsonl").read_text().splitlines()), 4, closed)

    def test_stdout_for_results_is_an_error(self):
        self.assertEqual(self.in_shell([LACT, "train", "--help-config"], ">&- 2>&-"), 1)


if __name__ == "__main__":
    sys.exit(cases.main())
