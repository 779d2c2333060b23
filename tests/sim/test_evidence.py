# SPDX-License-Identifier: GPL-2.0-or-later
"""The isolation verdict: collected, shown, obeyed, watched."""

import os

import harness
from harness import PF, SimTest, default_policy, wait_for
from simhost import function, put

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
        self.assertEqual((e["direct_region"], e["msi_isolated"], e["resettable"]), (False, True, True))
        self.assertEqual((e["reserved_regions"], e["reset_methods"]),
                         (["0x00000000fee00000 0x00000000feefffff msi"], ["flr"]))
        self.assertEqual((e["unsafe_interrupts"], e["type1_unsafe_interrupts"], e["iommufd_unsafe_interrupts"]), (False, "N", "N"))

    def test_raw_evidence(self):
        """As the kernel prints it, and what is not there as that."""
        host = self.host(kernel="group", unsafe_interrupts=True)
        address = host.tree.pfs[ONE].vfs[0]
        regions = ["0x00000000000e0000 0x00000000000fffff direct", "0x00000000fee00000 0x00000000feefffff msi"]
        put(host.tree.root, f"sys/kernel/iommu_groups/{host.tree.group(address)}/reserved_regions", "".join(f"{r}\n" for r in regions))
        put(host.tree.root, f"sys/bus/pci/devices/{address}/reset_method", "device_specific flr bus\n")
        e = self.evidence(host, address)
        self.assertEqual((e["reserved_regions"], e["reset_methods"]), (regions, ["device_specific", "flr", "bus"]))
        self.assertEqual((e["unsafe_interrupts"], e["type1_unsafe_interrupts"], e["iommufd_unsafe_interrupts"]), (True, "Y", None))
        put(host.tree.root, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y" * 99)
        os.unlink(host.tree.path(f"sys/bus/pci/devices/{address}/reset_method"))
        os.unlink(host.tree.path(f"sys/kernel/iommu_groups/{host.tree.group(address)}/reserved_regions"))
        host.call("Rescan")
        e = self.evidence(host, address)
        self.assertEqual((e["reserved_regions"], e["reset_methods"], e["type1_unsafe_interrupts"]), (None, None, "unreadable"))

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
        """ACS may be behind the loop, and off: a port that hides it is not one that the kernel knows to isolate."""
        for at, back in ((0xA1, b"\xa0"), (0x102, b"\x01\x10")):  # PCIe, or the first extended one, names itself as the next
            with self.subTest(at=at):
                host = self.host(start=False)
                config = bytearray(host.tree.read_bytes(f"sys/bus/pci/devices/{PORT}/config"))
                config[0x140:0x148] = config[0x100:0x108]
                config[0x146] = 0
                config[0x100:0x104] = b"\x01\x00\x01\x14"  # error reporting comes first
                config[at:at + len(back)] = back
                put(host.tree.root, f"sys/bus/pci/devices/{PORT}/config", bytes(config))
                host.daemon.start()
                self.waits_with(host, "not-isolated", "path-unknown", PORT)

    def test_config_space_that_ends_early(self):
        """Nothing; what an unprivileged reader gets; what a PCIe function has that the kernel cannot reach beyond."""
        for size in (0, 64, 256):
            with self.subTest(size=size):
                host = self.host(start=False)
                config = host.tree.read_bytes(f"sys/bus/pci/devices/{PORT}/config")
                put(host.tree.root, f"sys/bus/pci/devices/{PORT}/config", config[:size])
                host.daemon.start()
                self.waits_with(host, "not-isolated", "path-unknown", PORT)
                self.assertFalse(self.evidence(host)["path"][0]["readable"])

    def test_address_services_and_sriov(self):
        host = self.host([PF(ONE, services={"ats": False, "pri": True, "pasid": True}, vf_services={"ats": True})])
        host.wait_all_ready(4)
        e = self.evidence(host)
        self.assertEqual([(h["ats"], h["pri"], h["pasid"]) for h in e["path"]],
                         [(None, None, None), ("off", "on", "on"), ("on", None, None)])
        self.assertEqual([h["sriov"] for h in e["path"]], [None, {"enabled": True, "num_vfs": 4, "ari": True}, None])
        self.assertEqual([(f["finding"], f["at"]) for f in e["findings"]],
                         [("ats", e["address"]), ("pri", ONE), ("pasid", ONE)])
        self.assertEqual(e["verdict"], "isolated")

    def test_what_could_not_be_read_is_looked_at_again(self):
        """By itself: nobody sends an event when a register can be read again."""
        host = self.host(start=False)
        path = f"sys/bus/pci/devices/{PORT}/config"
        config = host.tree.read_bytes(path)
        put(host.tree.root, path, b"\xff" * 4096)
        host.daemon.start()
        self.waits_with(host, "not-isolated", "path-unknown", PORT)
        put(host.tree.root, path, config)
        host.wait_all_ready(4)
        self.assertEqual(self.evidence(host)["verdict"], "isolated")
        self.assertEqual([len(host.operations("fence", vf)) for vf in host.vfs()], [1] * 4)
        host.check_invariants()

    def test_group_that_cannot_be_read(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        idle = host.tree.pfs[ONE].vfs[1]
        links = {host.tree.path("sys/bus/pci/devices", a, "iommu_group"): host.tree.group(a) for a in (idle, vm.vfs[0])}
        for link in links:
            os.unlink(link)
            put("/", link, "")  # neither a link nor absent
        host.call("Rescan")
        self.assertEqual((host.vf(idle)["state"], host.vf(idle)["reason"]), ("bound", "not-isolated"))
        e = self.evidence(host, idle)
        self.assertEqual((e["verdict"], names(e), e["group"]), ("unknown", ["group-unknown"], -2))
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], ["group-unknown"])
        self.assertIn("its isolation cannot be shown any more", host.daemon.log())
        self.assertNotIn("no longer isolated", host.daemon.log())
        for link, group in links.items():
            os.unlink(link)
            os.symlink(f"../../../../kernel/iommu_groups/{group}", link)
        host.wait_state(idle, "ready")
        self.assertEqual(len(host.operations("fence", idle)), 1)
        host.call("Rescan")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], [])

    def test_repair_is_noticed_with_the_next_event_of_the_pf(self):
        """Without a look at all the hardware, as 'vfctl rescan' is."""
        host = self.host()
        host.wait_all_ready(4)
        other = host.vm(vm="web1")
        waiting = host.tree.pfs[ONE].vfs[1]
        method = host.tree.path("sys/bus/pci/devices", waiting, "reset_method")
        os.unlink(method)  # the others have a link to the same file
        host.call("Rescan")
        self.assertEqual((host.vf(waiting)["state"], host.vf(waiting)["reason"]), ("bound", "no-reset"))
        put("/", method, "flr\n")
        host.faults(f"op=scrub address={other.vfs[0]} error=ENODEV count=1")  # somebody unbinds it, or so it seems
        other.kill()
        host.wait_all_ready(4)

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
        put(host.tree.root, f"sys/kernel/iommu_groups/{group}/reserved_regions", "")
        host.wait_all_ready(4)  # it is looked at again

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

    def test_failed_look_at_one_says_nothing_of_the_others(self):
        host = self.host()
        host.wait_all_ready(4)
        vfs = host.tree.pfs[ONE].vfs
        leased = host.vm(vm="web1")
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        host.faults(f"op=evidence address={vfs[1]} error=EIO count=1", f"op=revoke address={vfs[1]} delay=500 count=1")
        self.refused("not-isolated", host.vm().acquire)
        host.call("Rescan")  # judges all of them, before the next look at that one
        self.assertEqual(host.states()[vfs[1]], "reclaiming")
        self.assertEqual(host.leases()[leased.lease["id"]]["unsafe"], [])
        while True:
            event = watch.receive()["parameters"]["event"]
            self.assertIn(event["address"], (None, vfs[1]))  # nothing happens to the others
            if (event["kind"], event["address"], event["new"]) == ("vf", vfs[1], "ready"):
                break
        self.assertNotIn("no longer isolated", host.daemon.log())

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

    def test_what_stood_open_meanwhile_is_scrubbed(self):
        """Nobody has used a VF that was just enabled, but it waited where anybody could."""
        for accepted, resets in ((("unsafe-interrupts",), 0), ((), 1)):
            with self.subTest(accepted=accepted):
                host = self.host(policy=self.policy(*accepted), msi_isolation=False, unsafe_interrupts=True)
                if not accepted:
                    wait_for(lambda: {vf["state"] for vf in host.vfs().values() if vf["reason"]} == {"bound"}, what="VFs that wait")
                    host.write_policy(self.policy("unsafe-interrupts"))
                    host.call("Reload")
                host.wait_all_ready(4)
                self.assertEqual({host.resets(address) for address in host.vfs()}, {resets})

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


