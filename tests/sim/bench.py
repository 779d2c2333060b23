#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures on the simulated host, never pass or fail: bench.py [--build DIR] [--pfs N] [--vfs N] [--workers N]

Each figure stands beside its floor, measured in the same run: the same simulated operations in a bare loop without a
daemon, so that what the daemon costs shows as a ratio whatever the machine.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True


def floor(host):
    """Seconds for all VFs from nothing to fenced, without a daemon."""
    import harness
    result = subprocess.run([f"{harness.binaries()}/worker/simworker", "--root", host.dir, "--floor"], check=True,
                            capture_output=True, text=True)
    count, microseconds = result.stdout.split()
    return int(count), int(microseconds) / 1e6


def acquire_floor(host, n):
    """Seconds for one open of a device's node and a lock, by a process that is there already."""
    import fcntl
    times = []
    node = host.tree.path("sim/seq")
    for _ in range(n):
        begin = time.monotonic()
        with open(node, "r+") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
        times.append(time.monotonic() - begin)
    return statistics.median(times)


def percentile(times, p):
    return sorted(times)[min(len(times) - 1, int(len(times) * p / 100))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="/tmp/build-sim")
    parser.add_argument("--pfs", type=int, default=16)
    parser.add_argument("--vfs", type=int, default=256)
    parser.add_argument("--workers", type=int, default=16)
    arguments = parser.parse_args()
    os.environ["SIM_BUILD"] = os.path.abspath(arguments.build)
    import harness
    from harness import Host
    from simhost import PF

    def pfs():
        return [PF(f"0000:{n * 4 + 1:02x}:00.0", total=arguments.vfs, offset=256) for n in range(arguments.pfs)]
    total = arguments.pfs * arguments.vfs
    policy = harness.default_policy(quota=100000)

    host = Host(pfs(), policy)
    try:
        count, floor_seconds = floor(host)
        assert count == total
    finally:
        host.close()

    host = Host(pfs(), policy, options=("--workers", str(arguments.workers), "--log-level", "info"))
    try:
        begin = time.monotonic()
        host.daemon.start(wait=False)
        host.daemon.wait_ready(600)
        ready_seconds = time.monotonic() - begin
        ready = sum(state == "ready" for state in host.states().values())
        cpu = host.daemon.cpu_seconds()
        memory = host.daemon.memory()
        print(f"VFs ready               {ready} of {total}")
        print(f"start to ready          {ready_seconds:8.3f} s   floor {floor_seconds:.3f} s   "
              f"ratio {ready_seconds / floor_seconds:.2f}")
        print(f"daemon's own CPU time   {cpu:8.3f} s   {cpu / total * 1e6:.0f} us a VF")
        print(f"resident memory         {memory:8d} KiB {memory * 1024 / total:.0f} bytes a VF")

        acquire, release = [], []
        for n in range(100):
            link = host.connect()
            begin = time.monotonic()
            lease = link.call("Acquire", tenant="red", pool="net", vm=f"vm{n}", lifetime="kept", hand_off="node")["lease"]
            acquire.append(time.monotonic() - begin)
            begin = time.monotonic()
            link.call("Release", lease=lease["id"])
            while link.call("ListVFs", address=lease["vfs"][0])["vfs"][0]["state"] != "ready":
                pass
            release.append(time.monotonic() - begin)
            link.close()
        bare = acquire_floor(host, 1000)
        print(f"acquire                 {statistics.median(acquire) * 1e3:8.3f} ms  p99 {percentile(acquire, 99) * 1e3:.3f}"
              f"   floor (open, lock) {bare * 1e3:.3f} ms")
        print(f"release to ready again  {statistics.median(release) * 1e3:8.3f} ms  p99 {percentile(release, 99) * 1e3:.3f}")

        begin = time.monotonic()
        for _ in range(10):
            host.status()
        print(f"GetStatus               {(time.monotonic() - begin) * 100:8.3f} ms")
        begin = time.monotonic()
        for _ in range(3):
            host.vfs()
        print(f"ListVFs of all          {(time.monotonic() - begin) / 3 * 1e3:8.3f} ms")
        begin = time.monotonic()
        host.call("Rescan")
        print(f"Rescan                  {(time.monotonic() - begin) * 1e3:8.3f} ms")
        begin = time.monotonic()
        host.daemon.restart(wait=False)
        host.daemon.wait_ready(600)
        print(f"restart with fd store   {(time.monotonic() - begin) * 1e3:8.3f} ms")
    finally:
        host.close()
        if "SIM_BIN" in os.environ:
            shutil.rmtree(os.environ["SIM_BIN"], ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
