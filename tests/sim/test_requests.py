# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests: several pools at once, draining, leases with an end, what VFs are told."""

import shutil
import time

import harness
from harness import PF, SimTest, needs_users, wait_for
from simhost import nvme

ONE, TWO, DISK, CARD, MOVED = "0000:01:00.0", "0000:05:00.0", "0000:09:00.0", "0000:0c:00.0", "0000:21:00.0"
INVALID = "org.varlink.service.InvalidParameter"


def policy(net=None, red=None, grant=None, **more):
    """The default policy with other members of the pool net, of the tenant red, and of red's grant of net."""
    p = harness.default_policy(**more)
    p["pools"]["net"].update(net or {})
    p["tenants"]["red"].update(red or {})
    p["tenants"]["red"]["pools"]["net"].update(grant or {})
    return p


def pf_of(host, vfs):
    return [host.vf(vf)["pf"] for vf in vfs]


class WantsTest(SimTest):
    def test_several_pools_at_once(self):
        host = self.host([PF(ONE), nvme(DISK)])
        vm = host.vm(pool=None, wants=[{"pool": "disk"}, {"pool": "net", "count": 2}])
        self.assertEqual(vm.lease["pools"], ["disk", "net"])
        self.assertEqual([d["pool"] for d in vm.lease["devices"]], ["disk", "net", "net"])
        self.assertEqual(pf_of(host, vm.vfs), [DISK, ONE, ONE])
        used = {p["pool"]: p["used"] for p in host.call("ListTenants")["tenants"][0]["pools"]}
        self.assertEqual(used, {"net": 2, "disk": 1})
        host.daemon.restart()
        self.assertEqual(host.leases()[vm.lease["id"]], vm.lease)
        vm.kill()
        host.wait_all_ready(8)
        host.check_invariants()

    def test_all_or_nothing(self):
        host = self.host([PF(ONE), nvme(DISK)])
        host.vm(pool="disk", count=4)
        self.refused("pool-empty", host.vm().acquire, vm="web2", pool=None, wants=[{"pool": "net"}, {"pool": "disk"}])
        self.assertEqual(sorted(v["state"] for v in host.vfs(pool="net").values()), ["ready"] * 4)
        self.assertEqual(len(host.leases()), 1)

    def test_bad_values(self):
        host = self.host()
        good = {"tenant": "red", "vm": "x"}
        for field, more in (("pool", {}), ("wants", {"pool": "net", "wants": [{"pool": "net"}]}), ("wants", {"wants": []}),
                            ("wants", {"wants": [{"pool": "net"}] * 9}), ("count", {"wants": [{"pool": "net", "count": 0}]}),
                            ("vlan", {"pool": "net", "vlan": 4095}), ("vlan", {"pool": "net", "vlan": -2}),
                            ("mac", {"pool": "net", "mac": "01:00:5e:00:00:01"}), ("mac", {"pool": "net", "mac": "nonsense"}),
                            ("min_tx_mbps", {"pool": "net", "min_tx_mbps": 1 << 32}), ("wants", {"wants": ["net"]}),
                            ("wait", {"pool": "net", "wait": -1}), ("wait", {"pool": "net", "wait": 86401}),
                            ("numa_node", {"pool": "net", "numa_node": -1}), ("more", {"wants": [{"pool": "net", "more": 1}]}),
                            ("affinity", {"pool": "net", "affinity": True, "anti_affinity": True})):
            with self.subTest(field=field, more=more):
                error = self.fails(INVALID, host.call, "Acquire", **good, **more)
                self.assertEqual(error.parameters, {"parameter": field})

    def test_anti_affinity_and_affinity(self):
        host = self.host([PF(ONE), PF(TWO)])
        pair = host.vm(vm="web1", count=2, anti_affinity=True)
        self.assertEqual(sorted(pf_of(host, pair.vfs)), [ONE, TWO])
        self.refused("anti-affinity", host.vm().acquire, vm="web1")
        one = host.vm(vm="db1", group="db", anti_affinity=True)
        two = host.vm(vm="db2", group="db")
        self.assertNotEqual(pf_of(host, one.vfs), pf_of(host, two.vfs))
        host.daemon.restart()
        self.refused("anti-affinity", host.vm().acquire, vm="db3", group="db")
        host.vm(vm="x", count=2, anti_affinity=True)  # leaves one VF on each PF
        self.refused("affinity", host.vm().acquire, vm="y", count=2, affinity=True)
        pair.kill()
        host.wait_state(pair.vfs[1], "ready")
        together = host.vm(vm="y", count=2, affinity=True)
        self.assertEqual(len(set(pf_of(host, together.vfs))), 1)
        host.check_invariants()

    def test_numa(self):
        pfs = [PF(ONE, numa=0), PF(TWO, numa=1)]
        host = self.host(pfs, policy=policy(net={"numa": "require"}))
        self.refused("numa", host.vm().acquire)
        vm = host.vm(vm="web1", numa_node=1, count=4)
        self.assertEqual(set(pf_of(host, vm.vfs)), {TWO})
        self.refused("numa", host.vm().acquire, numa_node=1)
        host = self.host([PF(ONE, numa=0), PF(TWO, numa=1)])
        self.assertEqual(pf_of(host, host.vm(vm="a", numa_node=1).vfs), [TWO])
        self.assertEqual(pf_of(host, host.vm(vm="b", numa_node=7).vfs), [ONE])

    @needs_users
    def test_a_refusal_names_the_tenants_own_vms_only(self):
        host = self.host(policy=policy(red={"quota": 2}))
        host.vm(vm="web1")
        host.vm(user="blue", tenant="blue", vm="secret")
        host.vm(vm="web2")
        for function in (host.vm().acquire, lambda **more: host.call("Acquire", tenant="red", pool="net", **more)):
            message = self.refused("total-quota", function, vm="web3").parameters["message"]
            self.assertEqual(message, "the tenant's quota for all pools together is used up: quota 2, in use 2: web1, web2")

    @needs_users
    def test_only_administrators_are_told_how_full_a_pool_is(self):
        """A tenant is told what it could have itself, in the same words whatever the reason that it is no more."""
        host = self.host([PF(ONE), PF(TWO)])
        host.call("Drain", address=TWO)
        host.vm(user="blue", tenant="blue", vm="secret", count=2)
        host.call("Reserve", tenant="blue", vm="secret2", wants=[{"pool": "net"}])
        full = "; the pool has 8 VFs, 1 of them free, some of its PFs are drained"
        asked = {"tenant": "red", "vm": "web1"}
        for reason, text, more in (
                ("pool-empty", "too few VFs of this pool are ready: pool net: 1 of 2 VFs to be had", {"count": 2}),
                ("anti-affinity", "there are not enough PFs for VFs that must be on different ones: "
                 "pool net, each on another PF: 1 of 2 VFs to be had", {"count": 2, "anti_affinity": True})):
            if reason == "anti-affinity":
                host.call("Unreserve", tenant="blue", vm="secret2")
                full = full.replace("1 of", "2 of")
            with self.subTest(reason=reason):
                self.assertEqual(self.refused(reason, host.vm().acquire, **more).parameters["message"], text)
                wants = {"wants": [{"pool": "net", "count": 2}], "anti_affinity": more.get("anti_affinity", False)}
                self.assertEqual(self.refused(reason, host.vm().call, "Reserve", **asked, **wants).parameters["message"], text)
                error = self.refused(reason, host.call, "Acquire", pool="net", **asked, **more)
                self.assertEqual(error.parameters["message"], text + full)
                self.assertIn(text + full, host.daemon.log())
                error = self.refused("waited", host.vm().acquire, wait=1, **more)
                self.assertEqual(error.parameters["message"], f"nothing became free in the time to wait: {text}")
        text = "too few VFs of this pool are ready: pool net: even if all VFs came back, 9 could not be given"
        self.assertEqual(self.refused("pool-empty", host.vm().acquire, count=9, wait=60).parameters["message"], text)
        error = self.refused("pool-empty", host.call, "Acquire", pool="net", count=9, wait=60, **asked)
        self.assertEqual(error.parameters["message"], f"{text}; the pool has 8 VFs on 2 PFs")


