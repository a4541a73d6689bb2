"""Does it run and are its numbers right: libraries, kernels against the CPU, reference files, a short training."""
import json
import os
import pathlib
import platform
import re
import shutil
import tempfile

from gpu.report import Result, Row

# A test program per family of kernels, each against the CPU, and what a GPU computes there.
FAMILIES = {"pointwise_test": "element by element", "gates_test": "gates", "sums_test": "sums", "norms_test": "norms",
            "softmax_test": "rows of scores", "gemm_test": "products", "gated_products_test": "products with gates",
            "attention_test": "attention", "update_test": "the optimizer", "bf16_test": "bf16", "ops_test": "ops and their derivatives",
            "convolution_test": "causal convolutions", "recurrence_test": "linear recurrences", "selective_scan_test": "selective scans",
            "newton_schulz_test": "Newton-Schulz", "network_test": "the fast-weight network", "run_plan_test": "plans of fast weights"}
LIBRARIES = """
import ctypes, sys
def version(library, function, through_pointer=False):
    try:
        f = getattr(ctypes.CDLL(library), function)
        f.restype, n = ctypes.c_size_t, ctypes.c_int(0)
        value = f(ctypes.byref(n)) if through_pointer else f()
        return str(n.value if through_pointer else value)
    except (OSError, AttributeError) as e:
        return f"none ({str(e)[:60]})"
print(", ".join([f"CUDA of the driver {version('libcuda.so.1', 'cuDriverGetVersion', True)}",
                 f"cuBLASLt {version(sys.argv[1], 'cublasLtGetVersion')}", f"cuDNN {version('libcudnn.so.9', 'cudnnGetVersion')}",
                 f"NCCL {version('libnccl.so.2', 'ncclGetVersion', True)}"]))
"""


