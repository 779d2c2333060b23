# SPDX-License-Identifier: GPL-2.0-or-later
"""NVMe VFs from end to end: resources, disks of leases, data that nobody else may read, and a daemon that dies in between."""

import contextlib
import json
import os

from harness import SimTest, VarlinkError, default_policy, wait_for
from simhost import namespace, nvme, put
from varlink import Closed

PF = "0000:09:00.0"
VFS = [f"0000:09:00.{i}" for i in range(1, 5)]
G = 1 << 30


def policy(blue=True, quota=8, **disk):
    p = default_policy(quota=quota)
    p["pools"]["disk"].update(disk)
    if blue:
        p["tenants"]["blue"]["pools"]["disk"] = {"quota": quota}
    return p


class StorageTest(SimTest):
    def storage(self, total=4, controller=None, start=True, **disk):
        return self.host([nvme(PF, total=total, controller=controller)],
                         policy=policy(**disk), start=start)

    def secondaries(self, host):
        with host.tree.controller(PF) as state:
            return {s["vf"]: (s["queues"], s["interrupts"], s["online"]) for s in state["secondaries"]}

    def attached(self, host):
        """Namespace to the controllers that have it."""
        with host.tree.controller(PF) as state:
            return {n["nsid"]: n["controllers"] for n in state["namespaces"]}

    def records(self, host):
        return sorted(os.listdir(host.tree.path("var/lib/vfctld/disks")))

    def vf(self, vm):
        return VFS.index(vm.vfs[0]) + 1

    def disk_of(self, host, vm):
        disks = host.tree.disks(PF, self.vf(vm))
        self.assertEqual(len(disks), 1, disks)
        return next(iter(disks))


    def red_then_blue(self, host):
        """Red gets a disk, writes, dies in the middle; returns what blue finds on its own."""
        red = host.vm(pool="disk", vm="red1")
        nsid = self.disk_of(host, red)
        host.tree.write_disk(PF, self.vf(red), nsid, "red's secret")
        vf = red.vfs[0]
        red.kill()
        host.wait_state(vf, "ready")
        self.assertNotIn("red's secret", json.dumps(host.tree.read(f"sim/pf/{PF}/nvme")))
        blue = host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
        self.assertEqual(blue.vfs[0], vf)
        return host.tree.disks(PF, self.vf(blue))

    def storage_new(self, total=4, **more):
        controller = more.pop("controller", {})
        return self.host([nvme(PF, total=total, controller=controller)], policy=policy(**{"namespaces": {"size": "10G"}, **more}))

    def listed(self, *nsids, erase=None, present=(1, 2, 3), total=4, **more):
        rule = {"namespaces": list(nsids), **({"erase": erase} if erase else {}), **more}
        return self.host([nvme(PF, total=total, controller={"namespaces": [namespace(n, data="the operator's") for n in present]})],
                         policy=policy(**rule))