class DrainTest(SimTest):
    def test_no_new_leases_until_undrained(self):
        host = self.host([PF(ONE), PF(TWO)])
        vm = host.vm(vm="web1")
        self.assertEqual(pf_of(host, vm.vfs), [ONE])
        leases = host.call("Drain", address=ONE, reason="new cable")["leases"]
        self.assertEqual([lease["vm"] for lease in leases], ["web1"])
        self.assertEqual(pf_of(host, host.vm(vm="web2").vfs), [TWO])
        host.daemon.restart()
        pf = {p["address"]: p for p in host.call_fresh("ListPFs")["pfs"]}[ONE]
        self.assertEqual((pf["drained"], pf["drain_reason"]), (True, "new cable"))
        asked = {"tenant": "red", "pool": "net", "vm": "web3", "count": 4}
        self.assertIn("drained", self.refused("pool-empty", host.call_fresh, "Acquire", **asked).parameters["message"])
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)
        self.assertTrue(host.fenced(host.tree.pfs[ONE].vfs[1]))
        waiter = host.vm()
        waiter.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "web3", "count": 4, "wait": 60})
        wait_for(lambda: host.call_fresh("ListPools")["pools"][0]["waiting"] == 1)
        host.call_fresh("Undrain", address=ONE)
        self.assertEqual(len(waiter.end_of()["reply"]["lease"]["vfs"]), 4)

    def test_unknown(self):
        host = self.host()
        self.refused("no-such-device", host.call, "Drain", address="0000:77:00.0")
        self.fails(INVALID, host.call, "Drain", address="eth0")


