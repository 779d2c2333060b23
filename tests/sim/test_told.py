# SPDX-License-Identifier: GPL-2.0-or-later
"""What PFs' drivers are told of VFs, when something goes wrong meanwhile: links, workers, VFs that are made anew, looks that fail."""

import os

import harness
from harness import PF, PLAIN, SimTest, wait_for

ONE, TWO = "0000:01:00.0", "0000:05:00.0"


def start_step(host):
    """Somebody switches autoprobe of ONE on; the step that switches it off hangs."""
    with open(host.tree.path("sys/bus/pci/devices", ONE, "sriov_drivers_autoprobe"), "w") as f:
        f.write("1\n")
    host.faults(f"op=autoprobe address={ONE} hang=1 count=1")
    host.call("Rescan")
    wait_for(host.faults_hit)


class ToldTest(SimTest):
    GRANT = {"vlans": [100], "macs": "02:52:44:00:00:00/32", "max_tx_mbps": 500}

    def net(self, *pfs, **named):
        policy = harness.default_policy()
        policy["tenants"]["red"]["pools"]["net"].update(self.GRANT)
        return self.host([PF(a, netdev=f"enp{n}s0") for n, a in enumerate(pfs or (ONE,))], policy=policy, **named)

    def all_plain(self, host, pf=ONE):
        self.assertEqual([host.attributes(v) for v in host.tree.pfs[pf].vfs], [PLAIN] * 4)

    def sets(self, host, n):
        """Change sets, or looks, of n VFs of ONE that are over."""
        return [op for op in host.operations("attributes", ONE) if op[2] == n]


class LinkTest(ToldTest):
    """igb refuses every rate while its link is down, also to have none."""

    def test_reclaiming_waits_for_the_link(self):
        host = self.net()
        vm = host.vm(vm="web1")
        vf = vm.vfs[0]
        host.set_link(ONE, up=False)
        vm.kill()
        wait_for(lambda: host.vf(vf)["reason"] == "attributes-failed")
        self.assertIn("max_tx_mbps: the PF's link is down", host.vf(vf)["message"])
        self.assertEqual(host.attributes(vf), {**PLAIN, "max_tx_mbps": 500})  # the rest is gone already
        host.daemon.restart()
        wait_for(lambda: host.vf(vf)["reason"] == "attributes-failed")
        self.assertEqual(host.vf(vf)["state"], "reclaiming")
        host.set_link(ONE, up=True)
        host.wait_all_ready(4)
        self.all_plain(host)

    def test_each_attribute_is_put_right_for_itself(self):
        host = self.net()
        vf = host.vm(vm="web1").vfs[0]
        told = host.attributes(vf)
        host.set_link(ONE, up=False)
        host.set_attributes(vf, vlan=0, trust=1, max_tx_mbps=0)
        host.call("Rescan")
        wait_for(lambda: host.vf(vf)["drift"] == ["max_tx_mbps"])
        self.assertEqual(host.attributes(vf), {**told, "max_tx_mbps": 0})
        host.set_link(ONE, up=True)
        host.call("Rescan")
        wait_for(lambda: host.attributes(vf) == told)
        wait_for(lambda: host.vf(vf)["drift"] == [])


class WholeSetTest(ToldTest):
    """A change set that fails as a whole says nothing of the VFs in it."""

    def test_tried_again(self):
        host = self.net()
        vm = host.vm(vm="web1", count=4)
        host.faults(f"op=attributes address={ONE} error=EIO reason=attributes-failed count=5")
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(len(host.faults_hit()), 5)
        self.all_plain(host)

    def test_not_for_ever(self):
        host = self.net()
        vm = host.vm(vm="web1")
        host.faults(f"op=attributes address={ONE} error=ENOMEM reason=attributes-failed")
        vm.kill()
        self.assertEqual(host.wait_state(vm.vfs[0], "quarantined")["reason"], "attributes-failed")
        host.faults()
        host.call("Clear", address=vm.vfs[0], reason="test")
        host.wait_all_ready(4)
        self.all_plain(host)


class MadeAnewTest(ToldTest):
    """VFs that vanish while they are told something: who has their numbers next is not told that."""

    def lease_under_way(self, host, count):
        """A worker is about to tell VFs what red's should have."""
        host.faults(f"op=attributes address={ONE} value={count} delay=1500 count=1")
        vm = host.vm().greet()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "x", "count": count})
        wait_for(host.faults_hit)
        return vm

    def pull_out(self, host):
        host.tree.remove(ONE)
        host.call("Rescan")
        self.assertEqual(host.vfs(), {})
        host.tree.add(PF(ONE, netdev="enp0s0"))

    def test_by_the_daemon(self):
        host = self.net()
        host.wait_all_ready(4)
        vm = self.lease_under_way(host, 2)
        self.pull_out(host)
        host.call("Rescan")
        host.wait_all_ready(4)
        self.assertEqual(vm.end_of()["parameters"]["reason"], "gone")
        order = [(op, n) for op, _, n, error in host.operations(address=ONE, told=True)
                 if op == "numvfs" or (op, n, error) == ("attributes", 2, "EINVAL")]
        self.assertEqual(order, [("numvfs", 4), ("attributes", 2), ("numvfs", 4)])  # too late for the old ones
        self.all_plain(host)
        next_owner = host.vm(user="blue", tenant="blue", vm="y", count=4)
        self.all_plain(host)
        next_owner.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})

    def test_by_hand(self):
        """And one of them was to be made plain after that, as is the one that comes in its place."""
        host = self.net(kernel="group")
        first = host.vm(vm="web1")
        vf = first.vfs[0]
        vm = self.lease_under_way(host, 2)
        fences = len(host.operations("fence", vf))
        first.kill()
        wait_for(lambda: len(host.operations("fence", vf)) > fences)
        self.pull_out(host)
        with open(host.tree.path("sys/bus/pci/devices", ONE, "sriov_drivers_autoprobe"), "w") as f:
            f.write("0\n")
        host.enable_by_hand(ONE, 4)
        host.call("Rescan")
        wait_for(lambda: self.sets(host, 2))
        self.assertEqual(vm.end_of()["parameters"]["reason"], "gone")
        host.wait_all_ready(4)
        self.all_plain(host)
        self.assertEqual(host.leases(), {})
        host.check_invariants()

    def test_nothing_is_told_during_a_step(self):
        host = self.net(ONE, TWO)
        vm = host.vm(vm="web1")
        vf = host.tree.pfs[ONE].vfs[1]
        start_step(host)
        host.faults(f"op=evidence address={vf} delay=1 count=1")
        other = host.vm().greet()
        other.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "x"})
        wait_for(lambda: len(host.faults_hit()) == 2)  # the last step before it is told
        host.vfctl("drain", ONE)
        self.assertIn(host.vm(vm="web2").vfs[0], host.tree.pfs[TWO].vfs)  # all the way: and it was the turn of ONE, too
        self.assertEqual(host.vf(vf)["state"], "leasing")
        host.unhang()
        self.assertIn("reply", other.end_of())
        order = [op for op, _, n, _ in host.operations(address=ONE, told=True) if op == "autoprobe" or (op, n) == ("attributes", 1)]
        self.assertEqual(order[-2:], ["autoprobe", "attributes"])
        for end in (vm, other):
            end.kill()
        wait_for(lambda: list(host.states().values()).count("ready") == 7)


