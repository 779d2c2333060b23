# SPDX-License-Identifier: GPL-2.0-or-later
"""The isolation verdict: collected, shown, obeyed, watched."""

import os

import harness
from harness import PF, SimTest, default_policy, wait_for
from simhost import put

ONE = "0000:01:00.0"
PORT = "0000:00:02.0"


def names(evidence):
    return [f["finding"] for f in evidence["findings"]]


class EvidenceTest(SimTest):
    def evidence(self, host, address=None):
        return host.call_fresh("GetEvidence", address=address or host.tree.pfs[ONE].vfs[0])["evidence"]

    def waits_with(self, host, reason, finding, at):
        """No VF gets ready; each says why, and what is at fault."""
        for address, vf in host.vfs().items():
            self.assertEqual((vf["state"], vf["reason"], vf["isolated"]), ("bound", reason, False), vf)
            found = [f for f in self.evidence(host, address)["findings"] if f["finding"] == finding]
            self.assertEqual([f["at"] for f in found], [at or address])
            self.assertEqual([(f["severity"], f["accepted"]) for f in found], [("unsafe", False)])
        self.refused("pool-empty", host.vm().acquire)

    def test_isolated(self):
        host = self.host()
        host.wait_all_ready(4)
        e = self.evidence(host)
        self.assertEqual((e["verdict"], e["leasable"], e["findings"]), ("isolated", True, []))
        self.assertEqual([(h["address"], h["kind"]) for h in e["path"]],
                         [(PORT, "root port"), (ONE, "endpoint"), (e["address"], "endpoint")])
        self.assertEqual(set(e["path"][0]["acs_enabled"]), {"source-validation", "request-redirect", "completion-redirect",
                                                            "upstream-forwarding"})
        self.assertEqual(e["group_members"], [e["address"]])
        self.assertEqual((e["direct_region"], e["msi_isolated"]), (False, True))

    def test_acs_switched_off(self):
        host = self.host(start=False)
        host.tree.port(host.tree.pfs[ONE], acs_control=0x01)
        host.daemon.start()
        self.waits_with(host, "not-isolated", "acs-off", PORT)
        self.assertEqual(host.operations("scrub"), [])
        host.tree.port(host.tree.pfs[ONE])
        host.call("Rescan")
        host.wait_all_ready(4)
        host.check_invariants()

    def test_port_without_acs_that_the_kernel_vouches_for(self):
        host = self.host(start=False)
        host.tree.port(host.tree.pfs[ONE], acs=0)
        host.daemon.start()
        host.wait_all_ready(4)
        e = self.evidence(host)
        self.assertEqual((e["verdict"], names(e)), ("isolated", ["acs-by-quirk"]))

    def test_config_space_that_reads_all_ones(self):
        host = self.host(start=False)
        put(host.tree.root, f"sys/bus/pci/devices/{PORT}/config", b"\xff" * 4096)
        host.daemon.start()
        self.waits_with(host, "not-isolated", "path-unknown", PORT)

    def test_capabilities_that_loop(self):
        host = self.host(start=False)
        config = bytearray(host.tree.read_bytes(f"sys/bus/pci/devices/{PORT}/config"))
        config[0xA1] = 0xA0  # the PCIe capability names itself as the next
        config[0x102:0x104] = (0x1001).to_bytes(2, "little")  # and so does ACS, at 0x100
        put(host.tree.root, f"sys/bus/pci/devices/{PORT}/config", bytes(config))
        host.daemon.start()
        for vf in host.vfs().values():
            self.assertIn(vf["state"], ("ready", "bound"))
        self.assertEqual(self.evidence(host)["path"][0]["address"], PORT)
        self.assertTrue(host.daemon.alive())

    def test_config_space_that_ends_early(self):
        host = self.host(start=False)
        put(host.tree.root, f"sys/bus/pci/devices/{PORT}/config", b"")
        host.daemon.start()
        self.waits_with(host, "not-isolated", "path-unknown", PORT)

    def test_acs_override(self):
        host = self.host(start=False)
        put(host.tree.root, "proc/cmdline", "ro quiet pcie_acs_override=downstream\n")
        host.daemon.start()
        self.waits_with(host, "not-isolated", "acs-override", None)

    def test_direct_region(self):
        host = self.host()
        host.wait_all_ready(4)
        vf = host.tree.pfs[ONE].vfs[0]
        group = host.tree.group(vf)
        put(host.tree.root, f"sys/kernel/iommu_groups/{group}/reserved_regions",
            "0x00000000000e0000 0x00000000000fffff direct-relaxable\n0x00000000fee00000 0x00000000feefffff msi\n")
        host.call("Rescan")
        self.assertEqual(self.evidence(host)["verdict"], "isolated")
        put(host.tree.root, f"sys/kernel/iommu_groups/{group}/reserved_regions",
            "0x00000000000e0000 0x00000000000fffff direct\n")
        host.call("Rescan")
        self.assertEqual(names(self.evidence(host)), ["direct-region"])
        os.unlink(host.tree.path(f"sys/kernel/iommu_groups/{group}/reserved_regions"))
        host.call("Rescan")
        self.assertEqual(names(self.evidence(host)), ["regions-unknown"])

    def test_checked_by_root_before_every_lease(self):
        """ACS goes off without any event: only configuration space shows it, and only a worker can read that."""
        host = self.host()
        host.wait_all_ready(4)
        host.tree.port(host.tree.pfs[ONE], acs_control=0x1C)
        self.refused("not-isolated", host.vm().acquire)
        wait_for(lambda: host.leases() == {} and "reclaiming" not in host.states().values())
        self.assertEqual(names(self.evidence(host)), ["acs-off"])
        host.tree.port(host.tree.pfs[ONE])
        wait_for(lambda: host.call("Rescan") is not None and set(host.states().values()) == {"ready"})
        host.vm(vm="web2", count=4)
        host.check_invariants()

    def test_restart_collects_it_again(self):
        host = self.host()
        host.wait_all_ready(4)
        host.daemon.restart()
        self.assertEqual(host.states(), {a: "ready" for a in host.tree.pfs[ONE].vfs})
        for address in host.vfs():
            self.assertEqual(self.evidence(host, address)["verdict"], "isolated")
        self.assertEqual(len(host.operations("fence")), 4)

    def test_restart_with_worse_evidence(self):
        host = self.host()
        host.wait_all_ready(4)
        host.daemon.stop()
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.daemon.start()
        self.waits_with(host, "not-isolated", "acs-off", PORT)

    def test_leased_over_a_restart(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.daemon.restart()
        wait_for(lambda: self.evidence(host, vm.vfs[0])["verdict"] == "isolated")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], [])
        self.assertNotIn("no longer isolated", host.daemon.log())
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")

    def test_leased_and_then_worse(self):
        host = self.host()
        vm = host.vm(vm="web1")
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.call("Rescan")

        def heard(new):
            while True:
                event = watch.receive()["parameters"]["event"]
                if event["kind"] == "isolation":
                    self.assertEqual((event["new"], event["lease"], event["address"]), (new, vm.lease["id"], vm.vfs[0]))
                    return

        heard("acs-off")
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], ["acs-off"])
        host.daemon.restart()
        wait_for(lambda: host.leases()[vm.lease["id"]]["unsafe"] == ["acs-off"])
        wait_for(lambda: host.daemon.log().count("no longer isolated") == 2)
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        host.tree.port(host.tree.pfs[ONE])
        host.call_fresh("Rescan")
        heard("isolated")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], [])
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")


