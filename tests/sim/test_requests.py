# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests: several pools at once, the line of those who wait, reservations, draining, leases with an end."""

import json
import os
import shutil
import time

import harness
from harness import PF, SimTest, VarlinkError, needs_users, wait_for
from simhost import function, nvme

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


class LineTest(SimTest):
    def begin(self, host, vm, wait=60, **more):
        v = host.vm(user=more.pop("user", "red"))
        v.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": vm, "wait": wait, **more})
        wait_for(lambda: "waits in line" in host.daemon.log_tail(5000) and
                 f"vm={vm}" in host.daemon.log_tail(5000) or self.waiting(host) > 0)
        return v

    def waiting(self, host):
        return host.call("ListPools")["pools"][0]["waiting"]

    def test_served_when_vfs_come_back(self):
        host = self.host()
        owner = host.vm(vm="web1", count=4)
        waiter = self.begin(host, "web2", count=2)
        owner.kill()
        lease = waiter.end_of()["reply"]["lease"]
        self.assertEqual((lease["vm"], len(lease["vfs"])), ("web2", 2))
        self.assertEqual(self.waiting(host), 0)
        host.check_invariants()

    def test_nobody_overtakes(self):
        host = self.host()
        owners = [host.vm(vm=f"old{i}") for i in range(4)]
        large = self.begin(host, "large", count=3)
        wait_for(lambda: self.waiting(host) == 1)
        small = host.vm()
        small.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "small", "wait": 60})
        wait_for(lambda: self.waiting(host) == 2)
        for owner in owners[:2]:
            owner.kill()
            host.wait_state(owner.vfs[0], "ready")
        error = self.refused("in-line", host.vm().acquire, vm="late")
        self.assertEqual(error.parameters["message"], "earlier requests wait for VFs of this pool")
        self.assertEqual(self.waiting(host), 2)
        owners[2].kill()
        self.assertEqual(len(large.end_of()["reply"]["lease"]["vfs"]), 3)
        self.assertEqual(self.waiting(host), 1)
        owners[3].kill()
        self.assertEqual(len(small.end_of()["reply"]["lease"]["vfs"]), 1)
        host.check_invariants()

    RATES = {"functions": [{"driver": "ice"}]}

    def pair(self, **grant):
        """Two PFs with four VFs each, of which blue and red may have any."""
        p = policy(net=self.RATES, grant=grant)
        p["tenants"]["blue"]["pools"]["net"].update(min_tx_mbps=600)
        return self.host([PF(ONE, driver="ice", netdev="enp1s0", link=1000), PF(TWO, driver="ice", netdev="enp5s0", link=1000)], policy=p)

    def take(self, host, pf, count, **more):
        """VFs of one PF, without a guaranteed rate if nothing else is said."""
        other = TWO if pf == ONE else ONE
        host.call("Drain", address=other)
        vm = host.vm(**{"min_tx_mbps": 0, **more, "count": count})
        host.call("Undrain", address=other)
        return vm

    BLUE = {"user": "blue", "tenant": "blue", "vm": "b"}

    def test_nobody_overtakes_who_waits_for_others(self):
        """Whatever rule says no: red waits for what blue has, and blue's small request comes later."""
        for reason, blue, more in (("anti-affinity", {"count": 4}, {"count": 2, "anti_affinity": True}),
                                   ("affinity", {"count": 1}, {"count": 4, "affinity": True}),
                                   ("rate-sum", {"count": 1, "min_tx_mbps": 600}, {"count": 2, "min_tx_mbps": 600}),
                                   ("pf-share", {"count": 4}, {"count": 1})):
            with self.subTest(reason=reason):
                host = self.pair(min_tx_mbps=600, **({"pf_share": "25%"} if reason == "pf-share" else {}))
                has = self.take(host, ONE, **{**self.BLUE, **blue})
                if reason == "affinity":
                    self.take(host, TWO, **{**self.BLUE, "count": 1})
                if reason == "pf-share":
                    self.take(host, TWO, 1, vm="red1")
                asked = {"min_tx_mbps": 0, **more}
                self.refused(reason, host.vm().acquire, **asked)
                waiter = self.begin(host, "web", wait=self.WAIT, **asked)
                wait_for(lambda: self.waiting(host) == 1)  # noqa: B023
                self.refused("in-line", host.vm("blue").acquire, tenant="blue", vm="late", min_tx_mbps=0)
                self.refused("in-line", host.call, "Reserve", tenant="blue", vm="late", wants=[{"pool": "net", "min_tx_mbps": 0}])
                has.kill()
                self.assertEqual(waiter.end_of()["reply"]["lease"]["vm"], "web")

    def test_who_waits_for_its_own_keeps_nobody_else_waiting(self):
        for reason, mine, more in (("quota", {"count": 2}, {"count": 1}),
                                   ("anti-affinity", {"count": 2, "anti_affinity": True}, {"count": 1}),
                                   ("rate-sum", {"count": 2, "min_tx_mbps": 600}, {"count": 1, "min_tx_mbps": 600}),
                                   ("pf-share", {"count": 2}, {"count": 1}), ("macs-used-up", {"count": 2}, {"count": 1})):
            with self.subTest(reason=reason):
                grant = {"quota": {"quota": 2}, "pf-share": {"pf_share": "25%"}, "macs-used-up": {"macs": "02:52:44:00:00:00/47"}}
                host = self.pair(min_tx_mbps=600, **grant.get(reason, {}))
                has = host.vm(**{"vm": "web1", "min_tx_mbps": 0, **mine})
                asked = {"min_tx_mbps": 0, **more}
                self.refused(reason, host.vm().acquire, **asked)
                waiter = self.begin(host, "web1", wait=self.WAIT, **asked)
                wait_for(lambda: self.waiting(host) == 1)  # noqa: B023
                host.vm(**{**self.BLUE, "min_tx_mbps": 0})
                self.refused("in-line", host.vm().acquire, vm="late", min_tx_mbps=0)  # of its own tenant it does
                has.kill()
                self.assertEqual(waiter.end_of()["reply"]["lease"]["vm"], "web1")

    def test_nobody_overtakes_within_a_tenant(self):
        """A small request does not take the quota that a larger one waits for, of the pool or of all."""
        for pool, more in (("net", {"grant": {"quota": 3}}), ("disk", {"red": {"quota": 3}})):
            with self.subTest(pool=pool):
                host = self.host([PF(ONE), nvme(DISK)], policy=policy(**more))
                owners = [host.vm(vm="web1"), host.vm(vm="web2")]
                waiter = self.begin(host, "large", wait=self.WAIT, count=2)
                wait_for(lambda: self.waiting(host) == 1)  # noqa: B023
                self.refused("in-line", host.vm().acquire, vm="small", pool=pool)
                owners[0].kill()
                self.assertEqual(len(waiter.end_of()["reply"]["lease"]["vfs"]), 2)

    @needs_users
    def test_who_waits_for_its_own_quota_keeps_nobody_else_waiting(self):
        host = self.host(policy=policy(grant={"quota": 1}))
        first = host.vm(vm="web1")
        waiter = self.begin(host, "web2")
        wait_for(lambda: self.waiting(host) == 1)
        host.vm(user="blue", tenant="blue", vm="b")
        first.kill()
        self.assertEqual(waiter.end_of()["reply"]["lease"]["vm"], "web2")

    WAIT = 3600  # longer than a client waits for its answer: what is waited for fails

    def test_what_can_never_be_is_not_waited_for(self):
        grant = {"quota": 7, "macs": "02:52:44:00:00:00/46", "min_tx_mbps": 600}
        p = policy(grant=grant, red={"quota": 6})
        p["pools"]["net"]["functions"] = [{"driver": "ice"}]
        p["pools"]["share"] = {"functions": [{"driver": "igb"}], "vfs": "max"}
        p["tenants"]["red"]["pools"]["share"] = {"quota": 9, "pf_share": "50%"}
        host = self.host([PF(ONE, driver="ice", netdev="enp1s0", link=1000), PF(TWO, driver="ice", netdev="enp5s0", link=1000),
                          PF(MOVED)], policy=p)
        host.vm(vm="web1", pool="share", anti_affinity=True)
        for reason, more in (("pool-empty", {"pool": "share", "count": 5}), ("pf-share", {"pool": "share", "count": 3}),
                             ("quota", {"count": 8}), ("total-quota", {"count": 7}), ("rate-sum", {"count": 3}),
                             ("affinity", {"count": 2, "affinity": True}), ("anti-affinity", {"count": 3, "anti_affinity": True, "min_tx_mbps": 0}),
                             ("macs-used-up", {"count": 5, "min_tx_mbps": 0}), ("no-such-pool", {"pool": "nothing"})):
            with self.subTest(reason=reason):
                self.refused(reason, host.vm().acquire, wait=self.WAIT, **more)
        self.assertNotIn("waits in line", host.daemon.log())

    def test_what_only_cannot_be_now_is_waited_for(self):
        """VFs of a drained PF, quarantined ones, and all before the daemon is ready."""
        host = self.host(start=False)
        host.faults("op=numvfs hang=1")
        host.daemon.start(wait=False)
        wait_for(lambda: host.faults_hit())
        first = self.begin(host, "first", wait=self.WAIT, count=3)
        host.faults()
        host.unhang()
        self.assertEqual(len(first.end_of()["reply"]["lease"]["vfs"]), 3)
        host.wait_state(free := next(vf for vf in host.tree.pfs[ONE].vfs if vf not in host.leases().popitem()[1]["vfs"]), "ready")
        host.call_fresh("Quarantine", address=free, reason="test")
        host.call_fresh("Drain", address=ONE)
        second = self.begin(host, "second", wait=self.WAIT)
        wait_for(lambda: self.waiting(host) == 1)
        host.call_fresh("Clear", address=free, reason="looked at")
        host.call_fresh("Undrain", address=ONE)
        self.assertEqual(second.end_of()["reply"]["lease"]["vfs"], [free])

    def test_a_promise_needs_no_line(self):
        host = self.host()
        host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net"}])
        host.vm(vm="other", count=3)
        self.begin(host, "large", count=2)
        wait_for(lambda: self.waiting(host) == 1)
        self.refused("in-line", host.vm().acquire, vm="late")
        self.refused("in-line", host.vm().acquire, vm="web1", count=2)
        host.vm(vm="web1")
        self.refused("in-line", host.vm().acquire, vm="web1")  # what was promised it has

    def test_time_is_up(self):
        host = self.host()
        host.vm(vm="web1", count=4)
        error = self.refused("waited", host.vm().acquire, vm="web2", wait=1)
        self.assertIn("0 of 1 VFs to be had", error.parameters["message"])
        self.assertEqual(self.waiting(host), 0)

    def test_who_goes_away_leaves_the_line(self):
        host = self.host()
        owner = host.vm(vm="web1", count=4)
        large = self.begin(host, "large", count=4)
        wait_for(lambda: self.waiting(host) == 1)
        large.kill()
        wait_for(lambda: self.waiting(host) == 0)
        owner.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})

    def test_a_new_policy_serves_or_refuses_them(self):
        host = self.host(policy=policy(grant={"quota": 1}))
        host.vm(vm="web1")
        waiter = self.begin(host, "web2")
        other = host.vm()
        other.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "web3", "wait": 60})
        wait_for(lambda: self.waiting(host) == 2)
        host.write_policy(policy(grant={"quota": 2}))
        host.call("Reload")
        self.assertEqual(waiter.end_of()["reply"]["lease"]["vm"], "web2")
        gone = policy()
        del gone["tenants"]["red"]["pools"]["net"]
        host.write_policy(gone)
        host.call("Reload")
        self.assertEqual(other.end_of()["parameters"]["reason"], "no-such-pool")


