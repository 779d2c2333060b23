# SPDX-License-Identifier: GPL-2.0-or-later
"""NVMe PFs that misbehave, hang, or are pulled out, and many owners in a row: nobody reads what another wrote."""

import contextlib
import os
import random

from harness import SimTest, VarlinkError, default_policy, wait_for
from simhost import PF, namespace, nvme
from varlink import Closed

ONE, TWO, NET = "0000:09:00.0", "0000:0d:00.0", "0000:01:00.0"
GIB = 1 << 30
SEED = int(os.environ.get("VFSIM_SEED", "1"))


def policy(**disk):
    p = default_policy()
    p["pools"]["disk"].update(disk)
    p["tenants"]["blue"]["pools"]["disk"] = {"quota": 64}
    return p


class NvmeTest(SimTest):
    def storage(self, *pfs, controller=None, start=True, options=(), **disk):
        return self.host(list(pfs) or [nvme(ONE, total=2, controller=controller)], policy=policy(**disk), options=options,
                         start=start)

    def clear_all(self, host):
        """An administrator who clears whatever is quarantined. Returns the states."""
        states = host.states()
        for vf, state in states.items():
            if state == "quarantined":
                host.call_fresh("Clear", address=vf, reason="a test")
        return list(states.values())

    def controller_of(self, host, address):
        """Its PF and its number among the PF's VFs, from 1."""
        return next((pf.address, pf.vfs.index(address) + 1) for pf in host.tree.pfs.values() if address in pf.vfs)

    def disks(self, host, vm):
        """What a VM with one VF can read."""
        return host.tree.disks(*self.controller_of(host, vm.vfs[0]))

    def write(self, host, vm, text):
        pf, n = self.controller_of(host, vm.vfs[0])
        for nsid in host.tree.disks(pf, n):
            host.tree.write_disk(pf, n, nsid, text)

    def reasons(self, host):
        return {address: vf["reason"] for address, vf in host.vfs().items()}

    def wait_back(self, host, vf):
        """A VF is idle again, whatever it takes."""
        try:
            return host.wait_state(vf, "ready")
        finally:
            host.check_invariants()


class WrongReplyTest(NvmeTest):
    WRONG = ("unsealed", "pipe", "none", "short", "long", "order", "flags", "name", "nsid")

    def test_at_first(self):
        """A worker that makes no sense is not believed; nothing is done to such a controller."""
        for wrong in self.WRONG:
            with self.subTest(wrong=wrong):
                host = self.storage(PF(NET, total=1), nvme(ONE, total=2, controller={"wrong": wrong}))
                host.wait_state(host.tree.pfs[NET].vf(0), "ready")
                wait_for(lambda: host.tree.commands(ONE, "identify"))  # noqa: B023
                self.assertNotIn("ready", [v["state"] for a, v in host.vfs().items() if a.startswith("0000:09")])
                self.assertEqual(host.tree.commands(ONE), [])
                with host.tree.controller(ONE) as state:
                    state["wrong"] = ""
                host.call("Apply")
                host.wait_all_ready(3)
                host.close()

    def test_at_hand_over(self):
        host = self.storage(namespaces={"size": "1G"})
        host.wait_all_ready(2)
        for wrong in self.WRONG:
            with host.tree.controller(ONE) as state:
                state["wrong"] = wrong
            with self.subTest(wrong=wrong):
                self.refused("nvme-failed", host.vm().acquire, pool="disk", vm="db1")
            with host.tree.controller(ONE) as state:
                state["wrong"] = ""
            self.clear_all(host)
            host.wait_all_ready(2)
        self.assertEqual(host.tree.commands(ONE, "create"), [])
        self.assertEqual(self.disks(host, host.vm(pool="disk", vm="db2")), {1: ""})

    def test_namespace_of_no_controller(self):
        host = self.storage(controller={"wrong": "ghost"})
        host.wait_all_ready(2)
        host.vm(pool="disk")

    def test_answers_that_are_none(self):
        for fault in ("op=nvme-state short=1 count=1", "op=nvme-state badid=1 count=1", "op=nvme-state exit=before count=1",
                      "op=nvme-online exit=after count=1", "op=nvme-online short=1 count=1"):
            with self.subTest(fault=fault):
                host = self.storage(start=False)
                host.faults(fault)
                host.daemon.start()
                host.wait_all_ready(2)

    def test_number_of_no_namespace(self):
        """What was made all the same is found and deleted."""
        for number in (0, 1 << 40):
            with self.subTest(number=number):
                host = self.storage(controller={"namespaces": [namespace(1, data="the operator's")]}, namespaces={"size": "1G"})
                host.wait_all_ready(2)
                host.faults(f"op=nvme-create reply={number} count=1")
                with self.assertRaises(VarlinkError):
                    host.vm().acquire(pool="disk", vm="db1")
                self.assertEqual(len(host.tree.commands(ONE, "create")), 1)
                host.wait_all_ready(2)
                with host.tree.controller(ONE) as state:
                    self.assertEqual([n["data"] for n in state["namespaces"]], ["the operator's"])
                host.close()

    def test_number_of_another_lease(self):
        """Told that it made what another lease has: that one keeps it."""
        host = self.storage(namespaces={"size": "1G"})
        host.wait_all_ready(2)
        first = host.vm(pool="disk", vm="db1")
        self.write(host, first, "mine")
        host.faults("op=nvme-create reply=1 count=1")
        with self.assertRaises(VarlinkError):
            host.vm(user="blue").acquire(tenant="blue", pool="disk", vm="b1")
        other = next(a for a in host.vfs() if a != first.vfs[0])
        wait_for(lambda: host.states()[other] in ("ready", "quarantined"))
        self.assertEqual(self.disks(host, first), {1: "mine"})
        self.assertEqual(host.tree.disks(*self.controller_of(host, other)), {})

