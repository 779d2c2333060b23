#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in for a VMM: a tenant's process that leases NVMe VFs and does with them what its parent says, a line of JSON at a
time. Its memory is its parent's memfd, so the parent sees all that the devices write. Made to be killed at any moment."""
import json
import struct
import sys
import time

import nvmevf
from lab import Refused, Varlink
from nvmevf import ENTRIES, Memory, identify


class Attacker:
    def __init__(self, memory_fd):
        self.memory = Memory(memory_fd)
        self.vfs = []
        self.connection = Varlink()

    def acquire(self, tenant, pool, vm, hand_off, count):
        r = self.connection.call("Acquire", tenant=tenant, pool=pool, vm=vm, hand_off=hand_off, count=count)
        self.devices, self.fds = r["devices"], self.connection.fds
        return [d["address"] for d in self.devices]

    def bind(self):
        for d in self.devices:
            if d.get("node"):
                self.vfs.append(nvmevf.Vf(d["address"], node=d["node"]))
            else:
                self.vfs.append(nvmevf.Vf(d["address"], device=self.fds[d["device_fd"]], iommufd=self.fds[d["iommufd_fd"]]))

    def map(self, page, iova, pages=1, write=True, vf=0):
        self.vfs[vf].map(self.memory, page, pages, iova, write)

    def start(self, iova, page=0, cq_entries=ENTRIES, vf=0):
        """Two pages for the queues; the parent sees those as well."""
        self.map(page, iova, 2, vf=vf)
        self.vfs[vf].start(self.memory, iova, page, cq_entries)

    def identify(self, prp, vf=0):
        return self.vfs[vf].do(identify(prp))

    def leak(self, prp, vf=0):
        """Six bytes that the device read from prp: set as its timestamp, asked for by the next command. They come back by way
        of page 2, which has to be mapped behind the queues, as a number: the clock has gone on since, by milliseconds."""
        v = self.vfs[vf]
        queues = v.bar.read(nvmevf.ASQ)
        v.do(nvmevf.command(nvmevf.SET_FEATURES, 1, prp, nvmevf.TIMESTAMP))
        v.do(nvmevf.command(nvmevf.GET_FEATURES, 2, queues + 2 * nvmevf.PAGE, nvmevf.TIMESTAMP))
        return int.from_bytes(self.memory.page(2)[:6], "little")

    def namespaces(self, prp, page, vf=0):
        return self.vfs[vf].namespaces(prp, page)

    def start_io(self, iova, page, vf=0):
        self.map(page, iova, 2, vf=vf)
        self.vfs[vf].start_io(iova, page)

    def write_block(self, nsid, prp, block, vf=0):
        return self.vfs[vf].io(nvmevf.WRITE, nsid, prp, block)

    def read_block(self, nsid, prp, block, vf=0):
        return self.vfs[vf].io(nvmevf.READ, nsid, prp, block)

    def flood_disk(self, nsid, prp, vf=0):
        """Writes without end; the answer comes before, only a signal ends it."""
        print(json.dumps({"ok": None}), flush=True)
        for n in range(1 << 30):
            self.vfs[vf].io(nvmevf.WRITE, nsid, prp, n % 64)

    def feature(self, number, value=None, vf=0):
        if value is None:
            return self.vfs[vf].do(nvmevf.command(nvmevf.GET_FEATURES, 3, 0, number))
        return self.vfs[vf].do(nvmevf.command(nvmevf.SET_FEATURES, 3, 0, number, value))

    def interrupts_to(self, address, value, vf=0):
        v = self.vfs[vf]
        v.interrupts_to(address, value)
        # the emulated controller looks once, when a queue is made, whether it has an interrupt (hw/nvme/ctrl.c:nvme_init_cq)
        v.start(self.memory, v.bar.read(nvmevf.ASQ), v.page, v.cq_entries)

    def flood(self, prp, vf=0):
        """Commands without end: the device is never idle. The answer comes before; only a signal ends it."""
        v = self.vfs[vf]
        print(json.dumps({"ok": None}), flush=True)
        while True:
            for _ in range(ENTRIES // 2):
                v.submit(identify(prp))
            v.ring()
            for _ in range(ENTRIES // 2):
                v.completion(60)

    def jam(self, prp, vf=0):
        """A queue full of commands whose completions find no room: they wait in the device until somebody makes room."""
        v = self.vfs[vf]
        for _ in range(ENTRIES - 1):
            v.submit(identify(prp))
        v.ring()
        full = (v.page + 1) * nvmevf.PAGE + 16 * (v.cq_entries - 2) + 12
        while not struct.unpack_from("<I", self.memory.bytes, full)[0] >> 16 & 1:
            time.sleep(0.01)

    def park(self, n, vf=0):
        """Commands that the device keeps until something happens to it (NVMe base specification 2.0, 5.2)."""
        for cid in range(n):
            self.vfs[vf].submit(nvmevf.command(nvmevf.ASYNC_EVENT, 100 + cid))
        self.vfs[vf].ring()

    def write(self, offset, value, vf=0):
        self.vfs[vf].bar.write(offset, value)

    def write_config(self, offset, value, size, vf=0):
        self.vfs[vf].set_config(offset, value, size)

    def mailbox(self, words, vf=0):
        """One message from an igb VF to its PF's driver, and the answer (82576 datasheet, 7.10.2.9; registers as in
        drivers/net/ethernet/intel/igbvf/regs.h)."""
        bar, end = self.vfs[vf].bar, time.monotonic() + 10
        bar.write(0xC40, 4)  # the buffer is ours
        for n, word in enumerate(words):
            bar.write(0x800 + 4 * n, word)
        bar.write(0xC40, 1)  # a request
        while not bar.read(0xC40) & 0x10:
            assert time.monotonic() < end, "the PF does not answer"
            time.sleep(0.01)
        answer = bar.read(0x800)
        bar.write(0xC40, 2)  # taken
        return answer

    def snapshot(self, vf=0):
        return self.vfs[vf].snapshot()


def main():
    attacker = Attacker(int(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"ok": getattr(attacker, request.pop("do"))(**request)}
        except (OSError, AssertionError, Refused) as e:
            reply = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(reply), flush=True)


main()
