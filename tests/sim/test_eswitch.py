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


class FunctionTest(EswitchTest):
    """What only ports have: event queues, and whether the function behind a port is active."""

    def switch(self, mode="switchdev", has="switchdev", queues=16, driver="mlx5_core", start=True, num=0, **pool):
        return self.host([PF(ONE, driver=driver, netdev="eth0", eswitch=has, num=num)], start=start,
                         policy=self.policy(mode, queues, driver, **pool))

    def policy(self, mode="switchdev", queues=16, driver="mlx5_core", **pool):
        p = policy(mode)
        p["pools"]["net"].update(functions=[{"driver": driver}], **pool)
        if queues:
            p["pools"]["net"]["max_io_eqs"] = queues
        return p

    def function_of(self, host, vf):
        return host.vf(vf)["function_state"], host.vf(vf)["max_io_eqs"]

    def test_event_queues_of_a_lease(self):
        host = self.switch()
        host.wait_all_ready(4)
        vf = host.tree.pfs[ONE].vf(0)
        self.assertIn("function:  active, at most 8 event queues", host.vfctl("show", vf).stdout)
        vm = host.vm(vm="web1")
        self.assertEqual(vm.vfs, [vf])
        self.assertEqual(host.attributes(vf), {**PLAIN, "max_io_eqs": 16})
        self.assertEqual(vm.lease["devices"][0]["attributes"]["max_io_eqs"], 16)
        self.assertIn("function:  active, at most 16 event queues", host.vfctl("show", vf).stdout)
        self.assertIn("at most 16 event queues", host.vfctl("show", vm.lease["id"]).stdout)
        host.daemon.restart()
        self.assertEqual(self.function_of(host, vf), ("active", 16))
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.attributes(vf), PLAIN)

    def test_another_number_leaves_leases_alone(self):
        host = self.switch()
        host.wait_all_ready(4)
        old = host.vm(vm="web1")
        told = len(host.operations("attributes"))
        host.write_policy(self.policy(queues=32))
        host.call("Reload")
        self.assertEqual(host.call("Plan")["steps"], [])
        new = host.vm(vm="web2")
        self.assertEqual([host.attributes(vm.vfs[0])["max_io_eqs"] for vm in (old, new)], [16, 32])
        self.assertEqual([a for _, a, _, _ in host.operations("attributes")[told:] if a != ONE], new.vfs)
        self.assertIsNone(host.leases()[old.lease["id"]]["over_policy"])
        host.write_policy(self.policy(queues=None))
        host.call("Reload")
        for vm in (old, new):
            vm.kill()
        host.wait_all_ready(4)
        self.assertEqual({v["max_io_eqs"] for v in host.vfs().values()}, {8})
        vm = host.vm(vm="web3")
        self.assertEqual(host.attributes(vm.vfs[0]), PLAIN)

    def test_refused_before_anything_is_touched(self):
        """In legacy mode, by a driver that is known not to have it, and by a kernel before 6.10, which does not show it."""
        for has, mode, driver, old in (("legacy", None, "mlx5_core", False), (None, None, "mlx5_core", False),
                                       ("switchdev", "switchdev", "ice", False), ("switchdev", "switchdev", "mlx5_core", True)):
            with self.subTest(has=has, driver=driver, old=old):
                host = self.switch(mode, has=has, driver=driver, start=False)
                if old:
                    host.driver_cannot(ONE, "max_io_eqs")
                host.daemon.start()
                host.wait_all_ready(4)
                error = self.refused("attribute-unsupported", host.vm().acquire, vm="web1")
                self.assertIn("max_io_eqs", str(error))
                host.wait_all_ready(4)
                self.assertEqual({tuple(host.attributes(vf).items()) for vf in host.vfs()}, {tuple(PLAIN.items())})

    def test_put_right_when_somebody_changes_them(self):
        host = self.switch()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        leased, idle = host.tree.pfs[ONE].vf(0), host.tree.pfs[ONE].vf(1)
        host.set_attributes(leased, max_io_eqs=2)
        host.set_attributes(idle, max_io_eqs=2, function_state=1)
        host.call("Rescan")
        wait_for(lambda: host.attributes(leased)["max_io_eqs"] == 16 and host.attributes(idle) == PLAIN)
        vm.kill()
        host.wait_all_ready(4)

    def test_inactive_is_made_active(self):
        """Also of VFs that were there before the daemon."""
        host = self.switch(None, num=4, start=False)
        host.set_attributes(host.tree.pfs[ONE].vf(2), function_state=1)
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual([host.attributes(vf)["function_state"] for vf in host.vfs()], [0, 0, 0, 0])

    def test_inactive_is_never_leased(self):
        host = self.switch(None, num=4, start=False)
        vf = host.tree.pfs[ONE].vf(2)
        host.set_attributes(vf, function_state=1)
        host.faults(f"op=attributes address={vf} value=2 error=EOPNOTSUPP detail=no-such-state")
        host.daemon.start()
        self.assertIn("function_state: Operation not supported (no-such-state)", host.wait_state(vf, "quarantined")["message"])
        wait_for(lambda: list(host.states().values()).count("ready") == 3)
        for i in range(3):
            self.assertNotIn(vf, host.vm(vm=f"web{i}").vfs)
        self.refused("pool-empty", host.vm().acquire, vm="web3")

    def test_inactive_under_a_lease_is_shown(self):
        host = self.switch(drift="report")
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        host.set_attributes(vm.vfs[0], function_state=1)
        host.call("Rescan")
        wait_for(lambda: host.vf(vm.vfs[0])["drift"] == ["function_state"])
        self.assertEqual(self.function_of(host, vm.vfs[0]), ("inactive", 16))
        self.assertIn("function:  inactive, at most 16 event queues", host.vfctl("show", vm.vfs[0]).stdout)
        vm.kill()
        host.wait_all_ready(4)

    def test_a_driver_that_says_nothing_of_states(self):
        """As of all VFs up to Linux 7.1."""
        host = self.switch(start=False)
        host.driver_cannot(ONE, "function_state")
        host.daemon.start()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.assertEqual(self.function_of(host, vm.vfs[0]), (None, 16))
        self.assertIn("function:  at most 16 event queues", host.vfctl("show", vm.vfs[0]).stdout)
