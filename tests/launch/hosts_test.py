#!/usr/bin/env python3
"""Ranks on several hosts: network namespaces of this machine with names of their own (tests/support/hosts.sh)."""
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import cases  # noqa: E402
from support.started import HOUSE, RUN, STEPS, OfRanks, comes_true  # noqa: E402

HOSTS = str(HOUSE / "tests/support/hosts.sh")
ON_TWO = [HOSTS, "2", *RUN, "-n", "4", "-H", "host0,host1", "--"]


class Hosts(OfRanks):
    def test_share_the_ranks(self):
        status, out, err = self.run_to_end([*ON_TWO, "sh", "-c", "echo $(hostname) has $OMPI_COMM_WORLD_LOCAL_RANK"])
        self.assertEqual((status, err), (0, ""))
        for rank in range(4):
            mark = f"[rank {rank}] " if rank else ""
            self.assertIn(f"{mark}host{rank // 2} has {rank % 2}", out.splitlines())

    def test_may_stand_in_a_file(self):
        (self.folder / "hosts").write_text("# both\nhost1 slots=1\nhost0 slots=2\n")
        command = [HOSTS, "2", *RUN, "-n", "3", "--hostfile", self.folder / "hosts", "--", STEPS, self.folder, "3", "10"]
        status, out, err = self.run_to_end(command)
        self.assertEqual((status, out, err), (0, "begins at step 0 on 3 ranks of 2 hosts\n", ""))

    def test_train_together_and_stop_on_request(self):
        run = self.start([HOSTS, "2", "bash", "-c", '"$@" & until [[ -s $0/step ]]; do sleep 0.1; done; kill -TERM $!; wait $!', self.folder,
                          *ON_TWO[2:], STEPS, self.folder, "100000", "10"])
        status, out, err = run.wait()
        self.assertEqual((status, out, err), (75, "begins at step 0 on 4 ranks of 2 hosts\n", ""))
        self.assertGreater(self.steps(), 0)
        self.assert_nothing_stays()

    def test_train_a_model_together(self):
        status, out, err = self.run_to_end([*ON_TWO, *self.train("train.steps=4")])
        self.assertEqual((status, out), (0, ""), err)
        self.assertRegex(err, r"^4 ranks on 2 hosts: 0-1 on host0 \(\d+ cores?\), 2-3 on host1 \(\d+ cores?\)\n"
                              r"pp=1 dp=2 cp=2 tp=1; world by messages, dp by messages, cp by window, ")
        self.assertEqual(self.rows(), [1, 2, 3, 4])

    def test_meet_on_the_interface_that_leads_to_the_others(self):
        for hosts in "host0,host1", "host1,host0":
            training = self.train("parallel.cp=1", "train.batch_size=4", f"run.dir={self.folder}/{hosts}")
            run = self.start([HOSTS, "2", *RUN, "-n", "4", "-H", hosts, "--", *training])
            self.assertTrue(comes_true(lambda: "\nstep 1/" in run.said()[1]), run.said())
            [(address, _)] = self.watchdogs_doors()
            self.assertIn(address, ("10.99.0.1", "10.99.0.2"))
            self.assertEqual(self.lines(run.said()[1], "warning"), [])
            run.end()
            self.assert_nothing_stays()

    def fails(self, rank, misdeed, start=ON_TWO, steps=1000):
        run = self.start([*start, STEPS, self.folder, steps, "3", rank, "10", misdeed])
        status, _, err = run.wait(30)
        self.assertNotIn(status, (0, 2, 75))
        self.assertLess(run.seconds, 15)
        self.assert_nothing_stays()
        return err

    def test_a_killed_rank_on_another_host_is_named(self):
        self.assert_one_line(self.fails(2, "kill"), "rank 2 on host1 died", "all_reduce ")

    def test_a_stopped_rank_on_another_host_is_named(self):
        self.assert_one_line(self.fails(3, "stop"), "rank 3 on host1 has stopped", "all_reduce 11 of cp")

    def test_rank_0_stopped_is_named_from_its_own_host(self):
        self.assert_one_line(self.fails(0, "stop"), "rank 0 on host0 has stopped", "rank 1 on host0 waits for it in all_reduce 11 of cp")

    def test_a_rank_that_leaves_a_collective_out_is_named(self):
        self.assert_one_line(self.fails(2, "leave_out", steps=20), "rank 2 on host1 has not come to all_reduce 20 of cp")

    def test_plain_mpirun_is_watched_too(self):
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        mpirun = [HOSTS, "2", "mpirun", *root, "--bind-to", "none", "-n", "2", "-H", "host0,host1"]
        self.assert_one_line(self.fails(1, "stop", mpirun), "rank 1 on host1 has stopped")

    def test_a_host_that_is_cut_off_ends_the_job(self):
        cut = '"$@" & until [[ -s $0/step ]]; do sleep 0.1; done; nsenter --net=/run/netns/host1 ip link set eth0 down; wait $!'
        run = self.start([HOSTS, "2", "bash", "-c", cut, self.folder, *ON_TWO[2:], STEPS, self.folder, "100000", "30"],
                         OMPI_MCA_oob_tcp_keepalive_time="2", OMPI_MCA_oob_tcp_keepalive_intvl="1", OMPI_MCA_oob_tcp_keepalive_probes="2")
        status, _, err = run.wait(30)
        self.assertNotIn(status, (0, 2, 75))
        self.assertIn("on node host1", err)
        self.assert_nothing_stays()

    def test_nothing_stays_of_them(self):
        run = self.start([*ON_TWO, STEPS, self.folder, "100000", "10"])
        self.assertTrue(comes_true(lambda: self.steps() > 0))
        run.send(signal.SIGKILL)
        self.assert_nothing_stays()


if __name__ == "__main__":
    possible = subprocess.run([HOSTS, "1", "true"], capture_output=True, text=True)
    if possible.returncode != 0:
        cases.not_run(f"this machine allows no network namespaces: {possible.stderr.strip()}")
    sys.exit(cases.main())