class ResourcesTest(StorageTest):
    def test_even_share(self):
        host = self.storage()
        host.wait_all_ready(4)
        self.assertEqual(self.secondaries(host), {vf: (4, 2, 1) for vf in range(1, 5)})

    def test_as_the_pool_says(self):
        host = self.storage(queues=3, interrupts=1)
        host.wait_all_ready(4)
        self.assertEqual(self.secondaries(host), {vf: (3, 1, 1) for vf in range(1, 5)})

    def test_more_than_there_is(self):
        """Whoever gets none waits with the reason, the others work."""
        host = self.storage(queues=8, interrupts=1)
        wait_for(lambda: list(host.states().values()).count("ready") == 2)
        wait_for(lambda: [vf["reason"] for vf in host.vfs().values()].count("nvme-resources") == 2)
        vm = host.vm(pool="disk")
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        host.write_policy(policy(queues=4))
        host.call("Reload")
        vm.kill()
        host.wait_all_ready(4)

    def test_offline_is_noticed_at_hand_over(self):
        """The kernel resets the primary: all others go offline, and nobody is told."""
        host = self.storage()
        host.wait_all_ready(4)
        with host.tree.controller(PF) as state:
            for s in state["secondaries"]:
                s.update(queues=0, interrupts=0, online=0)
        vm = host.vm(pool="disk")
        self.assertEqual(self.secondaries(host)[self.vf(vm)], (4, 2, 1))

    def test_offline_under_a_lease(self):
        """Its owner is told, once; the VF is left alone, and works again in the next lease."""
        host = self.storage(namespaces={"size": "10G"})
        host.wait_all_ready(4)
        vm = host.vm(pool="disk", vm="db1")
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        before = [c for c in host.tree.commands(PF) if c[1] == self.vf(vm)]
        self.assertEqual(host.command_by_hand(PF, "reset"), (0, 0))

        def heard():
            while (event := watch.receive()["parameters"]["event"])["kind"] != "controller":
                pass
            return event["new"], event["address"], event["lease"], event["vm"]

        host.call("Rescan")
        self.assertEqual(heard(), ("offline", vm.vfs[0], vm.lease["id"], "db1"))
        host.call("Rescan")
        wait_for(lambda: sorted(host.states().values()) == ["leased"] + ["ready"] * 3)
        self.assertEqual([c for c in host.tree.commands(PF) if c[1] == self.vf(vm)], before)
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        with host.tree.controller(PF) as state:
            state["secondaries"][self.vf(vm) - 1].update(queues=4, interrupts=2, online=1)
        host.call("Rescan")
        self.assertEqual(heard(), ("online", vm.vfs[0], vm.lease["id"], "db1"))
        self.assertEqual(host.daemon.log().count("the NVMe controller of its VF is offline"), 1)
        vm.kill()
        host.wait_all_ready(4)

    def test_reset_that_follows_a_failure_is_noticed(self):
        """A command that fails may have had the kernel reset the controller."""
        host = self.storage(namespaces={"size": "10G"})
        host.wait_all_ready(4)
        vms = [host.vm(pool="disk", vm=f"db{i}") for i in range(2)]
        host.faults(f"op=nvme-erase address={vms[1].vfs[0]} error=EIO delay=200")
        vms[1].kill()
        wait_for(lambda: host.operations("nvme-detach", vms[1].vfs[0]))
        host.command_by_hand(PF, "reset")
        host.wait_state(vms[1].vfs[0], "quarantined")
        wait_for(lambda: f"lease {vms[0].lease['id']} of red/db0: the NVMe controller of its VF is offline" in host.daemon.log())
        wait_for(lambda: sorted(host.states().values()) == ["leased", "quarantined", "ready", "ready"])
        self.assertEqual(sorted(s[2] for s in self.secondaries(host).values()), [0, 0, 1, 1])

    def test_slow_commands(self):
        """What a device may take a minute for has more time than the rest."""
        queues = {"flexible": 16, "primary": 16, "next": 16, "private": 8, "secondary_max": 8, "granularity": 1}
        slow = [{"command": verb, "delay": 1500} for verb in ("create", "primary-vq")]
        host = self.host([nvme(PF, total=2, controller={"queues": queues, "fail": slow})],
                         policy=policy(namespaces={"size": "10G"}, host_queues=0), options=("--worker-timeout", "1"))
        wait_for(lambda: [vf["reason"] for vf in host.vfs().values()] == ["nvme-resources"] * 2)
        host.vfctl("apply", "--destructive")
        self.assertEqual([error for _, _, _, error in host.operations("nvme-primary")], ["0"])
        host.wait_all_ready(2)
        host.vm(pool="disk", vm="vm1")
        self.assertEqual([pf["stuck"] for pf in host.call("ListPFs")["pfs"]], [False])

    def test_without_virtualization(self):
        """Such a controller's VFs are always online."""
        host = self.storage(controller={"can": ["namespaces", "format"]}, namespaces="attached", erase="never", blue=False)
        host.wait_all_ready(4)
        host.vm(pool="disk")
        host = self.storage(controller={"can": ["namespaces", "format"]})
        wait_for(lambda: [vf["reason"] for vf in host.vfs().values()] == ["namespace"] * 4)

    def test_primary_gives(self):
        q = {"flexible": 16, "primary": 16, "next": 16, "private": 8, "secondary_max": 8, "granularity": 1}
        i = {"flexible": 8, "primary": 8, "next": 8, "private": 8, "secondary_max": 4, "granularity": 1}
        host = self.storage(controller={"queues": q, "interrupts": i}, host_queues=0, host_interrupts=0)
        wait_for(lambda: [vf["reason"] for vf in host.vfs().values()] == ["nvme-resources"] * 4)
        steps = {s["kind"]: s for s in host.call("Plan")["steps"]}
        self.assertTrue(steps["primary"]["destructive"])
        self.assertFalse(steps["primary"]["blocked"])
        self.assertEqual(host.operations("nvme-primary"), [])
        host.vfctl("apply", "--destructive")
        self.assertEqual([(op, error) for op, _, _, error in host.operations("nvme-primary")], [("nvme-primary", "0")])
        host.wait_all_ready(4)
        self.assertEqual(self.secondaries(host), {vf: (4, 2, 1) for vf in range(1, 5)})
        self.assertEqual([s["kind"] for s in host.call("Plan")["steps"]], [])

    def test_primary_keeps_while_leased_or_used(self):
        q = {"flexible": 16, "primary": 4, "next": 4, "private": 8, "secondary_max": 3, "granularity": 1}
        host = self.storage(controller={"queues": q}, host_queues=0)
        host.wait_all_ready(4)
        vm = host.vm(pool="disk", vm="db1")
        step = next(s for s in host.call("Plan")["steps"] if s["kind"] == "primary")
        self.assertEqual((step["blocked"], step["reason"]), (True, "leased"))
        self.assertIn("red/db1", step["hits"][0])
        host.vfctl("apply", "--destructive")
        self.assertEqual(host.operations("nvme-primary"), [])
        vm.kill()
        host.wait_all_ready(4)
        host.tree.disk(host.tree.pfs[PF], mounted="/srv")
        host.vfctl("apply", "--destructive")  # the worker looks once more
        self.assertNotIn("0", [error for _, _, _, error in host.operations("nvme-primary")])
        self.assertEqual([pf["reason"] for pf in host.call("ListPFs")["pfs"]], ["host-disk"])
        self.assertEqual(host.tree.commands(PF, "primary-vq", "primary-vi", "reset"), [])


