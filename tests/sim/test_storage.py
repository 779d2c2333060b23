# SPDX-License-Identifier: GPL-2.0-or-later
"""NVMe VFs from end to end: resources, disks of leases, and data that nobody else may read."""

import json
import os

from harness import SimTest, default_policy, wait_for
from simhost import namespace, nvme, put

PF, TWO = "0000:09:00.0", "0000:0d:00.0"
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

    def test_without_namespace_management(self):
        """Nobody knows what is attached: that is not nothing, also when the rule changes under a VF that is ready."""
        can = ["virtualize", "format"]
        host = self.storage(controller={"can": can})
        wait_for(lambda: [vf["reason"] for vf in host.vfs().values()] == ["namespace"] * 4)
        host.close()
        for rule in ({}, {"namespaces": "attached", "erase": "format"}):
            with self.subTest(rule=rule):
                host = self.storage(controller={"can": can, "namespaces": [namespace(1, data="x", controllers=[1])]}, blue=False,
                                    namespaces="attached", erase="never")
                host.wait_all_ready(4)
                host.vm(pool="disk", vm="vm1").kill()
                host.wait_all_ready(4)
                host.write_policy(policy(**rule))
                host.call("Reload")
                self.refused("namespace", host.vm(user="blue").acquire, tenant="blue", pool="disk", vm="vm2")
                self.assertEqual(host.tree.commands(PF, "format", "detach"), [])
                host.close()

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
        host.call("Rescan")  # whether it was the worker that looked first, or the daemon
        wait_for(lambda: [s["reason"] for s in host.call("Plan")["steps"] if s["kind"] == "primary"] == ["host-disk"])
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
        self.uses(host, False)
        host.call("Rescan")
        host.wait_all_ready(4)

    def test_allowed(self):
        host = self.mounted(host_disk="allow")
        host.wait_all_ready(4)

    def reasons(self, host):
        return sorted(vf["reason"] for vf in host.vfs().values())

    def uses(self, host, yes):
        if yes:
            host.tree.disk(host.tree.pfs[PF], mounted="/srv")
        else:
            with open(host.tree.path("proc/1/mountinfo"), "w"):
                pass

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
        wait_for(lambda: self.reasons(host) == ["host-disk"] * 4)

    def test_what_is_shown_is_done(self):
        """Whoever looks at the controller sees that the host uses a disk: the VFs are not offered any longer."""
        host = self.storage()
        host.wait_all_ready(4)
        for uses in (True, False):
            self.uses(host, uses)
            shown = host.call("GetController", address=PF)["controller"]
            self.assertEqual("host-uses" in shown["can"], uses)
            wait_for(lambda: self.reasons(host) == (["host-disk"] * 4 if uses else ["none"] * 4))  # noqa: B023
        host.wait_all_ready(4)


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

    def kept_by_red(self, rule, before_it_ends=None):
        """Red has written under "never", and its lease is over. The VF of it, idle again."""
        host = self.host([nvme(PF, total=2, controller={"namespaces": [namespace(1, data="a", controllers=[1]),
                                                                       namespace(2, data="b", controllers=[2])]
                                                        if rule == "attached" else [namespace(2)]})],
                         policy=policy(namespaces=rule, erase="never", blue=False))
        host.wait_all_ready(2)
        red = host.vm(pool="disk", vm="red1")
        host.tree.write_disk(PF, self.vf(red), self.disk_of(host, red), "red's secret")
        if before_it_ends:
            self.change(host, before_it_ends)
        red.kill()
        host.wait_state(red.vfs[0], "ready")
        return host, red

    def change(self, host, to):
        host.write_policy(to)
        host.call_fresh("Reload")

    def blues(self, **disk):
        """Blue's alone from now on."""
        p = policy(**disk)
        del p["tenants"]["red"]["pools"]["disk"]
        return p

    def test_never_erased_and_another_rule_later(self):
        """Whoever comes after a change of the rule reads nothing, whenever it changes."""
        for rule in ([2], "attached"):
            for when in ("leased", "idle", "away"):
                with self.subTest(rule=rule, when=when):
                    to = policy(namespaces=rule, erase="format")
                    host, red = self.kept_by_red(rule, to if when == "leased" else None)
                    if when == "idle":
                        self.assertEqual(len(self.records(host)), 1)
                        self.change(host, to)
                    elif when == "away":
                        host.daemon.kill9()
                        host.write_policy(to)
                        host.daemon.start()
                    wait_for(lambda h=host: self.records(h) == [])
                    host.wait_all_ready(2)
                    blues = [host.vm(user="blue", tenant="blue", pool="disk", vm=f"b{n}") for n in range(1 if rule == [2] else 2)]
                    for blue in blues:
                        self.assertNotIn("red's secret", host.tree.disks(PF, self.vf(blue)).values())
                    self.assertEqual(len(host.tree.commands(PF, "format")), 1)
                    host.close()

    def test_never_erased_and_another_tenant_later(self):
        """Under the same rule it is not given to another tenant, and its own gets it again, also after a crash."""
        for rule, why in (([2], "namespaces-used-up"), ("attached", "namespace")):
            with self.subTest(rule=rule):
                host, red = self.kept_by_red(rule)
                self.change(host, self.blues(namespaces=rule, erase="never"))
                host.daemon.kill9()
                host.daemon.start()
                host.wait_all_ready(2)
                self.refused(why, host.vm(user="blue").acquire, tenant="blue", pool="disk", vm="b1")
                shown = {n["nsid"]: n for n in host.call_fresh("GetController", address=PF)["controller"]["namespaces"]}
                kept = [n for n in shown.values() if n["tenant"]]
                self.assertEqual([(n["vf"], n["tenant"], n["vm"], n["erase"]) for n in kept], [(None, "red", "red1", "never")])
                self.assertEqual(host.vf(red.vfs[0])["namespaces"], [])
                self.change(host, policy(namespaces=rule, erase="never", blue=False))
                host.wait_all_ready(2)
                self.assertIn("red's secret", host.tree.disks(PF, self.vf(host.vm(pool="disk", vm="red2"))).values())
                self.assertEqual(host.tree.commands(PF, "format", "delete"), [])
                host.close()

    def test_never_erased_and_given_to_nobody(self):
        """A rule that gives it to nobody leaves the data where they are."""
        host, red = self.kept_by_red([2])
        for disk in ({}, {"namespaces": {"size": "1G"}}):
            self.change(host, policy(**disk))
            host.wait_all_ready(2)
            blue = host.vm(user="blue", tenant="blue", pool="disk", vm="b1")
            self.assertNotIn("red's secret", host.tree.disks(PF, self.vf(blue)).values())
            blue.kill()
            host.wait_all_ready(2)
        self.assertEqual((self.records(host), host.tree.commands(PF, "format")), (["SIM09_00_0-2.json"], []))

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
        self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="vm1")
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