class ReservationTest(SimTest):
    MACS = {"macs": "02:52:44:00:00:00/40"}

    def test_promised_ahead(self):
        host = self.host(policy=policy(grant=self.MACS))
        r = host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net", "count": 2}])["reservation"]
        promised = [d["address"] for d in r["devices"]]
        self.assertEqual(host.vf(promised[0])["reserved"], "red/web1")
        self.refused("pool-empty", host.vm().acquire, vm="other", count=3)
        other = host.vm(vm="other", count=2)
        self.assertFalse(set(other.vfs) & set(promised))
        host.daemon.restart()
        vm = host.vm(vm="web1", count=2)
        self.assertEqual(vm.vfs, promised)
        self.assertEqual([d["attributes"]["mac"] for d in vm.lease["devices"]],
                         [d["attributes"]["mac"] for d in r["devices"]])
        self.assertEqual(host.call_fresh("ListReservations")["reservations"][0]["lease"], vm.lease["id"])
        host.call_fresh("Unreserve", tenant="red", vm="web1")
        self.refused("no-such-reservation", host.call_fresh, "Unreserve", tenant="red", vm="web1")
        vm.kill()
        for vf in promised:
            host.wait_state(vf, "ready")
        host.vm(vm="third", count=2)
        host.check_invariants()

    def test_kept_over_restarts_of_the_vm(self):
        host = self.host(policy=policy(grant=self.MACS))
        vm = host.vm(vm="web1", keep=True)
        mac, vfs = vm.lease["devices"][0]["attributes"]["mac"], vm.vfs
        vm.kill()
        host.wait_all_ready(4)
        other = host.vm(vm="other", count=3)
        self.assertNotIn(vfs[0], other.vfs)
        self.assertNotIn(mac, [d["attributes"]["mac"] for d in other.lease["devices"]])
        host.daemon.restart()
        vm = host.vm(vm="web1", keep=True)
        self.assertEqual((vm.vfs, vm.lease["devices"][0]["attributes"]["mac"]), (vfs, mac))
        self.assertEqual(len(host.call_fresh("ListReservations")["reservations"]), 1)

    def test_plans_name_it(self):
        host = self.host(policy=policy(net={"vfs": 2}))
        vm = host.vm(vm="web1", keep=True)
        for vfs in (4, 1):
            with self.subTest(vfs=vfs):
                host.write_policy(policy(net={"vfs": vfs}))
                host.call("Reload")
                step = host.call("Plan")["steps"][0]
                self.assertEqual((step["kind"], step["reason"], step["hits"]),
                                 ("resize", "leased", [f"red/web1 ({vm.lease['id']})", "red/web1 (reserved)"]))
        vm.kill()
        host.wait_all_ready(2)
        step = host.call("Plan")["steps"][0]
        self.assertEqual((step["kind"], step["reason"], step["hits"]), ("resize", "reserved", ["red/web1 (reserved)"]))
        text = host.vfctl("plan").stdout
        self.assertIn("        hits red/web1 (reserved)\n        blocked: ", text)

    def promised(self, host):
        """VFs and MACs of the only reservation."""
        [r] = host.call_fresh("ListReservations")["reservations"]
        return {d["address"]: d["attributes"]["mac"] for d in r["devices"]}

    def test_a_second_lease_joins_the_promise(self):
        host = self.host([PF(ONE), nvme(DISK)], policy=policy(grant=self.MACS))
        vms = [host.vm(vm="web1", keep=True), host.vm(vm="web1", keep=True), host.vm(vm="web1", pool="disk", keep=True)]
        had = {d["address"]: d["attributes"]["mac"] for vm in vms for d in vm.lease["devices"]}
        self.assertEqual(len(had), 3)
        self.assertEqual(self.promised(host), had)
        for vm in vms:
            vm.kill()
        host.daemon.restart()
        host.wait_all_ready(8)
        self.assertEqual(self.promised(host), had)
        self.refused("pool-empty", host.vm().acquire, vm="other", count=3)
        vm = host.vm(vm="web1", pool=None, wants=[{"pool": "net", "count": 2}, {"pool": "disk"}])
        self.assertEqual({d["address"]: d["attributes"]["mac"] for d in vm.lease["devices"]}, had)

    def test_a_smaller_lease_leaves_the_rest_promised(self):
        host = self.host(policy=policy(grant=self.MACS))
        host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net", "count": 3}])
        before = self.promised(host)
        vm = host.vm(vm="web1", keep=True)
        self.assertIn(vm.vfs[0], before)
        self.assertEqual(self.promised(host), before)
        self.refused("pool-empty", host.vm().acquire, vm="other", count=2)

    def test_what_was_given_instead_is_promised_instead(self):
        host = self.host(policy=policy(grant=self.MACS))
        host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net", "count": 2}])
        before = self.promised(host)
        gone, stays = sorted(before)
        host.call("Quarantine", address=gone, reason="test")
        vm = host.vm(vm="web1", count=2, keep=True)
        [instead] = set(vm.vfs) - {stays}
        self.assertEqual(self.promised(host), {stays: before[stays], instead: before[gone]})

    def test_more_than_a_promise_can_hold(self):
        host = self.host([PF(ONE, total=48)])
        vm = host.vm(vm="web1", count=20, keep=True)
        before = self.promised(host)
        message = self.refused("limit", host.vm().acquire, vm="web1", count=20, keep=True).parameters["message"]
        self.assertIn("to be promised", message)
        wait_for(lambda: sum(state == "ready" for state in host.states().values()) == 28)
        self.assertEqual((self.promised(host), list(host.leases())), (before, [vm.lease["id"]]))
        host.vm(vm="web1", count=12, keep=True)
        self.assertEqual(len(self.promised(host)), 32)

    def test_counts_in_the_quota(self):
        host = self.host(policy=policy(grant={"quota": 2}))
        host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net"}])
        host.vm(vm="other")
        self.refused("quota", host.vm().acquire, vm="third")
        host.vm(vm="web1")
        self.refused("reservation-exists", host.call, "Reserve", tenant="red", vm="web1", wants=[{"pool": "net"}])

    def test_a_quarantined_promise_falls_back_with_its_mac(self):
        host = self.host(policy=policy(grant=self.MACS))
        r = host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net"}])["reservation"]["devices"][0]
        host.call("Quarantine", address=r["address"], reason="test")
        vm = host.vm(vm="web1")
        self.assertNotEqual(vm.vfs, [r["address"]])
        self.assertEqual(vm.lease["devices"][0]["attributes"]["mac"], r["attributes"]["mac"])

    def test_promises_that_are_over_policy_are_shown_until_they_are_taken_back(self):
        host = self.host(policy=policy(grant=self.MACS))
        over = lambda: {r["vm"]: r["over_policy"] for r in host.call_fresh("ListReservations")["reservations"]}
        host.vm(vm="web1")
        for vm in ("web2", "web3"):
            host.call("Reserve", tenant="red", vm=vm, wants=[{"pool": "net"}])
        self.assertEqual(over(), {"web2": None, "web3": None})
        host.write_policy(policy(grant=dict(self.MACS, quota=2)))
        host.call("Reload")
        self.assertEqual(over(), {"web2": None, "web3": "quota"})
        changed = policy()
        del changed["tenants"]["red"]
        host.write_policy(changed)
        host.call("Reload")
        self.assertEqual(over(), {"web2": "no-such-tenant", "web3": "no-such-tenant"})
        self.assertIn("the reservation for red/web2 is over policy", host.daemon.log_tail(2000))
        host.daemon.restart()
        self.assertEqual(over(), {"web2": "no-such-tenant", "web3": "no-such-tenant"})
        self.assertIn("2 reserved over policy", host.vfctl("status").stdout)
        self.assertEqual([vf["reserved"] for vf in host.vfs().values()].count("red/web2"), 1)
        host.call_fresh("Unreserve", tenant="red", vm="web2")
        self.assertEqual(over(), {"web3": "no-such-tenant"})
        self.assertNotIn("red/web2", [vf["reserved"] for vf in host.vfs().values()])

    @needs_users
    def test_tenants_reserve_for_themselves(self):
        host = self.host()
        blue = host.vm(user="blue")
        with self.assertRaises(VarlinkError):
            blue.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net"}])
        blue.call("Reserve", tenant="blue", vm="b1", wants=[{"pool": "net"}])
        self.assertEqual(host.vm(user="red").call("ListReservations")["reservations"], [])
        with self.assertRaises(VarlinkError):
            host.vm(user="red").call("Unreserve", tenant="blue", vm="b1")


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
        wait_for(lambda: len(host.leases()) == 1)
        host.call("Renew", lease=new.lease["id"])  # there is room for it again

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