class HostDiskTest(StorageTest):
    def mounted(self, **disk):
        host = self.storage(start=False, **disk)
        host.tree.disk(host.tree.pfs[PF], mounted="/")
        host.daemon.start()
        return host

    def test_refused(self):
        host = self.mounted()
        wait_for(lambda: [s["reason"] for s in host.call("Plan")["steps"] if s["kind"] == "enable"] == ["host-disk"])
        self.assertEqual(host.operations("numvfs"), [])
        self.assertEqual(host.vfs(), {})
        with open(host.tree.path("proc/1/mountinfo"), "w"):  # unmounted
            pass
        host.call("Rescan")
        host.wait_all_ready(4)

    def test_allowed(self):
        host = self.mounted(host_disk="allow")
        host.wait_all_ready(4)

    def reasons(self, host):
        return sorted(vf["reason"] for vf in host.vfs().values())

    def uses(self, host, yes):
        with host.tree.controller(PF) as state:
            state["host_uses"] = yes

    def test_vfs_that_were_there_before(self):
        """Made by somebody else, such as the initramfs: fenced, but never switched on nor leased."""
        host = self.storage(start=False)
        put(host.tree.root, f"sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe", "0\n")
        host.enable_by_hand(PF, 4)
        host.tree.disk(host.tree.pfs[PF], mounted="/")
        host.daemon.start()
        wait_for(lambda: self.reasons(host) == ["host-disk"] * 4)
        self.assertEqual(host.operations("nvme-online"), [])
        self.refused("pool-empty", host.vm().acquire, pool="disk", vm="vm1")
        steps = [s for s in host.call("Plan")["steps"] if s["kind"] == "fence"]
        self.assertEqual([(s["blocked"], s["reason"]) for s in steps], [(True, "host-disk")] * 4)
        self.uses(host, False)
        host.call("Rescan")
        host.wait_all_ready(4)

    def test_policy_forbids_it_later(self):
        """Leases go on; what ends is erased and not leased again."""
        host = self.mounted(host_disk="allow", namespaces={"size": "10G"})
        host.wait_all_ready(4)
        vm = host.vm(pool="disk", vm="vm1")
        host.tree.write_disk(PF, self.vf(vm), 1, "red's secret")
        host.write_policy(policy(namespaces={"size": "10G"}))
        host.call("Reload")
        wait_for(lambda: self.reasons(host) == ["host-disk"] * 3 + ["none"])
        self.assertEqual(self.disk_of(host, vm), 1)
        vm.kill()
        wait_for(lambda: self.reasons(host) == ["host-disk"] * 4)
        self.assertEqual((host.leases(), self.attached(host), self.records(host)), ({}, {}, []))
        host.check_invariants()
        host.write_policy(policy(namespaces={"size": "10G"}, host_disk="allow"))
        host.call("Reload")
        host.wait_all_ready(4)
        host.vm(pool="disk", vm="vm2")

    def test_host_is_faster(self):
        """It mounts a disk after the daemon has looked and before the VFs are made."""
        host = self.storage(start=False)
        host.faults("op=numvfs hang=1 count=1")
        host.daemon.start(wait=False)
        wait_for(lambda: ("numvfs", PF) in host.faults_hit())
        host.tree.disk(host.tree.pfs[PF], mounted="/srv")
        host.unhang()
        wait_for(lambda: [pf["reason"] for pf in host.call("ListPFs")["pfs"]] == ["host-disk"])
        self.assertEqual(host.tree.device(PF, "sriov_numvfs"), "0")

    def test_host_begins_to_use_one(self):
        """Seen at hand-over: the VF is not given away, and nothing is made for it."""
        host = self.storage(namespaces={"size": "10G"})
        host.wait_all_ready(4)
        self.uses(host, True)
        self.refused("host-disk", host.vm().acquire, pool="disk", vm="vm1")
        self.assertEqual(self.attached(host), {})