class ShowTest(StorageTest):
    def test_all_that_a_controller_says(self):
        """Each field, with values that are mistaken for none of the others."""
        host = self.host([nvme(PF, total=3, controller={
            "model": "Disk X", "serial": "S 1", "firmware": "F2", "can": ["virtualize", "namespaces", "format"],
            "queues": {"flexible": 29, "primary": 3, "next": 3, "private": 11, "secondary_max": 9, "granularity": 2},
            "interrupts": {"flexible": 17, "primary": 1, "next": 1, "private": 5, "secondary_max": 7, "granularity": 1},
            "critical_warning": 0b101001, "spare": 8, "spare_threshold": 9, "used": 130, "temperature": 333,
            "media_errors": 12345678901234, "capacity": 100 * G,
            "namespaces": [namespace(2, size=3 * G, data="x", controllers=[0]), namespace(6, size=2 * G, shared=True)]})],
            policy=policy(vfs=2, queues=6, interrupts=2, namespaces=[6], erase="format"))
        host.wait_all_ready(2)
        vm = host.vm(pool="disk", vm="db1")
        with host.tree.controller(PF) as state:
            state["namespaces"][1]["used"] = 4096
        vf = self.vf(vm)
        self.assertEqual(host.call("GetController", address=vm.vfs[0]), {"controller": {
            "address": PF, "model": "Disk X", "serial": "S 1", "firmware": "F2", "controller": 0,
            "can": ["virtualize", "namespaces", "format"],
            "queues": {"flexible": 29, "assigned": 12, "primary": 3, "private": 11, "most": 9, "granularity": 2},
            "interrupts": {"flexible": 17, "assigned": 4, "primary": 1, "private": 5, "most": 7, "granularity": 1},
            "warnings": ["spare", "read-only", "persistent-memory"], "health_known": True, "celsius": 60, "spare": 8, "spare_threshold": 9, "used": 130,
            "media_errors": 12345678901234, "capacity": 100 * G, "available": 95 * G,
            "secondaries": [{"controller": n, "vf": VFS[n - 1] if n < 3 else None, "queues": 6 if n < 3 else 0,
                             "interrupts": 2 if n < 3 else 0, "online": n < 3} for n in (1, 2, 3)],
            "namespaces": [{"nsid": 2, "size": 3 * G, "used": 0, "block_size": 4096, "shared": False, "controllers": [0], "vf": None,
                            "tenant": None, "vm": None, "erase": None},
                           {"nsid": 6, "size": 2 * G, "used": 4096, "block_size": 4096, "shared": True, "controllers": [vf],
                            "vf": vm.vfs[0], "tenant": "red", "vm": "db1", "erase": "format"}]}})
        pf = host.call("ListPFs")["pfs"][0]
        self.assertEqual((pf["capacity"], pf["available"]), (100 * G, 95 * G))

    def test_what_it_does_not_say(self):
        host = self.storage(controller={"critical_warning": 0b10, "temperature": 0, "capacity": 0, "formats_all": True},
                            host_disk="allow", start=False)
        host.tree.disk(host.tree.pfs[PF], mounted="/srv")
        host.daemon.start()
        host.wait_all_ready(4)
        shown = host.call("GetController", address=PF)["controller"]
        self.assertEqual((shown["warnings"], shown["celsius"], shown["capacity"], shown["available"]), (["temperature"], None, 0, 0))
        self.assertEqual(shown["can"], ["virtualize", "namespaces", "format", "crypto", "formats-all", "host-uses"])


