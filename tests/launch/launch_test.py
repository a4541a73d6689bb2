#!/usr/bin/env python3
"""launch/run: statuses, signals, shares of the host, failures and restarts of ranks on this machine."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import cases  # noqa: E402
from support.started import HOUSE, RUN, STEPS, OfRanks, comes_true, processes_with  # noqa: E402

CORES = len(subprocess.run([HOUSE / "launch/rank.sh", "--cores"], check=True, capture_output=True).stdout.splitlines())


class Command(OfRanks):
    def test_a_wrong_command_line_is_2_and_says_what_is_wrong(self):
        for words, said in [([], "-n wants the number of ranks"), (["-n", "0", "--", "true"], "'0'"), (["-n", "2"], "no program"),
                            (["-n", "2", "true"], "'--' must stand"), (["--frob"], "'--frob' is not known"), (["-n"], "needs a value"),
                            (["-n", "2", "--bind", "x", "--", "true"], "--bind"), (["-n", "2", "--restarts", "-1", "--", "true"], "'-1'"),
                            (["-n", "2", "-H", "a", "--hostfile", "b", "--", "true"], "exclude each other")]:
            status, out, err = self.run_to_end([HOUSE / "launch/run", *words])
            self.assertEqual((status, out), (2, ""), words)
            self.assertEqual(len(self.lines(err, "launch/run: ", said)), 1, err)

    def test_help_has_an_example(self):
        for script in "run", "rank.sh":
            status, out, err = self.run_to_end([HOUSE / "launch" / script, "--help"])
            self.assertEqual((status, err), (0, ""))
            self.assertIn("example: ", out)

    def test_a_program_that_is_not_there_is_one_sentence(self):
        status, _, err = self.run_to_end([*RUN, "-n", "2", "--", self.folder / "none"])
        self.assertEqual((status, err), (1, f"launch/run: there is no program '{self.folder}/none' here\n"))

    def test_serves_through_links(self):
        (self.folder / "a/b").mkdir(parents=True)
        (self.folder / "a/b/first").symlink_to(os.path.relpath(HOUSE / "launch/run", self.folder / "a/b"))
        (self.folder / "a/second").symlink_to("b/first")
        (self.folder / "third").symlink_to(self.folder / "a/second")
        for link in "a/b/first", "a/second", "third":
            status, out, err = self.run_to_end([self.folder / link, *RUN[1:], "-n", "1", "--", "sh", "-c", "echo $OMP_NUM_THREADS"])
            self.assertEqual((status, out, err), (0, "1\n", ""))
        (self.folder / "check").symlink_to(HOUSE / "tools/check_house.py")
        status, out, _ = self.run_to_end([self.folder / "check"])
        self.assertEqual(status, 0)
        self.assertIn("src/parallel", out)

    def test_alone_it_says_what_is_missing(self):
        shutil.copy(HOUSE / "launch/run", self.folder)
        status, _, err = self.run_to_end([self.folder / "run", "-n", "1", "--", "true"])
        self.assertEqual((status, err), (1, f"launch/run: {self.folder}/rank.sh is not there; launch/run needs the other files of its folder\n"))

    def test_without_mpirun_it_says_how_to_get_it(self):
        for tool in "bash dirname cat sort cut wc realpath sed".split():
            (self.folder / tool).symlink_to(shutil.which(tool))
        status, _, err = self.run_to_end([*RUN, "-n", "2", "--", "bash"], PATH=str(self.folder))
        self.assertEqual((status, err), (1, "launch/run: mpirun is not installed; it comes with Open MPI (on Debian: openmpi-bin)\n"))

    def test_of_the_remarks_of_openmpi_errors_stay_and_a_lost_host_is_one(self):
        rule = 74 * "-"
        remarks = f"""[vm][[9,1],0][../opal/mca/btl/tcp/btl_tcp_proc.c:266:graph] Unable to find reachable pairing between local and remote interfaces
{rule}
prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-vm-11@1,0]
   Exit code:    75
{rule}
MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD
  Proc: [[9,1],0]
  Errorcode: 1

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
You may or may not see output from other processes, depending on
exactly when Open MPI kills them.
prterun has exited due to process rank 1 with PID 0 on node vm calling
"abort". This may have caused other processes in the application to be
terminated by signals sent by prterun (as reported here).
"""
        late = f"""{rule}