class LookTest(ToldTest):
    """Somebody changes what a leased VF was told, and the look that would show it fails or has to wait."""

    def changed(self, host):
        """All VFs are leased, then somebody changes them; what they had before."""
        return self.change(host, host.vm(vm="web1", count=4).vfs)

    def change(self, host, vfs):
        told = {vf: host.attributes(vf) for vf in vfs}
        for vf in vfs:
            host.set_attributes(vf, vlan=7, trust=1)
        return told

    def is_right(self, host, told, pf=ONE):
        vfs = host.tree.pfs[pf].vfs
        return [host.attributes(v) for v in vfs] == [told[v] for v in vfs]

    def test_that_fails(self):
        for fault in ("exit=before", "exit=after", "error=EAGAIN", "error=EIO reason=attributes-failed"):
            with self.subTest(fault=fault):
                host = self.net()
                told = self.changed(host)
                host.faults(f"op=attributes address={ONE} value=4 {fault} count=3")
                host.call("Rescan")
                wait_for(lambda h=host, t=told: self.is_right(h, t))
                self.assertEqual(len(host.faults_hit()), 3)

    def test_that_fails_for_ever(self):
        host = self.net()
        told = self.changed(host)
        host.faults(f"op=attributes address={ONE} value=4 error=EIO reason=attributes-failed")
        host.call("Rescan")
        wait_for(lambda: "what its VFs were told cannot be read: simulated fault" in host.daemon.log())
        self.assertLess(len(host.faults_hit()), 15)
        host.faults()
        host.call("Rescan")
        wait_for(lambda: self.is_right(host, told))

    def test_at_a_pf_that_is_busy(self):
        host = self.net(ONE, TWO)
        vm = host.vm(vm="web1", count=8)
        start_step(host)
        told = self.change(host, vm.vfs)
        host.call("Rescan")
        wait_for(lambda: self.is_right(host, told, TWO))  # and it was the turn of ONE, too
        self.assertFalse(self.is_right(host, told))
        host.unhang()
        wait_for(lambda: self.is_right(host, told))

    def test_at_a_pf_that_hangs(self):
        host = self.net(ONE, TWO, options=("--worker-timeout", "1"))
        vm = host.vm(vm="web1", count=8)
        start_step(host)
        wait_for(lambda: host.call("ListPFs")["pfs"][0]["stuck"])
        told = self.change(host, vm.vfs)
        host.call("Rescan")
        wait_for(lambda: self.is_right(host, told, TWO))
        self.assertFalse(self.is_right(host, told))
        host.unhang()
        wait_for(lambda: self.is_right(host, told))

    def test_that_hangs(self):
        host = self.net(options=("--worker-timeout", "1"))
        told = self.changed(host)
        host.faults(f"op=attributes address={ONE} value=4 hang=1 count=1")
        host.call("Rescan")
        wait_for(lambda: "attributes does not return" in host.daemon.log())
        self.assertFalse(host.call("ListPFs")["pfs"][0]["stuck"])  # a look keeps nothing else from the PF
        host.unhang()
        wait_for(lambda: self.is_right(host, told))

    def test_while_the_daemon_is_down(self):
        host = self.net()
        vm = host.vm(vm="web1", count=4)
        host.daemon.kill9()
        told = self.change(host, vm.vfs)
        host.daemon.start()
        wait_for(lambda: self.is_right(host, told))

    def test_at_a_vf_that_is_busy(self):
        """A restarted daemon looks at the isolation of what is leased, and that takes its time."""
        host = self.net()
        vm = host.vm(vm="web1", count=4)
        host.daemon.stop()
        host.faults(f"op=evidence address={vm.vfs[0]} hang=1 count=1")
        told = self.change(host, vm.vfs)
        looks = len(self.sets(host, 4))
        host.daemon.start(wait=False)
        wait_for(lambda: os.path.exists(host.socket) and len(self.sets(host, 4)) > looks)
        host.call_fresh("Rescan")
        wait_for(lambda: [host.attributes(v) == told[v] for v in vm.vfs] == [False, True, True, True])
        host.unhang()
        wait_for(lambda: self.is_right(host, told))
