# SPDX-License-Identifier: GPL-2.0-or-later
"""Which pool has a card: by address, identity, driver; and pools of whole functions."""

import json
import os

import harness
from harness import PF, SimTest, wait_for
from simhost import function, nvme
from test_requests import CARD, DISK, MOVED, ONE, TWO, pf_of, policy


class PoolTest(SimTest):
    def test_two_pools_name_one_function(self):
        """By serial and by address: only the running host shows that it is the same."""
        p = harness.default_policy()
        p["pools"] = {"net": {"functions": [{"address": ONE}], "vfs": "max"},
                      "disk": {"functions": [{"serial": "SN-1"}], "vfs": "max"}}
        host = self.host([PF(ONE, serial="SN-1"), PF(TWO, serial="SN-2")], policy=p)
        pf = {x["address"]: x for x in host.call("ListPFs")["pfs"]}[ONE]
        self.assertEqual((pf["pool"], pf["reason"]), (None, "two-pools"))
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "0")
        self.assertIn("net and disk", json.dumps(host.status()["problems"]))

    def test_a_pool_follows_its_card(self):
        """To another address of the same host, where the next card at its old address is none of the pool."""
        for key, what, mine, other in (("serial", "serial", "SN-2", "SN-1"), ("serial", "dsn", "00-1b-21-ff-ff-64-8c-12", "00-1b-21-ff-ff-64-8c-13"),
                                       ("mac", "mac", "52:54:00:00:00:20", "52:54:00:00:00:10"), ("slot", "slot", "3-1", "3")):
            with self.subTest(what=what):
                p = harness.default_policy()
                p["pools"]["net"] = {"functions": [{key: mine}], "vfs": "max"}
                host = self.host([PF(ONE, netdev="enp1s0", **{what: other}), PF(TWO, netdev="enp5s0", **{what: mine})], policy=p)
                host.wait_all_ready(4)
                self.assertEqual({v["pf"] for v in host.vfs().values()}, {TWO})
                vm = host.vm(vm="web1")
                host.daemon.restart()
                self.assertEqual(list(host.leases()), [vm.lease["id"]])
                self.assertEqual(vm.do("bind")["bound"], vm.vfs)
                vm.kill()
                host.tree.remove(TWO)
                host.tree.add(PF(MOVED, netdev="enp33s0", **{what: mine}))
                host.call_fresh("Rescan")
                host.wait_all_ready(4)
                self.assertEqual({v["pf"] for v in host.vfs().values()}, {MOVED})
                host.tree.add(PF(TWO, netdev="enp5s0", **{what: f"{other[:-1]}9"}))
                host.call_fresh("Rescan")
                wait_for(lambda: {p["address"]: (p["pool"], p["reason"]) for p in host.call_fresh("ListPFs")["pfs"]} ==  # noqa: B023
                         {ONE: (None, "none"), TWO: (None, "none"), MOVED: ("net", "none")})
                self.assertEqual(pf_of(host, host.vm(vm="web2", count=4).vfs), [MOVED] * 4)

    def test_no_pool_before_the_identity_is_known(self):
        """A policy that selects by serial number is read while PFs are there that nobody wanted before."""
        host = self.host([PF(ONE, serial="SN-1")], policy="{")
        host.faults("op=identify hang=1")
        p = harness.default_policy()
        p["pools"] = {"fast": {"functions": [{"serial": "SN-1"}], "vfs": 2}, "rest": {"functions": [{"address": "*"}], "vfs": "max"}}
        p["tenants"] = {}
        host.write_policy(p)
        host.call("Reload")
        wait_for(lambda: ("identify", ONE) in host.faults_hit())
        host.call("Rescan")
        pf = host.call("ListPFs")["pfs"][0]
        self.assertEqual((pf["pool"], pf["reason"]), (None, "identifying"))
        self.assertEqual(host.call("Plan")["steps"], [])
        host.unhang()
        host.wait_all_ready(2)
        self.assertEqual({v["pool"] for v in host.vfs().values()}, {"fast"})
        self.assertEqual([v for _, _, v, _ in host.operations("numvfs")], [2])

    def test_vectors(self):
        host = self.host([PF(ONE, total_msix=64, vf_msix=4), PF(TWO, vf_msix=4)], policy=policy(net={"msix": 8}))
        vfs = {v["address"]: v for v in host.vfs().values()}
        self.assertEqual({vfs[a]["state"] for a in host.tree.pfs[ONE].vfs}, {"ready"})
        self.assertEqual({(vfs[a]["state"], vfs[a]["reason"]) for a in host.tree.pfs[TWO].vfs}, {("unbound", "msix-failed")})
        self.assertEqual({value for op, _, value, error in host.operations(op="bind") if error == "0"}, {8})

    def test_drivers(self):
        """The best that the kernel has, once it is loaded; or the one that the policy forces."""
        host = self.host([PF(ONE, vendor=0x15B3, vf_device=0x101E)], start=False)
        host.tree.variant("v*d*sv*sd*bc*sc*i*", "vfio_pci", loaded=False)
        host.tree.variant("v000015B3d0000101Esv*sd*bc*sc*i*", "mlx5_vfio_pci", loaded=False)
        host.daemon.start(wait=False)
        wait_for(lambda: os.path.exists(host.socket))
        wait_for(lambda: "the driver mlx5_vfio_pci is not loaded" in host.daemon.log())
        os.mkdir(host.tree.path("sys/bus/pci/drivers/mlx5_vfio_pci"))
        host.daemon.wait_ready()
        host.wait_all_ready(4)
        self.assertEqual({v["driver"] for v in host.vfs().values()}, {"mlx5_vfio_pci"})
        vm = host.vm(vm="web1")
        vm.kill()
        host.wait_all_ready(4)
        host = self.host([PF(ONE)], policy=policy(net={"driver": "vfio-pci"}))
        self.assertEqual({v["driver"] for v in host.vfs().values()}, {"vfio-pci"})

    def test_explain(self):
        host = self.host(policy=policy(grant={"quota": 3, "vlans": [100, "200-299"]}))
        host.vm(vm="web1")
        lines = {e["rule"]: e for e in host.call("Explain", tenant="red", pool="net")["explanations"]}
        self.assertEqual(lines["quota"]["value"], "3 VFs")
        self.assertIn("so 2 more", lines["quota"]["why"])
        self.assertEqual(lines["vlans"]["value"], "100, 200-299")
        self.refused("no-such-pool", host.call, "Explain", tenant="blue", pool="disk")


