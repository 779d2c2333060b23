#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the simulated-host tests, each in a process of its own: run.py [--build DIR] [-j N] [--without PATTERN] [PATTERN…]

A pattern is a glob or a part of a test's name. One line a test; the last line holds the sums.
"""

import argparse
import concurrent.futures
import contextlib
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
SKIPPED = 77
TIMEOUT = 300


def become_root_of_a_namespace():
    """Without root: the daemon, its clients and we are uid 0 of a user namespace, if the kernel lets us."""
    if os.geteuid() == 0 or "SIM_NAMESPACE" in os.environ:
        return
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True).returncode == 0:
        os.environ["SIM_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", sys.executable, *sys.argv])
    print("no user namespaces: tests that need an administrator will fail; run as root", file=sys.stderr)


def names(suite):
    for member in suite:
        if isinstance(member, unittest.TestSuite):
            yield from names(member)
        else:
            yield member.id()


def run_one(name):
    """In the process of one test."""
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    result = unittest.TextTestRunner(verbosity=0, stream=sys.stdout).run(suite)
    if not result.wasSuccessful():
        return 1
    return SKIPPED if result.skipped else 0


def start(name):
    """Runs one test; returns (name, exit status, seconds, output)."""
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--one", name],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", cwd=HERE, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=TIMEOUT * int(os.environ.get("SIM_SLOW", "1")))
        status = process.returncode
    except subprocess.TimeoutExpired:
        # its own session: everything that the test started, nothing else
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output, status = output + f"\nkilled after {TIMEOUT} s\n", 1
    return name, status, time.monotonic() - begin, output


def matches(name, pattern):
    return pattern in name or fnmatch.fnmatch(name, pattern)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="/tmp/build-sim", help="build directory of meson")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, help="tests at the same time")
    parser.add_argument("-v", action="store_true", help="show the output of successful tests, too")
    parser.add_argument("--without", metavar="PATTERN", help="leave these out")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("pattern", nargs="*")
    arguments = parser.parse_args()
    if arguments.one:
        return run_one(arguments.one)
    become_root_of_a_namespace()
    import harness
    tests = sorted(names(unittest.defaultTestLoader.discover(HERE, "test_*.py")))
    if arguments.pattern:
        tests = [t for t in tests if any(matches(t, p) for p in arguments.pattern)]
    if arguments.without:
        tests = [t for t in tests if not matches(t, arguments.without)]
    os.environ["SIM_BIN"] = harness.prepare(os.path.abspath(arguments.build))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with concurrent.futures.ThreadPoolExecutor(arguments.j) as pool:
            for name, status, seconds, output in pool.map(start, tests):
                word = "passed" if status == 0 else "skipped" if status == SKIPPED else "failed"
                counts[word] += 1
                print(f"{word:7} {name} ({seconds:.2f} s)", flush=True)
                if word == "failed" or arguments.v:
                    print("\n".join("    " + line for line in output.splitlines()), flush=True)
    finally:
        shutil.rmtree(os.environ["SIM_BIN"], ignore_errors=True)
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    return 1 if counts["failed"] or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