class AcceptTest(SimTest):
    def policy(self, *accept):
        policy = default_policy()
        policy["pools"]["net"]["accept"] = list(accept)
        return policy

    def test_accepted(self):
        host = self.host(policy=self.policy("acs-off"), start=False)
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.daemon.start()
        host.wait_all_ready(4)
        vf = host.vf(host.tree.pfs[ONE].vfs[0])
        self.assertEqual((vf["isolated"], vf["verdict"], vf["accepted"]), (False, "unprotected", ["acs-off"]))
        vm = host.vm(vm="web1")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], ["acs-off"])
        self.assertIn("although acs-off", host.daemon.log())
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")

    def test_only_what_is_accepted(self):
        host = self.host(policy=self.policy("unsafe-interrupts"), start=False)
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.daemon.start()
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"not-isolated"})

    def test_unsafe_interrupts(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.host(policy=self.policy("unsafe-interrupts"), msi_isolation=False, unsafe_interrupts=True,
                                 kernel=kernel)
                host.wait_all_ready(4)
                vm = host.vm(vm="web1")
                self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], ["unsafe-interrupts"])

    def test_withdrawn(self):
        host = self.host(policy=self.policy("acs-off"), start=False)
        host.tree.port(host.tree.pfs[ONE], acs_control=0)
        host.daemon.start()
        host.wait_all_ready(4)
        host.write_policy(default_policy())
        host.call("Reload")
        self.assertIn(self.refuse(host), ("not-isolated", "pool-empty"))

    def refuse(self, host):
        with self.assertRaises(harness.VarlinkError) as caught:
            host.vm().acquire()
        return caught.exception.reason