class FailureTest(NvmeTest):
    def test_one_vf_only(self):
        """What its controller refuses quarantines a VF; the others work, and the status has its name."""
        host = self.storage(nvme(ONE, total=4, controller={"fail": [{"command": "online", "controller": 2, "status": 0x120}]}))
        bad = host.tree.pfs[ONE].vf(1)
        vf = host.wait_state(bad, "quarantined")
        self.assertEqual(vf["reason"], "nvme-failed")
        wait_for(lambda: list(host.states().values()).count("ready") == 3)
        self.assertIn("Invalid Secondary Controller State", host.vfctl("show", bad).stdout)
        with host.tree.controller(ONE) as state:
            state["fail"] = []
        host.call("Clear", address=bad, reason="a test")
        host.wait_all_ready(4)

    def test_says_yes_and_does_nothing(self):
        """Verified by Identify, each of them."""
        for verb in ("online", "offline", "assign-vq", "delete", "detach"):
            with self.subTest(verb=verb):
                host = self.storage(namespaces={"size": "1G"})
                host.wait_all_ready(2)
                vm = host.vm(pool="disk", vm="db1")
                vf, other = vm.vfs[0], next(a for a in host.vfs() if a != vm.vfs[0])
                self.write(host, vm, "secret")
                with host.tree.controller(ONE) as state:
                    state["fail"] = [{"command": verb, "controller": 0 if verb == "delete" else self.controller_of(host, vf)[1],
                                      "ignore": True}]
                vm.kill()
                host.wait_state(vf, "quarantined")
                blue = host.vm(user="blue", tenant="blue", pool="disk", vm="b1")
                self.assertEqual((blue.vfs[0], list(self.disks(host, blue).values())), (other, [""]))
                with host.tree.controller(ONE) as state:
                    state["fail"] = []
                host.call("Clear", address=vf, reason="a test")
                self.wait_back(host, vf)
                with host.tree.controller(ONE) as state:
                    self.assertNotIn("secret", [n["data"] for n in state["namespaces"]])

    def test_another_pf_goes_on(self):
        host = self.storage(nvme(ONE, total=2, controller={"fail": [{"status": 0x06}]}), nvme(TWO, total=2),
                            namespaces={"size": "1G"})
        wait_for(lambda: sorted(a for a, s in host.states().items() if s == "ready") == host.tree.pfs[TWO].vfs)
        vm = host.vm(pool="disk", vm="db1")
        self.assertEqual(self.disks(host, vm), {1: ""})
        self.assertEqual(host.tree.commands(ONE, "create"), [])

    def test_slow_device(self):
        host = self.storage(controller={"fail": [{"delay": 20}]}, namespaces={"size": "1G"})
        host.wait_all_ready(2)
        vms = [host.vm(pool="disk", vm=f"db{n}") for n in range(2)]
        self.assertEqual([list(self.disks(host, vm).values()) for vm in vms], [[""], [""]])
        for vm in vms:
            vm.kill()
        host.wait_all_ready(2)

    def test_hangs(self):
        """What hangs is the PF's one admin queue: all of it waits, other PFs do not."""
        for verb in ("offline", "assign-vi", "online"):
            with self.subTest(verb=verb):
                host = self.storage(PF(NET, total=2), nvme(ONE, total=2), nvme(TWO, total=2), options=("--worker-timeout", "1"))
                host.wait_all_ready(6)
                vm = host.vm(pool="disk", vm="db1")
                pf, n = self.controller_of(host, vm.vfs[0])
                with host.tree.controller(pf) as state:
                    state["fail"] = [{"command": verb, "controller": n, "hang": True, "count": 1}]
                vm.kill()
                wait_for(lambda: [p["address"] for p in host.call("ListPFs")["pfs"] if p["stuck"]] == [pf])  # noqa: B023
                host.vm(vm="web1")
                mine = [host.vm(pool="disk", vm=f"m{i}") for i in range(2)]
                self.assertEqual({self.controller_of(host, m.vfs[0])[0] for m in mine}, {TWO if pf == ONE else ONE})
                host.unhang()
                wait_for(lambda: self.clear_all(host).count("ready") == 3)  # noqa: B023
                host.check_invariants()
                host.close()

    def test_waits_behind_a_slow_one(self):
        """A format makes the other commands of its PF wait in the kernel: none of them hangs. One that does is found after it."""
        pf = nvme(ONE, total=2, controller={"namespaces": [namespace(1), namespace(2)]})
        host = self.storage(pf, namespaces=[1, 2], erase="format", options=("--worker-timeout", "1"))
        for really in (False, True):
            host.wait_all_ready(2)
            first, second = host.vm(pool="disk", vm="db1"), host.vm(pool="disk", vm="db2")
            nsid = next(iter(self.disks(host, first)))
            behind = {"hang": True} if really else {"delay": 2500}
            with host.tree.controller(ONE) as state:
                state["fail"] = [{"command": "format", "nsid": nsid, "count": 1, **({"delay": 2500} if really else {"hang": True})},
                                 {"command": "detach", "nsid": 3 - nsid, "count": 1, **behind}]
            first.kill()
            wait_for(lambda: [f["command"] for f in self.failures(host)] == ["detach"])
            second.kill()
            if really:
                wait_for(lambda: [p["stuck"] for p in host.call("ListPFs")["pfs"]] == [True])
            else:
                host.wait_state(second.vfs[0], "ready")
                self.assertEqual(host.states()[first.vfs[0]], "reclaiming")
                self.assertEqual([p["stuck"] for p in host.call("ListPFs")["pfs"]], [False])
                host.unhang()
                host.wait_all_ready(2)
                os.unlink(host.tree.path("sim/unhang"))
        host.unhang()
        wait_for(lambda: self.clear_all(host).count("ready") == 2)
        host.check_invariants()

    def failures(self, host):
        """Those that have not hit yet."""
        with host.tree.controller(ONE) as state:
            return state["fail"]


