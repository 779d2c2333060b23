# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the virtual host as root: the floor first, then the installed service, then a table. guest.py ROUNDS"""
import glob
import json
import os
import socket
import subprocess
import sys
import time

import acquire

FLOOR = "/usr/libexec/vfctl-bench/floor"
SYS = "/sys/bus/pci/devices"
CONTROL = "/run/vfctld/control"
POOLS = {"igb": ("net", "network"), "nvme": ("disk", "storage")}


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


def physical_functions():
    """Addresses and how many VFs each can have, by driver."""
    found = {}
    for path in sorted(glob.glob(f"{SYS}/*/sriov_totalvfs")):
        device = os.path.dirname(path)
        driver = os.path.basename(os.path.realpath(f"{device}/driver"))
        if driver in POOLS and int(read(path)) > 0:
            found.setdefault(driver, {})[os.path.basename(device)] = int(read(path))
    return found


def write_policy(drivers):
    pools = {POOLS[d][0]: {"class": POOLS[d][1], "functions": [{"driver": d}], "vfs": "max"} for d in drivers}
    tenant = {"users": ["red"], "memlock": "1G", "pools": {name: {"quota": 4096} for name in pools}}
    os.makedirs("/etc/vfctl", exist_ok=True)
    write("/etc/vfctl/policy.json", json.dumps({"version": 1, "pools": pools, "tenants": {"red": tenant}}))


def floor(pfs, *options):
    """The figures of one run, milliseconds."""
    r = subprocess.run([FLOOR, *options, *(f"{a}={n}" for a, n in pfs.items())], capture_output=True, text=True, timeout=600)
    if r.returncode != 0:
        raise RuntimeError(f"floor: status {r.returncode}\n{r.stdout}{r.stderr}")
    udev_settled()
    return {k: float(v) for k, v in (line.split("=") for line in r.stdout.split())}


def udev_settled():
    subprocess.run(["udevadm", "settle"], check=True, timeout=120)


def start():
    """Milliseconds from 'systemctl start' to its return, to the daemon's exec, to READY; they share one clock."""
    begin = time.monotonic()
    subprocess.run(["systemctl", "start", "vfctld"], check=True, timeout=120)
    returned = time.monotonic() - begin
    seen = wait_all_ready(begin) * 1e3
    shown = output("systemctl", "show", "vfctld", "-p", "ExecMainStartTimestampMonotonic", "-p", "ActiveEnterTimestampMonotonic")
    stamps = dict(line.split("=") for line in shown.split())
    since = {k: int(v) / 1e3 - begin * 1e3 for k, v in stamps.items()}
    return {"returned": returned * 1e3, "exec": since["ExecMainStartTimestampMonotonic"],
            "ready": since["ActiveEnterTimestampMonotonic"], "all": seen}


def wait_all_ready(begin):
    """READY comes when every VF has settled, for better or worse; here every one has to be ready. Seconds until they
    were seen so, not counting the first look: what it shows was so before it."""
    link = acquire.Link(CONTROL)
    now = time.monotonic() - begin
    while True:
        vfs = link.call("ListVFs")["vfs"]
        wrong = [v for v in vfs if v["state"] != "ready"]
        if vfs and not wrong:
            return now
        bad = [v for v in wrong if v["state"] in ("quarantined", "stuck", "unmanaged") or v["reason"] != "none"]
        if bad or now > 120:
            raise RuntimeError(f"{len(wrong)} of {len(vfs)} VFs are not ready: {(bad or wrong)[:3]}")
        time.sleep(0.01)
        now = time.monotonic() - begin


def stop_and_undo(pfs):
    """As it was before the first start: nothing but the modules and the caches stay."""
    output("systemctl", "stop", "vfctld")
    for address in pfs:
        write(f"{SYS}/{address}/sriov_numvfs", "0")
        write(f"{SYS}/{address}/sriov_drivers_autoprobe", "1")
    udev_settled()


def memory(pid):
    """VmRSS and Pss, KiB."""
    def field(name, file):
        return next(int(line.split()[1]) for line in read(f"/proc/{pid}/{file}").splitlines() if line.startswith(name + ":"))
    return field("VmRSS", "status"), field("Pss", "smaps_rollup")