class EndTest(SimTest):
    def test_a_lease_ends_unless_it_is_renewed(self):
        host = self.host(policy=policy(red={"max_lease": 5}))
        vm = host.vm(vm="web1")
        kept = host.call("Acquire", tenant="red", pool="net", vm="web2", lifetime="kept", hand_off="node")["lease"]
        self.assertGreater(kept["expires"], kept["created"])
        before = vm.lease["expires"]
        while kept["id"] in host.leases():  # renewed all the time, for longer than it would last
            after = host.call("Renew", lease=vm.lease["id"])["lease"]["expires"]
            self.assertGreaterEqual(after, before)
            before = after
            time.sleep(0.1)
        wait_for(lambda: host.leases().get(vm.lease["id"], {"ending": True})["ending"])
        vm.kill()
        host.wait_all_ready(4)

    def test_the_end_survives_a_restart(self):
        host = self.host(policy=policy(red={"max_lease": 5}))
        lease = host.call("Acquire", tenant="red", pool="net", vm="web2", lifetime="kept", hand_off="node")["lease"]
        host.daemon.restart()
        self.assertIn(lease["id"], host.leases())
        wait_for(lambda: lease["id"] not in host.leases())

    def test_over_policy_leases_stay_and_are_not_renewed(self):
        host = self.host(policy=policy(red={"max_lease": "1h"}))
        old, new = host.vm(vm="old"), host.vm(vm="new")
        host.write_policy(policy(red={"max_lease": "1h"}, grant={"quota": 1}))
        host.call("Reload")
        leases = host.leases()
        self.assertEqual([leases[v.lease["id"]]["over_policy"] for v in (old, new)], [None, "quota"])
        host.call("Renew", lease=old.lease["id"])
        self.refused("over-policy", host.call, "Renew", lease=new.lease["id"])
        self.assertEqual(new.do("bind")["bound"], new.vfs)
        old.kill()
        wait_for(lambda: [lease["over_policy"] for lease in host.leases().values()] == [None])  # there is room for it again
        host.call("Renew", lease=new.lease["id"])

    def test_nothing_to_renew(self):
        host = self.host()
        vm = host.vm(vm="web1")
        self.refused("no-expiry", host.call, "Renew", lease=vm.lease["id"])
        self.refused("no-such-lease", host.call, "Renew", lease="0" * 16)


