#!/usr/bin/env python3
"""Times a train step of the authors' PyTorch LaCT view-synthesis model on this GPU, compiled, bf16 autocast: the peer of
`lact bench train`.

usage: tools/peer_step.py FOLDER [--views N] [--dim N] [--layers N] [--resolution N] [--steps N] [--eager]

FOLDER: `lact_nvs` of a checkout of a1600012888/LaCT. Half of the views are inputs, half targets; patch 8, one sample.
Prints one JSON line. Needs PyTorch with CUDA, and what that folder imports.

example: tools/peer_step.py LaCT/lact_nvs --views 16
"""
import argparse
import json
import statistics
import sys

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("folder")
for name, value in (("views", 16), ("dim", 768), ("layers", 24), ("resolution", 256), ("steps", 5)):
    options.add_argument(f"--{name}", type=int, default=value)
options.add_argument("--eager", action="store_true")
given = options.parse_args()

import torch  # noqa: E402  after --help
import torch.nn.functional as F  # noqa: E402

if given.eager:  # their functions are decorated
    torch.compile = lambda f=None, **_: f if f is not None else (lambda g: g)
sys.path.insert(0, given.folder)
from model import LaCTLVSM  # noqa: E402

torch.manual_seed(0)
torch.backends.cuda.matmul.allow_tf32 = True
device = torch.device("cuda")
blocks = [
    {"type": "model.SelfAttention", "length_dim": "l", "params": {"head_dim": 64, "use_qk_norm": True}},
    {"type": "lact_ttt.FastWeightGluMLPMultihead", "length_dim": "vl",
     "params": {"head_dim": given.dim, "inter_multi": 2, "base_lr": 0.01, "muon_update_steps": 5}},
    {"type": "model.MLP", "length_dim": "vl", "params": {"inter_multi": 4}},
]
model = LaCTLVSM(patch_size=8, dim=given.dim, layers=given.layers, block_config=blocks).to(device)
run = model if given.eager else torch.compile(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05, fused=True)


def posed(views):
    poses = torch.eye(4, device=device).repeat(1, views, 1, 1)
    poses[:, :, :3, 3] = torch.randn(1, views, 3, device=device)
    size = given.resolution
    intrinsics = torch.tensor([size, size, size / 2, size / 2], device=device).repeat(1, views, 1)
    return {"image": torch.rand(1, views, 3, size, size, device=device), "c2w": poses, "fxfycxcy": intrinsics}


inputs, targets = posed(given.views // 2), posed(given.views - given.views // 2)


def step():
    with torch.autocast("cuda", dtype=torch.bfloat16):
        loss = F.mse_loss(run(inputs, targets), targets["image"])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


for _ in range(3):
    step()
torch.cuda.synchronize()
torch.cuda.reset_peak_memory_stats()
milliseconds = []
for _ in range(given.steps):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    step()
    end.record()
    end.synchronize()
    milliseconds.append(begin.elapsed_time(end))
seconds = statistics.median(milliseconds) / 1e3
tokens = given.views * (given.resolution // 8) ** 2
print(json.dumps({"device": torch.cuda.get_device_name(), "compiled": not given.eager, "tokens": tokens, "seconds": seconds,
                  "tokens_per_second": tokens / seconds, "peak_bytes": torch.cuda.max_memory_allocated()}))