class TrialTest(SimTest):
    """Only a fence that was taken with allow_unsafe_interrupts off shows that interrupts are isolated."""

    def accepting(self, **more):
        policy = default_policy()
        policy["pools"]["net"]["accept"] = ["unsafe-interrupts"]
        return self.host(policy=policy, unsafe_interrupts=True, **more)

    def all_wait_with(self, host, reason, msi):
        wait_for(lambda: {(vf["state"], vf["reason"]) for vf in host.vfs().values()} == {("bound", reason)},
                 what=f"{reason}, not {host.vfs()}")
        for address in host.vfs():
            e = host.call_fresh("GetEvidence", address=address)["evidence"]
            self.assertEqual((e["msi_isolated"], e["leasable"]), (msi, False))
        self.refused("pool-empty", host.vm().acquire)

    def each_way(self, action):
        """The switch goes off while the daemon runs, and while it does not."""
        for kernel in ("group", "cdev"):
            for way in ("rescan", "restart"):
                with self.subTest(kernel=kernel, way=way):
                    action(kernel, way)

    def switch_off(self, host, way):
        if way == "restart":
            host.daemon.stop()
        host.tree.unsafe_interrupts("N")
        if way == "restart":
            host.daemon.start()
        else:
            host.call_fresh("Rescan")

    def test_switch_goes_off_and_interrupts_are_not_isolated(self):
        def action(kernel, way):
            host = self.accepting(kernel=kernel, msi_isolation=False)
            host.wait_all_ready(4)
            self.switch_off(host, way)
            self.all_wait_with(host, "no-msi-isolation", False)
        self.each_way(action)

    def test_switch_goes_off_and_interrupts_are_isolated(self):
        def action(kernel, way):
            host = self.accepting(kernel=kernel)
            host.wait_all_ready(4)
            e = host.call_fresh("GetEvidence", address=host.tree.pfs[ONE].vfs[0])["evidence"]
            self.assertEqual((e["msi_isolated"], names(e)), (None, ["unsafe-interrupts"]))
            self.assertEqual(len(host.operations("fence")), 4)
            self.switch_off(host, way)
            wait_for(lambda: {(vf["state"], vf["verdict"]) for vf in host.vfs().values()} == {("ready", "isolated")})
            self.assertEqual([len(host.operations("fence", vf)) for vf in host.tree.pfs[ONE].vfs], [2] * 4)
            host.check_invariants()
            host.daemon.restart()
            self.assertEqual(set(host.states().values()), {"ready"})
            self.assertEqual(len(host.operations("fence")), 8)
        self.each_way(action)

    def test_restart_with_the_switch_on_disturbs_nothing(self):
        host = self.accepting()
        host.wait_all_ready(4)
        before = host.operations()
        host.daemon.restart()
        self.assertEqual((set(host.states().values()), host.operations()), ({"ready"}, before))

    def test_what_a_fence_has_shown_is_kept_over_a_restart(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        for restart in (host.daemon.restart, lambda: (host.daemon.kill9(), host.daemon.start())):
            restart()
            for address in host.vfs():
                wait_for(lambda a=address: host.call_fresh("GetEvidence", address=a)["evidence"]["verdict"] == "isolated")
        self.assertEqual(len(host.operations("fence")), 4)
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], [])
        self.assertEqual(len(host.daemon.systemd.stored()), 3)
        vm.kill()
        host.wait_all_ready(4)

    def test_leased_without_a_trial(self):
        for way in ("rescan", "restart"):
            with self.subTest(way=way):
                host = self.accepting()
                vm = host.vm(vm="web1")
                self.switch_off(host, way)
                wait_for(lambda: host.leases()[vm.lease["id"]]["unsafe"] == ["msi-unknown"])
                wait_for(lambda: "msi-unknown" in host.daemon.log())
                self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
                vm.kill()
                wait_for(lambda: {(vf["state"], vf["verdict"]) for vf in host.vfs().values()} == {("ready", "isolated")})

    def test_switch_goes_on_while_a_fence_is_taken(self):
        host = self.host(start=False, msi_isolation=False)
        host.faults("op=fence delay=3000")
        host.daemon.start(wait=False)
        wait_for(lambda: len(host.faults_hit()) == 4)
        host.tree.unsafe_interrupts("Y")
        self.all_wait_with(host, "unsafe-interrupts", None)
        host.faults()
        host.tree.unsafe_interrupts("N")
        host.call_fresh("Rescan")
        self.all_wait_with(host, "no-msi-isolation", False)

    def test_switch_goes_off_before_the_answer(self):
        host = self.accepting(start=False, msi_isolation=False)
        host.faults("op=fence delay-after=1000 count=4")
        host.daemon.start(wait=False)
        wait_for(lambda: len(host.faults_hit()) == 4 and all(map(host.fenced, host.tree.pfs[ONE].vfs)))
        host.tree.unsafe_interrupts("N")
        wait_for(lambda: len(host.operations("fence")) >= 4)
        self.all_wait_with(host, "no-msi-isolation", False)

    def test_shared_group(self):
        policy = default_policy()
        policy["pools"]["net"]["accept"] = ["shared-group", "unsafe-interrupts"]
        host = self.host([PF(ONE, vf_group=7)], policy=policy, unsafe_interrupts=True)
        host.wait_all_ready(4)
        host.tree.unsafe_interrupts("N")
        host.call("Rescan")
        wait_for(lambda: {(vf["state"], vf["verdict"]) for vf in host.vfs().values()} == {("ready", "shared")})
        wait_for(lambda: len(host.operations("fence")) == 2)
        vm = host.vm(vm="web1", count=4, hand_off="node")
        self.assertEqual(host.leases()[vm.lease["id"]]["unsafe"], ["shared-group"])


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

    def join(self, host, group, address):
        os.symlink(f"../../../../bus/pci/devices/{address}", host.tree.path(f"sys/kernel/iommu_groups/{group}/devices/{address}"))

    def test_bridge_in_the_group_does_not_matter(self):
        host = self.shared()
        host.wait_all_ready(4)
        self.join(host, 7, PORT)
        host.call("Rescan")
        host.wait_all_ready(4)
        host.vm(vm="web1", count=4, hand_off="node")

    def test_stranger_in_the_group(self):
        """Somebody else's function with a VFIO driver: the kernel says nothing against it, and the node opens that, too."""
        other = "0000:05:00.0"
        host = self.shared(pfs=[PF(ONE, vf_group=7), function(other, driver="vfio-pci")])
        host.wait_all_ready(4)
        self.join(host, 7, PORT)
        self.join(host, 7, other)
        error = self.refused("not-isolated", lambda: host.vm().acquire(count=4, hand_off="node"))
        self.assertIn(f"{other} is in the IOMMU group", error.parameters["message"])
        self.assertEqual(host.leases(), {})
        os.unlink(host.tree.path(f"sys/kernel/iommu_groups/7/devices/{other}"))
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
