#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench's part inside the virtual host: the floor, then vfctld on the same hardware. Prints a table."""
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import lab  # noqa: E402

ROUNDS = 20


def pfs():
    found = []
    for name in sorted(os.listdir(lab.SYS)):
        with open(f"{lab.SYS}/{name}/sriov_totalvfs", encoding="ascii") if os.path.exists(
                f"{lab.SYS}/{name}/sriov_totalvfs") else open("/dev/null", encoding="ascii") as f:
            total = f.read().strip()
        if total and int(total) > 0:
            found.append((name, int(total)))
    return found


def floor():
    argv = ["/usr/libexec/vfctl/floor", *(f"{a}={n}" for a, n in pfs())]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", out)}


def milliseconds(function):
    begun = time.monotonic()
    function()
    return (time.monotonic() - begun) * 1e3


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def main():
    subprocess.run(["modprobe", "-aq", "vfio_pci", "vfio_iommu_type1"], check=False)
    floor()  # warms up: modules, the first FLRs, page cache
    bare = floor()
    lab.write_policy({"version": 1, "pools": {
        "net": {"class": "network", "functions": [{"driver": "igb"}], "vfs": "max"},
        "disk": {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": "max"}},
        "tenants": {"t": {"users": ["red"], "pools": {"net": {"quota": 4}, "disk": {"quota": 4}}}}})
    lab.run("systemctl", "daemon-reload")
    lab.run("systemctl", "start", "vfctld-worker.socket")
    start = milliseconds(lambda: lab.systemctl("start"))
    ready = start + milliseconds(lambda: lab.wait_for(
        lambda: len(lab.listing("vfs", state="ready")) == bare["vfs"], 60, "all ready"))
    acquire, reclaim = [], []
    c = lab.Varlink()
    for i in range(ROUNDS):
        reply = []
        acquire.append(milliseconds(lambda: reply.append(
            c.call("Acquire", tenant="t", pool="disk", vm=f"b{i}", lifetime="kept"))))
        for fd in c.fds:
            os.close(fd)
        lease, address = reply[0]["lease"]["id"], reply[0]["devices"][0]["address"]
        c.call("Release", lease=lease)
        reclaim.append(milliseconds(lambda: lab.wait_for(
            lambda: c.call("ListVFs", address=address)["vfs"][0]["state"] == "ready", 30, "reclaimed")))
    workers = [int(p) for p in lab.run("pgrep", "-f", "vfctld-worker").stdout.split()]
    worker_memory = memory(workers[0])
    restart = milliseconds(lambda: lab.systemctl("restart"))
    hand_off = reply[0]["lease"]["hand_off"]
    rows = [
        (f"start of the service to READY, {int(bare['vfs'])} VFs", start, bare["total"]),
        ("start of the service to all VFs ready", ready, bare["total"]),
        ("  of the floor: enable / bind / fence", None, f"{bare['enable']:.0f} / {bare['bind']:.0f} / {bare['fence']:.0f}"),
        (f"acquire to VF in hand ({hand_off}), median of {ROUNDS}", statistics.median(acquire), None),
        ("release to ready again (one reset), median", statistics.median(reclaim), None),
        ("restart with all fences in the fd store", restart, None),
    ]
    print(f"kernel {os.uname().release} ({lab.KERNEL})")
    print(f"{'measure':56} {'vfctl':>10} {'floor':>16} {'ratio':>6}")
    for name, ours, theirs in rows:
        mine = f"{ours:.1f} ms" if ours is not None else ""
        other = theirs if isinstance(theirs, str) else f"{theirs:.1f} ms" if theirs else ""
        ratio = f"{ours / theirs:.1f}" if ours is not None and isinstance(theirs, float) else ""
        print(f"{name:56} {mine:>10} {other:>16} {ratio:>6}")
    print(f"{'resident memory of vfctld':56} {memory(lab.main_pid()):>7} KiB")
    print(f"{'resident memory of one worker':56} {worker_memory:>7} KiB")


main()