class RestartTest(NvmeTest):
    def test_leased_vf_is_left_alone(self):
        """Whoever drives it loses nothing by a daemon that is stopped, killed, or upgraded."""
        host = self.storage(namespaces={"size": "1G"})
        host.wait_all_ready(2)
        vm = host.vm(pool="disk", vm="db1")
        pf, n = self.controller_of(host, vm.vfs[0])
        self.write(host, vm, "mine")
        before = [c for c in host.tree.commands(pf) if c[1] == n]
        for end in (host.daemon.stop, host.daemon.kill9):
            end()
            host.daemon.start()
            wait_for(lambda: sorted(host.states().values()) == ["leased", "ready"])
            self.assertEqual(self.disks(host, vm), {1: "mine"})
            wait_for(lambda: host.vf(vm.vfs[0])["namespaces"] == [1])
            self.assertIn("namespace 1", host.vfctl("show", vm.vfs[0]).stdout)
        self.assertEqual([c for c in host.tree.commands(pf) if c[1] == n], before)
        vm.kill()
        self.wait_back(host, vm.vfs[0])
        with host.tree.controller(pf) as state:
            self.assertEqual(state["namespaces"], [])

    def test_owner_ends_while_the_daemon_is_away(self):
        for boot in (False, True):
            with self.subTest(boot=boot):
                host = self.storage(namespaces=[1, 2], controller={"namespaces": [namespace(1), namespace(2)]})
                host.wait_all_ready(2)
                vm = host.vm(pool="disk", vm="db1")
                self.write(host, vm, "secret")
                host.daemon.kill9()
                vm.kill()
                if boot:  # no leases, no fences, no VFs; the ledger and the data are still there
                    host.daemon.systemd.forget()
                    for name in os.listdir(host.tree.path("run/vfctld/leases")):
                        os.unlink(host.tree.path("run/vfctld/leases", name))
                    host.enable_by_hand(ONE, 0)
                    with open(host.tree.path("proc/sys/kernel/random/boot_id"), "w") as f:
                        f.write("5f0e0a30-61b3-4a1b-8f4e-000000000000\n")
                host.daemon.start()
                host.wait_all_ready(2)
                with host.tree.controller(ONE) as state:
                    self.assertEqual([n["data"] for n in state["namespaces"]], ["", ""])

    def test_idle_disk_of_the_operator_is_not_erased(self):
        host = self.storage(namespaces=[1], controller={"namespaces": [namespace(1, data="image"), namespace(2, data="other")]})
        for _ in range(2):
            host.wait_all_ready(2)
            host.daemon.restart()
        self.assertEqual(host.tree.commands(ONE, "format", "delete", "attach"), [])


    def test_what_the_host_has_is_not_erased_after_a_crash(self):
        """Attached to the primary, though in the pool's list: it is not even written down as a disk of ours."""
        for fault in ("op=nvme-attach die=before count=1", "op=nvme-attach die=after count=1", "op=nvme-attach exit=before count=1"):
            with self.subTest(fault=fault):
                host = self.storage(namespaces=[1], controller={"namespaces": [namespace(1, data="host's", controllers=[0])]})
                host.wait_all_ready(2)
                host.faults(fault)
                with self.assertRaises((AssertionError, VarlinkError)):
                    host.vm().acquire(pool="disk", vm="db1")
                host.faults()
                if not host.daemon.alive():
                    host.daemon.start()
                host.wait_all_ready(2)
                self.assertEqual(host.tree.commands(ONE, "format", "delete"), [])
                self.assertEqual(os.listdir(host.tree.path("var/lib/vfctld/disks")), [])
                host.close()


