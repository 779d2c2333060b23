# SPDX-License-Identifier: GPL-2.0-or-later
"""Random operations, judged by a model after each: small hosts first, then 20,000 operations on 16 PFs with 256 VFs each
and 1,000 tenants.

A failure prints its seed, and on a small host the operations that are enough to show it. VFSIM_SEED=SEED runs it again;
VFSIM_SEED=SEED:3,17,20 only those operations.
"""

import os
import time
import traceback
import unittest

from randops import Operations
from randpolicy import Shape

EVERYDAY = {"acquire": 46, "release": 27, "die": 5, "reserve": 3, "unreserve": 3, "drain_pf": 2, "quarantine": 2, "clear": 3,
            "fault": 2, "wait": 2, "give_up": 1, "burst": 2, "hold": 1, "let_go": 1.5, "plan": 0.5}
SMALL = {**EVERYDAY, "reload": 2, "apply": 1.5, "unplug": 0.5, "plug": 1, "restart": 0.3, "crash": 0.6, "hang": 0.2, "unhang": 0.4}
LARGE = {**EVERYDAY, "reload": 0.3, "apply": 0.1, "unplug": 0.03, "plug": 0.06, "restart": 0.02, "crash": 0.03, "hang": 0.03,
         "unhang": 0.06}
TINY = Shape({"a": 1, "c": 1}, vfs=4, tenants=3, counts=(1, 2, 3, "max"), weights=SMALL)
SEVERAL = Shape({"a": 3, "b": 2, "c": 2}, vfs=8, tenants=12, counts=(2, 4, "max"), weights=SMALL)
WIDE = Shape({"a": 7, "b": 7, "c": 2}, vfs=256, tenants=1000, counts=(8, 16, "max"), weights=LARGE, link=10000, every=100,
             timeout=20)
SHRINK = 40  # seconds that a failing history is cut down


def play(shape, seed, numbers):
    """Runs operations of a seed; None, or the number of the one that failed and what is to be said of it."""
    run, n, failure = Operations(shape, seed), None, None
    try:
        run.start()
        for n in numbers:
            run.operation(n)
        n = None
        run.finish()
    except Exception:
        what = "the end" if n is None else f"operation {n}, {run.last}"
        failure = n, f"{what}:\n{traceback.format_exc()}\n--- log of the daemon\n{run.host.daemon.log_tail(40)}"
    try:
        run.close()
    except AssertionError as e:  # the daemon's log holds a report of a sanitizer, or it did not end well
        failure = failure or (n, str(e))
    return failure


def shrink(shape, seed, numbers, failure):
    """Leaves out operations as long as it fails all the same, for a while."""
    end = time.monotonic() + SHRINK
    size = max(len(numbers) // 2, 1)
    while time.monotonic() < end:
        at = 0
        while at < len(numbers) and time.monotonic() < end:
            less = numbers[:at] + numbers[at + size:]
            again = play(shape, seed, less) if less else None
            if again:
                numbers, failure = [n for n in less if again[0] is None or n <= again[0]], again
            else:
                at += size
        if size == 1:
            break
        size = max(size // 2, 1)
    return numbers, failure


class RandomTest(unittest.TestCase):
    def part(self, shape, seed, count):
        numbers = list(range(count))
        if "VFSIM_SEED" in os.environ:
            seed, _, some = os.environ["VFSIM_SEED"].partition(":")
            numbers = [int(n) for n in some.split(",")] if some else numbers
        failure = play(shape, seed, numbers)
        if not failure:
            return
        said = f"VFSIM_SEED={seed}, {failure[1]}"
        if shape is not WIDE:
            numbers = [n for n in numbers if failure[0] is None or n <= failure[0]]
            numbers, failure = shrink(shape, seed, numbers, failure)
            said += f"\n\nThese operations are enough:\nVFSIM_SEED={seed}:{','.join(map(str, numbers))}, {failure[1]}"
        self.fail(said)

    def test_1_tiny_host(self):
        self.part(TINY, "tiny", 400)

    def test_2_several_pfs(self):
        self.part(SEVERAL, "several", 1000)


def add_wide_parts(parts, count):
    for n in range(1, parts + 1):
        setattr(RandomTest, f"test_3_wide_host_{n}", lambda self, n=n: self.part(WIDE, f"wide{n}", count))


add_wide_parts(8, 2500)  # each with time to spare before run.py's limit
