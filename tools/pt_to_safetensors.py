#!/usr/bin/env python3
"""Turns a checkpoint written by torch.save into a safetensors file, without torch.

The checkpoint is a zip archive with a pickle inside. Unpickling can run any code, so only the few classes that a dict of
tensors needs are known here, and none of them does anything but hold data; every other class is refused by name."""
import argparse
import collections
import io
import json
import math
import os
import pickle
import struct
import sys
import zipfile

# torch storage class -> safetensors type, bytes, format of memoryview.cast
STORAGES = {
    "DoubleStorage": ("F64", 8, "Q"), "FloatStorage": ("F32", 4, "I"), "HalfStorage": ("F16", 2, "H"),
    "BFloat16Storage": ("BF16", 2, "H"), "LongStorage": ("I64", 8, "Q"), "IntStorage": ("I32", 4, "I"),
    "ShortStorage": ("I16", 2, "H"), "CharStorage": ("I8", 1, "B"), "ByteStorage": ("U8", 1, "B"),
    "BoolStorage": ("BOOL", 1, "B"),
}
MAX_PICKLE = 100_000_000
MAX_BYTES = 1 << 40  # of one tensor: an expanded view of a small storage can claim any size

Storage = collections.namedtuple("Storage", "kind key count")
Tensor = collections.namedtuple("Tensor", "storage offset shape strides")


class Refusal(Exception):
    pass


def is_sizes(value):
    return isinstance(value, tuple) and len(value) <= 32 and all(type(n) is int and n >= 0 for n in value)


def rebuild_tensor(storage, offset, shape, strides, *_):
    if not (isinstance(storage, Storage) and type(offset) is int and offset >= 0 and is_sizes(shape) and is_sizes(strides)
            and len(shape) == len(strides)):
        raise Refusal("a tensor's description makes no sense")
    if math.prod(shape) * STORAGES[storage.kind][1] > MAX_BYTES:
        raise Refusal(f"a tensor of shape {list(shape)} is too large")
    if math.prod(shape) and offset + sum((n - 1) * s for n, s in zip(shape, strides)) >= storage.count:
        raise Refusal(f"a tensor of shape {list(shape)} reaches beyond its storage of {storage.count} numbers")
    return Tensor(storage, offset, shape, strides)


def rebuild_parameter(tensor, *_):
    return tensor


KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
}


class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module == "torch" and name in STORAGES:
            return name  # a storage class is only ever an argument
        raise Refusal(f"it holds a {module}.{name}, which is not among the classes that weights need")

    def persistent_load(self, pid):
        known = isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and pid[1] in STORAGES
        if not known or type(pid[2]) is not str or type(pid[4]) is not int or pid[4] < 0:
            raise Refusal(f"it refers to {str(pid)[:80]}, which is not a storage")
        return Storage(pid[1], pid[2], pid[4])


class Checkpoint:
    def __init__(self, path):
        try:
            self.zip = zipfile.ZipFile(path)
        except OSError:
            raise
        except Exception:  # BadZipFile, and what a broken directory leads to
            raise Refusal("it is not a zip archive; PyTorch before 1.6 wrote other files: load and save it again there")
        pickles = [n for n in self.zip.namelist() if n.endswith("/data.pkl") and n.count("/") == 1]
        if len(pickles) != 1:
            raise Refusal(f"it has {len(pickles)} files data.pkl instead of one; is it from torch.save?")
        self.folder = pickles[0][:-len("data.pkl")]
        if self.folder + "byteorder" in self.zip.namelist() and self.member("byteorder", 16) != b"little":
            raise Refusal("its numbers are not little-endian")
        try:
            self.root = Reader(io.BytesIO(self.member("data.pkl", MAX_PICKLE)), encoding="utf-8").load()
        except Refusal:
            raise
        except Exception as e:  # a broken pickle fails in every way there is
            raise Refusal(f"its pickle is damaged ({type(e).__name__}: {str(e)[:100]})")
        self.last_key, self.last_bytes = None, b""  # neighbours often share a storage

    def member(self, name, most):
        try:
            info = self.zip.getinfo(self.folder + name)
        except KeyError:
            raise Refusal(f"the part {name} is missing")
        if info.file_size > most:
            raise Refusal(f"the part {name} has {info.file_size} bytes, more than {most}")
        try:
            return self.zip.read(info)
        except Exception as e:  # a wrong checksum, a method that is not known, an early end
            raise Refusal(f"the part {name} cannot be read ({e})")

    def numbers(self, tensor):
        """The bytes of a tensor, row-major."""
        _, size, cast = STORAGES[tensor.storage.kind]
        if math.prod(tensor.shape) == 0:
            return b""
        if tensor.storage.key != self.last_key:
            self.last_key, self.last_bytes = tensor.storage.key, self.member("data/" + tensor.storage.key, MAX_BYTES)
        raw = self.last_bytes
        if len(raw) != tensor.storage.count * size:
            raise Refusal(f"the storage {tensor.storage.key} has {len(raw)} bytes, not {tensor.storage.count} numbers of {size}")
        cells = memoryview(raw).cast(cast)
        shape, strides = list(tensor.shape), list(tensor.strides)
        run = 1  # numbers at the end that lie side by side already
        while shape and (shape[-1] == 1 or strides[-1] == run):
            run *= shape.pop()
            strides.pop()
        if not shape:
            return cells[tensor.offset:tensor.offset + run].tobytes()
        out = bytearray()
        gather(out, cells, tensor.offset, shape, strides, run)
        return out