class WholeFunctionTest(SimTest):
    """A pool of whole functions: the same fences, leases and scrubs, and never what the host needs."""

    def policy(self):
        p = harness.default_policy()
        p["pools"]["card"] = {"functions": [{"address": CARD}], "assign": "function"}
        p["tenants"]["red"]["pools"]["card"] = {"quota": 1}
        return p

    def apply(self, host, **more):
        with host.connect() as link:
            return list(link.call_more("Apply", destructive=True, **more))

    def test_life(self):
        host = self.host([PF(ONE), function(CARD)], policy=self.policy())
        vf = host.vf(CARD)
        self.assertEqual((vf["state"], vf["reason"], vf["pool"]), ("unbound", "host-driver", "card"))
        step = next(s for s in host.call("Plan")["steps"] if s["address"] == CARD)
        self.assertEqual((step["kind"], step["destructive"]), ("bind", True))
        self.apply(host)
        host.wait_state(CARD, "ready")
        vm = host.vm(vm="appliance", pool="card")
        self.assertEqual(vm.vfs, [CARD])
        host.daemon.restart()
        self.assertEqual(host.vf(CARD)["state"], "leased")
        vm.kill()
        host.wait_state(CARD, "ready")
        self.assertEqual(host.resets(CARD), 2)
        host.daemon.restart()
        self.assertEqual(host.vf(CARD)["state"], "ready")
        self.assertEqual(host.resets(CARD), 2)

    def test_a_lease_outlives_its_pool_over_a_restart(self):
        host = self.host([PF(ONE), function(CARD)], policy=self.policy())
        self.apply(host)
        host.wait_state(CARD, "ready")
        vm = host.vm(vm="appliance", pool="card")
        host.write_policy(harness.default_policy())
        host.daemon.restart()
        self.assertEqual(host.leases()[vm.lease["id"]]["over_policy"], "no-such-pool")
        self.assertEqual(vm.do("bind")["bound"], [CARD])

    def test_what_the_host_needs(self):
        host = self.host([PF(ONE), function(CARD)], policy=self.policy(), start=False)
        host.tree.disk(host.tree.pfs[CARD], mounted="/home")
        host.daemon.start()
        self.apply(host)
        wait_for(lambda: host.vf(CARD)["reason"] == "host-needs-it", what=str(host.vf(CARD)))
        self.assertIn("mounted", host.vf(CARD)["message"])
        self.assertNotEqual(host.tree.driver(CARD), "vfio-pci")

    def test_whole_or_not_is_seen_by_the_identity(self):
        """At start, and when a card comes while somebody has a lease; a pool of whole functions does not take the others' PFs."""
        p = harness.default_policy()
        p["pools"] = {"net": {"functions": [{"serial": "SN-1"}], "vfs": "max"},
                      "card": {"functions": [{"serial": "SN-2"}, {"serial": "SN-3"}], "assign": "function"},
                      "rest": {"functions": [{"driver": "igb"}], "vfs": "max"}}
        p["tenants"]["red"]["pools"] = {"net": {"quota": 4}, "card": {"quota": 4}}
        p["tenants"]["blue"]["pools"] = {}
        host = self.host([PF(ONE, serial="SN-1"), PF(TWO, serial="SN-2"), nvme(DISK, serial="SN-4")], policy=p)
        pools = lambda: {v["address"]: v["pool"] for v in host.vfs().values()}
        one = dict.fromkeys(host.tree.pfs[ONE].vfs, "net")
        self.assertEqual(pools(), {**one, TWO: "card"})
        vm = host.vm(vm="web1")
        host.tree.add(PF(MOVED, serial="SN-5"))
        host.tree.add(function(CARD, serial="SN-3"))
        host.call("Rescan")
        wait_for(lambda: pools() == {**one, TWO: "card", CARD: "card", **dict.fromkeys(host.tree.pfs[MOVED].vfs, "rest")}, what=pools())
        host.daemon.restart()
        self.assertEqual(pools(), {**one, TWO: "card", CARD: "card", **dict.fromkeys(host.tree.pfs[MOVED].vfs, "rest")})
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)
        with host.connect() as link:
            link.call("Apply", destructive=True)
        host.wait_state(TWO, "ready")
        resets = host.resets(TWO)
        host.daemon.restart()  # its fence was kept for it
        self.assertEqual((host.vf(TWO)["state"], host.resets(TWO)), ("ready", resets))

    def test_a_pf_with_vfs_is_not_taken(self):
        p = self.policy()
        p["pools"] = {"card": {"functions": [{"address": ONE}], "assign": "function"}, **p["pools"]}
        host = self.host([PF(ONE, num=2)], policy=p)
        self.assertEqual({v["pool"] for v in host.vfs().values()}, {"net"})