class ChangeTest(NvmeTest):
    """The policy, or the VFs, are others by the time a lease ends."""

    def change(self, host, **disk):
        host.write_policy(policy(**disk))
        host.call("Reload")

    def test_policy_changes_meanwhile(self):
        for before, after in (({"namespaces": {"size": "1G"}}, {}), ({"namespaces": {"size": "1G"}}, {"namespaces": {"size": "2G"}}),
                              ({"namespaces": {"size": "1G"}}, {"namespaces": [1, 2]}), ({"namespaces": [1, 2]}, {}),
                              ({"namespaces": {"size": "1G"}}, {"namespaces": "attached", "erase": "format"}),
                              ({"namespaces": {"size": "1G"}, "erase": "format"}, {"namespaces": "attached", "erase": "crypto"}),
                              ({"namespaces": [1, 2]}, {"namespaces": {"size": "1G"}}), ({"namespaces": [1, 2]}, {"namespaces": [2]})):
            with self.subTest(before=before, after=after):
                listed = [namespace(n) for n in (1, 2)] if isinstance(before.get("namespaces"), list) else []
                host = self.storage(controller={"namespaces": listed}, **before)
                host.wait_all_ready(2)
                vm = host.vm(pool="disk", vm="db1")
                self.write(host, vm, "secret")
                self.change(host, **after)
                vm.kill()
                self.wait_back(host, vm.vfs[0])
                with host.tree.controller(ONE) as state:
                    self.assertEqual([(n["data"], n["controllers"]) for n in state["namespaces"]], [("", [])] * len(listed))
                host.close()

    def test_its_vf_is_no_more(self):
        """What could not be erased while its VF was there is erased by another VF."""
        host = self.storage(nvme(ONE, total=4), namespaces={"size": "1G"})
        host.wait_all_ready(4)
        vms = [host.vm(pool="disk", vm=f"db{n}") for n in range(4)]
        for n, vm in enumerate(vms):
            self.write(host, vm, f"secret {n}")
        last = next(vm for vm in vms if vm.vfs[0] == host.tree.pfs[ONE].vf(3))
        host.faults("op=nvme-erase error=EIO reason=erase-failed")
        for vm in vms:
            vm.kill()
        wait_for(lambda: list(host.states().values()) == ["quarantined"] * 4)
        host.faults()
        self.change(host, namespaces={"size": "1G"}, vfs=2)
        done = host.vfctl("apply", "--destructive")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        wait_for(lambda: len(host.vfs()) == 2 and self.clear_all(host) == ["ready"] * 2)
        self.assertNotIn(last.vfs[0], host.vfs())
        with host.tree.controller(ONE) as state:
            self.assertEqual(state["namespaces"], [])
        self.assertEqual(os.listdir(host.tree.path("var/lib/vfctld/disks")), [])

    def test_device_that_shares_with_new_vfs(self):
        """Some attach every shared namespace to whatever VF appears."""
        shared = [namespace(1, shared=True, data="the host's", controllers=[0]), namespace(2, shared=True)]
        host = self.storage(controller={"attach_new": True, "forgets": True, "namespaces": shared}, namespaces={"size": "1G"})
        host.wait_all_ready(2)
        vm = host.vm(pool="disk", vm="db1")
        self.assertEqual(list(self.disks(host, vm).values()), [""])
        with host.tree.controller(ONE) as state:
            self.assertEqual([n["controllers"] for n in state["namespaces"]][:2], [[0], []])


