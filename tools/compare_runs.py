#!/usr/bin/env python3
"""Says where two runs first differ, by the losses and gradient norms in their metrics.jsonl."""
import argparse
import json
import pathlib
import sys

COMPARED = ("loss", "grad_norm")


def steps_of(run):
    """step -> row, training rows only."""
    path = pathlib.Path(run)
    path = path / "metrics.jsonl" if path.is_dir() else path
    rows = {}
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    step = row["step"]
                except (ValueError, KeyError, TypeError):
                    sys.exit(f"compare_runs: {path}:{number} is no row with a step")
                if "loss" in row:
                    rows[step] = row
    except OSError as error:
        sys.exit(f"compare_runs: cannot read {path}: {error.strerror}")
    if not rows:
        sys.exit(f"compare_runs: {path} has no training steps")
    return rows


def first_difference(a, b):
    """A sentence about the first step that differs, or None. Steps are compared up to the end of the shorter run."""
    last = min(max(a), max(b))
    for step in sorted(step for step in a.keys() | b.keys() if step <= last):
        if step not in a or step not in b:
            return f"step {step} is missing in {'A' if step not in a else 'B'}"
        for key in COMPARED:
            x, y = a[step].get(key), b[step].get(key)
            if x != y:
                both = all(isinstance(v, (int, float)) for v in (x, y))
                size = max(abs(x), abs(y)) if both else 0
                relative = f" (relative difference {abs(x - y) / size:.2e})" if size else ""
                return f"first difference at step {step}: {key} {x} in A, {y} in B{relative}"
    return None


def main():
    options = argparse.ArgumentParser(description=__doc__, epilog="example: tools/compare_runs.py runs/before runs/after --equal")
    options.add_argument("a", metavar="RUN_A", help="run folder or metrics.jsonl")
    options.add_argument("b", metavar="RUN_B", help="run folder or metrics.jsonl")
    options.add_argument("--equal", action="store_true", help="exit status 1 unless all steps are there in both and equal")
    given = options.parse_args()
    a, b = steps_of(given.a), steps_of(given.b)
    difference = first_difference(a, b)
    if difference:
        print(difference)
        return 1 if given.equal else 0
    print(f"equal for {len(a.keys() & b.keys())} steps")
    if max(a) != max(b):
        print(f"A ends at step {max(a)}, B at step {max(b)}")
        return 1 if given.equal else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