class Short:
    """20 steps of character_64, and what they are beside another run of them."""

    def __init__(self, machine, report, tiny, data, scratch):
        self.machine, self.report, self.scratch = machine, report, scratch
        self.config = ["train", "configs/nvs/character_64.yaml", "train.steps=20", "train.eval_every=0"]
        if data:
            self.config.append(f"data.path={data}")
        else:
            self.config += ["data.path=", "data.synthetic.views=64", "data.synthetic.resolution=64"]
        if tiny:
            self.config += ["train.steps=4", "model.dim=32", "model.layers=1", "model.patch_size=4",
                            "model.block_config.0.params.head_dim=16", "model.block_config.1.params.head_dim=32",
                            "data.image_size=[16, 16]", "data.num_all_views=4", "data.num_input_views=2", "data.num_target_views=2",
                            "train.batch_size=1", "data.held_out=[63]", "data.eval_inputs=[0, 8]"]
        self.losses = {}

    def row(self, what, name, words, beside=None, bound=0.0):
        def measure(most):
            folder = self.scratch / name
            outcome = self.machine.lact(most, *self.config, *words, f"run.dir={folder}")
            self.report.note(f"{what}\nlact {' '.join(self.config + words)}", outcome.text[-3000:])
            if outcome.status != 0:
                return Result(outcome.why(), ok=False)
            steps = [r for r in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()) if "loss" in r]
            mine = self.losses[name] = [r["loss"] for r in steps]
            seconds = sorted(r["seconds"] for r in steps)[len(steps) // 2]
            measured = f"{outcome.seconds:.0f} s, a step {seconds * 1e3:.1f} ms; last loss {mine[-1]:.6f}"
            if beside is None:
                return Result(measured, "the losses that others are compared with", None not in mine)
            theirs = self.losses.get(beside)
            if theirs is None or None in mine or len(mine) != len(theirs):
                return Result(measured, f"no losses to compare with those of {beside}", False)
            worst = max(abs(a - b) / abs(b) for a, b in zip(mine, theirs))
            equal = f"equal for {len(mine)} steps" if mine == theirs else f"largest difference {worst:.1e} of the loss"
            return Result(measured, f"{equal}, beside {beside}; bound {bound:.0e}", worst <= bound)
        return Row(what, f"losses within {bound:.0e}" if beside and bound else "the same losses" if beside else "", 9, 40, measure)

    def rows(self):
        twenty = "20 steps of character_64"
        # 1e-3: as for the 20 steps of the reference files on a GPU; 5e-2: as for steps of bf16 beside fp32 in the tests
        yield self.row(f"{twenty}, CPU", "cpu", ["compute.device=cpu"])
        yield self.row(f"{twenty}, GPU, fp32", "fp32", ["compute.device=cuda"], "cpu", 1e-3)
        yield self.row(f"{twenty}, GPU, fp32, without CUDA graphs", "fp32_no_graphs", ["compute.device=cuda", "compute.graphs=false"], "fp32")
        bf16 = ["compute.device=cuda", "train.precision=bf16"]
        yield self.row(f"{twenty}, GPU, bf16", "bf16", bf16, "fp32", 5e-2)
        yield self.row(f"{twenty}, GPU, bf16, without CUDA graphs", "bf16_no_graphs", [*bf16, "compute.graphs=false"], "bf16")
        yield self.row(f"{twenty}, GPU, bf16, without cuDNN", "bf16_no_cudnn", [*bf16, "compute.cudnn=none"], "bf16", 5e-2)
        yield self.row(f"{twenty}, GPU, bf16, also products through cuDNN", "bf16_all_cudnn", [*bf16, "compute.cudnn=all"], "bf16", 5e-2)


class Proof:
    def __init__(self, machine, report, tiny, data):
        self.machine, self.report, self.tiny, self.data = machine, report, tiny, data
        self.scratch = tempfile.TemporaryDirectory()

    def libraries(self, most):
        lact = str(self.machine.programs / "lact")
        linked = self.machine.run(["ldd", lact], most, {}).text
        missing = re.findall(r"(\S+) => not found|version `(\S+)' not found", linked)
        cublas = re.search(r"libcublasLt\.so\.\d+", linked)
        python = shutil.which("python3") or "python3"
        versions = self.machine.run([python, "-c", LIBRARIES, cublas[0] if cublas else "libcublasLt.so"], most, {})
        built = self.machine.lact(most, "--version")
        self.report.note("libraries", linked + built.text)
        said = f"{self.machine.gpu()}; {platform.platform()}, {os.cpu_count()} cores; {versions.text.strip()}; "
        said += "; ".join(built.text.strip().splitlines()) if built.status == 0 else built.why()
        absent = ", ".join(a or b for a, b in missing)
        return Result(said, f"missing: {absent}" if absent else "the program starts" if built.status == 0 else "it does not start",
                      not missing and built.status == 0)

    def family(self, program, what):
        def measure(most):
            path = self.machine.programs / program
            if not path.is_file():
                return Result(f"not run: there is no {path}", ok=False)
            part = {"GTEST_TOTAL_SHARDS": "8", "GTEST_SHARD_INDEX": "0"} if self.tiny else {}
            outcome = self.machine.run([str(path)], most, {"LACT_TEST_DEVICE": "cuda", **part})
            passed, failed = count_of(outcome.text)
            if outcome.status != 0:
                self.report.note(program, "\n".join(failures_of(outcome.text)))
            return Result(f"{outcome.word}, {outcome.seconds:.0f} s", f"{passed} passed, {failed} failed", outcome.status == 0 and passed > 0)
        return Row(f"{what}: {program}", "all pass", 6, 120 if self.tiny else 45, measure)

    def golden(self, most):
        folder = "tests/golden/lact/01_newton_schulz.safetensors" if self.tiny else "tests/golden"
        outcome = self.machine.lact(most, "verify", "golden", folder, "compute.device=cuda")
        self.report.note("reference files", outcome.text)
        lines = outcome.text.strip().splitlines()
        return Result(f"{outcome.word}, {outcome.seconds:.0f} s", lines[-1] if lines else "nothing was said", outcome.status == 0)

    def attention(self, use, wanted):
        def measure(most):
            size = ["items=1", "heads=1", "tokens=64", "runs=1"] if self.tiny else ["items=2", "heads=4", "tokens=1024"]
            outcome = self.machine.lact(most, "bench", "attention", "precision=bf16", "compute.device=cuda", f"compute.cudnn={use}", *size,
                                        "--json")
            r = outcome.json()
            if r is None:
                return Result(outcome.why(), ok=False)
            by = f"forward by {r['forward_by']}, backward by {r['backward_by']}"
            right = f"error {r['error']:.1e}, bound {r['error_bound']:.0e}"
            return Result(by, right, outcome.status == 0 and wanted in r["forward_by"] and wanted in r["backward_by"])
        return Row(f"attention of bf16, compute.cudnn={use}", f"by {wanted}, within its bound", 6, 30, measure)

    def rows(self):
        short = Short(self.machine, self.report, self.tiny, self.data, pathlib.Path(self.scratch.name))
        return [Row("driver and libraries", "all found", 3, 40, self.libraries),
                self.attention("attention", "cuDNN"), self.attention("none", "own kernel"),
                Row("reference files on CUDA in fp32", "the CPU's bounds", 25, 90, self.golden),
                *short.rows(), *(self.family(program, what) for program, what in FAMILIES.items())]


def count_of(text):
    """Passed and failed cases of a test program."""
    failed = {l.split(",")[0].split("(")[0].strip() for l in text.splitlines() if l.startswith("[  FAILED  ] ") and "." in l}
    return text.count("[       OK ]"), len(failed)


def failures_of(text, most=60):
    lines = text.splitlines()
    keep = [i for i, l in enumerate(lines) if "Failure" in l or "error" in l.lower() or "FAILED" in l or "cuda" in l]
    shown = sorted({j for i in keep for j in range(i, min(i + 6, len(lines)))})
    return [lines[i] for i in shown][:most] or lines[-20:]
