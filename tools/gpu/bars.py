"""The rows of docs/performance.md: speed against its aims and against the authors' PyTorch, the largest sizes last."""
from gpu.machine import ROOT
from gpu.paper import PLANNED, words_of
from gpu.report import Result, Row

RATE = 1.8e8     # random numbers of the products that measure the product rate of a program
MODEL = 3.12e8   # of the weights
LANGUAGE = "configs/language/lact_760m.yaml"


class Sizes:
    def __init__(self, tiny):
        self.tiny = tiny
        self.model = ["model.layers=24", "train.batch_size=1", "train.accumulate=1", "train.activation_checkpointing=false"]
        self.language = ["train.batch_size=1", "train.activation_checkpointing=true"]
        if tiny:
            self.language += ["model.hidden_size=32", "model.num_hidden_layers=1", "model.num_attn_heads=2", "model.num_lact_heads=2",
                              "model.lact_chunk_size=16", "model.window_size=16", "model.intermediate_size=32",
                              "model.w0_w2_low_rank=4", "model.vocab_size=258", "data.context=64"]
            self.model += ["model.dim=32", "model.layers=1", "model.patch_size=4", "model.block_config.0.params.head_dim=16",
                           "model.block_config.1.params.head_dim=32", "data.image_size=[16, 16]"]
            self.views, self.per_view, self.head, self.tokens, self.hidden = (1, 2, 3, 20, 40), 16, 32, (64, 128), 64
            self.orthogonalised = ["m=32", "n=64", "runs=1"]
            self.attention = ["items=2", "heads=2", "tokens=64", "runs=1"]
            self.products, self.copies, self.more, self.steps = ["tokens=16"], ["least=4000", "most=4000"], ["product=64", "runs=1"], 1
        else:
            self.views, self.per_view, self.head, self.tokens, self.hidden = (8, 16, 32, 256, 512), 1024, 768, (32768, 131072), 1536
            self.orthogonalised, self.attention, self.products, self.copies, self.more, self.steps = [], [], [], [], [], 5


def met(value, aim, at_least=True):
    return "met" if (value >= aim if at_least else value <= aim) else "missed"


def of_step(r):
    return (f"{r['seconds'] * 1e3:.1f} ms, {r['tokens_per_second']:.0f} tokens/s, {r['peak_bytes'] / 1e9:.1f} GB; forward, backward, "
            f"optimizer {r['forward_seconds'] * 1e3:.1f}, {r['backward_seconds'] * 1e3:.1f}, {r['optimizer_seconds'] * 1e3:.1f} ms"
            + (" kernel by kernel; timed as a CUDA graph" if r["graph"] else ""))


def share(r, aim):
    return f"{100 * r['utilisation']:.1f} % of {r['product_flops_per_second'] / 1e12:.4g} TFLOP/s ({met(100 * r['utilisation'], aim)})"


def error(r):
    return f"error {r['error']:.1e}, bound {r['error_bound']:.0e}"


