#!/usr/bin/env python3
"""tools/pt_to_safetensors.py on a checkpoint that PyTorch wrote, and on ones that mean harm. Standard library only."""
import collections
import io
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "pt_to_safetensors.py"
TINY = ROOT / "tests" / "data" / "tiny_checkpoint.pt"
FORMATS = {"F64": "d", "F32": "f", "F16": "e", "BF16": "H", "I64": "q", "I32": "i", "U8": "B", "BOOL": "?"}


def run(*arguments):
    done = subprocess.run([sys.executable, "-I", str(TOOL), *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def read(path):
    """name -> (type, shape, numbers), and the metadata."""
    raw = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    assert length % 8 == 0
    header, data, end = json.loads(raw[8:8 + length]), raw[8 + length:], 0
    metadata, tensors = header.pop("__metadata__"), {}
    for name, entry in header.items():
        begin, stop = entry["data_offsets"]
        assert begin == end, "a hole"
        size = struct.calcsize(FORMATS[entry["dtype"]])
        assert begin % size == 0, "not aligned"
        end = stop
        numbers = list(struct.unpack(f"<{(stop - begin) // size}{FORMATS[entry['dtype']]}", data[begin:stop]))
        tensors[name] = (entry["dtype"], entry["shape"], numbers)
    assert end == len(data)
    return tensors, metadata


# Stand-ins with the names that torch pickles, to write checkpoints that torch would not.
torch = types.ModuleType("torch")
torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
torch.ComplexFloatStorage = type("ComplexFloatStorage", (), {"__module__": "torch"})
torch_utils = types.ModuleType("torch._utils")


def _rebuild_tensor_v2(*_):
    pass


_rebuild_tensor_v2.__module__ = "torch._utils"
torch_utils._rebuild_tensor_v2 = _rebuild_tensor_v2
Stored = collections.namedtuple("Stored", "kind key count")


class View:
    def __init__(self, stored, offset, shape, strides):
        self.arguments = (stored, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


class Writer(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", value.kind, value.key, "cpu", value.count) if isinstance(value, Stored) else None


class Converting(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out.safetensors"
        known = {"torch": torch, "torch._utils": torch_utils}
        self.addCleanup(lambda: [sys.modules.pop(name) for name in known])
        sys.modules.update(known)

    def checkpoint(self, value, storages=None, raw=None):
        stream = io.BytesIO()
        if raw is None:
            Writer(stream, protocol=2).dump(value)
        path = self.folder / "in.pt"
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("in/data.pkl", stream.getvalue() if raw is None else raw)
            for key, content in (storages or {}).items():
                z.writestr(f"in/data/{key}", content)
        return path

    def refused(self, path, *options):
        status, out, err = run(path, self.out, *options)
        self.assertEqual((status, out), (1, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith(f"{path}: "), err)
        self.assertFalse(self.out.exists())
        self.assertEqual(list(self.folder.glob("*.partial")), [])
        return err

    def test_what_torch_wrote(self):
        status, out, err = run(TINY, self.out)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out, f"{self.out}: 14 tensors, 88 numbers\n")
        tensors, metadata = read(self.out)
        self.assertEqual(metadata, {"format": "pt"})
        column = [float(i) for c in range(6) for i in range(c, 24, 6)]
        cube = [float(12 * b + 4 * c + a) for a in range(4) for b in range(2) for c in range(3)]
        self.assertEqual(tensors, {
            "blocks.0.weight": ("F32", [2, 3], [0, 1, 2, 6, 7, 8]),
            "transposed": ("F32", [6, 4], column),
            "inner": ("F32", [2, 3], [8, 9, 10, 14, 15, 16]),
            "every_second": ("F32", [12], list(range(1, 24, 2))),
            "cube": ("F32", [4, 2, 3], cube),
            "expanded": ("F32", [3], [7, 7, 7]),
            "bf16": ("BF16", [1, 3], [0x3f80, 0xc020, 0x4049]),
            "half": ("F16", [2], [0.5, -65504]),
            "double": ("F64", [1], [0.1]),
            "steps": ("I64", [], [12345678901]),
            "int": ("I32", [1], [-7]),
            "byte": ("U8", [2], [0, 255]),
            "bool": ("BOOL", [3], [True, False, True]),
            "empty": ("F32", [0, 3], []),
        })

    def test_other_entries(self):
        self.assertEqual(run(TINY, self.out, "--entry", "other.ema")[0], 0)
        self.assertEqual(read(self.out)[0], {"w": ("F32", [2], [1, 1])})
        bare = self.checkpoint({"w": View(Stored(torch.FloatStorage, "0", 1), 0, (1,), (1,))}, {"0": struct.pack("<f", 5)})
        self.assertEqual(run(bare, self.out, "--entry", ".")[0], 0)
        self.assertEqual(read(self.out)[0], {"w": ("F32", [1], [5])})

    def test_wrong_entries(self):
        self.assertIn("no entry 'ema' (it has: model, other, now_iters, lr)", self.refused(TINY, "--entry", "ema"))
        self.assertIn("the entry 'now_iters' is not a dict", self.refused(TINY, "--entry", "now_iters"))
        self.assertIn("'model' in the entry '.' is not a tensor", self.refused(TINY, "--entry", "."))

    def test_code_is_refused_by_name_and_does_not_run(self):
        proof = self.folder / "proof"

        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {proof}",)

        self.assertIn("it holds a posix.system", self.refused(self.checkpoint({"model": Evil()})))
        for module, name in (("builtins", "eval"), ("os", "system"), ("torch", "load"), ("collections", "namedtuple"),
                             ("torch._utils", "_rebuild_tensor_v2.__globals__")):
            path = self.checkpoint(None, raw=b"\x80\x04\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" +
                                   bytes([len(name)]) + name.encode() + b"\x93.")
            self.assertIn(f"it holds a {module}.{name}", self.refused(path))
        self.assertFalse(proof.exists())

    def test_unknown_storages_are_refused_by_name(self):
        view = View(Stored(torch.ComplexFloatStorage, "0", 1), 0, (1,), (1,))
        self.assertIn("torch.ComplexFloatStorage", self.refused(self.checkpoint({"model": {"w": view}}, {"0": b"12345678"})))

    def test_views_that_lie_are_refused(self):
        def said(offset, shape, strides, content=b"\0" * 16, count=4):
            view = View(Stored(torch.FloatStorage, "0", count), offset, shape, strides)
            return self.refused(self.checkpoint({"model": {"w": view}}, {"0": content}))

        self.assertIn("reaches beyond its storage of 4 numbers", said(0, (5,), (1,)))
        self.assertIn("reaches beyond", said(3, (2,), (1,)))
        self.assertIn("reaches beyond", said(0, (2, 2), (3, 1)))
        self.assertIn("makes no sense", said(-1, (1,), (1,)))
        self.assertIn("makes no sense", said(0, (-1,), (1,)))
        self.assertIn("makes no sense", said(0, (1,), (-1,)))
        self.assertIn("makes no sense", said(0, (1, 1), (1,)))
        self.assertIn("makes no sense", said(0, (1.0,), (1,)))
        self.assertIn("too large", said(0, (1 << 40,), (0,)))
        self.assertIn("the storage 0 has 12 bytes, not 4 numbers of 4", said(0, (4,), (1,), b"\0" * 12))
        self.assertIn("the storage 0 has 16 bytes", said(0, (4,), (1,), count=1 << 60))

    def test_missing_storage(self):
        view = View(Stored(torch.FloatStorage, "../0", 1), 0, (1,), (1,))
        self.assertIn("the part data/../0 is missing", self.refused(self.checkpoint({"model": {"w": view}})))

    def test_broken_files_are_refused(self):
        whole = TINY.read_bytes()
        path = self.folder / "broken.pt"
        for n in [0, 1, 4, 100, *range(101, len(whole), 997), len(whole) - 1]:
            path.write_bytes(whole[:n])
            self.assertIn("it is not a zip archive", self.refused(path))
        for raw in (b"", b"\x80\x02", b"garbage", b".", b"\x80\x02}q\x00U\x05model", b"\x80\xff."):
            self.assertIn("its pickle is damaged", self.refused(self.checkpoint(None, raw=raw)))
        self.assertIn("no entry 'model'", self.refused(self.checkpoint([1, 2])))
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("readme", "hello")
        self.assertIn("it has 0 files data.pkl", self.refused(path))

    def test_missing_files_and_folders(self):
        self.assertEqual(run(self.folder / "none.pt", self.out)[::2],
                         (1, f"{self.folder / 'none.pt'}: No such file or directory\n"))
        target = self.folder / "no" / "out"
        self.assertEqual(run(TINY, target)[::2], (1, f"{target}.partial: No such file or directory\n"))
        self.assertEqual(run(TINY, "/dev/null")[0], 1)

    def test_help_has_an_example(self):
        status, out, _ = run("--help")
        self.assertEqual(status, 0)
        self.assertIn("example: pt_to_safetensors.py", out)
        self.assertEqual(run()[0], 2)


if __name__ == "__main__":
    unittest.main()
