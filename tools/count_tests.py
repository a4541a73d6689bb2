#!/usr/bin/env python3
"""Adds up what ctest ran, in GoogleTest cases, and prints two lines:

    312 passed, 0 failed
    lact: 312 passed, 0 failed, 4 not run

example: tools/count_tests.py build/release/tests.xml

Each argument is a JUnit file that ctest wrote. A ctest entry that is no GoogleTest program counts as one case; a program
that died or ran out of time counts the case it was in as failed, and a missing file is one failure. Exit status 1 if
anything failed or nothing ran.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

STARTED = re.compile(r"\[ RUN      \] \S")
PASSED = re.compile(r"\[       OK \] \S.* \(\d+ ms\)")


def cases_of(entry):
    """Passed, failed and not run cases of one ctest entry."""
    if entry.get("status") in ("disabled", "notrun") and entry.find("failure") is None:
        return 0, 0, 1
    output = entry.findtext("system-out") or ""
    started, passed = len(STARTED.findall(output)), len(PASSED.findall(output))
    if entry.get("status") == "run":
        return (passed, started - passed, 0) if started else (1, 0, 0)
    return passed, max(started - passed, 1), 0  # a leak at exit, a missing program: nothing started, still a failure


def cases_left_out(build, label):
    """Cases of the programs with that label in a build folder, asked from the programs themselves; of others one."""
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1", "-L", f"^{label}$"],
                             check=True, capture_output=True, text=True)
    count = 0
    for test in json.loads(listing.stdout)["tests"]:
        program = test["command"][-1]
        if not (program.endswith("_test") and os.access(program, os.X_OK)):
            count += 1
            continue
        names = subprocess.run([program, "--gtest_list_tests"], check=True, capture_output=True, text=True)
        count += sum(line.startswith("  ") for line in names.stdout.splitlines())
    return count


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("junit", nargs="+", help="file written by ctest --output-junit")
    options.add_argument("--left-out", metavar=("BUILD", "LABEL"), nargs=2, action="append", default=[],
                         help="build folder whose tests with that label were not started")
    given = options.parse_args()
    passed = failed = not_run = 0
    for path in given.junit:
        if not os.path.exists(path):
            print(f"failed: {path} was not written, so the build or ctest itself failed")
            failed += 1
            continue
        for entry in xml.parse(path).getroot().iter("testcase"):
            p, f, n = cases_of(entry)
            passed, failed, not_run = passed + p, failed + f, not_run + n
            if f:
                print(f"failed: {entry.get('name')} ({path})")
    not_run += sum(cases_left_out(*left) for left in given.left_out)
    print(f"{passed} passed, {failed} failed")
    print(f"lact: {passed} passed, {failed} failed, {not_run} not run")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