def worker_start():
    """Milliseconds from the connection to a worker that runs: what is no request at all makes it end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(60)
        begin = time.monotonic()
        s.connect("/run/vfctld/worker")
        s.send(b"\0")
        try:
            s.recv(1)
        except ConnectionResetError:
            pass
        return (time.monotonic() - begin) * 1e3


class Table:
    def __init__(self):
        self.rows = [("measure", "vfctl", "floor", "ratio")]

    def add(self, measure, vfctl=None, bare=None, unit="ms"):
        ratio = f"{vfctl / bare:.2f}" if vfctl and bare else "-"
        self.rows.append((measure, *("-" if x is None else f"{x:.1f} {unit}" for x in (vfctl, bare)), ratio))

    def show(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(4)]
        for row in self.rows:
            print(" | ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3))]))
        sys.stdout.flush()


def bench_start(table, pfs, options):
    """Floor and service in turn, each twice: the second has everything in the caches. The service keeps running."""
    cold = floor(pfs, *options)
    warm = floor(pfs, *options)
    output("systemctl", "daemon-reload")
    output("systemctl", "start", "vfctld-worker.socket")
    first = start()
    stop_and_undo(pfs)
    again = start()
    table.add("start to READY, first time", first["returned"], cold["total"])
    table.add("start to READY, again", again["returned"], warm["total"])
    table.add("  systemd, until vfctld runs", again["exec"])
    table.add("  vfctld, until READY", again["ready"] - again["exec"], warm["total"])
    table.add("start to all VFs ready, again", again["all"], warm["total"])
    for phase in ("enable", "bind", "fence"):
        table.add(f"  {phase} alone", None, warm[phase])


def bench_processes(table):
    pid = output("systemctl", "show", "-P", "MainPID", "vfctld").strip()
    workers = output("pgrep", "-x", "vfctld-worker").split()
    table.add("start of one worker", sorted(worker_start() for _ in range(5))[2])
    table.add("workers after the start", len(workers), None, "  ")
    for name, process in (("vfctld", pid), ("a worker", workers[0])):
        resident, proportional = memory(process)
        table.add(f"resident memory of {name}", resident, None, "KiB")
        table.add("  proportional to its sharers", proportional, None, "KiB")


def bench_hand_off(table, found, options, rounds):
    """One VF at a time from each pool; then, without the daemon, one VF of each kind by the floor."""
    results = []
    for driver in found:
        results.append((driver, *acquire.measure(CONTROL, "red", POOLS[driver][0], rounds)))
    begin = time.monotonic()
    output("systemctl", "restart", "vfctld")
    restarted = wait_all_ready(begin)
    stop_and_undo({a for pfs in found.values() for a in pfs})
    for driver, acquired, returned, how in results:
        bare = floor({next(iter(found[driver])): 1}, *options, "--hand-off", how, "--rounds", str(rounds))
        for name, times, low in (("acquire to " + how, acquired, "acquire"), ("release to ready again", returned, "reclaim")):
            middle, p90, most = acquire.summary(times)
            table.add(f"{POOLS[driver][0]}: {name}, median", middle, bare[low])
            table.add("  90 of 100", p90)
            table.add("  slowest", most)
    table.add("restart to all VFs ready", restarted * 1e3)


def main():
    rounds = int(sys.argv[1])
    # built in, or not there, or loaded by this; not part of any figure
    subprocess.run(["modprobe", "-aq", "vfio_pci", "vfio_iommu_type1", "iommufd"], check=False)
    found = physical_functions()
    pfs = {a: n for functions in found.values() for a, n in functions.items()}
    assert pfs, "no physical function"
    write_policy(found)
    options = [] if os.path.exists("/dev/vfio/vfio") else ["--iommufd"]
    udev_settled()
    table = Table()
    bench_start(table, pfs, options)
    status = acquire.Link(CONTROL).call("GetStatus")["status"]
    assert status["vfs"] == sum(pfs.values()) and not status["problems"], status
    assert (status["fence_backend"] == "iommufd") == bool(options), status
    bench_processes(table)
    bench_hand_off(table, found, options, rounds)
    print(f"{os.uname().release}: {status['vfs']} VFs on {status['pfs']} PFs, fenced by {status['fence_backend']}")
    table.show()


main()
