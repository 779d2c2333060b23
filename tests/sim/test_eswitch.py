# SPDX-License-Identifier: GPL-2.0-or-later
"""Switches between VFs: set before VFs are made, never under a lease; whoever stands for a VF is shown."""

import errno

from harness import PF, PLAIN, SimTest, default_policy, wait_for

ONE, TWO = "0000:01:00.0", "0000:05:00.0"


def policy(mode=None, **grant):
    p = default_policy()
    if mode:
        p["pools"]["net"]["eswitch"] = mode
    p["tenants"]["red"]["pools"]["net"].update(grant)
    return p


class EswitchTest(SimTest):
    def switch(self, mode, has="legacy", **more):
        return self.host([PF(ONE, netdev="eth0", eswitch=has, **more.pop("pf", {}))], policy=policy(mode, **more.pop("grant", {})),
                         **more)

    def pf(self, host, address=ONE):
        return next(p for p in host.call("ListPFs")["pfs"] if p["address"] == address)

    def effects(self, host):
        return [(op, value, error) for op, _, value, error in host.operations(address=ONE)]

    def wait_ports(self, host, ports):
        wait_for(lambda: [v["representor"] for v in host.vfs().values()] == ports, what=f"ports {ports}")


class ModeTest(EswitchTest):
    def test_set_before_vfs_are_made(self):
        host = self.switch("switchdev")
        host.wait_all_ready(4)
        self.assertEqual([op for op, *_ in self.effects(host)], ["autoprobe", "eswitch", "numvfs"])
        self.assertEqual(self.pf(host)["eswitch"], "switchdev")
        self.wait_ports(host, ["eth0_0", "eth0_1", "eth0_2", "eth0_3"])
        self.assertIn("switch:    switchdev", host.vfctl("show", ONE).stdout)
        self.assertIn("port:      eth0_2 of the PF's switch", host.vfctl("show", host.tree.pfs[ONE].vf(2)).stdout)

    def test_left_as_it_is(self):
        for has in ("legacy", "switchdev", None):
            with self.subTest(has=has):
                host = self.switch(None, has=has)
                host.wait_all_ready(4)
                self.assertEqual([op for op, *_ in self.effects(host)], ["autoprobe", "numvfs"])
                wait_for(lambda h=host, want=has: self.pf(h)["eswitch"] == (want or "none"))

    def test_legacy_without_a_switch(self):
        host = self.switch("legacy", has=None)
        host.wait_all_ready(4)
        self.assertEqual([op for op, *_ in self.effects(host)], ["autoprobe", "numvfs"])

    def test_no_vfs_in_the_wrong_mode(self):
        """A PF without a switch, and a driver that refuses: no VFs, the reason says why, and nothing is tried over and over."""
        host = self.host([PF(ONE, netdev="eth0"), PF(TWO, netdev="eth1", eswitch="legacy")], policy=policy("switchdev"), start=False)
        with open(host.tree.path(f"sim/pf/{TWO}/eswitch_refuses"), "w") as f:
            f.write(f"{errno.EBUSY}\n")
        host.daemon.start()
        wait_for(lambda: self.pf(host, TWO)["reason"] == "eswitch")
        self.assertEqual(host.vfs(), {})
        steps = {s["address"]: (s["kind"], s["blocked"], s["reason"]) for s in host.call("Plan")["steps"] if s["kind"] != "autoprobe"}
        self.assertEqual(steps, {ONE: ("eswitch", True, "eswitch"), TWO: ("eswitch", True, "eswitch")})
        self.assertEqual(len(host.operations("eswitch")), 1)
        host.call("Rescan")
        self.assertEqual(len(host.operations("numvfs")), 0)
        host.write_policy(policy())
        host.call("Reload")
        host.wait_all_ready(8)

    def test_vfs_in_the_wrong_mode_are_taken_away_only_if_asked(self):
        host = self.switch(None)
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        host.write_policy(policy("switchdev"))
        host.call("Reload")
        step = next(s for s in host.call("Plan")["steps"] if s["kind"] == "eswitch")
        self.assertEqual((step["destructive"], step["blocked"], step["reason"], step["from"]), (True, True, "leased", 4))
        text = host.vfctl("plan").stdout
        self.assertIn("destroy the 4 VFs of 0000:01:00.0 and put its switch into mode switchdev", text)
        host.vfctl("apply", "--destructive", "--no-later")
        self.assertEqual(host.operations("eswitch"), [])
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.operations("eswitch"), [])
        host.vfctl("apply", "--destructive")
        host.wait_all_ready(4)
        self.assertEqual([(op, value) for op, value, _ in self.effects(host)],
                         [("autoprobe", 0), ("numvfs", 4), ("numvfs", 0), ("eswitch", 3), ("numvfs", 4)])
        self.wait_ports(host, ["eth0_0", "eth0_1", "eth0_2", "eth0_3"])

    def test_a_worker_that_dies_at_it(self):
        host = self.switch("switchdev", start=False)
        host.faults("op=eswitch exit=before count=2")
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual(self.pf(host)["eswitch"], "switchdev")

    def test_daemon_killed_at_it(self):
        """At each operation of the way there; the next one goes on from what it finds."""
        for op in ("switch", "eswitch", "numvfs"):
            for when in ("before", "during", "after"):
                with self.subTest(op=op, when=when):
                    host = self.switch("switchdev", start=False)
                    host.faults(f"op={op} count=1 die={when}")
                    host.daemon.start(wait=False)
                    wait_for(lambda h=host: not h.daemon.alive())
                    host.faults()
                    host.daemon.start()
                    host.wait_all_ready(4)
                    self.assertEqual(self.pf(host)["eswitch"], "switchdev")

    def test_answers_that_cannot_be(self):
        host = self.switch("switchdev", start=False)
        host.faults("op=switch error=EIO")
        host.daemon.start()
        self.assertEqual((host.vfs(), self.pf(host)["eswitch"]), ({}, "unknown"))
        host.faults()
        host.call("Rescan")
        host.wait_all_ready(4)

    def test_somebody_else_sets_it(self):
        """Noticed, logged, shown in the plan; nobody's VF is taken away for it."""
        host = self.switch("switchdev")
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        with open(host.tree.path(f"sim/pf/{ONE}/eswitch"), "w") as f:
            f.write("legacy\n")
        host.call("Rescan")
        wait_for(lambda: self.pf(host)["eswitch"] == "legacy")
        self.assertIn("its switch was in mode switchdev and is in mode legacy now", host.daemon.log())
        self.assertEqual([s["kind"] for s in host.call("Plan")["steps"]], ["eswitch"])
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")