ORTE does not know how to route a message to the specified daemon
located on the indicated node:

  my node:   host0
  target node:  host1

This is usually an internal programming error that should be
reported to the developers. In the meantime, a workaround may
be to set the MCA param routed=direct on the command line or
in your environment. We apologize for the problem.
{rule}
"""
        # what two ranks say at once may be torn
        torn = "[vm][[9,1],0][../opal/mca/btl/tcp/btl_tcp_proc.c:266:graph] [vm][[9,1],1][../opal/mca/btl/tcp/btl_tcp_proc.c:266:graph] \n"
        torn += 2 * "Unable to find reachable pairing between local and remote interfaces\n"
        noticed = "prterun noticed that process rank 0 with PID 29 on node vm exited on\nsignal 11 (Segmentation fault).\n"
        apart = "At least one pair of MPI processes are unable to reach each other for\nMPI communications.\n"
        lost = "PRTE has lost communication with a remote daemon.\n"
        for said, ends, status, err in [(remarks, 75, 75, ""), (remarks + apart, 1, 1, apart), (late + torn + apart, 1, 1, apart),
                                        (remarks + noticed, 139, 139, noticed + "launch/run: ended by signal 11 of a rank\n"),
                                        (lost, 0, 255, lost), ("", 0, 0, "")]:
            (self.folder / "said").write_text(said)
            (self.folder / "mpirun").write_text(
                f"#!/bin/sh\n[ $1 = --version ] && echo 'mpirun (Open MPI) 5.0.7' && exit\ncat {self.folder}/said >&2\nexit {ends}\n")
            (self.folder / "mpirun").chmod(0o755)
            done = self.run_to_end([*RUN, "-n", "2", "--", "true"], PATH=f"{self.folder}:{os.environ['PATH']}")
            self.assertEqual(done, (status, "", err))

    def test_root_starts_ranks_only_when_asked(self):
        status, _, err = self.run_to_end([HOUSE / "launch/run", "-n", "1", "--", "true"])
        self.assertEqual(status, 1 if os.geteuid() == 0 else 0)
        self.assertEqual(len(self.lines(err, "--allow-root")), int(os.geteuid() == 0), err)


class AnotherMpi(OfRanks):
    def test_its_mpirun_is_refused(self):
        (self.folder / "mpirun").write_text("#!/bin/sh\necho 'HYDRA build details:'\n")
        (self.folder / "mpirun").chmod(0o755)
        status, _, err = self.run_to_end([*RUN, "-n", "2", "--", "true"], PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual((status, err), (1, f"launch/run: {self.folder}/mpirun is not the mpirun of Open MPI; put that before it in PATH\n"))

    def test_a_rank_that_mpi_does_not_know_says_so_and_writes_nothing(self):
        for size, rank in ("PMI_SIZE", "PMI_RANK"), ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"):
            status, out, err = self.run_to_end(self.train("train.steps=2"), **{size: "2", rank: "0"})
            self.assertEqual((status, out), (1, ""))
            self.assertRegex(err, rf"^\[rank 0\] lact: started as rank 0 of 2 \({size}\), but MPI \(Open MPI v\S+\) knows of 1 rank: "
                                  r"mpirun belongs to another MPI; .*\n$")
            self.assertFalse((self.folder / "run").exists())


class Share(OfRanks):
    def test_the_cores_are_split_over_the_ranks(self):
        status, out, err = self.run_to_end([*RUN, "-n", str(CORES), "--", "sh", "-c", "grep Cpus_allowed_list /proc/self/status"])
        self.assertEqual((status, err), (0, ""))
        cores = re.findall(r"Cpus_allowed_list:\s*(\S+)", out)
        self.assertEqual(len(set(cores)), CORES, out)

    def test_more_ranks_than_cores_share_them_and_it_says_so(self):
        n = 2 * CORES + 1
        status, out, err = self.run_to_end([*RUN, "-n", str(n), "--", "sh", "-c", "echo threads $OMP_NUM_THREADS"], OMP_NUM_THREADS="")
        self.assertEqual((status, err), (0, f"launch/run: {n} ranks share {CORES} cores\n"))
        self.assertEqual(len(self.lines(out, "threads 1")), n)

    def test_threads_are_those_asked_for_or_the_cores_of_the_share(self):
        for asked, threads in (["--threads", "3"], 3), ([], CORES):
            _, out, _ = self.run_to_end([*RUN, "-n", "1", *asked, "--", "sh", "-c", "echo $OMP_NUM_THREADS"], OMP_NUM_THREADS="")
            self.assertEqual(out.split(), [str(threads)])

    def test_lines_of_other_ranks_carry_their_rank(self):
        _, out, err = self.run_to_end([*RUN, "-n", "2", "--", "sh", "-c", "echo $OMPI_COMM_WORLD_RANK; echo [rank x] e >&2"])
        self.assertEqual(sorted(out.split("\n")), ["", "0", "[rank 1] 1"])
        self.assertEqual(err, 2 * "[rank x] e\n")

    def test_each_rank_sees_one_gpu(self):
        (self.folder / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
        (self.folder / "nvidia-smi").chmod(0o755)
        path = f"{self.folder}:{os.environ['PATH']}"
        show = [*RUN, "-n", "3", "--", "sh", "-c", "echo rank $OMPI_COMM_WORLD_RANK device $CUDA_VISIBLE_DEVICES"]
        for visible, devices in ({}, "010"), ({"CUDA_VISIBLE_DEVICES": "4,7"}, "474"):
            _, out, _ = self.run_to_end(show, PATH=path, **visible)
            self.assertEqual(sorted(re.findall(r"rank (\d device \d)", out)), [f"{r} device {d}" for r, d in enumerate(devices)])


class Status(OfRanks):
    def test_is_the_programs(self):
        for wanted in 0, 1, 2, 7, 75:
            status, _, err = self.run_to_end([*RUN, "-n", "2", "--", "sh", "-c", f"exit {wanted}"])
            self.assertEqual((status, err), (wanted, ""))

    def test_of_a_signal_is_told_only_where_one_ended_a_rank(self):
        for _ in range(3):  # on a busy machine mpirun may return the status without a word
            status, _, err = self.run_to_end([*RUN, "-n", "2", "--", "sh", "-c", "kill -ILL $$"])
            if err:
                break
        self.assertEqual((status, self.lines(err, "launch/run: ")), (132, ["launch/run: ended by signal 4 of a rank"]), err)
        (self.folder / "mpirun").write_text("#!/bin/sh\necho 'mpirun (Open MPI) 4.1.4'\n[ $1 = --version ] || exit 132\n")
        (self.folder / "mpirun").chmod(0o755)
        status, _, err = self.run_to_end([*RUN, "-n", "2", "--", "true"], PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual((status, err), (132, ""))

    def test_of_ranks_that_talk_is_0_when_all_is_done(self):
        status, out, err = self.run_to_end([*RUN, "-n", "2", "--", STEPS, self.folder, "5", "10"])
        self.assertEqual((status, out, err), (0, "begins at step 0 on 2 ranks of 1 hosts\n", ""))
        self.assertEqual(self.steps(), 5)

    def test_is_75_after_a_signal_and_the_ranks_have_saved(self):
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP:
            before = self.steps()
            run = self.start([*RUN, "-n", "2", "--", STEPS, self.folder, "100000", "10"])
            self.assertTrue(comes_true(lambda: self.steps() > before))
            run.send(number)
            status, out, err = run.wait()
            self.assertEqual((status, err), (75, ""), number)
            self.assertIn(f"begins at step {before} ", out)
            self.assert_nothing_stays()

    def test_is_75_when_the_signal_comes_before_the_ranks(self):
        for delay in 0.1, 0.4:
            run = self.start([*RUN, "-n", "2", "--", STEPS, self.folder, "100000", "10"])
            time.sleep(delay)
            run.send(signal.SIGTERM)
            self.assertIn(run.wait()[0], (75, -signal.SIGTERM))  # so early that launch/run itself was not there yet
            self.assert_nothing_stays()

    def test_is_the_programs_when_nobody_reads_what_it_says(self):
        talk = f"trap '' PIPE; for i in $(seq 40); do echo $i; echo $i >&2; sleep 0.05; done 2>/dev/null; echo >>{self.folder}/done; exit 7"
        for streams in "2>&1 |", "2> >(head -n 1) |":
            (self.folder / "done").write_text("")
            run = subprocess.run(["bash", "-c", f'"$@" {streams} head -n 1; exit "${{PIPESTATUS[0]}}"', "-", *RUN, "-n", "2", "--", "bash", "-c", talk],
                                 capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(run.returncode, 7, run.stderr)
            self.assertEqual((self.folder / "done").read_text(), "\n\n")

    def test_a_second_interrupt_ends_at_once(self):
        run = self.start([*RUN, "-n", "2", "--", "sh", "-c", f"trap '' TERM USR1; : {self.folder}; sleep 60 & wait; sleep 60"])
        self.assertTrue(comes_true(lambda: len(processes_with(self.folder.name)) > 2))
        for _ in range(2):
            run.send(signal.SIGINT)
            time.sleep(0.5)
        self.assertNotEqual(run.wait(15)[0], 0)
        self.assert_nothing_stays()


class Failure(OfRanks):
    """One rank misbehaves at step 10 of many; the watchdog waits 3 seconds."""

    def fails(self, rank, misdeed, steps=1000):
        run = self.start([*RUN, "-n", "3", "--", STEPS, self.folder, steps, "3", rank, "10", misdeed])
        status, _, err = run.wait(30)
        self.assertNotIn(status, (0, 2, 75))
        self.assertLess(run.seconds, 15)
        self.assert_nothing_stays()
        return status, err

    def killed(self, rank):
        status, err = self.fails(rank, "kill")
        self.assertEqual(status, 128 + signal.SIGKILL)
        self.assert_one_line(err, f"rank {rank} on {os.uname().nodename} died", "all_reduce ", " of cp")

    def test_a_killed_rank_ends_all_and_is_named(self):
        self.killed(1)

    def test_rank_0_killed_ends_all_and_is_named(self):
        self.killed(0)

    def stopped(self, rank):
        _, err = self.fails(rank, "stop")
        self.assert_one_line(err, f"rank {rank} on {os.uname().nodename} has stopped", "waits for it in all_reduce 11 of cp")

    def test_a_stopped_rank_ends_all_and_is_named(self):
        self.stopped(2)

    def test_rank_0_stopped_ends_all_and_is_named(self):
        self.stopped(0)

    def test_a_rank_that_leaves_a_collective_out_is_named(self):
        _, err = self.fails(1, "leave_out", steps=20)
        self.assert_one_line(err, f"rank 1 on {os.uname().nodename} has not come to all_reduce 20 of cp",
                             "last seen computing after all_reduce 19 of cp")

    def test_a_rank_that_ends_without_a_word_is_named(self):
        status, err = self.fails(1, "exit")
        self.assertEqual(status, 3)
        self.assert_one_line(err, "rank 1 ", " died", "all_reduce 11 of cp")

    def test_a_rank_that_fails_says_why_itself(self):
        status, err = self.fails(1, "fail")
        self.assertEqual(status, 1)
        self.assert_one_line(err, "[rank 1] lact: this rank was asked to fail")

    def test_plain_mpirun_is_watched_too(self):
        mpirun = ["mpirun", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "--oversubscribe", "--bind-to", "none", "-n", "2"]
        status, _, err = self.run_to_end([*mpirun, STEPS, self.folder, "1000", "3", "1", "10", "stop"], 30)
        self.assertEqual(status, 1)
        self.assert_one_line(err, "rank 1 ", " has stopped")
        self.assert_nothing_stays()

    def test_nothing_stays_when_the_launcher_is_killed(self):
        run = self.start([*RUN, "-n", "2", "--", STEPS, self.folder, "100000", "10"])
        self.assertTrue(comes_true(lambda: self.steps() > 0))
        run.send(signal.SIGKILL)
        self.assert_nothing_stays(15)


class Restarts(OfRanks):
    def counted(self, status, *options):
        """Starts of a program that always ends with this status."""
        count = self.folder / "starts"
        count.write_text("")
        ended, _, err = self.run_to_end([*RUN, "-n", "1", *options, "--", "sh", "-c", f"echo >>{count}; exit {status}"])
        self.assertEqual(ended, status)
        return len(count.read_text()), err

    def test_a_killed_rank_is_no_end(self):
        status, out, err = self.run_to_end([*RUN, "-n", "2", "--restarts", "1", "--", STEPS, self.folder, "30", "3", "1", "10", "kill"])
        self.assertEqual(status, 0, err)
        self.assertEqual(out, "begins at step 0 on 2 ranks of 1 hosts\nbegins at step 10 on 2 ranks of 1 hosts\n")
        self.assertEqual(self.steps(), 30)
        self.assertEqual(len(self.lines(err, "launch/run: ended with 137", "start 2 of at most 2")), 1, err)

    def test_are_as_many_as_asked_for(self):
        self.assertEqual(self.counted(7)[0], 1)
        self.assertEqual(self.counted(7, "--restarts", "2")[0], 3)

    def test_mend_no_success_no_usage_no_request_and_no_wrong_config(self):
        for status in 0, 2, 75, 1:
            starts, err = self.counted(status, "--restarts", "3")
            self.assertEqual(starts, 1, status)
            self.assertEqual("another start would not mend that" in err, status == 1)


class Training(OfRanks):
    def start_ranks(self, *words, options=()):
        run = self.start([*RUN, "-n", "2", *options, "--", *self.train("train.checkpoint_every=5", *words)])
        self.assertTrue(comes_true(lambda: self.saved() > 0 and len(self.rows()) > 20), run.said())
        return run

    def test_ranks_are_called_lact(self):
        self.start_ranks()
        for rank in 0, 1:
            self.assertEqual(pathlib.Path(f"/proc/{self.rank(rank)}/comm").read_text(), "lact\n")

    def test_begins_with_hosts_layout_transports_and_libraries(self):
        _, out, err = self.run_to_end([*RUN, "-n", "2", "--", *self.train("train.steps=2")])
        lines = err.splitlines()
        self.assertEqual(out, "")
        self.assertRegex(lines[0], rf"^2 ranks on 1 host: 0-1 on {os.uname().nodename} \({CORES} cores?\)$")
        self.assertEqual(lines[1], "pp=1 dp=1 cp=2 tp=1; world by window, cp by window")
        self.assertRegex(lines[2], r"^Open MPI v\S+ \(threads: \S+\), oneDNN \d\S+, HDF5 \d\S+, on cpu$")

    def test_stops_on_request_and_goes_on_where_it_stopped(self):
        for begun in "starting at step 0", "going on at step":
            before = len(self.rows())
            run = self.start_ranks()
            self.assertTrue(comes_true(lambda: len(self.rows()) > before + 5))
            run.send(signal.SIGTERM)
            status, _, err = run.wait()
            self.assertEqual(status, 75, err)
            self.assertIn(f"{begun} {before}" if before else begun, err)
            self.assertEqual(self.rows(), list(range(1, len(self.rows()) + 1)))

    def test_a_killed_rank_is_named_and_the_next_start_goes_on(self):
        run = self.start_ranks(options=["--restarts", "1"])
        before = len(self.rows())
        os.kill(self.rank(1), signal.SIGKILL)
        self.assertTrue(comes_true(lambda: "start 2 of at most 2" in run.said()[1] and len(self.rows()) > before + 10), run.said())
        run.send(signal.SIGTERM)
        status, _, err = run.wait()
        self.assertEqual(status, 75, err)
        self.assert_one_line(err, "rank 1 on ", " died", "waits for it in ", " of ")
        self.assertEqual(self.rows(), list(range(1, len(self.rows()) + 1)))

    def test_a_stopped_rank_is_named_within_the_timeout(self):
        run = self.start_ranks("parallel.timeout=4")
        begin = time.monotonic()
        os.kill(self.rank(0), signal.SIGSTOP)
        status, _, err = run.wait(15)
        self.assertNotIn(status, (0, 2, 75))
        self.assertLess(time.monotonic() - begin, 4 + 4)  # what the launcher takes to end is added
        self.assert_one_line(err, "rank 0 on ", " has stopped", "waits for it in ", " of ")
        self.assert_nothing_stays()

    def slow(self, *words):
        """Training whose checkpoints take 4 seconds longer to become durable, on rank 1 alone, with a timeout of 2."""
        slow = self.folder / "slow.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", slow, HOUSE / "tests/launch/slow_fsync.c", "-ldl"], check=True)
        return [*RUN, "-n", "2", "--", "env", f"LD_PRELOAD={slow}", *self.train("parallel.cp=1", "parallel.timeout=2", "train.checkpoint_every=2",
                                                                                             *words)]

    def test_a_slow_checkpoint_is_waited_for_and_named(self):
        status, _, err = self.run_to_end(self.slow("train.steps=2"))
        self.assertEqual(status, 0, err)
        self.assertEqual(self.saved(), 1)
        remarks = self.lines(err, "warning: rank 1 on ", f"has been writing {self.folder}/run/checkpoints/step_00000002.h5 for ",
                             "rank 0 on ", " waits for it in all_gather ", "parallel.io_timeout=1800")
        self.assertEqual(len(remarks), 1, err)

    def test_a_checkpoint_that_takes_too_long_is_named_with_the_key_to_raise(self):
        status, _, err = self.run_to_end(self.slow("train.steps=2", "parallel.io_timeout=3"))
        self.assertEqual(status, 1, err)
        self.assert_one_line(err, "rank 1 on ", f"has been writing {self.folder}/run/checkpoints/step_00000002.h5 for ",
                             "longer than parallel.io_timeout=3")
        self.assert_nothing_stays()

    def test_a_rank_that_dies_or_stops_while_it_saves_is_found_in_time(self):
        for misdeed, said in (signal.SIGKILL, " died"), (signal.SIGSTOP, " has stopped"):
            run = self.start(self.slow("train.steps=2", f"run.dir={self.folder}/{misdeed}"))
            partial = self.folder / f"{misdeed}/checkpoints/step_00000002.h5.partial"
            self.assertTrue(comes_true(partial.exists), run.said())
            os.kill(self.rank(1), misdeed)
            status, _, err = run.wait(8)
            self.assertNotIn(status, (0, 2, 75), err)
            self.assert_one_line(err, "rank 1 on ", said)
            self.assert_nothing_stays()

    def test_strangers_at_the_watchdogs_port_are_cut_off_and_harm_nobody(self):
        run = self.start_ranks("parallel.timeout=4")
        [(address, port)] = self.watchdogs_doors()
        self.assertEqual(address, "127.0.0.1")
        memory = pathlib.Path(f"/proc/{self.rank(0)}/statm")
        before, rows = int(memory.read_text().split()[1]), len(self.rows())
        idle = [socket.create_connection((address, port), 5) for _ in range(100)]
        until = time.monotonic() + 6
        while time.monotonic() < until:
            try:
                with socket.create_connection((address, port), 5) as stranger:
                    stranger.sendall(bytes(1 << 20))
            except OSError:
                pass  # cut off
        for stranger in idle:
            stranger.settimeout(5)
            self.assertEqual(stranger.recv(1), b"")
            stranger.close()
        self.assertGreater(len(self.rows()), rows)
        self.assertLess((int(memory.read_text().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE"), 32 << 20)
        run.send(signal.SIGTERM)
        status, _, err = run.wait()
        self.assertEqual(status, 75, err)
        self.assertEqual(self.lines(err, "lact: "), [], err)

    def test_a_wrong_config_is_said_once_and_not_tried_again(self):
        for wrong, said in ("train.stepps=3", "did you mean 'train.steps'?"), ("parallel.cp=3", "possible with 2 ranks"):
            status, _, err = self.run_to_end([*RUN, "-n", "2", "--restarts", "3", "--", *self.train(wrong)])
            self.assertEqual(status, 1, err)
            self.assertEqual(len(self.lines(err, "lact: ")), 1, err)
            self.assertIn(said, err)
            self.assertIn("another start would not mend that", err)


if __name__ == "__main__":
    sys.exit(cases.main())