class DiskTest(StorageTest):
    """Red writes, blue reads."""
    def test_made_for_the_lease(self):
        host = self.storage_new()
        host.wait_all_ready(4)
        self.assertEqual(self.attached(host), {})
        disks = self.red_then_blue(host)
        self.assertEqual(list(disks.values()), [""])
        with host.tree.controller(PF) as state:
            self.assertEqual([n["size"] for n in state["namespaces"]], [10 * G])

    def test_made_and_formatted_too(self):
        host = self.storage_new(erase="crypto")
        host.wait_all_ready(4)
        self.red_then_blue(host)
        self.assertEqual(len(host.tree.commands(PF, "format")), 1)
        self.assertEqual(len(host.tree.commands(PF, "delete")), 1)

    def test_listed(self):
        host = self.listed(2, 3)
        host.wait_all_ready(4)
        vms = [host.vm(pool="disk", vm=f"vm{i}") for i in range(2)]
        self.assertEqual(sorted(self.disk_of(host, vm) for vm in vms), [2, 3])
        self.assertEqual(self.records(host), ["SIM09_00_0-2.json", "SIM09_00_0-3.json"])
        self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="vm3")
        vms[0].kill()
        host.wait_state(vms[0].vfs[0], "ready")
        self.assertEqual(self.disk_of(host, host.vm(pool="disk", vm="vm3")), 2)

    def test_listed_are_erased_once_leased_only(self):
        host = self.listed(1)
        host.wait_all_ready(4)
        self.assertEqual(host.tree.commands(PF, "format"), [])
        disks = self.red_then_blue(host)
        self.assertEqual(disks, {1: ""})
        self.assertEqual(len(host.tree.commands(PF, "format")), 1)

    def test_never_erased(self):
        """For one tenant alone: the policy allows no second one."""
        host = self.listed(1, erase="never", blue=False)
        host.wait_all_ready(4)
        vm = host.vm(pool="disk", vm="db1")
        host.tree.write_disk(PF, self.vf(vm), 1, "kept")
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")
        self.assertEqual(self.attached(host)[1], [])
        vm = host.vm(pool="disk", vm="db1")
        self.assertEqual(host.tree.disks(PF, self.vf(vm)), {1: "kept"})

    def test_none(self):
        """What is attached to an idle VF's controller is not its tenant's to see."""
        host = self.host([nvme(PF, total=4, controller={"namespaces": [namespace(1, shared=True, data="shared", controllers=[0, 1, 2, 3, 4])]})],
                         policy=policy())
        host.wait_all_ready(4)
        self.assertEqual(self.attached(host), {1: [0]})
        vm = host.vm(pool="disk")
        self.assertEqual(host.tree.disks(PF, self.vf(vm)), {})

    def test_attached_by_hand_to_an_idle_vf(self):
        """Whatever somebody attaches to a VF that is ready is not its next owner's to see."""
        for rule, sees in (("none", []), ([1], [1]), ({"size": "1G"}, [2])):
            with self.subTest(rule=rule):
                host = self.host([nvme(PF, total=2, controller={"namespaces": [namespace(1), namespace(7, shared=True, data="stray")]})],
                                 policy=policy(namespaces=rule))
                host.wait_all_ready(2)
                for controller in (1, 2):
                    self.assertEqual(host.command_by_hand(PF, "attach", controller=controller, nsid=7), (0, 0))
                vm = host.vm(pool="disk", vm="vm1")
                self.assertEqual(list(host.tree.disks(PF, self.vf(vm))), sees)
                wait_for(lambda h=host: self.attached(h)[7] == [])  # the other one's is seen with the next look
                host.wait_state(next(a for a in VFS[:2] if a != vm.vfs[0]), "ready")
                with host.tree.controller(PF) as state:
                    self.assertEqual([n["data"] for n in state["namespaces"] if n["nsid"] == 7], ["stray"])
                host.close()

    def test_attached(self):
        host = self.host([nvme(PF, total=2, controller={"namespaces": [namespace(1, data="a", controllers=[1]),
                                                                       namespace(2, data="b", controllers=[2])]})],
                         policy=policy(namespaces="attached", erase="format"))
        host.wait_all_ready(2)
        self.assertEqual(self.attached(host), {1: [1], 2: [2]})
        self.assertEqual(self.red_then_blue(host), {1: ""})
        with host.tree.controller(PF) as state:
            self.assertEqual([n["data"] for n in state["namespaces"]], ["", "b"])

    def test_someone_elses(self):
        """The host has it: it is not taken from there, and not erased."""
        host = self.host([nvme(PF, total=2, controller={"namespaces": [namespace(1, data="host", controllers=[0])]})],
                         policy=policy(namespaces=[1]))
        host.wait_all_ready(2)
        self.refused("namespace", host.vm().acquire, pool="disk", vm="vm1")
        host.wait_all_ready(2)
        with host.tree.controller(PF) as state:
            self.assertEqual(state["namespaces"][0]["data"], "host")
        self.assertEqual(self.records(host), [])

    def test_no_room(self):
        host = self.storage_new(controller={"capacity": 25 * G})
        host.wait_all_ready(4)
        vms = [host.vm(pool="disk", vm=f"vm{i}") for i in range(2)]
        wait_for(lambda: self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="vm3"))
        vms[0].kill()
        host.wait_state(vms[0].vfs[0], "ready")
        host.vm(pool="disk", vm="vm3")

    def test_waits_for_a_disk(self):
        host = self.listed(1)
        host.wait_all_ready(4)
        first, second = host.vm(pool="disk", vm="vm1"), host.vm(user="blue")
        second.begin("acquire", parameters={"tenant": "blue", "pool": "disk", "vm": "vm2", "wait": 30})
        wait_for(lambda: any(pool["waiting"] for pool in host.call("ListPools")["pools"]))
        first.kill()
        lease = second.end_of()["reply"]["lease"]
        self.assertEqual(host.tree.disks(PF, VFS.index(lease["vfs"][0]) + 1), {1: ""})