class Bars:
    """Makes the rows; later ones are compared with the steps that earlier ones measured."""

    def __init__(self, machine, report, sizes, paper, peer):
        self.machine, self.report, self.sizes, self.paper, self.peer = machine, report, sizes, paper, peer
        self.steps = {}  # what was measured, by the name that a later row asks for

    def bench(self, what, aim, limit, words, row, correct, seconds, runs, drawn, on_paper="", may_not_fit=False):
        def measure(most):
            outcome = self.machine.lact(most, "bench", *words, "--json", "compute.device=cuda")
            self.report.note(f"{what}\nlact bench {' '.join(words)}", outcome.text[-4000:])
            r = outcome.json()
            if r is None:
                known = may_not_fit and "planned to take" in outcome.text
                return Result(outcome.why(), "does not fit, as planned" if known else "", known)
            text, ok = correct(r)
            if outcome.status != 0:
                text, ok = f"{outcome.word}: the numbers are WRONG; {text}", False
            return Result(row(r), text, ok)
        return Row(what, aim, min(self.paper.row(seconds, runs, drawn), limit), limit, measure, on_paper or words_of(seconds))

    def kernels(self):
        s, p = self.sizes, self.paper
        tokens = 16384
        yield self.bench("products of a model of width 768, bf16", "", 40, ["gemm", "precision=bf16", *s.products],
                         lambda r: f"up to {max(x['flops_per_second'] for x in r['rows']) / 1e12:.4g} TFLOP/s; " + ", ".join(
                             f"{x['m']}x{x['n']}x{x['k']} {x['seconds'] * 1e6:.0f} us" for x in r["rows"]),
                         lambda r: (f"error at most {max(x['error'] for x in r['rows']):.1e}, bound 1e-05", True),
                         p.products(2 * tokens * 768 * 12000), 12, 2.3e8, f"{p.numbers['bf16_product_gflops'] / 1e3:.4g} TFLOP/s")
        yield self.bench("bytes read and written", "", 40, ["copy", *s.copies],
                         lambda r: ", ".join(f"{x['what']} of {x['bytes'] / 1e6:.4g} MB {x['bytes_per_second'] / 1e9:.0f} GB/s"
                                             for x in r["rows"]),
                         lambda r: (f"{sum(x['wrong'] for x in r['rows'])} wrong", True),
                         p.moved(3 * 2**28), 40, 4e8, f"{p.numbers['memory_gb_per_second']:.0f} GB/s")
        once = p.products(3 * 5 * (4 * 768 * 768 * 1536 + 2 * 768**3))
        yield self.bench("Newton-Schulz of one 768 x 1,536 head (three matrices), forward, backward", "200 us, 350 us", 40,
                         ["newton_schulz", "precision=bf16", *s.orthogonalised],
                         lambda r: f"{r['forward_seconds'] * 1e6:.0f} us ({met(r['forward_seconds'], 200e-6, False)}), "
                                   f"{r['backward_seconds'] * 1e6:.0f} us ({met(r['backward_seconds'], 350e-6, False)})",
                         lambda r: (error(r), True), once, 22 * 50 * 4, 8e6)
        flops = 4 * 32 * 12 * 1024 * 1024 * 64
        for use, whose in (("all", "through cuDNN"), ("none", "own kernels")):
            for mask, part in (("causal=false", 1), ("causal=true", 0.5)):
                yield self.bench(
                    f"attention, 32 x 12 heads of 64, 1,024 tokens, {mask}, {whose}; forward, backward", "", 40,
                    ["attention", "precision=bf16", f"compute.cudnn={use}", mask, *s.attention],
                    lambda r: f"{r['forward_seconds'] * 1e6:.0f} us, {r['forward_flops_per_second'] / 1e12:.4g} TFLOP/s ({r['forward_by']}); "
                              f"{r['backward_seconds'] * 1e6:.0f} us, {r['backward_flops_per_second'] / 1e12:.4g} TFLOP/s ({r['backward_by']})",
                    lambda r: (error(r), True), p.attention(flops * part), 22 * 10 * 3.5, 2e8,
                    f"{words_of(p.attention(flops * part))}; {words_of(2.5 * p.attention(flops * part))}")

    def fast_weights(self):
        s, p = self.sizes, self.paper
        rows = [("update and apply, forward and backward, head width {}, {:,} tokens", s.tokens[0], 60, []),
                ("the same at {1:,} tokens with products through cuDNN", s.tokens[0], None, ["compute.cudnn=all"]),
                ("update and apply, forward and backward, head width {}, {:,} tokens", s.tokens[1], 75, [])]
        for what, tokens, aim, more in rows:
            yield self.bench(what.format(s.head, tokens), f"{aim} %" if aim else "", 60,
                             ["fast_weights", "precision=bf16", f"head_dim={s.head}", f"tokens={tokens}", *more, *s.more],
                             lambda r, aim=aim: (f"{share(r, aim)}, " if aim else "") + f"{r['seconds'] * 1e3:.2f} ms",
                             lambda r: (error(r), True), p.products(54 * tokens * s.head * s.hidden), 60, RATE + 4 * tokens * s.head)

    def step(self, what, aim, limit, views, words, row=of_step, name=None, beside=None, bound=0.0, steps=None, may_not_fit=False):
        """A train step; its loss beside that of the step called `beside`, at most `bound` of it apart."""
        s = self.sizes
        steps = steps or s.steps
        config = [*s.model, "train.precision=bf16", f"data.num_all_views={2 * views}", f"data.num_input_views={views}",
                  f"data.num_target_views={views}", *words]
        planned = self.paper.step(config)
        seconds, bytes_ = planned or (limit / 4 / (steps + 3), 0)
        fits = self.paper.fits(bytes_)
        on_paper = "no plan" if planned is None else f"{words_of(seconds)}, {bytes_ / 1e9:.1f} GB" + ("" if fits else ": does not fit")

        def correct(r):
            if name:
                self.steps[name] = r
            other = self.steps.get(beside)
            if r["loss"] is None:
                return "the loss is not finite", False
            if other is None or other["loss"] is None:
                return f"loss {r['loss']:.6f}, finite" + (f"; {beside} was not measured" if beside else ""), True
            apart = abs(r["loss"] - other["loss"]) / abs(other["loss"])
            return f"loss {r['loss']:.6f}, {apart:.1e} from that of {beside}, bound {bound:.0e}", apart <= bound
        more = [f"steps={steps}"] + (["product=64"] if s.tiny else [])
        return self.bench(what, aim, limit, ["train", PLANNED, *config, *more], row, correct, seconds, steps + 3 if fits else 1,
                          RATE + MODEL + views * s.per_view * 130, on_paper, may_not_fit or not fits)

    def against(self, r):
        """Time per token beside that of the middle size with activation checkpointing."""
        text = f"{r['peak_bytes'] / 1e9:.1f} GB, {r['seconds']:.2f} s, {1e6 * r['seconds'] / r['tokens']:.3f} us per token"
        other = self.steps.get("checkpointing")
        if other is None:
            return text
        ratio = (r["seconds"] / r["tokens"]) / (other["seconds"] / other["tokens"])
        return text + f": {100 * (ratio - 1):+.1f} % against {other['tokens']:,} tokens ({met(abs(ratio - 1), 0.1, False)})"

    def train_steps(self):
        small, kept, middle, large, largest = self.sizes.views
        tokens = [2 * v * self.sizes.per_view for v in self.sizes.views]
        name, again = "train step, LaCT NVS width 768, 24 layers (312 M parameters)", ["train.activation_checkpointing=true"]
        first = f"{tokens[0]:,} tokens"
        yield self.step(f"{name}, bf16, {first}, of the measured product rate", "50 %", 60, small, [],
                        lambda r: f"{share(r, 50)}; {of_step(r)}", name=first)
        yield self.step(f"the same step at {first} without CUDA graphs", "the same loss", 60, small, ["compute.graphs=false"], beside=first)
        for use, how in (("all", "with products through cuDNN"), ("none", "without cuDNN")):
            yield self.step(f"the same step at {first} {how}", "", 60, small, [f"compute.cudnn={use}"], beside=first, bound=2e-2)
        yield self.step(f"the same step at {first} in fp32", "", 60, small, ["train.precision=fp32"], beside=first, bound=2e-2)
        yield self.step(f"the same step at {tokens[1]:,} tokens", "60 %", 60, kept, [], lambda r: f"{share(r, 60)}; {of_step(r)}")
        yield self.peer_row(small, first)
        yield self.step(f"the same step at {tokens[2]:,} tokens with activation checkpointing", "", 60, middle, again, name="checkpointing")
        yield self.step(f"{tokens[3]:,} tokens, width 768, 24 layers, one training step", f"time per token within 10 % of that at {tokens[2]:,}",
                        80, large, again, self.against, steps=1)
        yield self.step(f"{tokens[2]:,} tokens, everything kept", "60 %", 60, middle, [], lambda r: f"{share(r, 60)}; {of_step(r)}",
                        beside="checkpointing", bound=1e-3)
        yield self.step(f"{tokens[4]:,} tokens, width 768, 24 layers, one training step",
                        f"fits 141 GB, time per token within 10 % of that at {tokens[2]:,}", 80, largest, again, self.against, steps=1)

    def language(self):
        """One sample of the published recipe, chunks as published; the text is generated."""
        what, limit, words, steps = "train step, LaCT language 760M, chunks of 2,048, bf16, 32,768 tokens", 60, self.sizes.language, self.sizes.steps
        planned = self.paper.step(words, LANGUAGE)
        seconds, bytes_ = planned or (limit / 4 / (steps + 3), 0)
        fits = self.paper.fits(bytes_)
        on_paper = "no plan" if planned is None else f"{words_of(seconds)}, {bytes_ / 1e9:.1f} GB" + ("" if fits else ": does not fit")
        more = [f"steps={steps}"] + (["product=64"] if self.sizes.tiny else [])

        def correct(r):
            return ("the loss is not finite", False) if r["loss"] is None else (f"loss {r['loss']:.6f}, finite", True)
        yield self.bench(what, "", limit, ["train", LANGUAGE, *words, *more], of_step, correct, seconds, steps + 3 if fits else 1,
                         RATE + 7.6e8, on_paper, not fits)

    def peer_row(self, views, ours):
        what, aim = "the same step against the authors' PyTorch with compile", "1.5 x"

        def measure(most):
            if self.peer is None:
                return Result("not run: no --peer")
            python = self.machine.python_with_torch()
            if python is None:
                return Result("not run: no Python here has PyTorch with CUDA")
            outcome = self.machine.run([python, str(ROOT / "tools/peer_step.py"), self.peer, "--views", str(2 * views)], most)
            self.report.note(what, outcome.text[-4000:])
            theirs = outcome.json()
            if theirs is None or outcome.status != 0:
                return Result(outcome.why(), ok=False)
            text = f"theirs {theirs['seconds'] * 1e3:.1f} ms, {theirs['peak_bytes'] / 1e9:.1f} GB"
            if ours not in self.steps:
                return Result(text)
            ratio = theirs["seconds"] / self.steps[ours]["seconds"]
            return Result(f"{ratio:.2f} x ({met(ratio, 1.5)}); {text}")
        # Compiling 24 blocks takes most of it; what it may take is what the other rows leave of the five minutes.
        return Row(what, aim, 60 if self.peer else 0, 110, measure)

    def rows(self):
        return [*self.kernels(), *self.fast_weights(), *self.language(), *self.train_steps()]