class UnplugTest(NvmeTest):
    def test_at_each_command_of_a_life(self):
        """Pulled out before its n-th command, and put back: the daemon lives, and nothing that was written is readable."""
        for at in range(40):
            host = self.storage(namespaces={"size": "1G"})
            host.wait_all_ready(2)
            with host.tree.controller(ONE) as state:
                state["fail"] = [{"hang": True, "after": at, "count": 1}]
            vm = host.vm()
            with contextlib.suppress(VarlinkError, AssertionError):
                vm.begin("acquire", parameters={"tenant": "red", "pool": "disk", "vm": "db1"})
                if self.hanging(host) is None:
                    lease = vm.end_of()["reply"]["lease"]
                    pf, n = self.controller_of(host, lease["vfs"][0])
                    for nsid in host.tree.disks(pf, n):
                        host.tree.write_disk(pf, n, nsid, "secret")
            if not self.has_hung(host):
                vm.kill()
                wait_for(lambda: self.has_hung(host) or set(host.states().values()) == {"ready"})  # noqa: B023
            through = not self.has_hung(host)
            host.tree.remove(ONE)
            host.unhang()
            host.call("Rescan")
            wait_for(lambda: host.vfs() == {} and host.leases() == {})  # noqa: B023
            vm.kill()
            host.tree.add(nvme(ONE, total=2))
            host.call("Rescan")
            host.wait_all_ready(2)
            with host.tree.controller(ONE) as state:
                self.assertEqual(state["namespaces"], [], at)
            if through:
                return
        self.fail("it never gets through")

    def test_at_each_command_of_the_way_up(self):
        """Before any VF of it was ready."""
        for at in range(40):
            host = self.storage(start=False)
            with host.tree.controller(ONE) as state:
                state["fail"] = [{"hang": True, "after": at, "count": 1}]
            host.daemon.start(wait=False)
            wait_for(lambda: self.has_hung(host) or host.daemon.systemd.ready.is_set())  # noqa: B023
            through = not self.has_hung(host)
            host.tree.remove(ONE)
            host.unhang()
            host.call("Rescan")
            wait_for(lambda: host.vfs() == {})  # noqa: B023
            host.tree.add(nvme(ONE, total=2))
            host.call("Rescan")
            host.wait_all_ready(2)
            with host.tree.controller(ONE) as state:
                self.assertEqual([s["online"] for s in state["secondaries"]], [1, 1], at)
            host.check_invariants()
            host.close()
            if through:
                self.assertGreater(at, 10)
                return
        self.fail("it never gets through")

    def has_hung(self, host):
        with host.tree.controller(ONE) as state:
            return not state["fail"]

    def hanging(self, host):
        """True once the command hangs, None when the lease is there before."""
        return wait_for(lambda: self.has_hung(host) or (None if "leased" not in host.states().values() else "leased")) is True or None

    def test_with_data_of_a_lease(self):
        """The card remembers; so does the daemon."""
        host = self.storage(namespaces=[1], controller={"namespaces": [namespace(1)]})
        host.wait_all_ready(2)
        vm = host.vm(pool="disk", vm="db1")
        self.write(host, vm, "secret")
        card = host.tree.pfs[ONE]
        host.tree.remove(ONE)
        host.call("Rescan")
        wait_for(lambda: host.leases() == {})
        host.daemon.restart()
        host.tree.add(card)
        host.call_fresh("Rescan")
        host.wait_all_ready(2)
        with host.tree.controller(ONE) as state:
            self.assertEqual([n["data"] for n in state["namespaces"]], [""])

    def test_in_the_middle_of_a_command(self):
        """What fails because the controller is going says nothing against a VF: no quarantine outlives the card."""
        for verb in ("nvme-detach", "nvme-online", "nvme-offline", "nvme-erase"):
            with self.subTest(verb=verb):
                host = self.storage(namespaces={"size": "1G"})
                host.wait_all_ready(2)
                vm = host.vm(pool="disk", vm="db1")
                self.write(host, vm, "secret")
                host.faults(f"op={verb} error=ENODEV reason=nvme-failed")
                vm.kill()
                if verb in ("nvme-detach", "nvme-online"):
                    card = host.tree.pfs[ONE]
                    host.tree.remove(ONE)
                    host.call("Rescan")
                    wait_for(lambda h=host: h.leases() == {})
                    host.tree.add(card)
                    host.call("Rescan")
                wait_for(lambda h=host: "nvme-failed" in self.reasons(h).values())
                self.assertNotIn("quarantined", host.states().values())
                host.faults()
                host.wait_all_ready(2)
                with host.tree.controller(ONE) as state:
                    self.assertNotIn("secret", [n["data"] for n in state["namespaces"]])

    def test_another_card_in_its_place(self):
        """A ledger is about a card, not about a slot: nothing on the new one is erased."""
        host = self.storage(namespaces=[1], controller={"namespaces": [namespace(1)]})
        host.wait_all_ready(2)
        vm = host.vm(pool="disk", vm="db1")
        self.write(host, vm, "secret")
        host.tree.remove(ONE)
        host.call("Rescan")
        wait_for(lambda: host.leases() == {})
        host.tree.add(nvme(ONE, total=2, serial="other", controller={"namespaces": [namespace(1, data="image")]}))
        host.call("Rescan")
        host.wait_all_ready(2)
        self.assertEqual(host.tree.commands(ONE, "format"), [])
        self.assertEqual(self.disks(host, host.vm(pool="disk", vm="db2")), {1: "image"})