class EraseFailsTest(StorageTest):
    def test_quarantined_and_given_to_nobody(self):
        host = self.listed(1, 2)
        host.wait_all_ready(4)
        red = host.vm(pool="disk", vm="red1")
        host.tree.write_disk(PF, self.vf(red), 1, "red's secret")
        host.faults("op=nvme-erase error=EIO reason=erase-failed")
        red.kill()
        vf = host.wait_state(red.vfs[0], "quarantined")
        self.assertEqual(vf["reason"], "erase-failed")
        host.faults()
        host.daemon.restart()
        blue = host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
        self.assertEqual(list(host.tree.disks(PF, self.vf(blue))), [2])
        self.assertEqual([s for s in host.states().values()].count("quarantined"), 1)
        host.call("Clear", address=red.vfs[0], reason="looked at it")
        host.wait_state(red.vfs[0], "ready")
        with host.tree.controller(PF) as state:
            self.assertEqual({n["nsid"]: n["data"] for n in state["namespaces"]}, {1: "", 2: "the operator's", 3: "the operator's"})
        self.assertEqual(self.records(host), ["SIM09_00_0-2.json"])

    def test_only_the_list_says_that_it_is_gone(self):
        """Whatever else is not there, a node or a table of mounts: the data are, and the record stays."""
        for reason in ("reason=nvme-failed", "reason=erase-failed", ""):
            with self.subTest(reason=reason):
                host = self.listed(1)
                host.wait_all_ready(4)
                red = host.vm(pool="disk", vm="red1")
                host.tree.write_disk(PF, self.vf(red), 1, "red's secret")
                host.faults(f"op=nvme-erase error=ENOENT {reason}")
                red.kill()
                host.wait_state(red.vfs[0], "quarantined")
                self.assertEqual(self.records(host), ["SIM09_00_0-1.json"])
                self.refused("namespaces-used-up", host.vm(user="blue").acquire, tenant="blue", pool="disk", vm="blue1")
                host.faults()
                host.call("Clear", address=red.vfs[0], reason="a test")
                host.wait_all_ready(4)
                self.assertEqual(self.records(host), [])
                self.assertEqual(self.disk_of(host, host.vm(user="blue", tenant="blue", pool="disk", vm="blue2")), 1)
                self.assertNotIn("red's secret", host.tree.read(f"sim/pf/{PF}/nvme"))
                host.close()

    def test_deleted_by_hand(self):
        host = self.listed(1)
        host.wait_all_ready(4)
        red = host.vm(pool="disk", vm="red1")
        host.command_by_hand(PF, "delete", nsid=1)
        red.kill()
        host.wait_all_ready(4)
        self.assertEqual(self.records(host), [])

    def test_others_go_on(self):
        host = self.listed(1, 2)
        host.wait_all_ready(4)
        host.faults(f"op=nvme-online address={VFS[1]} error=EIO")
        vms = [host.vm(pool="disk", vm=f"vm{i}") for i in range(1)]
        self.refused("nvme-failed", host.vm().acquire, pool="disk", vm="vmx")
        host.wait_state(VFS[1], "quarantined")
        self.assertEqual(host.vf(vms[0].vfs[0])["state"], "leased")
        host.vm(pool="disk", vm="vmy")