class PlacementTest(StorageTest):
    """A PF without a disk for a lease is one without a VF for it."""

    def two(self, one, two, **disk):
        host = self.host([nvme(PF, total=2, **one), nvme(TWO, total=2, **two)], policy=policy(**disk))
        host.wait_all_ready(4)
        return host

    def pfs_of(self, *vms):
        return [vf[:-1] + "0" for vm in vms for vf in vm.vfs]

    def test_listed(self):
        """The first PF has one disk of the list, the second two."""
        host = self.two({"controller": {"namespaces": [namespace(1)]}}, {"controller": {"namespaces": [namespace(2), namespace(3)]}},
                        namespaces=[1, 2, 3])
        vms = [host.vm(pool="disk", vm=f"vm{i}") for i in range(3)]
        self.assertEqual(self.pfs_of(*vms), [PF, TWO, TWO])
        self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="vm3")
        vms[0].kill()
        host.wait_state(vms[0].vfs[0], "ready")
        self.assertEqual(self.pfs_of(host.vm(pool="disk", vm="vm3")), [PF])

    def test_made(self):
        """The first PF has space for one more."""
        host = self.two({"controller": {"capacity": 11 * G}}, {"controller": {"capacity": 30 * G}}, namespaces={"size": "10G"})
        self.assertEqual(self.pfs_of(host.vm(pool="disk", vm="vm0")), [PF])
        wait_for(lambda: {p["address"]: p["available"] for p in host.call("ListPFs")["pfs"]}[PF] == G)
        self.assertEqual(self.pfs_of(host.vm(pool="disk", vm="vm1", count=2)), [TWO, TWO])

    def test_listed_and_somebody_has_it(self):
        """The first PF's is the host's: no lease is placed there, until it is not."""
        host = self.two({"controller": {"namespaces": [namespace(1, data="host", controllers=[0])]}},
                        {"controller": {"namespaces": [namespace(1)]}}, namespaces=[1])
        self.assertEqual(self.pfs_of(host.vm(pool="disk", vm="vm0")), [TWO])
        waits = host.vm()
        waits.begin("acquire", parameters={"tenant": "red", "pool": "disk", "vm": "vm1", "wait": 30})
        wait_for(lambda: any(pool["waiting"] for pool in host.call("ListPools")["pools"]))
        self.assertEqual(host.command_by_hand(PF, "detach", controller=0, nsid=1), (0, 0))
        host.call("Rescan")
        self.assertEqual(waits.end_of()["reply"]["lease"]["vfs"][0][:-1], PF[:-1])

    def test_none_needed(self):
        host = self.two({"controller": {"capacity": 0}}, {}, namespaces="none")
        self.assertEqual(self.pfs_of(host.vm(pool="disk", vm="vm0", count=2)), [PF, PF])