class PendingTest(SimTest):
    def test_growth_waits_for_the_last_lease(self):
        host = self.host([PF(ONE, total=8)], policy=policy(net={"vfs": 2}))
        vm = host.vm(vm="web1")
        host.write_policy(policy(net={"vfs": "max"}))
        host.call("Reload")
        step = host.call("Plan")["steps"][0]
        self.assertEqual((step["kind"], step["blocked"], step["reason"], step["pending"]), ("resize", True, "leased", False))
        self.assertIn("pool net wants all", step["because"])
        with host.connect() as link:
            link.call("Apply", destructive=True)
        self.assertTrue(host.call("Plan")["steps"][0]["pending"])
        self.assertEqual(host.call("ListPFs")["pfs"][0]["pending_vfs"], 8)
        host.daemon.restart()
        self.assertEqual(host.call_fresh("ListPFs")["pfs"][0]["pending_vfs"], 8)
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)
        vm.kill()
        host.wait_all_ready(8)
        self.assertEqual(host.call_fresh("ListPFs")["pfs"][0]["pending_vfs"], 0)
        self.assertEqual(host.call_fresh("Plan")["steps"], [])

    def test_not_forgotten_before_the_identity_is_known(self):
        serial = {"functions": [{"serial": "SN-1"}]}
        host = self.host([PF(ONE, total=8, serial="SN-1")], policy=policy(net={"vfs": 2, **serial}))
        vm = host.vm(vm="web1")
        host.write_policy(policy(net={"vfs": "max", **serial}))
        host.call("Reload")
        with host.connect() as link:
            link.call("Apply", destructive=True)
        host.faults("op=identify hang=1")
        host.daemon.restart(wait=False)
        wait_for(lambda: ("identify", ONE) in host.faults_hit())
        host.call_fresh("Reload")
        self.assertEqual(host.call_fresh("ListPFs")["pfs"][0]["pending_vfs"], 8)
        host.unhang()
        host.daemon.wait_ready()
        vm.kill()
        host.wait_all_ready(8)

    def test_not_without_being_asked(self):
        host = self.host([PF(ONE, total=8)], policy=policy(net={"vfs": 2}))
        vm = host.vm(vm="web1")
        host.write_policy(policy(net={"vfs": "max"}))
        host.call("Reload")
        with host.connect() as link:
            link.call("Apply", destructive=True, later=False)
        vm.kill()
        host.wait_all_ready(2)
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "2")

    def test_another_policy_forgets_it(self):
        host = self.host([PF(ONE, total=8)], policy=policy(net={"vfs": 2}))
        vm = host.vm(vm="web1")
        for vfs in ("max", 4):
            host.write_policy(policy(net={"vfs": vfs}))
            host.call("Reload")
            if vfs == "max":
                with host.connect() as link:
                    link.call("Apply", destructive=True)
        self.assertEqual(host.call("ListPFs")["pfs"][0]["pending_vfs"], 0)
        vm.kill()
        host.wait_all_ready(2)
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "2")

    def test_percent(self):
        host = self.host([PF(ONE, total=8)], policy=policy(net={"vfs": "50%"}))
        host.wait_all_ready(4)