TWO = "0000:0d:00.0"


class LedgerTest(StorageTest):
    """Records of who had which namespace: whose they are, and what becomes of one that cannot be read."""

    def ports(self, one, two, **disk):
        """Two PFs with one serial number, as ports of a card have it, with one VF each."""
        return self.host([nvme(PF, total=1, serial="S1", controller={"namespaces": one}),
                          nvme(TWO, total=1, serial="S1", controller={"namespaces": two})], policy=policy(**disk))

    def data(self, host, pf):
        with host.tree.controller(pf) as state:
            return {n["nsid"]: n["data"] for n in state["namespaces"]}

    def test_each_port_sees_to_its_own(self):
        host = self.ports([namespace(1)], [namespace(2)], namespaces=[1, 2])
        host.wait_all_ready(2)
        vms = [host.vm(pool="disk", vm=f"red{i}") for i in range(2)]
        host.tree.write_disk(PF, 1, 1, "red's secret")
        host.tree.write_disk(TWO, 1, 2, "red's secret")
        host.daemon.restart()
        wait_for(lambda: {a: vf["namespaces"] for a, vf in host.vfs().items()} == {"0000:09:00.1": [1], "0000:0d:00.1": [2]})
        for vm in vms:
            vm.kill()
        host.wait_all_ready(2)
        self.assertEqual((self.data(host, PF), self.data(host, TWO)), ({1: ""}, {2: ""}))
        self.assertEqual(self.records(host), [])

    def test_what_one_port_could_not_erase_the_other_does_not_give(self):
        host = self.ports([namespace(1)], [namespace(1)], namespaces=[1])
        host.wait_all_ready(2)
        red = host.vm(pool="disk", vm="red1")
        host.faults("op=nvme-erase error=EIO reason=erase-failed")
        red.kill()
        host.wait_state(red.vfs[0], "quarantined")
        self.refused("namespaces-used-up", host.vm(user="blue").acquire, tenant="blue", pool="disk", vm="blue1")
        host.faults()
        host.call("Clear", address=red.vfs[0], reason="a test")
        host.wait_all_ready(2)
        host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
        self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="red2")

    def test_card_moved(self):
        """Its records find it, also if an NVMe card that is nobody's has its old place."""
        for other in (False, True):
            with self.subTest(other=other):
                p = policy(namespaces=[1])
                host = self.host([nvme(PF, total=1, serial="S1", controller={"namespaces": [namespace(1)]})], policy=p)
                host.wait_all_ready(1)
                red = host.vm(pool="disk", vm="red1")
                host.daemon.kill9()
                red.kill()
                host.daemon.systemd.forget()
                host.tree.remove(PF)
                if other:
                    p["pools"]["disk"]["functions"] = [{"address": TWO}]
                    host.write_policy(p)
                    host.tree.add(nvme(PF, total=1, serial="S2", controller={"namespaces": [namespace(1, data="image")]}))
                host.tree.add(nvme(TWO, total=1, serial="S1", controller={"namespaces": [namespace(1, data="red's secret")]}))
                host.daemon.start()
                host.wait_state("0000:0d:00.1", "ready")
                wait_for(lambda h=host: self.records(h) == [])
                self.assertEqual(self.data(host, TWO), {1: ""})
                if other:
                    self.assertEqual(self.data(host, PF), {1: "image"})
                host.close()

    def test_record_that_cannot_be_read(self):
        """The data are there all the same: nobody gets them, and an administrator is told what to do."""
        newer = '{"version":9,"owner":"red","nsid":1}'
        for wrong in ("", "{", "[]", newer, None):
            with self.subTest(wrong=wrong):
                host = self.listed(1, 2)
                host.wait_all_ready(4)
                red = host.vm(pool="disk", vm="red1")
                host.tree.write_disk(PF, self.vf(red), 1, "red's secret")
                host.daemon.stop()
                path = "var/lib/vfctld/disks/SIM09_00_0-1.json"
                os.unlink(host.tree.path(path))
                if wrong is None:
                    os.symlink("nowhere", host.tree.path(path))
                else:
                    put(host.tree.root, path, wrong)
                red.kill()
                host.daemon.start()
                host.wait_all_ready(4)
                problem = next(p for p in host.status()["problems"] if p["reason"] == "disk-record")
                self.assertIn("/" + path, problem["message"])
                self.assertIn("erase", problem["hint"])
                self.assertIn(path, host.vfctl("status").stdout)
                blue = host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
                self.assertEqual(self.disk_of(host, blue), 2)
                self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="red2")
                self.assertEqual(self.data(host, PF)[1], "red's secret")
                with host.tree.controller(PF) as state:
                    state["namespaces"][0]["data"] = ""
                os.unlink(host.tree.path(path))
                host.daemon.restart()
                wait_for(lambda h=host: sorted(h.states().values()) == ["leased"] + ["ready"] * 3)
                self.assertEqual(self.disk_of(host, host.vm(pool="disk", vm="red3")), 1)
                host.close()

    def test_record_of_another_name(self):
        """What its name says holds."""
        host = self.listed(1, 2, 3)
        host.wait_all_ready(4)
        red = host.vm(pool="disk", vm="red1")
        host.daemon.stop()
        disks = host.tree.path("var/lib/vfctld/disks")
        os.rename(f"{disks}/SIM09_00_0-1.json", f"{disks}/SIM09_00_0-2.json")
        red.kill()
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual([p["reason"] for p in host.status()["problems"]], ["disk-record"])
        self.assertEqual(self.records(host), ["SIM09_00_0-2.json"])
        self.assertNotEqual(self.disk_of(host, host.vm(pool="disk", vm="red2")), 2)


