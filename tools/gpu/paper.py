"""What a row takes on paper: `lact plan` for training steps, operations over assumed rates for the rest."""
import json
import re

from gpu.machine import ROOT

START = 5.0        # seconds from starting a program to its first kernel: a CUDA context, and 540 MB of cuBLASLt from disk
NORMAL = 45e-9     # seconds in which one core draws a random number
PLANNED = "configs/nvs/objects_256.yaml"


class Paper:
    """Of a GPU, beside so many cores."""

    def __init__(self, machine, gpu, cores):
        self.machine, self.cores, self.plans = machine, cores, {}
        self.file = "configs/machines/" + ("one_gpu.yaml" if "H200" in gpu else "one_h100.yaml")
        text = (ROOT / self.file).read_text()
        self.numbers = {k: float(v) for k, v in re.findall(r"^(\w+): +([0-9.]+)", text, re.MULTILINE)}

    def step(self, words, config=PLANNED):
        """Seconds and bytes of a training step, with the blocks kept or computed again as asked; None without a plan."""
        key = json.dumps([config, *words])
        if key not in self.plans:
            outcome = self.machine.lact(20, "plan", config, f"machine={self.file}", "compute.device=cuda", "--json", *words)
            layouts = (outcome.json() or {}).get("layouts", [])
            again = [w.split("=")[1] == "true" for w in words if w.startswith("train.activation_checkpointing=")][-1:] == [True]
            found = [l for l in layouts if l["activation_checkpointing"] == again]
            self.plans[key] = (found[0]["seconds"], found[0]["memory_bytes"]["total"]) if found else None
        return self.plans[key]

    def fits(self, bytes_):
        return bytes_ <= self.numbers["memory_gb"] * 1e9

    def products(self, flops, precision="bf16"):
        return flops / (1e9 * self.numbers["bf16_product_gflops" if precision == "bf16" else "product_gflops"])

    def attention(self, flops):
        return flops / (1e9 * self.numbers["attention_gflops"])

    def moved(self, bytes_):
        return bytes_ / (1e9 * self.numbers["memory_gb_per_second"])

    def row(self, seconds, runs, drawn):
        """Seconds of a whole row: so many runs of so many seconds, and random numbers that the host draws before."""
        return START + seconds * runs + drawn * NORMAL / self.cores


def words_of(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.4g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"