def gather(out, cells, offset, shape, strides, run):
    count, stride = shape[0], strides[0]
    if len(shape) > 1:
        for i in range(count):
            gather(out, cells, offset + i * stride, shape[1:], strides[1:], run)
    elif run == 1 and stride > 0:
        out += cells[offset:offset + (count - 1) * stride + 1:stride].tobytes()
    else:
        for i in range(count):
            out += cells[offset + i * stride:offset + i * stride + run].tobytes()


def tensors_of(root, entry):
    where = root
    for key in [] if entry == "." else entry.split("."):
        if not isinstance(where, dict) or key not in where:
            has = ", ".join(str(k) for k in list(where)[:20]) if isinstance(where, dict) else "no entries"
            raise Refusal(f"there is no entry '{entry}' (it has: {has})")
        where = where[key]
    if not isinstance(where, dict):
        raise Refusal(f"the entry '{entry}' is not a dict of tensors")
    for name, value in where.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise Refusal(f"'{str(name)[:80]}' in the entry '{entry}' is not a tensor")
    return where


def header_of(tensors, order):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name in order:
        kind, size, _ = STORAGES[tensors[name].storage.kind]
        begin, end = end, end + size * math.prod(tensors[name].shape)
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def convert(source, target, entry):
    checkpoint = Checkpoint(source)
    tensors = tensors_of(checkpoint.root, entry)
    if "__metadata__" in tensors:
        raise Refusal("a tensor is named __metadata__, which the target reserves")
    # Larger element types first, so that every tensor is aligned.
    order = sorted(tensors, key=lambda name: -STORAGES[tensors[name].storage.kind][1])
    header = header_of(tensors, order)
    if os.path.exists(target) and not os.path.isfile(target):
        raise Refusal(f"{target} is there and not a file")
    partial = target + ".partial"
    try:
        with open(partial, "wb") as out:
            out.write(struct.pack("<Q", len(header)) + header)
            for name in order:
                out.write(checkpoint.numbers(tensors[name]))
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, target)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    return len(order), sum(math.prod(t.shape) for t in tensors.values())


def main():
    parser = argparse.ArgumentParser(
        prog="pt_to_safetensors.py", description=__doc__.split("\n\n")[0],
        epilog="example: pt_to_safetensors.py model_0050000.pt weights.safetensors")
    parser.add_argument("source", metavar="IN.pt")
    parser.add_argument("target", metavar="OUT.safetensors")
    parser.add_argument("--entry", default="model",
                        help="where in the checkpoint the dict of tensors is, such as state.model; '.' is the checkpoint itself"
                             " (default: model)")
    args = parser.parse_args()
    try:
        count, numbers = convert(args.source, args.target, args.entry)
    except Refusal as e:
        sys.exit(f"{args.source}: {e}")
    except OSError as e:
        sys.exit(f"{e.filename or args.target}: {e.strerror}")
    print(f"{args.target}: {count} tensors, {numbers} numbers")


if __name__ == "__main__":
    main()