class OrphanTest(StorageTest):
    """Namespaces that were made and whose number nobody wrote down."""

    def about_to(self, host, *vfs, size=10 * G, before=()):
        """What the daemon has written down of them when it dies."""
        for vf in vfs:
            put(host.tree.root, f"var/lib/vfctld/disks/SIM09_00_0-new-{vf}.json",
                json.dumps({"version": 2, "vf": vf, "pf": PF, "serial": "SIM09:00.0", "nsid": 0, "size": size, "made": True,
                            "erase": "delete", "tenant": "red", "vm": "red1", "before": list(before)}))

    def after_a_crash(self, *namespaces):
        return self.host([nvme(PF, total=2, controller={"namespaces": list(namespaces)})],
                         policy=policy(namespaces={"size": "10G"}), start=False)

    def test_two_at_once(self):
        """Both VFs see both; neither deletes what the other does."""
        host = self.after_a_crash(namespace(1, size=10 * G), namespace(2, size=10 * G))
        self.about_to(host, *VFS[:2])
        host.faults("op=nvme-erase delay=300 count=1")
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((self.attached(host), self.records(host)), ({}, []))
        self.assertEqual(len(host.tree.commands(PF, "delete")), 2)

    def test_one_for_two(self):
        host = self.after_a_crash(namespace(1, size=10 * G))
        self.about_to(host, *VFS[:2])
        host.faults("op=nvme-erase delay=300 count=1")
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((self.attached(host), self.records(host)), ({}, []))

    def test_what_the_operator_made_meanwhile(self):
        """Another size, or there before, or somebody has it: none of ours."""
        host = self.after_a_crash(namespace(1, size=10 * G - 1, data="a"), namespace(2, size=10 * G + 4096, data="b"),
                                  namespace(3, size=10 * G, data="c"), namespace(4, size=10 * G, data="d", controllers=[0]),
                                  namespace(5, size=10 * G + 4095))
        self.about_to(host, VFS[0], before=[3])
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((sorted(self.attached(host)), self.records(host)), ([1, 2, 3, 4], []))

    def test_many_before(self):
        """As many as there can be, with the longest numbers."""
        host = self.after_a_crash(namespace(1, size=10 * G))
        self.about_to(host, VFS[0], before=range(0xfffffffd - 4096, 0xfffffffd))
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((self.attached(host), self.records(host)), ({}, []))
        self.assertEqual(host.status()["problems"], [])

    def test_another_lease_is_making_one(self):
        """Nobody has heard its number yet, and it is no orphan."""
        host = self.storage_new(total=2)
        host.wait_all_ready(2)
        host.faults("op=nvme-create exit=before count=1", "op=nvme-detach hang=1 after=1 count=1")
        with self.assertRaises(VarlinkError):
            host.vm().acquire(pool="disk", vm="red1")
        wait_for(lambda: ("nvme-detach", VFS[0]) in host.faults_hit())
        host.faults("op=nvme-create delay-after=1000 count=1")
        vm = host.vm()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "disk", "vm": "red2"})
        wait_for(lambda: host.tree.commands(PF, "create"))
        host.unhang()
        lease = vm.end_of()["reply"]["lease"]
        self.assertEqual(host.tree.disks(PF, VFS.index(lease["vfs"][0]) + 1), {1: ""})
        wait_for(lambda: sorted(host.states().values()) == ["leased", "ready"])
        self.assertEqual(self.records(host), ["SIM09_00_0-1.json"])