class AttributesTest(SimTest):
    GRANT = {"vlans": [100, "200-299"], "macs": "02:52:44:00:00:00/32", "max_tx_mbps": 1000, "spoof_check": True,
             "trust": False}

    def test_what_a_vf_is_told(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vm = host.vm(vm="web1", vlan=200, max_tx_mbps=500)
        a = vm.lease["devices"][0]["attributes"]
        self.assertEqual((a["mac"], a["vlan"], a["max_tx_mbps"], a["spoof_check"], a["trust"], a["link_state"]),
                         ("02:52:44:00:00:00", 200, 500, True, False, None))
        second = host.vm(vm="web2")
        self.assertEqual(second.lease["devices"][0]["attributes"]["mac"], "02:52:44:00:00:01")
        self.assertEqual(second.lease["devices"][0]["attributes"]["vlan"], 100)
        ops = [op for op, *_ in host.operations(address=vm.vfs[0], told=True)]
        self.assertLess(ops.index("attributes"), ops.index("open"))
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")
        ops = [op for op, *_ in host.operations(address=vm.vfs[0], told=True)]
        self.assertLess(len(ops) - 1 - ops[::-1].index("attributes"), ops.index("scrub"))

    PLAIN = harness.PLAIN

    def test_what_the_driver_has(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant={**self.GRANT, "trust": True}))
        vm = host.vm(vm="web1", vlan=200, max_tx_mbps=500)
        vf = vm.vfs[0]
        self.assertEqual(host.attributes(vf), {**self.PLAIN, "mac": "02:52:44:00:00:00", "vlan": 200, "max_tx_mbps": 500, "trust": 1})
        vm.kill()
        host.wait_state(vf, "ready")
        self.assertEqual(host.attributes(vf), self.PLAIN)

    def test_a_driver_that_takes_all(self):
        """One of the table and one that nobody knows; over a restart, and back again."""
        grant = {"vlans": [100], "vlan_qos": 5, "vlan_protocol": "802.1ad", "macs": "02:52:44:00:00:00/32", "min_tx_mbps": 50,
                 "max_tx_mbps": 400, "spoof_check": False, "trust": True, "link_state": "enable", "rss_query": True}
        for driver in ("netdevsim", "newnet"):
            with self.subTest(driver=driver):
                p = policy(net={"functions": [{"driver": driver}]}, grant=grant)
                host = self.host([PF(ONE, driver=driver, netdev="enp1s0", link=1000)], policy=p)
                vm = host.vm(vm="web1")
                vf, device = vm.vfs[0], vm.lease["devices"][0]
                has = {**self.PLAIN, "mac": "02:52:44:00:00:00", "vlan": 100, "vlan_qos": 5, "vlan_protocol": 1, "min_tx_mbps": 50,
                       "max_tx_mbps": 400, "spoof_check": 0, "trust": 1, "link_state": 1, "rss_query": 1}
                self.assertEqual(host.attributes(vf), has)
                host.daemon.restart()
                self.assertEqual(host.leases()[vm.lease["id"]]["devices"], [device])
                a = device["attributes"]
                self.assertEqual((a["vlan_qos"], a["vlan_protocol"], a["link_state"], a["rss_query"]), (5, "802.1ad", "enable", True))
                host.set_attributes(vf, vlan_qos=1, vlan_protocol=0, link_state=2, rss_query=0)
                host.call("Rescan")  # it knows what the VF should have
                wait_for(lambda h=host: h.attributes(vf) == has)
                vm.kill()
                host.wait_all_ready(4)
                self.assertEqual(host.attributes(vf), self.PLAIN)

    def test_what_somebody_set_before_does_not_reach_the_next_owner(self):
        """Neither on a VF that the daemon finds, nor behind its back while it is idle."""
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy())
        vf = host.tree.pfs[ONE].vfs[0]
        host.set_attributes(vf, trust=1, vlan=7, max_tx_mbps=3, spoof_check=0)
        vm = host.vm(vm="web1")
        self.assertEqual(vm.vfs[0], vf)
        self.assertEqual(host.attributes(vf), self.PLAIN)

    def test_baseline_is_what_the_driver_gave(self):
        """A MAC that the driver gave a new VF is its own again afterwards, over a restart of the daemon too."""
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT), start=False)
        vf = host.tree.pfs[ONE].vfs[1]
        host.set_attributes(vf, mac="02:aa:00:00:00:01", trust=1, link_state=1)
        host.daemon.start()
        host.wait_all_ready(4)
        own = {**self.PLAIN, "mac": "02:aa:00:00:00:01"}
        self.assertEqual(host.attributes(vf), own)  # trust and a forced link are nobody's baseline
        vm = host.vm(vm="web1", count=4)
        self.assertEqual(host.attributes(vf)["mac"], "02:52:44:00:00:01")
        host.daemon.kill9()
        vm.kill()
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual([host.attributes(v) for v in host.tree.pfs[ONE].vfs], [self.PLAIN, own, self.PLAIN, self.PLAIN])

    def test_one_change_set_for_all_vfs_of_a_pf(self):
        host = self.host([PF(ONE, total=32, netdev="enp1s0"), PF(TWO, total=32, netdev="enp2s0")],
                         policy=policy(grant={**self.GRANT, "quota": 64}))
        # of fewer than all VFs: a look for drift may fall between
        sets = lambda: len([n for pf in (ONE, TWO) for _, _, n, _ in host.operations("attributes", pf) if n < 32])
        before = sets()
        vm = host.vm(vm="web1", count=16)
        self.assertLessEqual(sets() - before, 2)
        self.assertEqual(len({host.attributes(v)["mac"] for v in vm.vfs}), 16)
        before, fences = sets(), lambda: sum(len(host.operations("fence", v)) for v in vm.vfs)
        fenced = fences()
        host.faults(*(f"op=attributes address={pf} hang=1 count=1" for pf in (ONE, TWO)))  # the next set gathers meanwhile
        vm.kill()
        wait_for(lambda: fences() - fenced == 32)  # before and after renewing
        host.unhang()
        host.wait_all_ready(64)
        self.assertLessEqual(sets() - before, 6)  # two of each PF; the answer to the last fences may come after the hang
        self.assertEqual([host.attributes(v) for v in vm.vfs], [self.PLAIN] * 16)

    def test_one_bad_vf_does_not_spoil_the_others(self):
        host = self.host([PF(ONE, total=8, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vm = host.vm(vm="web1", count=4)
        bad = vm.vfs[2]
        host.faults(f"op=attributes address={bad} value=2 error=EIO count=1")
        vm.kill()
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "attributes-failed")
        for vf in vm.vfs:
            if vf != bad:
                host.wait_state(vf, "ready")
                self.assertEqual(host.attributes(vf), self.PLAIN)

    def test_what_a_driver_cannot_do(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant={**self.GRANT, "trust": True}), start=False)
        host.driver_cannot(ONE, "trust", "rss_query")
        host.daemon.start()
        host.wait_all_ready(4)
        self.refused("attribute-unsupported", host.vm().acquire)
        host.wait_all_ready(4)
        self.assertEqual(host.attributes(host.tree.pfs[ONE].vfs[0])["mac"], self.PLAIN["mac"])

    TWO_DRIVERS = {"net": {"class": "network", "functions": [{"vendor": "8086"}], "vfs": 4}}

    def two_drivers(self, other, grant, **named):
        return self.host([PF(ONE, driver="igb", netdev="enp1s0"), PF(TWO, driver=other, netdev="enp2s0")],
                         policy={"version": 1, "pools": self.TWO_DRIVERS,
                                 "tenants": {"red": {"users": [harness.USERS["red"]], "pools": {"net": {"quota": 8, **grant}}}}}, **named)

    def test_what_the_driver_table_knows_is_refused_before_anything_is_touched(self):
        host = self.two_drivers("ice", {"link_state": "enable", "trust": True})
        vm = host.vm(vm="web1", count=4)  # only one of the drivers can do it
        self.assertEqual(set(vm.vfs), set(host.tree.pfs[TWO].vfs))
        self.assertIn("on PFs that can do link_state", str(self.refused_untold(host, "pool-empty")))
        vm.kill()  # which one may wait for
        self.assertEqual(set(host.vm(vm="web2", count=4, wait=60).vfs), set(vm.vfs))
        host = self.two_drivers("igb", {"link_state": "enable"})
        self.assertIn("igb cannot do link_state", str(self.refused_untold(host, "attribute-unsupported", wait=60)))

    def refused_untold(self, host, reason, **named):
        set_ones = lambda: [vf for _, vf, mode, _ in host.operations("attributes") if vf not in (ONE, TWO) and mode == 1]
        before = set_ones()
        error = self.refused(reason, host.vm().acquire, **named)
        self.assertEqual(set_ones(), before)
        return error

    def test_what_is_only_wished_for(self):
        """By a driver of the table, and by one that nobody knows and that refuses."""
        host = self.two_drivers("newnet", {"vlans": [100], "link_state": "enable", "trust": True, "wish": ["link_state", "trust"]},
                                start=False)
        host.driver_cannot(TWO, "trust")
        host.daemon.start()
        host.wait_all_ready(8)
        vm = host.vm(vm="web1", count=8)
        told = {d["address"]: d["attributes"] for d in vm.lease["devices"]}
        for vf in host.tree.pfs[ONE].vfs:
            self.assertEqual((told[vf]["link_state"], told[vf]["trust"], told[vf]["vlan"]), (None, True, 100))
            self.assertEqual((host.attributes(vf)["trust"], host.attributes(vf)["link_state"]), (1, 0))
        for vf in host.tree.pfs[TWO].vfs:
            self.assertEqual((told[vf]["link_state"], told[vf]["trust"], told[vf]["vlan"]), ("enable", None, 100))
            self.assertEqual((host.attributes(vf)["trust"], host.attributes(vf)["link_state"]), (0, 1))

    def test_derived_macs(self):
        host = self.host([PF(ONE, netdev="enp1s0", mac="52:54:00:00:00:10"), PF(TWO, netdev="enp2s0", mac="52:54:00:00:00:20")],
                         policy=policy(grant={"macs": "derived"}))
        vm = host.vm(vm="web1", count=8)
        macs = {d["address"]: d["attributes"]["mac"] for d in vm.lease["devices"]}
        self.assertEqual(len(set(macs.values())), 8)
        for vf, mac in macs.items():
            self.assertEqual(int(mac[:2], 16) & 3, 2)  # one interface's, locally administered
            self.assertEqual(host.attributes(vf)["mac"], mac)
        self.refused("mac", host.vm().acquire, vm="web2", mac="02:00:00:00:00:01")
        vm.kill()
        host.wait_all_ready(8)
        host.daemon.restart()
        again = host.vm(vm="web3", count=8)
        self.assertEqual({d["address"]: d["attributes"]["mac"] for d in again.lease["devices"]}, macs)

    def test_what_may_not_be_chosen(self):
        host = self.host([PF(ONE), nvme(DISK)], policy=policy(grant=self.GRANT))
        for reason, more in (("vlan", {"vlan": 300}), ("mac", {"mac": "02:00:00:00:00:01"}), ("rate", {"max_tx_mbps": 2000}),
                             ("rate", {"min_tx_mbps": 1}), ("mac", {"mac": "02:52:44:00:00:09", "count": 2}),
                             ("no-attributes", {"pool": "disk", "vlan": 100})):
            with self.subTest(more=more):
                self.refused(reason, host.vm().acquire, **more)
        host.vm(vm="web1", mac="02:52:44:00:00:09")
        self.refused("mac-in-use", host.vm().acquire, vm="web2", mac="02:52:44:00:00:09")

    def test_a_vf_that_cannot_be_told_is_not_handed_over(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        host.faults("op=attributes error=5 count=1")
        self.refused("attributes-failed", host.vm().acquire)
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})

    def test_a_vf_that_cannot_be_made_plain_is_quarantined(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vm = host.vm(vm="web1")
        host.faults(f"op=attributes address={vm.vfs[0]} value=2 error=5 count=1")
        vm.kill()
        self.assertEqual(host.wait_state(vm.vfs[0], "quarantined")["reason"], "attributes-failed")
        host.call("Clear", address=vm.vfs[0], reason="a test")
        host.wait_all_ready(4)



class DriftTest(SimTest):
    """Somebody else changes attributes: a rescan looks, as a change of the PF's interface does on a real host."""

    GRANT = {"vlans": [100], "macs": "02:52:44:00:00:00/32"}

    def drifts(self, host, vf):
        return host.vf(vf)["drift"]

    def test_leased_vf_is_put_right(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vm = host.vm(vm="web1")
        vf = vm.vfs[0]
        told = host.attributes(vf)
        host.set_attributes(vf, vlan=0, trust=1)
        host.call("Rescan")
        wait_for(lambda: host.attributes(vf) == told)
        wait_for(lambda: self.drifts(host, vf) == [])
        self.assertEqual(host.vf(vf)["state"], "leased")
        self.assertIn("somebody else changed its vlan, trust", host.daemon.log_tail())
        host.set_attributes(vf, mac="02:00:00:00:be:ef")
        host.call("Rescan")
        wait_for(lambda: host.attributes(vf) == told)

    def test_idle_vf_is_put_right(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vf = host.tree.pfs[ONE].vfs[3]
        plain = host.attributes(vf)
        host.set_attributes(vf, vlan=5, mac="02:00:00:00:be:ef")
        host.call("Rescan")
        wait_for(lambda: host.attributes(vf) == plain)
        host.wait_all_ready(4)

    def test_only_reported(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(net={"drift": "report"}, grant=self.GRANT))
        vm = host.vm(vm="web1")
        vf, idle = vm.vfs[0], host.tree.pfs[ONE].vfs[3]
        for one in (vf, idle):
            host.set_attributes(one, max_tx_mbps=5)
        host.call("Rescan")
        wait_for(lambda: self.drifts(host, vf) == self.drifts(host, idle) == ["max_tx_mbps"])
        self.assertEqual(host.attributes(vf)["max_tx_mbps"], 5)
        host.set_attributes(vf, max_tx_mbps=0)  # whoever did it took it back
        host.call("Rescan")
        wait_for(lambda: self.drifts(host, vf) == [])
        rest = host.vm(vm="web2", count=3)  # what is handed over is right in any case
        self.assertIn(idle, rest.vfs)
        self.assertEqual(host.attributes(idle)["max_tx_mbps"], 0)

    def test_somebody_who_insists(self):
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vf = host.vm(vm="web1").vfs[0]
        for _ in range(5):
            host.set_attributes(vf, vlan=7)
            host.call("Rescan")
            wait_for(lambda: host.attributes(vf)["vlan"] == 100)
            wait_for(lambda: self.drifts(host, vf) == [])
        host.set_attributes(vf, vlan=7)
        host.call("Rescan")
        wait_for(lambda: self.drifts(host, vf) == ["vlan"])
        self.assertEqual(host.attributes(vf)["vlan"], 7)

    def test_pf_whose_interface_is_gone(self):
        """In another network namespace, say: what red was told cannot be taken back, so nobody gets the VF."""
        host = self.host([PF(ONE, netdev="enp1s0")], policy=policy(grant=self.GRANT))
        vm = host.vm(vm="web1")
        shutil.rmtree(host.tree.path(f"sys/bus/pci/devices/{ONE}/net"))
        host.faults(f"op=attributes address={ONE} error=ENODEV reason=attributes-failed")
        host.call("Rescan")
        self.refused("attributes-failed", host.vm().acquire, vm="web2")
        vm.kill()
        wait_for(lambda: host.vf(vm.vfs[0])["reason"] == "attributes-failed")
        self.assertEqual(host.vf(vm.vfs[0])["state"], "reclaiming")
        host.faults()  # the interface is back
        host.wait_all_ready(4)
        self.assertEqual(host.attributes(vm.vfs[0]), AttributesTest.PLAIN)
