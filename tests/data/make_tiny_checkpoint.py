#!/usr/bin/env python3
"""Writes tiny_checkpoint.pt beside this file. Needs torch (made with 2.13); tests/tools/pt_to_safetensors_test.py says what is in it."""
import collections
import pathlib

import torch

base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
state = collections.OrderedDict()
state["blocks.0.weight"] = torch.nn.Parameter(base[:2, :3].clone())
state["transposed"] = base.t()
state["inner"] = base[1:3, 2:5]  # shares its storage with "transposed"
state["every_second"] = base.reshape(-1)[1::2]
state["cube"] = base.reshape(2, 3, 4).permute(2, 0, 1)
state["expanded"] = torch.tensor([7.0]).expand(3)
state["bf16"] = torch.tensor([[1.0, -2.5, 3.140625]], dtype=torch.bfloat16)
state["half"] = torch.tensor([0.5, -65504.0], dtype=torch.float16)
state["double"] = torch.tensor([0.1], dtype=torch.float64)
state["steps"] = torch.tensor(12345678901, dtype=torch.int64)
state["int"] = torch.tensor([-7], dtype=torch.int32)
state["byte"] = torch.tensor([0, 255], dtype=torch.uint8)
state["bool"] = torch.tensor([True, False, True])
state["empty"] = torch.zeros(0, 3)
torch.save({"model": state, "other": {"ema": {"w": torch.ones(2)}}, "now_iters": 7, "lr": 1e-4},
           pathlib.Path(__file__).with_name("tiny_checkpoint.pt"))
