# SPDX-License-Identifier: GPL-2.0-or-later
"""DMA that the IOMMU stopped: read from the kernel log, attributed, counted, acted upon; PCIe errors."""

import os

from harness import PF, SimTest, default_policy, wait_for
from simhost import function, put

ONE = "0000:01:00.0"
SECOND = 1000000


def intel(address, write=True):
    return (f"DMAR: [DMA {'Write' if write else 'Read'} NO_PASID] Request device [{address.split(':', 1)[1]}] fault addr 0xffff0000 "
            "[fault reason 0x05] PTE Write access is not set")


class FaultTest(SimTest):
    def policy(self, limit=3, seconds=10, action="quarantine"):
        policy = default_policy()
        policy["faults"] = {"dma": {"limit": limit, "seconds": seconds, "action": action}}
        return policy

    def listening(self, host):
        wait_for(host.daemon.reads_kernel_log)

    def faults(self, host, address, *times, **more):
        for at in times:
            host.tree.kernel_says(intel(address, **more), at * SECOND)

    def counted(self, host, address, n):
        wait_for(lambda: host.vf(address)["faults"] == n, what=f"{n} faults, not {host.vf(address)['faults']}")

    def test_attributed_to_vf_tenant_and_vm(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        self.listening(host)
        self.faults(host, vm.vfs[0], 100)
        while True:
            event = watch.receive()["parameters"]["event"]
            if event["kind"] == "fault":
                break
        self.assertEqual((event["address"], event["new"], event["tenant"], event["vm"], event["lease"]),
                         (vm.vfs[0], "write", "red", "web1", vm.lease["id"]))
        self.assertIn("0xffff0000", event["message"])
        self.assertIn("by red/web1", host.daemon.log())
        self.counted(host, vm.vfs[0], 1)
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")

    def test_quarantine(self):
        host = self.host(policy=self.policy())
        host.wait_all_ready(4)
        vm = host.vm(vm="web1", count=2)
        self.listening(host)
        self.faults(host, vm.vfs[0], 100, 101)
        self.counted(host, vm.vfs[0], 2)
        self.assertFalse(host.vf(vm.vfs[0])["condemned"])
        self.faults(host, vm.vfs[1], 101)
        self.faults(host, vm.vfs[0], 102)
        wait_for(lambda: host.vf(vm.vfs[0])["condemned"])
        vf = host.vf(vm.vfs[0])
        self.assertEqual((vf["state"], vf["reason"]), ("leased", "dma-faults"))
        self.assertFalse(host.vf(vm.vfs[1])["condemned"])
        wait_for(lambda: host.operations("cut-off", vm.vfs[0]))
        vm.kill()
        host.wait_state(vm.vfs[0], "quarantined")
        host.wait_state(vm.vfs[1], "ready")
        self.assertTrue(host.fenced(vm.vfs[0]))
        host.daemon.restart()
        self.assertEqual((host.vf(vm.vfs[0])["state"], host.vf(vm.vfs[0])["reason"]), ("quarantined", "dma-faults"))

    def test_cleared_faults_are_forgotten(self):
        """What was pardoned does not count a second time, with the VM that goes on and with none."""
        host = self.host(policy=self.policy())
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        idle = next(a for a in host.tree.pfs[ONE].vfs if a != vm.vfs[0])
        self.listening(host)
        for address, taken_out in ((vm.vfs[0], lambda: host.vf(vm.vfs[0])["condemned"]),
                                   (idle, lambda: host.vf(idle)["state"] == "quarantined")):
            self.faults(host, address, 100, 101, 102)
            wait_for(taken_out)
            host.call("Clear", address=address, reason="the guest's driver is mended")
            host.wait_state(address, "leased" if address == vm.vfs[0] else "ready")
            self.faults(host, address, 103, 104)
            self.counted(host, address, 5)
            self.assertFalse(taken_out())
            self.faults(host, address, 105)
            wait_for(taken_out)

    def test_slow_faults_are_no_storm(self):
        host = self.host(policy=self.policy())
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.listening(host)
        self.faults(host, vm.vfs[0], 100, 105, 111, 116, 122)
        self.counted(host, vm.vfs[0], 5)
        self.assertFalse(host.vf(vm.vfs[0])["condemned"])

    def test_log_only(self):
        host = self.host(policy=self.policy(action="log"))
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.listening(host)
        self.faults(host, vm.vfs[0], 100, 100, 100, 100)
        self.counted(host, vm.vfs[0], 4)
        self.assertFalse(host.vf(vm.vfs[0])["condemned"])
        self.assertIn("too many DMA faults", host.daemon.log())

    def test_idle_vf(self):
        host = self.host(policy=self.policy(limit=1))
        host.wait_all_ready(4)
        address = host.tree.pfs[ONE].vfs[2]
        self.listening(host)
        self.faults(host, address, 100)
        host.wait_state(address, "quarantined")
        self.assertTrue(host.fenced(address))

    def test_same_function_in_two_domains(self):
        """VT-d prints no PCI domain: nobody is blamed for what another may have done."""
        host = self.host([PF(ONE), PF("0001:01:00.0")], policy=self.policy(limit=1))
        host.wait_all_ready(8)
        self.listening(host)
        self.faults(host, host.tree.pfs[ONE].vfs[0], 100)
        wait_for(lambda: "several PCI domains" in host.daemon.log())
        self.assertEqual({vf["faults"] for vf in host.vfs().values()}, {0})
        host.tree.kernel_says(f"vfio-pci 0001:01:10.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x001a address=0xfffd0000 "
                              "flags=0x0020]", 101 * SECOND, device="0001:01:10.0")
        self.counted(host, "0001:01:10.0", 1)

    def test_same_function_of_the_host_in_another_domain(self):
        """It need not be ours to be the one that did it."""
        host = self.host([PF(ONE), function("0001:01:10.0")], policy=self.policy(limit=1))
        host.wait_all_ready(4)
        self.listening(host)
        self.faults(host, host.tree.pfs[ONE].vfs[0], 100)
        wait_for(lambda: "several PCI domains" in host.daemon.log())
        self.assertEqual({vf["faults"] for vf in host.vfs().values()}, {0})

    def test_lines_that_only_look_like_one(self):
        host = self.host(policy=self.policy(limit=1))
        host.wait_all_ready(4)
        address = host.tree.pfs[ONE].vfs[0]
        self.listening(host)
        host.tree.kernel_says(intel(address), 100 * SECOND, facility=1)  # a program wrote it
        host.tree.kernel_says("usb 1-1: Product: " + intel(address), 100 * SECOND)
        host.tree.kernel_says(intel(address)[:50], 100 * SECOND)
        host.tree.kernel_says("\x00\xff" * 300, 100 * SECOND)
        self.faults(host, ONE, 101)  # the PF is no VF of ours
        wait_for(lambda: "no VF of ours" in host.daemon.log())
        self.assertEqual({(vf["faults"], vf["state"]) for vf in host.vfs().values()}, {(0, "ready")})

    def watch(self, host):
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        return watch

    def fault_event(self, watch):
        while (event := watch.receive()["parameters"]["event"])["kind"] != "fault":
            pass
        self.assertEqual((event["lease"], event["tenant"], event["vm"]), (None, None, None))
        return event["address"], event["new"], event["message"]

    def test_what_is_nobodys_is_told(self):
        host = self.host([PF(ONE), PF("0001:01:00.0")], policy=self.policy(limit=1))
        host.wait_all_ready(8)
        self.listening(host)
        watch = self.watch(host)
        self.faults(host, "0000:02:00.0", 100, write=False)
        self.assertEqual(self.fault_event(watch), (None, "read", "02:00.0, which is no VF of ours: DMA read at 0xffff0000, reason 0x05: "
                                                   "PTE Write access is not set"))
        self.faults(host, host.tree.pfs[ONE].vfs[0], 101)
        address, new, message = self.fault_event(watch)
        self.assertEqual((address, new), (None, "write"))
        self.assertIn("01:10.0, which exists in several PCI domains: ", message)
        host.tree.kernel_says(f"igb {ONE}: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x001a address=0xfffd0000 flags=0x0020]",
                              102 * SECOND, device=ONE)
        address, new, message = self.fault_event(watch)
        self.assertEqual((address, new), (ONE, "write"))
        self.assertIn(f"{ONE}, which is no VF of ours: ", message)
        host.tree.kernel_says("AMD-Vi: Event logged [UNKNOWN event[0]=0x0 event[1]=0x0 event[2]=0x0 event[3]=0x0", 103 * SECOND)
        address, new, message = self.fault_event(watch)
        self.assertEqual((address, new), (None, "other"))
        self.assertIn("an unknown function: ", message)
        self.assertEqual({(vf["faults"], vf["state"]) for vf in host.vfs().values()}, {(0, "ready")})

    def stream(self, host, number, at):
        """What an SMMUv3 up to 6.13 and a virtio-iommu say: whose it is must be known from elsewhere."""
        host.tree.kernel_says(f"virtio_iommu virtio0: page fault from EP {number} at 0xffb7000 [W]", at * SECOND, device="virtio0")
        for n, line in enumerate(("event 0x10 received:", f"\\x090x{number:08x}00000010", "\\x090x0000020000000000",
                                  "\\x090x00000000ff9bc000", "\\x090x0000000000000000")):
            host.tree.kernel_says(f"arm-smmu-v3 arm-smmu-v3.0.auto: {line}", at * SECOND + n, level=6, device="arm-smmu-v3.0.auto")

    def test_streams(self):
        """Numbers of nothing, unless the policy says what of."""
        host = self.host([PF(ONE), PF("0000:03:00.0"), PF("0001:03:00.0")], policy=self.policy(limit=2))
        host.wait_all_ready(12)
        self.listening(host)
        watch = self.watch(host)
        address = host.tree.pfs[ONE].vfs[1]  # 01:10.1
        self.stream(host, 0x181, 100)
        for text in ("page fault from EP 385", "event 0x10, stream 0x181, DMA write at 0xff9bc000"):
            where, new, message = self.fault_event(watch)
            self.assertEqual((where, new), (None, "write"))
            self.assertEqual(message[:len(text) + 21], "an unknown function: " + text)
        policy = self.policy(limit=2)
        policy["faults"]["streams"] = "requester-id"
        host.write_policy(policy)
        host.call("Reload")
        # the kernel looked, and found nobody
        host.tree.kernel_says("arm-smmu-v3 arm-smmu-v3.0.auto: event: C_BAD_STREAMID client: (unassigned sid) sid: 0x181 ssid: 0x0",
                              101 * SECOND, device="arm-smmu-v3.0.auto")
        self.assertIn("an unknown function: ", self.fault_event(watch)[2])
        self.stream(host, 0x380, 102)  # in two domains
        for _ in range(2):
            self.assertIn("several PCI domains", self.fault_event(watch)[2])
        self.assertEqual({vf["faults"] for vf in host.vfs().values()}, {0})
        self.stream(host, 0x181, 103)
        self.assertEqual([self.fault_event(watch)[:2] for _ in range(2)], [(address, "write")] * 2)
        host.wait_state(address, "quarantined")

    def test_what_is_lost_is_told(self):
        """At once, and what comes within the next minute not line by line."""
        host = self.host()
        host.wait_all_ready(4)
        self.listening(host)
        watch = self.watch(host)
        self.assertEqual(host.status()["lost_faults"], 0)
        self.assertNotIn("faults:", host.vfctl("status").stdout)
        host.tree.kernel_says("dmar_fault: 44 callbacks suppressed", 100 * SECOND, level=4)
        address, new, message = self.fault_event(watch)
        self.assertEqual((address, new), (None, "lost"))
        self.assertIn("44 messages or more", message)
        for at in range(101, 111):
            host.tree.kernel_says("dmar_fault: 1 callbacks suppressed", at * SECOND, level=4)
        wait_for(lambda: host.status()["lost_faults"] == 54)
        self.assertEqual(host.daemon.log().count("the kernel log lacks 44 messages"), 1)
        self.assertIn("faults:   54 messages or more", host.vfctl("status").stdout)
        self.faults(host, ONE, 111)
        self.assertEqual(self.fault_event(watch)[1], "write")  # the next event

    def test_nothing_is_missed_over_a_restart(self):
        host = self.host(policy=self.policy(limit=50))
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.listening(host)
        self.faults(host, vm.vfs[0], 100)
        self.counted(host, vm.vfs[0], 1)
        for stop in (host.daemon.stop, host.daemon.kill9):
            stop()
            self.faults(host, vm.vfs[0], 101, 102)
            host.daemon.start()
            self.counted(host, vm.vfs[0], 2)

    def test_log_that_cannot_be_read(self):
        host = self.host(start=False, policy=self.policy(limit=1))
        os.rename(host.tree.path("dev/kmsg"), host.tree.path("kmsg"))
        host.daemon.start()
        host.wait_all_ready(4)
        wait_for(lambda: "kernel log cannot be read" in host.daemon.log())
        vm = host.vm(vm="web1")
        os.rename(host.tree.path("kmsg"), host.tree.path("dev/kmsg"))
        self.listening(host)  # it is tried again
        self.faults(host, vm.vfs[0], 100)
        wait_for(lambda: host.vf(vm.vfs[0])["condemned"])


class AerTest(SimTest):
    def count(self, host, address, correctable=0, nonfatal=0, fatal=0):
        for name, key, n in (("correctable", "COR", correctable), ("nonfatal", "NONFATAL", nonfatal), ("fatal", "FATAL", fatal)):
            put(host.tree.root, f"sys/bus/pci/devices/{address}/aer_dev_{name}", f"Undefined 0\nRxErr {n}\nTOTAL_ERR_{key} {n}\n")

    def test_errors_of_the_bridges_above_are_told(self):
        """With the PFs that are below them."""
        host = self.host()
        host.wait_all_ready(4)
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        port = host.tree.port(host.tree.pfs[ONE])
        n = 0

        def told():
            nonlocal n
            n += 1
            self.count(host, port, fatal=n)
            return f"{port}: PCIe errors: above {ONE}: " in host.daemon.log()

        wait_for(told)
        while (event := watch.receive()["parameters"]["event"])["kind"] != "aer":
            pass
        self.assertEqual((event["address"], event["new"], event["lease"]), (port, "fatal", None))
        self.assertTrue(event["message"].startswith(f"above {ONE}: 0 correctable, 0 nonfatal, "))

    def test_new_errors_are_told(self):
        host = self.host(start=False)
        self.count(host, ONE, correctable=7)
        host.daemon.start()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.count(host, vm.vfs[0])
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        n = 0

        def told():  # the first look at each is only the base
            nonlocal n
            n += 1
            self.count(host, ONE, correctable=7 + n)
            self.count(host, vm.vfs[0], nonfatal=n)
            log = [line for line in host.daemon.log().splitlines() if "PCIe errors" in line]
            return all(any(a in line for line in log) for a in (ONE, vm.vfs[0]))

        wait_for(told)
        seen = {}
        while len(seen) < 2:
            event = watch.receive()["parameters"]["event"]
            if event["kind"] == "aer":
                seen[event["address"]] = (event["new"], event["vm"])
        self.assertEqual(seen, {ONE: ("correctable", None), vm.vfs[0]: ("nonfatal", "web1")})
