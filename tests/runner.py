#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds and tests everything; tests/run installs Python and calls it: sudo tests/run [--quick] [LAYER...]

Layers, in this order: check unit asan sim fuzz lab; all of them if none is named, and --quick leaves out fuzz and lab.
A layer that cannot run counts as failed. The last line is the sum: N passed, N failed, N skipped."""

import argparse
import concurrent.futures
import ctypes
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

TREE = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["check", "unit", "asan", "sim", "fuzz", "lab"]
QUICK = ["check", "unit", "asan", "sim"]
FIRST = ["check", "unit"]
BUILDS = {  # name: directory, options of meson, environment
    "plain": ("build",),
    "asan": ("build-asan", ("-Db_sanitize=address,undefined",)),
    "fuzz": ("build-fuzz", ("-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                            "-Dc_args=-fsanitize=fuzzer-no-link"), {"CC": "clang"}),
}
NEEDS = {"check": ["plain"], "unit": ["plain"], "asan": ["asan"], "sim": ["plain", "asan"], "fuzz": ["fuzz"], "lab": ["plain"]}
KERNELS = ["stock", "iommufd"]
FUZZ_SECONDS = 20
LONG = "*_wide_host_[3-8]"  # parts of tests/sim/test_random.py, for which two parts with sanitizers stand
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
}
# long enough for a slow machine under emulation; only there so that a hang ends
DEADLINES = {"setup": 1800, "build": 1800, "check": 900, "unit": 900, "sim": 1800, "fuzz": 300, "kernel": 5400, "lab": 5400}


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed=0, failed=0, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Children:
    """What we started, and what that started: a test may put its own children into sessions of their own, so it is by
    parentage, not by process group, that they are found. Orphans become our children."""

    def __init__(self):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, linux/prctl.h

    @staticmethod
    def start(command, **options):
        return subprocess.Popen(command, cwd=TREE, stdin=subprocess.DEVNULL, start_new_session=True, **options)

    @staticmethod
    def below(top):
        children = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = int(stat.parent.name), stat.read_text(errors="replace").rpartition(")")[2]
            except OSError:
                continue
            children.setdefault(int(rest.split()[1]), []).append(pid)
        found = list(children.get(top, []))
        for pid in found:
            found += children.get(pid, [])
        return found

    def end(self, pids):
        """Asks these and all below them to end, then makes them."""
        everyone = {pid for top in pids for pid in [top, *self.below(top)]}
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 2)):
            alive = {pid for pid in everyone if self.signal(pid, number)}
            deadline = time.monotonic() + patience
            while alive and time.monotonic() < deadline:
                time.sleep(0.1)
                self.reap(alive)
                alive = {pid for pid in alive if self.signal(pid, 0)}

    def end_all(self):
        for _ in range(3):  # what was being started meanwhile
            self.end(self.below(os.getpid()))

    @staticmethod
    def signal(pid, number):
        try:
            os.kill(pid, number)
            return True
        except (ProcessLookupError, PermissionError):
            return False

    @staticmethod
    def reap(pids):
        for pid in pids:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


class Run:
    def __init__(self):
        self.counts = Counts()
        self.children = Children()
        self.colour = sys.stdout.isatty() and os.environ.get("CI") != "true"
        self.logs = TREE / "build" / "test-logs"
        self.kernel = None
        self.lab_ready = None  # not known yet
        self.built = set()
        self.started = time.monotonic()

    def say(self, text, bold=False):
        print(f"\033[1m{text}\033[0m" if bold and self.colour else text, flush=True)

    def header(self, what):
        self.say(f"== {what} ({int(time.monotonic() - self.started)} s)", bold=True)

    def command(self, command, kind, log, env=None, quiet=False):
        """Runs a command, its output to the log and, unless quiet, to our own. The exit status, or None after the deadline,
        and the last lines."""
        self.logs.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        tail = []
        child = self.children.start([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    env={**os.environ, "NO_COLOR": "1", **(env or {})}, text=True, errors="replace")
        late = threading.Event()

        def expire():
            late.set()
            kernel = {self.kernel.pid, *self.children.below(self.kernel.pid)} if self.kernel else set()
            self.children.end(set(self.children.below(os.getpid())) - kernel)

        timer = threading.Timer(DEADLINES[kind], expire)
        timer.daemon = True
        timer.start()
        with open(self.logs / f"{log}.log", "a") as file:
            for line in child.stdout:
                file.write(line)
                tail = tail[-39:] + [line.rstrip("\n")]
                if not quiet:
                    self.say(line.rstrip("\n"))
        status = child.wait()
        timer.cancel()
        if late.is_set():
            self.say(f"{shlex.join(str(word) for word in command)}: not done after {DEADLINES[kind]} s")
            status = None
        if quiet and status != 0:
            self.say("\n".join(tail))
        self.say(f"-- {log}: {time.monotonic() - begin:.1f} s")
        return status, tail

    def summary(self, command, kind, log, env=None):
        """A command that prints a sum like our own, whose exit status agrees with it."""
        status, tail = self.command(command, kind, log, env)
        found = next((m for m in map(SUMMARY.match, reversed(tail)) if m), None)
        if not found:
            self.say(f"{log}: it gave no result")
            self.counts.add(failed=1)
            return
        passed, failed, skipped = map(int, found.groups())
        if status != 0 and failed == 0:
            self.say(f"{log}: exit status {status}, though nothing failed")
            failed = 1
        elif status == 0 and passed + failed == 0:
            self.say(f"{log}: nothing was tested")
            failed = 1
        self.counts.add(passed, failed, skipped)

    # setup and builds

    def setup(self, what):
        self.header(f"setup {what}")
        status, _ = self.command(["tests/setup", what], "setup", f"setup-{what}")
        if status != 0:
            self.say(f"tests/setup {what} failed")
            self.counts.add(failed=1)
        return status == 0

    def start_kernel(self):
        """The iommufd kernel takes minutes to build and is needed last, so it is built meanwhile, when nothing else wants the
        processors."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.kernel_log = self.logs / "setup-kernel.log"
        self.kernel = self.children.start(["nice", "-n", "19", "tests/setup", "kernel"],
                                          stdout=open(self.kernel_log, "w"), stderr=subprocess.STDOUT)
        self.say(f"building the iommufd kernel meanwhile; its output is in {self.kernel_log.relative_to(TREE)}")

    def wait_kernel(self):
        self.header("wait for the iommufd kernel")
        try:
            status = self.kernel.wait(DEADLINES["kernel"])
        except subprocess.TimeoutExpired:
            self.children.end([self.kernel.pid])
            status = None
        if status != 0:
            self.say("\n".join(self.kernel_log.read_text(errors="replace").splitlines()[-30:]))
            self.say("the iommufd kernel could not be built")
            self.counts.add(failed=1)
        return status == 0

    def build(self, directory, options=(), env=None):
        if directory in self.built:
            return True
        self.built.add(directory)
        self.header(f"build in {directory}/")
        log = f"build-{directory}"
        if not (TREE / directory / "build.ninja").exists():
            status, _ = self.command(["meson", "setup", directory, *options], "build", log, env, quiet=True)
            if status != 0:
                return False
        status, _ = self.command(["ninja", "-C", directory], "build", log, env, quiet=True)
        return status == 0

    # layers

    def meson_tests(self, directory, env=None):
        results = TREE / directory / "meson-logs" / "testlog.json"
        results.unlink(missing_ok=True)
        status, _ = self.command(["meson", "test", "-C", directory, "--no-rebuild", "--no-suite", "sim", "--print-errorlogs"],
                                 "unit", f"unit-{directory}", env, quiet=True)
        outcome = Counts()
        if results.exists():
            for line in results.read_text().splitlines():
                test = json.loads(line)
                if test["result"] in ("OK", "EXPECTEDFAIL"):
                    outcome.add(passed=1)
                elif test["result"] == "SKIP":
                    outcome.add(skipped=1)
                    self.say(f"skipped {test['name']}")
                else:
                    outcome.add(failed=1)
                    self.say(f"FAILED  {test['name']} ({test['result']})")
        if outcome.passed + outcome.failed == 0 or (status != 0 and outcome.failed == 0):
            outcome.add(failed=1)
        self.say(str(outcome))
        self.counts.add(outcome.passed, outcome.failed, outcome.skipped)

    def check(self):
        self.header("check")
        self.summary(["tests/check/run", "build"], "check", "check")

    def unit(self):
        self.header("unit")
        self.meson_tests("build")

    def asan(self):
        self.header("unit, with AddressSanitizer and UndefinedBehaviorSanitizer")
        self.meson_tests("build-asan", SANITIZERS)

    def sim(self):
        self.header("sim, with AddressSanitizer and UndefinedBehaviorSanitizer")
        self.summary([sys.executable, "tests/sim/run.py", "--build", "build-asan", "--without", LONG], "sim", "sim", SANITIZERS)
        self.header("sim, the rest of the random operations, without")
        self.summary([sys.executable, "tests/sim/run.py", "--build", "build", LONG], "sim", "sim-random")

    def fuzz_one(self, target):
        name = target.removeprefix("fuzz-")
        found = TREE / "build-fuzz" / "corpus" / name  # grows from run to run; the seeds stay as they are
        crashes = TREE / "build-fuzz" / "crashes"
        found.mkdir(parents=True, exist_ok=True)
        crashes.mkdir(exist_ok=True)
        return self.command(
            [f"build-fuzz/tests/fuzz/{target}", f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048",
             "-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={crashes}/{name}-", found,
             f"tests/fuzz/corpus/{name}"],
            "fuzz", target, SANITIZERS, quiet=True)

    def fuzz(self):
        self.header(f"fuzz, {FUZZ_SECONDS} s each")
        targets = sorted(path.stem for path in (TREE / "tests/fuzz").glob("fuzz-*.c"))
        outcome = Counts()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for target, (status, tail) in zip(targets, pool.map(self.fuzz_one, targets)):
                runs = next((line.split()[-1] for line in tail if "number_of_executed_units" in line), "no")
                self.say(f"{'ok     ' if status == 0 else 'FAILED '} {target}, {runs} inputs")
                outcome.add(passed=status == 0, failed=status != 0)
        if not targets:
            outcome.add(failed=1)
        self.say(str(outcome))
        self.counts.add(outcome.passed, outcome.failed)

    def lab(self):
        for kernel in KERNELS:
            if not self.lab_ready or (kernel == "iommufd" and not self.wait_kernel()):
                self.say(f"lab on the {kernel} kernel could not run")
                self.counts.add(failed=1)
                continue
            self.header(f"lab, {kernel} kernel")
            self.summary(["tests/lab/test", "--kernel", kernel], "lab", f"lab-{kernel}")

    def layers(self, chosen):
        for log in self.logs.glob("*.log"):
            log.unlink()
        self.setup("build")
        self.setup("check")
        for layer in chosen:
            # not before the quick ones, which say in minutes whether anything is broken
            if "lab" in chosen and layer not in FIRST and self.lab_ready is None:
                self.lab_ready = self.setup("lab")
                if self.lab_ready:
                    self.start_kernel()
            if not all(self.build(*BUILDS[name]) for name in NEEDS[layer]):
                self.say("the build is broken; nothing more was tested")
                self.counts.add(failed=1)
                return
            getattr(self, layer)()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without fuzz and lab")
    parser.add_argument("layer", nargs="*", metavar="LAYER", help=" ".join(LAYERS))
    arguments = parser.parse_args()
    unknown = set(arguments.layer) - set(LAYERS)
    if unknown:
        parser.error(f"no such layer: {', '.join(sorted(unknown))} (there are {' '.join(LAYERS)})")
    wanted = arguments.layer or (QUICK if arguments.quick else LAYERS)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    run = Run()
    try:
        run.layers([layer for layer in LAYERS if layer in wanted])
    except KeyboardInterrupt:
        run.say("interrupted")
        run.counts.add(failed=1)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        run.children.end_all()
    run.say(f"== {int(time.monotonic() - run.started)} s in all", bold=True)
    print(run.counts, flush=True)
    return 1 if run.counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
