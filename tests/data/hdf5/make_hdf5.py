#!/usr/bin/env python3
"""Makes the HDF5 files of this folder (h5py 3, numpy): each looks like a checkpoint and points to something that must
not be followed. usage: make_hdf5.py [folder]"""
import os
import sys

import h5py
import numpy as np

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
os.chdir(folder)


def file(name, fill, libver=("v108", "latest")):
    with h5py.File(name + ".h5", "w", libver=libver) as f:
        for key, value in dict(lact_checkpoint=1, step=1, sample=1, optimizer_steps=1, skipped_in_a_row=0).items():
            f.attrs.create(key, np.int64(value))
        f.attrs.create("config", np.bytes_("x"))
        f.create_dataset("value/w", data=np.arange(3, dtype="<f4")).attrs.create("xxh3", np.bytes_("0" * 16))
        fill(f)


def virtual(f):
    layout = h5py.VirtualLayout(shape=(3,), dtype="<f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "w", shape=(3,))
    f.create_virtual_dataset("second/w", layout)


def plugin(f):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((3,))
    plan.set_filter(32000, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(f.id, b"w", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), plan)


def loop(f):
    f["value/again"] = f["value"]


def two_names(f):
    f["value/v"] = f["value/w"]


file("soft_link", lambda f: f.__setitem__("second", h5py.SoftLink("/value")))
file("external_link", lambda f: f.__setitem__("second", h5py.ExternalLink("elsewhere.h5", "/second")))
file("loop", loop)
file("two_names", two_names)
file("virtual", virtual)
file("plugin", plugin)
file("other_numbers", lambda f: f.create_dataset("second/w", (3,), "<f4", external=[("elsewhere.bin", 0, 12)]))
# a type of link that only the program that wrote the file knows: an external one, whose type is 64, with another number
file("user_link", lambda f: f.__setitem__("second", h5py.ExternalLink("elsewhere.h5", "/second")), libver=("earliest", "v108"))
with open("user_link.h5", "r+b") as f:
    text = f.read()
    at = text.index(b"\x40\x06second")  # type, length of the name, name
    f.seek(at)
    f.write(b"\x41")
