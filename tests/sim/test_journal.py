# SPDX-License-Identifier: GPL-2.0-or-later
"""What the journal gets with messages that somebody may want to act on: the id, and whom they are about.

On stderr the daemon shows these fields at level debug.
"""

import os
import re

from harness import HERE, PF, SimTest, default_policy, wait_for
from simhost import put

ONE = "0000:01:00.0"


def message_ids():
    """Name to id, as in common/message-id.h."""
    with open(os.path.join(HERE, "../../common/message-id.h"), encoding="ascii") as f:
        return dict(re.findall(r'^#define MESSAGE_ID_(\w+)\s+"([0-9a-f]{32})"', f.read(), re.MULTILINE))


class JournalTest(SimTest):
    IDS = message_ids()

    def entries(self, host, name):
        """The fields of all messages with an id; text is the message."""
        found = re.findall(r"^vfctld: (.*) \[MESSAGE_ID=(\S+)((?: VFCTL_[A-Z]+=\S+)*)\]$", host.daemon.log(), re.MULTILINE)
        return [{"text": text, **dict(re.findall(r"VFCTL_([A-Z]+)=(\S+)", fields))}
                for text, message_id, fields in found if message_id == self.IDS[name]]

    def says(self, host, name, text, address=None, lease=None):
        """Waits for a message with this id, part of its text and these fields."""
        wanted = {"ADDRESS": address} if address else {}
        if lease:
            wanted |= {key.upper(): lease[key] for key in ("tenant", "vm")}
        if lease and lease["id"]:
            wanted["LEASE"] = lease["id"]
        wait_for(lambda: any(text in e["text"] and {k: v for k, v in e.items() if k != "text"} == wanted
                             for e in self.entries(host, name)), what=f"{name} with {wanted}\n{host.daemon.log_tail()}")

    def test_faults(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        idle = next(a for a in host.tree.pfs[ONE].vfs if a != vm.vfs[0])
        wait_for(host.daemon.reads_kernel_log)
        for address in (vm.vfs[0], idle, ONE):
            host.tree.kernel_says(f"DMAR: [DMA Write NO_PASID] Request device [{address[5:]}] fault addr 0xffff0000 "
                                  "[fault reason 0x05] x", 1)
        host.tree.kernel_says("dmar_fault: 44 callbacks suppressed", 2, level=4)
        self.says(host, "FAULT", "the IOMMU stopped DMA write while leased", vm.vfs[0], vm.lease)
        self.says(host, "FAULT", "the IOMMU stopped DMA write while ready", idle)
        self.says(host, "STRANGER", "no VF of ours")
        self.says(host, "LOST", "lacks 44 messages")
        self.assertEqual(len(self.entries(host, "FAULT")), 2)

    def test_quarantine(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        idle = next(a for a in host.tree.pfs[ONE].vfs if a != vm.vfs[0])
        for address in (vm.vfs[0], idle):
            host.call("Quarantine", address=address, reason="ticket 4711")
        self.says(host, "QUARANTINE", "its owner is asked to release it: an administrator took the VF out of use: uid ", vm.vfs[0],
                  vm.lease)
        self.says(host, "QUARANTINE", "ticket 4711", idle)

    def test_accepted_finding(self):
        policy = default_policy()
        policy["pools"]["net"]["accept"] = ["acs-off"]
        host = self.host(policy=policy, start=False)
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.daemon.start()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.says(host, "ISOLATION", "although acs-off", vm.vfs[0], {**vm.lease, "id": None})  # before it is begun

    def test_isolation_that_ends(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.call("Rescan")
        self.says(host, "ISOLATION", "no longer isolated", vm.vfs[0], vm.lease)

    def test_drift(self):
        policy = default_policy()
        policy["tenants"]["red"]["pools"]["net"]["vlans"] = [100]
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy)
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        host.set_attributes(vm.vfs[0], vlan=666)
        host.call("Rescan")
        self.says(host, "DRIFT", "somebody else changed its vlan", vm.vfs[0], vm.lease)

    def test_pcie_errors(self):
        host = self.host(start=False)
        counts = {"correctable": "COR", "nonfatal": "NONFATAL", "fatal": "FATAL"}
        host.daemon.start()
        host.wait_all_ready(4)
        n = 0

        def told():
            nonlocal n
            n += 1
            for name, key in counts.items():
                put(host.tree.root, f"sys/bus/pci/devices/{ONE}/aer_dev_{name}", f"TOTAL_ERR_{key} {n}\n")
            return self.entries(host, "AER")

        wait_for(told)
        self.says(host, "AER", "PCIe errors: ", ONE)

    def test_every_id_is_asserted_here(self):
        with open(__file__, encoding="utf-8") as f:
            self.assertEqual(set(re.findall(r'says\(host, "([A-Z]+)"', f.read())), set(self.IDS))