class CrashTest(StorageTest):
    """The daemon is killed at each admin command, with its workers or without; nothing is left over, nothing is readable."""

    def arm(self, host, at):
        with open(host.tree.path("sim/die_at_command"), "w") as f:
            f.write(f"{at}\n")
        os.chmod(host.tree.path("sim/die_at_command"), 0o666)

    def lease(self, host):
        """Red has a disk for a moment, or not even that."""
        vm = host.vm()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "disk", "vm": "red1"})
        with contextlib.suppress(Exception):  # the daemon dies meanwhile
            vf = VFS.index(vm.end_of()["reply"]["lease"]["vfs"][0]) + 1
            for nsid in host.tree.disks(PF, vf):
                host.tree.write_disk(PF, vf, nsid, "red's secret")
        vm.kill()

    def at_rest(self, host):
        try:
            return set(host.states().values()) == {"ready"} and not host.leases()
        except (Closed, OSError):  # it died meanwhile
            return False

    def die_at_each(self, host):
        for at in range(1, 100):
            self.arm(host, at)
            self.lease(host)
            wait_for(lambda: not host.daemon.alive() or self.at_rest(host))
            if host.daemon.alive():
                self.assertGreater(at, 5)
                return
            host.daemon.restart()
            host.wait_all_ready(2)
            wait_for(lambda: self.at_rest(host))
            self.assertNotIn("red's secret", host.tree.read(f"sim/pf/{PF}/nvme"))
            self.assertEqual(self.records(host), [])
            self.check_disks(host)
            host.check_invariants()
        self.fail("it never gets through")

    def check_disks(self, host):
        attached = self.attached(host)
        self.assertEqual([c for c in attached.values() if c], [])
        self.assertEqual(sorted(attached), self.present)

    def test_made(self):
        self.present = []
        host = self.storage_new(total=2)
        host.wait_all_ready(2)
        self.die_at_each(host)

    def test_listed(self):
        self.present = [1, 2, 3]
        host = self.listed(1, total=2)
        host.wait_all_ready(2)
        self.die_at_each(host)

    def test_made_and_the_worker_dies_too(self):
        self.present = []
        host = self.storage_new(total=2)
        put(host.tree.root, "sim/worker_dies", "")
        host.wait_all_ready(2)
        self.die_at_each(host)
