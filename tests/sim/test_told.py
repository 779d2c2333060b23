# SPDX-License-Identifier: GPL-2.0-or-later
"""What PFs' drivers are told of VFs, when something goes wrong meanwhile: links, workers, VFs that are made anew, looks that fail."""

import harness
from harness import PF, PLAIN, SimTest, wait_for

ONE = "0000:01:00.0"


class ToldTest(SimTest):
    GRANT = {"vlans": [100], "macs": "02:52:44:00:00:00/32", "max_tx_mbps": 500}

    def net(self, *pfs, **named):
        policy = harness.default_policy()
        policy["tenants"]["red"]["pools"]["net"].update(self.GRANT)
        return self.host([PF(a, netdev=f"enp{n}s0") for n, a in enumerate(pfs or (ONE,))], policy=policy, **named)

    def all_plain(self, host, pf=ONE):
        self.assertEqual([host.attributes(v) for v in host.tree.pfs[pf].vfs], [PLAIN] * 4)


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
        host.call("Clear", address=vm.vfs[0])
        host.wait_all_ready(4)
        self.all_plain(host)