class BootDiskTest(NvmeTest):
    def test_nothing_is_done_to_it(self):
        """Neither by itself nor by order, while the next one gives its resources away and gets its VFs."""
        held = {"queues": {"flexible": 12, "primary": 4, "next": 4, "private": 2, "secondary_max": 8}}
        host = self.storage(nvme(ONE, total=2, controller=held), nvme(TWO, total=2, controller=held), start=False, host_queues=0)
        host.tree.disk(host.tree.pfs[ONE], mounted="/")
        host.daemon.start()
        wait_for(lambda: sorted(a for a, s in host.states().items() if s == "ready") == host.tree.pfs[TWO].vfs)
        host.vfctl("apply", "--destructive")
        self.assertEqual(host.tree.commands(ONE), [])
        self.assertEqual((host.tree.device(ONE, "sriov_numvfs"), host.tree.device(TWO, "sriov_numvfs")), ("0", "2"))
        self.assertEqual(len(host.tree.commands(TWO, "reset")), 1)
        with host.tree.controller(ONE) as one, host.tree.controller(TWO) as two:
            self.assertEqual((one["queues"]["primary"], two["queues"]["primary"]), (4, 0))


class ChanceTest(NvmeTest):
    """Two tenants, two PFs, devices that fail, a daemon that is killed between any two commands: what each owner finds judges."""

    ROUNDS = int(os.environ.get("VFSIM_NVME_ROUNDS", "60"))
    REASONS = ("pool-empty", "nvme-failed", "namespace", "namespaces-used-up", "no-worker", "handoff-failed", "nvme-resources", "gone",
               "owner-gone")

    def acquire(self, host, chance, n):
        tenant = chance.choice(("red", "blue"))
        vm = host.vm(user=tenant)
        try:
            vm.acquire(tenant=tenant, pool="disk", vm=f"vm{n}")
        except VarlinkError as e:
            self.assertIn(e.parameters.get("reason"), self.REASONS, e.parameters)
        except AssertionError:  # no answer
            wait_for(lambda: not host.daemon.alive())
        else:
            found = self.disks(host, vm)
            self.assertEqual(list(found.values()), [""], f"round {n}, seed {SEED}")  # one disk, with nothing in it
            self.write(host, vm, f"secret {n}")
            return vm
        vm.kill()
        return None

    def trouble(self, host, chance):
        if chance.random() < 0.5:
            verb = chance.choice(("offline", "online", "assign-vq", "create", "attach", "detach", "delete", "format"))
            # a device that only says that it has erased is believed: there is nothing to see it by
            what = {"ignore": True} if verb != "format" and chance.random() < 0.5 else {"status": 6}
            with host.tree.controller(chance.choice((ONE, TWO))) as state:
                state["fail"] = [{"command": verb, "count": 1, "after": chance.randint(0, 3), **what}]
            return
        for name, text in (("worker_dies", ""), ("die_at_command", f"{chance.randint(1, 20)}\n")):
            with open(host.tree.path("sim", name), "w") as f:
                f.write(text)
            os.chmod(f.name, 0o666)
        if chance.random() < 0.5:
            os.unlink(host.tree.path("sim/worker_dies"))

    def no_trouble(self, host):
        for name in ("worker_dies", "die_at_command"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(host.tree.path("sim", name))
        for pf in (ONE, TWO):
            with host.tree.controller(pf) as state:
                state["fail"] = []
        self.revive(host)

    def revive(self, host):
        if not host.daemon.alive():
            host.daemon.start(wait=False)
            wait_for(lambda: host.daemon.systemd.ready.is_set() or not host.daemon.alive())

    def look(self, host):
        """With a daemon that may die any moment."""
        try:
            return self.clear_all(host)
        except (OSError, EOFError, Closed):
            wait_for(lambda: not host.daemon.alive())
            return []

    def life(self, host):
        chance, running = random.Random(SEED), []
        host.wait_all_ready(6)
        for n in range(self.ROUNDS):
            self.revive(host)
            what = chance.random()
            if what < 0.45 and (vm := self.acquire(host, chance, n)):
                running.append(vm)
            elif what < 0.75 and running:
                running.pop(chance.randrange(len(running))).kill()
            elif what < 0.9:
                self.trouble(host, chance)
            elif what < 0.95:
                host.daemon.kill9()
            self.revive(host)
            self.look(host)
        self.no_trouble(host)
        for vm in running:
            vm.kill()
        wait_for(lambda: self.clear_all(host) == ["ready"] * 6)
        host.check_invariants()

    def left(self, host):
        found = []
        for pf in (ONE, TWO):
            with host.tree.controller(pf) as state:
                found += [(n["data"], n["controllers"]) for n in state["namespaces"]]
        return found

    def test_made_for_each_lease(self):
        host = self.storage(nvme(ONE, total=3), nvme(TWO, total=3), namespaces={"size": "1G"})
        self.life(host)
        self.assertEqual(self.left(host), [])

    def test_one_owner_after_the_other(self):
        for how in ("format", "crypto"):
            with self.subTest(erase=how):
                disks = {"namespaces": [namespace(n) for n in (1, 2, 7)]}
                host = self.storage(nvme(ONE, total=3, controller=disks), nvme(TWO, total=3, controller=disks), namespaces=[1, 2, 7],
                                    erase=how)
                self.life(host)
                self.assertEqual(self.left(host), [("", [])] * 6)
                host.close()

    def test_disks_that_stay_with_their_vfs(self):
        disks = {"namespaces": [namespace(n, controllers=[n]) for n in (1, 2, 3)]}
        host = self.storage(nvme(ONE, total=3, controller=disks), nvme(TWO, total=3, controller=disks), namespaces="attached",
                            erase="format")
        self.life(host)
        self.assertEqual(self.left(host), [("", [n]) for n in (1, 2, 3)] * 2)
