"""Commands on the machine with the GPU: each ends when its time is over, and all end with the report."""
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]  # of the bundle
CUDA_LIBRARIES = ["/usr/local/cuda/lib64", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib"]
for place in ("/opt/*/.venv/lib/python3*/site-packages", "/usr/lib/python3*/site-packages", "/usr/local/lib/python3*/dist-packages"):
    CUDA_LIBRARIES += sorted(glob.glob(place + "/nvidia/*/lib"))
PYTHONS = ["python3", *sorted(glob.glob("/opt/*/.venv/bin/python3"))]
# What this script starts ends even when it is killed: a GPU that still computes would spoil what comes next.
TOGETHER = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def environment(programs):
    """Where the bundle's programs find the bundle's libraries and this machine's CUDA."""
    paths = [str(ROOT / "lib"), *CUDA_LIBRARIES, os.environ.get("LD_LIBRARY_PATH", "")]
    own = {"LD_LIBRARY_PATH": ":".join(p for p in paths if p), "LACT_BINARY": str(programs / "lact"), "OMP_WAIT_POLICY": "passive"}
    if (ROOT / "mpi").is_dir():  # OpenMPI finds its parts by these
        own |= {"OPAL_PREFIX": str(ROOT / "mpi"), "OPAL_LIBDIR": str(ROOT / "lib"), "OPAL_PKGLIBDIR": str(ROOT / "mpi/plugins"),
                "OPAL_PKGDATADIR": str(ROOT / "mpi/share"), "OPAL_DATADIR": str(ROOT / "mpi/share"), "PMIX_INSTALL_PREFIX": str(ROOT / "mpi")}
    return {**os.environ, **own}


class Outcome:
    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds  # status None: too slow

    @property
    def word(self):
        return "ok" if self.status == 0 else "too slow" if self.status is None else f"exit {self.status}"

    def json(self):
        """The last line as an object; None where the program did not come that far."""
        try:
            found = json.loads(self.text.strip().splitlines()[-1])
            return found if isinstance(found, dict) else None
        except (ValueError, IndexError):
            return None

    def why(self):
        """The sentence in which a program says what is wrong."""
        lines = [l for l in self.text.splitlines() if l.strip()]
        said = [l for l in lines if re.search(r"error|lact: |Error", l)]
        return f"{self.word} after {self.seconds:.0f} s" + (": " + (said or lines)[-1].strip()[:400] if lines else "")


class Stopped(BaseException):
    """SIGTERM or SIGINT came."""


class Machine:
    """Runs commands, each with its limit, until the time is over."""

    def __init__(self, limit, programs=ROOT / "bin"):
        self.end = time.monotonic() + limit
        self.programs = programs
        self.running = set()

    def left(self):
        return self.end - time.monotonic()

    def stop_on_signals(self):
        def stop(*_):
            self.end = time.monotonic()  # nothing starts any more
            for process in list(self.running):
                self.kill(process)
            raise Stopped
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, stop)

    @staticmethod
    def kill(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def run(self, command, seconds, env=None):
        """env: None for this machine's own programs, else what is added to `environment()` for the bundle's."""
        seconds = min(seconds, self.left())
        if seconds < 1:
            return Outcome(None, "no time is left", 0)
        begin = time.monotonic()
        # its own group, so that what it started ends with it
        process = subprocess.Popen([*TOGETHER, *command], cwd=ROOT, env=None if env is None else {**environment(self.programs), **env}, text=True,
                                   errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.running.add(process)
        try:
            text, _ = process.communicate(timeout=seconds)
            return Outcome(process.returncode, text, time.monotonic() - begin)
        except subprocess.TimeoutExpired:
            self.kill(process)
            return Outcome(None, process.communicate()[0] or "", time.monotonic() - begin)
        finally:
            self.kill(process)
            self.running.discard(process)

    def lact(self, seconds, *words):
        return self.run([str(self.programs / "lact"), *words], seconds, {})

    def gpu(self):
        if not shutil.which("nvidia-smi"):
            return "none"
        return self.run(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"], 30).text.strip()

    def python_with_torch(self):
        """The first Python here that has PyTorch with CUDA, or None."""
        for python in PYTHONS:
            if shutil.which(python) and self.run([python, "-c", "import torch; assert torch.cuda.is_available()"], 60).status == 0:
                return python
        return None
