"""Programs as a user starts them: with a time limit, their output kept, and a look at what they leave behind."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

HOUSE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LACT_BINARY", HOUSE / "build/release/lact")).parent
RUN = [str(HOUSE / "launch/run")] + (["--allow-root"] if os.geteuid() == 0 else [])
STEPS = str(BUILD / "steps_of_ranks")
LACT = str(BUILD / "lact")
TINY = """
model: {patch_size: 8, dim: 16, layers: 1, block_config: [
  {type: model.SelfAttention, length_dim: l, params: {head_dim: 16}},
  {type: lact_ttt.FastWeightGluMLPMultihead, params: {head_dim: 16, muon_update_steps: 5}},
  {type: model.MLP, params: {inter_multi: 2}}]}
data:
  {image_size: [16, 16], num_all_views: 4, num_input_views: 3, num_target_views: 2, held_out: [7],
   synthetic: {scenes: 2, views: 8, resolution: 16}}
train: {steps: 1000000, batch_size: 2, lr: 1.0e-3, warmup: 2, free_steps: -1, constant_lr: true, checkpoint_seconds: 0}
parallel: {cp: 2}
compute: {threads: 1, device: cpu}
"""


class Started:
    """A command in a session of its own; what is left of it goes with `end()`. A variable of the environment that is None is not set."""

    def __init__(self, command, **environment):
        self.out = tempfile.TemporaryFile("w+")
        self.err = tempfile.TemporaryFile("w+")
        self.begin = time.monotonic()
        # Signals as a shell gives them to what it starts: a parent may have chosen to ignore some.
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        start_new_session=True,
                                        env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))

    def said(self):
        """stdout and stderr so far."""
        texts = []
        for file in self.out, self.err:
            file.flush()
            texts.append(pathlib.Path(f"/proc/self/fd/{file.fileno()}").read_text())
        return tuple(texts)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=60):
        """Exit status, stdout, stderr; fails when it takes longer."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.process.args} still runs after {seconds} s, having said: {self.said()}") from None
        self.seconds = time.monotonic() - self.begin
        return (status, *self.said())

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def comes_true(holds, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


def processes_with(word):
    """Ids of living processes that have the word in their command line; one that has ended has no command line."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int(place.name) != os.getpid() and word.encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class OfRanks(unittest.TestCase):
    """Each case has a folder; its path, which stands in the command line of every rank, tells what is left of it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lact-ranks-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # Ranks outlive a launcher that is killed for a moment, in which they may still write.
        self.addCleanup(comes_true, lambda: not processes_with(self.folder.name), 10)
        self.started = []

    def start(self, command, **environment):
        started = Started(command, **{"OMP_NUM_THREADS": "1", **environment})
        self.addCleanup(started.end)
        self.started.append(started)
        return started

    def all_said(self):
        """The exit status, or None, and the output so far of all that the case has started: for messages."""
        return [(started.process.poll(), *started.said()) for started in self.started]

    def run_to_end(self, command, seconds=60, **environment):
        return self.start(command, **environment).wait(seconds)

    def steps(self):
        file = self.folder / "step"
        return int(file.read_text()) if file.exists() else 0

    # A run of `lact train` that takes milliseconds per step, in the case's folder.
    def train(self, *words):
        (self.folder / "tiny.yaml").write_text(TINY)
        return [LACT, "train", self.folder / "tiny.yaml", f"run.dir={self.folder}/run", *words]

    def rows(self):
        """Steps told in the run's metrics, the last perhaps half written."""
        file = self.folder / "run/metrics.jsonl"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        return [row["step"] for row in map(json.loads, lines) if "loss" in row]

    def saved(self):
        return len(list((self.folder / "run/checkpoints").glob("*.h5")))

    def rank(self, number):
        """The process that is this rank."""
        for pid in processes_with(self.folder.name):
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            # By the file and not by its path: a rank on another host may see the file elsewhere.
            if f"PMIX_RANK={number}".encode() in environment and os.path.samefile(f"/proc/{pid}/exe", LACT):
                return pid
        raise AssertionError(f"there is no rank {number}; so far: {self.all_said()}")

    def watchdogs_doors(self):
        """Addresses and ports at which rank 0 listens for the other ranks."""
        place = pathlib.Path(f"/proc/{self.rank(0)}")
        links = [os.readlink(file) for file in (place / "fd").iterdir()]
        rows = [line.split() for line in (place / "net/tcp").read_text().splitlines()[1:]]
        at = [row[1].split(":") for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links]
        doors = [(".".join(str(byte) for byte in reversed(bytes.fromhex(ip))), int(port, 16)) for ip, port in at]
        return [(ip, port) for ip, port in doors if 20000 <= port < 32000]

    def assert_nothing_stays(self, seconds=5):
        self.assertTrue(comes_true(lambda: not processes_with(self.folder.name), seconds),
                        [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_with(self.folder.name)])

    def lines(self, text, *words):
        """The lines of a text that hold all the words."""
        return [line for line in text.splitlines() if all(word in line for word in words)]

    def assert_one_line(self, text, *words):
        """One line of the watchdog, and it holds all the words."""
        spoken = self.lines(text, " lact: ")
        self.assertEqual(len(spoken), 1, text)
        for word in words:
            self.assertIn(word, spoken[0])
