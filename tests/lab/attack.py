# SPDX-License-Identifier: GPL-2.0-or-later
"""What the attacks of suite_attack.py share: tenants with a device of their own, the kernel's reports of what was blocked."""
import collections
import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import lab
import nvmevf
from lab import BLUE, RED, SYS, listing, vf, wait_for
from nvmevf import PAGE, Memory, Rogue, identify

HERE = os.path.dirname(os.path.abspath(__file__))
IOMMUFD = lab.KERNEL == "iommufd"
HAND_OFFS = ("fd", "node") if IOMMUFD else ("node",)
with open("/proc/cmdline", encoding="ascii") as cmdline:
    ARGUMENTS = cmdline.read().split()
PASSTHROUGH = "iommu=pt" in ARGUMENTS
FENCE = next((a.split("=")[1] for a in ARGUMENTS if a.startswith("lab.fence=")), "group")  # "iommufd": the other backend under attack

# Where owners map things, as their devices see them. Pages 0 and 1 of each owner's memory are its queues.
QUEUES, DATA, READ_ONLY, BLUES, HOLE = 0x100000, 0x200000, 0x300000, 0x40000000, 0x50000000
PAGES, DATA_PAGE, OTHER_PAGE = 16, 4, 5

POLICY = {
    "version": 1,
    "pools": {"disk": {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": "max"},
              "net": {"class": "network", "functions": [{"driver": "igb"}], "vfs": "max"}},
    "tenants": {"red": {"users": ["red"], "memlock": "256M", "pools": {"disk": {"quota": 64}, "net": {"quota": 1}}},
                "blue": {"users": ["blue"], "memlock": "256M", "pools": {"disk": {"quota": 64}, "net": {"quota": 1}}}},
    # many faults and no consequences: the same VF attacks again and again
    "faults": {"dma": {"limit": 1000000, "seconds": 1, "action": "log"}},
}


SECRET = b"secret"


def is_secret(leaked):
    return 0 <= leaked - int.from_bytes(SECRET, "little") < 60000


def pattern(who):
    """A page that nothing but its owner's test writes."""
    return (who.encode() * PAGE)[:PAGE]


@functools.cache
def pf():
    return next(f.name for f in os.scandir("/sys/bus/pci/drivers/nvme") if os.path.exists(f"{f.path}/sriov_numvfs"))


def total_vfs():
    with open(f"{SYS}/{pf()}/sriov_totalvfs", encoding="ascii") as f:
        return int(f.read())


@functools.cache
def service():
    """The daemon is up, all VFs are ready, all secondary controllers are online."""
    lab.force_fence(FENCE)
    lab.start(POLICY)
    assert lab.fence_backend() == FENCE
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 120, "all VFs ready")
    nvmevf.bring_online(pf(), total_vfs())


def ready(address):
    return vf(address)["state"] == "ready"


class Fault(collections.namedtuple("Fault", "kind address reason")):
    def __repr__(self):
        return f"{self.kind} {self.address:#x} reason {self.reason}"


class Faults:
    """DMA faults that the kernel reports from now on."""

    LINE = re.compile(r"\[DMA (Read|Write)[^]]*\] Request device \[([0-9a-f:.]+)\] fault addr (0x[0-9a-f]+) "
                      r"\[fault reason (0x[0-9a-f]+)\]")
    last = 0.0

    def __init__(self):
        # The kernel shows no more than three faults in five seconds: it asks its limit of ten three times for each
        # (drivers/iommu/intel/dmar.c:dmar_fault). And the emulated IOMMU drops faults of a function that come while it still
        # shows the last (hw/i386/intel_iommu.c:vtd_try_collapse_fault).
        time.sleep(max(0.0, Faults.last + 1.8 - time.monotonic()))
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)
        Faults.last = time.monotonic()

    def seen_by_function(self, wait=0.5):
        """Address of a function to what it was blocked from: "Read" or "Write", where, why."""
        time.sleep(wait)
        found = collections.defaultdict(list)
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    for kind, rid, at, reason in self.LINE.findall(os.read(self.fd, 8192).decode()):
                        found["0000:" + rid].append(Fault(kind, int(at, 16), reason))
                except BrokenPipeError:
                    continue  # lines were overwritten before we read them
        os.close(self.fd)
        return found

    def seen(self, address):
        return self.seen_by_function()[address]


class Owner:
    """A tenant's attacker (attacker.py) with a lease; its memory is ours too."""

    def __init__(self, uid, tenant, hand_off, pool="disk", vm="attacker", count=1, bind=True):
        self.memory = Memory.create(PAGES)
        for page in range(2, PAGES):
            self.memory.put(page, pattern(tenant))
        self.process = subprocess.Popen([sys.executable, "-B", f"{HERE}/attacker.py", str(self.memory.fd)], user=uid, group=uid,
                                        extra_groups=[], pass_fds=[self.memory.fd], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.send("acquire", tenant=tenant, pool=pool, vm=vm, hand_off=hand_off, count=count)
        if bind:
            self.get_lease()
            self.do("bind")

    def get_lease(self):
        self.addresses = self.answer()
        self.address = self.addresses[0]

    def send(self, verb, **arguments):
        self.process.stdin.write(json.dumps({"do": verb} | arguments) + "\n")

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"attacker ended: {self.process.wait()}"
        reply = json.loads(line)
        assert "ok" in reply, reply
        return reply["ok"]

    def do(self, verb, **arguments):
        self.send(verb, **arguments)
        return self.answer()

    def kill(self):
        """All descriptors are closed when this returns."""
        self.process.kill()
        self.process.wait(60)
        self.process.stdin.close()
        self.process.stdout.close()

    def untouched(self, page, who):
        return self.memory.page(page) == pattern(who)


@contextlib.contextmanager
def owner(*arguments, **more):
    o = Owner(*arguments, **more)
    try:
        yield o
    finally:
        o.kill()
        for address in o.addresses:
            wait_for(lambda a=address: ready(a), 60, f"{address} is ready again")


def driving(tenant, uid, hand_off, data=DATA):
    """An owner with its queues set up and all of its memory mapped from `data` on."""
    @contextlib.contextmanager
    def opened():
        with owner(uid, tenant, hand_off, vm=f"{tenant}-vm") as o:
            o.do("start", iova=QUEUES)
            o.do("map", page=DATA_PAGE, pages=PAGES - DATA_PAGE, iova=data)
            yield o
    return opened()


def blocked(red, verb, kind, at, vf=0, **arguments):
    """One attack that has to raise a fault of red's own function at this address."""
    faults = Faults()
    result = red.do(verb, vf=vf, **arguments)
    seen = faults.seen(red.addresses[vf])
    assert any(f.kind == kind and f.address & ~(PAGE - 1) == at for f in seen), f"{verb}: no fault at {at:#x}: {seen}"
    return result, seen


def bus_master(address):
    with open(f"{SYS}/{address}/config", "rb") as f:
        return bool(f.read(6)[4] & 4)