class AttributesTest(EswitchTest):
    def test_what_ports_can_be_told(self):
        host = self.switch("switchdev", pf={"link": 10000},
                           grant={"macs": ["02:00:00:00:00:01"], "min_tx_mbps": 100, "max_tx_mbps": 200})
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        told = host.attributes(vm.vfs[0])
        self.assertEqual((told["mac"], told["min_tx_mbps"], told["max_tx_mbps"]), ("02:00:00:00:00:01", 100, 200))
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.attributes(vm.vfs[0]), PLAIN)

    def test_what_the_kernel_says_is_shown(self):
        host = self.switch("switchdev", grant={"macs": ["02:00:00:00:00:01"]})
        host.wait_all_ready(4)
        vf = host.tree.pfs[ONE].vfs[0]
        host.faults(f"op=attributes address={vf} value=1 error=EINVAL detail=no-such-address")
        error = self.refused("attributes-failed", host.vm().acquire, vm="web1")
        self.assertIn("mac: Invalid argument (no-such-address)", str(error))
        host.wait_all_ready(4)

    def test_what_they_cannot(self):
        host = self.switch("switchdev", grant={"vlans": [5]})
        host.wait_all_ready(4)
        self.refused("attribute-unsupported", host.vm().acquire, vm="web1")
        self.assertEqual(set(host.states().values()), {"ready"})
        host.write_policy(policy("switchdev", trust=True, wish=["trust"]))
        host.call("Reload")
        vm = host.vm(vm="web2")
        self.assertEqual(host.attributes(vm.vfs[0])["trust"], 0)