class SharedGroupTest(SimTest):
    """VFs that share an IOMMU group, in a pool that accepts it: all together, to one VM."""

    def shared(self, accept=True, pfs=None, **more):
        policy = default_policy()
        if accept:
            policy["pools"]["net"]["accept"] = ["shared-group", "no-acs"]
        return self.host(pfs or [PF(ONE, vf_group=7)], policy=policy, **more)

    def test_not_accepted(self):
        host = self.shared(accept=False)
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"shared-group"})

    def test_all_or_nothing(self):
        host = self.shared()
        host.wait_all_ready(4)
        self.assertEqual(len(host.operations("fence")), 1)  # one open group for all of them
        self.assertEqual({vf["verdict"] for vf in host.vfs().values()}, {"shared"})
        for count in (1, 3, 5):
            error = self.refused("pool-empty", lambda: host.vm().acquire(count=count))
            self.assertIn("ask for 4", error.parameters["message"])
        vm = host.vm(vm="web1", count=4, hand_off="node")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], ["shared-group"])
        self.refused("pool-empty", lambda: host.vm().acquire(count=4))
        vm.kill()
        host.wait_all_ready(4)
        for address in vm.vfs:
            self.assertEqual(host.resets(address), 1)
        host.check_invariants()
        host.vm(vm="web2", count=4, hand_off="node")

    def test_no_descriptors(self):
        host = self.shared()
        host.wait_all_ready(4)
        self.refused("no-fd-handoff", lambda: host.vm().acquire(count=4, hand_off="fd"))

    def test_restart(self):
        host = self.shared()
        host.wait_all_ready(4)
        for restart in (host.daemon.restart, lambda: (host.daemon.kill9(), host.daemon.start())):
            restart()
            self.assertEqual(set(host.states().values()), {"ready"})
        self.assertEqual(len(host.operations("fence")), 1)
        vm = host.vm(vm="web1", count=4, hand_off="node")
        host.daemon.restart()
        self.assertEqual(set(host.states().values()), {"leased"})
        vm.kill()
        host.wait_all_ready(4)

    def test_one_in_quarantine_keeps_all(self):
        host = self.shared()
        host.wait_all_ready(4)
        address = host.tree.pfs[ONE].vfs[2]
        host.call("Quarantine", address=address, reason="a test")
        self.refused("pool-empty", lambda: host.vm().acquire(count=4, hand_off="node"))
        self.refused("pool-empty", lambda: host.vm().acquire(count=3, hand_off="node"))
        host.call("Clear", address=address, reason="a test")
        host.wait_all_ready(4)
        host.vm(vm="web1", count=4, hand_off="node")

    def test_others_alone_are_taken_first(self):
        policy = default_policy()
        policy["pools"]["net"]["accept"] = ["shared-group"]
        host = self.host([PF(ONE, vf_group=7), PF("0000:05:00.0")], policy=policy)
        host.wait_all_ready(8)
        vm = host.vm(vm="web1", count=4, hand_off="node")
        self.assertEqual(vm.vfs, host.tree.pfs["0000:05:00.0"].vfs)
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], [])
        host.vm(vm="web2", count=4, hand_off="node")
        host.check_invariants()

    def test_kernel_without_containers(self):
        host = self.shared(kernel="cdev")
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"shared-group"})
