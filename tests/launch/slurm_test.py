#!/usr/bin/env python3
"""launch/slurm.sbatch on a real Slurm of one node, which this test starts and stops: preemption, requeue, cancelling."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import cases  # noqa: E402
from support.started import HOUSE, STEPS, OfRanks, comes_true  # noqa: E402

PROGRAMS = {name: shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
            for name in "munged slurmctld slurmd sbatch srun scontrol scancel".split()}

# cred_expire: a job that was requeued waits for so long; less than 5 seconds are not taken.
CONFIG = """
ClusterName=lact_test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
ReturnToService=2
NodeName=node0 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=low Nodes=node0 Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=30 MaxTime=10 State=UP
PartitionName=high Nodes=node0 PriorityTier=10 PreemptMode=OFF MaxTime=10 State=UP
"""


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Cluster:
    """munged, slurmctld and slurmd of this user, with their files in a folder of their own."""

    def __init__(self):
        self.place = tempfile.TemporaryDirectory(prefix="lact-slurm-")
        self.folder = pathlib.Path(self.place.name)
        self.folder.chmod(0o755)  # munged wants its socket to be within everybody's reach
        for name in "state", "spool":
            (self.folder / name).mkdir()
        (self.folder / "key").write_bytes(os.urandom(128))
        (self.folder / "key").chmod(0o600)
        user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
        (self.folder / "slurm.conf").write_text(CONFIG.format(folder=self.folder, host=socket.gethostname().split(".")[0],
                                                              user=user, ports=free_ports(2)))
        version = subprocess.run([PROGRAMS["slurmd"], "-V"], capture_output=True, text=True).stdout
        if tuple(map(int, re.findall(r"\d+", version)[:2])) >= (23, 11):  # it would make control groups, which nothing here needs
            (self.folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        self.daemons = []

    def daemon(self, name, *options):
        with open(self.folder / f"{name}.out", "w") as out:
            self.daemons.append(subprocess.Popen([PROGRAMS[name], *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                                 env=self.environment, start_new_session=True))

    def start(self):
        """Empty when it runs, else why not."""
        at = self.folder
        self.daemon("munged", "--foreground", f"--socket={at}/munge.socket", f"--key-file={at}/key", f"--pid-file={at}/munged.pid",
                    f"--seed-file={at}/seed", f"--log-file={at}/munged.log", "--num-threads=2")
        if not comes_true(lambda: (at / "munge.socket").exists(), 10):
            return self.words_of("munged")
        self.daemon("slurmctld", "-D")
        self.daemon("slurmd", "-D", "-N", "node0")
        if not comes_true(lambda: "State=IDLE " in self.ask("scontrol", "show", "node", "node0"), 30):
            return self.words_of("slurmctld") + self.words_of("slurmd")
        return ""

    def words_of(self, name):
        return f"{name}: " + " ".join((self.folder / f"{name}.out").read_text().splitlines()[-5:]) + " "

    def ask(self, *command, folder=HOUSE):
        return subprocess.run([PROGRAMS[command[0]], *command[1:]], cwd=folder, env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60).stdout

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.place.cleanup()


class Job(OfRanks):
    def submit(self, *words, steps=300, misdeed=(), program=None, folder=HOUSE, script="launch/slurm.sbatch"):
        program = program or [STEPS, self.folder, steps, "5", *misdeed]
        said = cluster.ask("sbatch", "--parsable", "-n", "2", "-p", "low", "-o", str(self.folder / "log"), *words, script,
                           *(["--allow-root"] if os.geteuid() == 0 else []), "--", *map(str, program), folder=folder)
        self.job = said.strip()
        self.assertTrue(self.job.isdigit(), said)
        self.addCleanup(cluster.ask, "scancel", self.job)

    def log(self):
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def told(self, key):
        found = re.search(rf"\b{key}=(\S+)", cluster.ask("scontrol", "show", "job", self.job))
        return found[1] if found else ""

    def assert_becomes(self, *states, seconds=60):
        self.assertTrue(comes_true(lambda: self.told("JobState") in states, seconds), f"{self.told('JobState')}: {self.log()}")

    def assert_has_trained(self):
        before = self.steps()
        self.assertTrue(comes_true(lambda: self.steps() > before), self.log())

    def test_preempted_it_saves_goes_back_into_the_queue_and_goes_on(self):
        self.submit(program=self.train("train.checkpoint_every=20"))
        self.assertTrue(comes_true(lambda: len(self.rows()) > 30), self.log())
        other = cluster.ask("sbatch", "--parsable", "-n", "2", "-p", "high", "-o", "/dev/null", "--wrap", "sleep 1").strip()
        self.addCleanup(cluster.ask, "scancel", other)
        self.assert_becomes("PENDING")
        saved = self.rows()[-1]
        self.assertTrue(comes_true(lambda: self.told("JobState") == "RUNNING" and len(self.rows()) > saved + 10, 60), self.log())
        self.assertEqual(self.told("Restarts"), "1")
        rows = self.rows()  # once: the job goes on writing
        self.assertEqual(rows, list(range(1, len(rows) + 1)))
        self.assertEqual(self.log().count("slurm.sbatch: stopped on request; the job goes back into the queue"), 1)
        self.assertIn(f"stopped at step {saved} of", self.log())
        self.assertIn(f"going on at step {saved} of", self.log())
        cluster.ask("scancel", self.job)
        self.assert_nothing_stays(15)

    def test_warned_of_the_end_of_its_time_it_does_the_same(self):
        self.submit()
        self.assert_has_trained()
        cluster.ask("scancel", "--batch", "--signal=USR1", self.job)
        self.assertTrue(comes_true(lambda: self.told("Restarts") == "1"), self.log())
        self.assert_becomes("COMPLETED")
        self.assertEqual((self.log().count("back into the queue"), self.steps()), (1, 300))

    def test_cancelled_it_saves_and_does_not_come_back(self):
        self.submit()
        self.assert_has_trained()
        cluster.ask("scancel", self.job)
        self.assert_becomes("CANCELLED")
        self.assert_nothing_stays(15)
        time.sleep(4)
        self.assertEqual((self.told("JobState"), self.told("Restarts")), ("CANCELLED", "0"), self.log())

    def test_a_killed_rank_fails_the_job_and_is_named(self):
        self.submit(misdeed=(1, 10, "kill"))
        self.assert_becomes("FAILED")
        self.assert_one_line(self.log(), "rank 1 ", " died")
        self.assert_nothing_stays()

    def test_a_stopped_rank_fails_the_job_and_is_named(self):
        self.submit(misdeed=(1, 10, "stop"))
        self.assert_becomes("FAILED")
        self.assert_one_line(self.log(), "rank 1 ", " has stopped", "all_reduce 11 of cp")
        self.assert_nothing_stays()

    def test_a_single_process_in_the_shell_of_a_job_of_several_tasks_trains_alone(self):
        train = " ".join(map(str, self.train("train.steps=3", "parallel.cp=1")))
        self.job = cluster.ask("sbatch", "--parsable", "-n", "2", "-p", "low", "-o", str(self.folder / "log"), "--wrap",
                               f"{train} && rm -r {self.folder}/run && srun --mpi=none -n 1 {train}").strip()
        self.addCleanup(cluster.ask, "scancel", self.job)
        self.assert_becomes("COMPLETED", "FAILED")
        self.assertEqual(self.told("JobState"), "COMPLETED", self.log())
        self.assertEqual(self.log().count("1 rank on 1 host"), 2, self.log())

    def test_submitted_from_elsewhere_through_a_link_it_finds_its_folder(self):
        (self.folder / "job").symlink_to(HOUSE / "launch/slurm.sbatch")
        self.submit(steps=5, folder=self.folder, script="job")
        self.assert_becomes("COMPLETED")
        self.assertEqual(self.steps(), 5, self.log())

    def test_mpirun_inside_the_job_serves_where_srun_speaks_no_pmix(self):
        self.submit("--export=ALL,LACT_START=mpirun", steps=20)
        self.assert_becomes("COMPLETED")
        self.assertIn("begins at step 0 on 2 ranks", self.log())
        self.assertEqual(self.steps(), 20)


if __name__ == "__main__":
    missing = [name for name, place in PROGRAMS.items() if place is None]
    if missing:
        cases.not_run(f"{', '.join(missing)} not installed; tools/install_deps --slurm installs Slurm")
    cluster = Cluster()
    try:
        why = cluster.start()
        if why:
            cases.not_run(f"Slurm does not start here: {why}")
        sys.exit(cases.main())
    finally:
        cluster.stop()
