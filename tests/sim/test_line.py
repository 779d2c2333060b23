# SPDX-License-Identifier: GPL-2.0-or-later
"""The line of those who wait, and reservations."""

from harness import PF, SimTest, VarlinkError, needs_users, wait_for
from simhost import nvme
from test_requests import DISK, MOVED, ONE, TWO, policy


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

    def test_counts_in_the_quota_of_what_its_vm_asks_for_beside_it(self):
        p = policy(pools={"net": {"functions": [{"address": ONE}], "vfs": "max"},
                          "more": {"functions": [{"address": TWO}], "vfs": "max"}})
        p["tenants"]["red"].update(quota=3, pools={"net": {"quota": 3}, "more": {"quota": 3}})
        del p["tenants"]["blue"]
        host = self.host([PF(ONE), PF(TWO)], policy=p)
        host.call("Reserve", tenant="red", vm="web1", wants=[{"pool": "net", "count": 2}])
        no = self.refused("total-quota", host.vm().acquire, vm="web1", pool="more", count=2)
        self.assertIn("quota 3, in use 2: web1 (reserved)", no.parameters["message"])
        host.vm(vm="web1", pool="more")
        host.vm(vm="web1", count=2)

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
