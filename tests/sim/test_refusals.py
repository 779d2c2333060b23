# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what, and what a rule says no to."""

import os

import harness
from harness import PF, SimTest, VarlinkError, needs_users, wait_for
from varlink import Varlink

DENIED = "org.varlink.service.PermissionDenied"
INVALID = "org.varlink.service.InvalidParameter"


class RefusalTest(SimTest):
    def test_quota(self):
        host = self.host(policy=harness.default_policy(quota=2))
        first = host.vm(vm="web1", count=2)
        error = self.refused("quota", host.vm().acquire, vm="web2")
        self.assertIn("web1", error.parameters["message"])
        first.kill()
        host.wait_all_ready(4)
        host.vm(vm="web2", count=2)

    def test_more_than_the_quota_at_once(self):
        host = self.host(policy=harness.default_policy(quota=2))
        self.refused("quota", host.vm().acquire, count=3)
        host.wait_all_ready(4)

    def test_a_lease_counts_until_its_vfs_are_back(self):
        host = self.host(policy=harness.default_policy(quota=1))
        vm = host.vm(vm="web1")
        host.call("Release", lease=vm.lease["id"])
        host.wait_state(vm.vfs[0], "reclaiming")
        self.refused("quota", host.vm().acquire, vm="web2")

    def test_pool_is_empty(self):
        host = self.host()
        host.vm(vm="web1", count=4)
        self.refused("pool-empty", host.vm().acquire, vm="web2")

    def test_unknown_pool_and_tenant(self):
        host = self.host()
        self.refused("no-such-pool", host.vm().acquire, pool="gpu")
        self.refused("no-such-tenant", host.call, "Acquire", tenant="green", pool="net", vm="x")

    def test_pool_of_another_tenant_only(self):
        host = self.host()
        self.refused("no-such-pool", host.call, "Acquire", tenant="blue", pool="disk", vm="x")

    def test_bad_values(self):
        host = self.host()
        good = {"tenant": "red", "pool": "net", "vm": "x"}
        for field, values in {"count": (0, -1, 33, 1 << 40), "hand_off": ("", "usb"), "lifetime": ("", "forever"),
                              "pid": (-1, 1 << 31), "uid": (-1, 0xFFFFFFFF, 1 << 40), "memory": (-1,)}.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    error = self.fails(INVALID, host.call, "Acquire", **{**good, field: value})
                    self.assertEqual(error.parameters, {"parameter": field})
        for field, value in (("count", "1"), ("count", 1.5), ("tenant", 7), ("vm", None), ("pid", True), ("more", 1)):
            with self.subTest(field=field, value=value):
                error = self.fails(INVALID, host.call, "Acquire", **{**good, field: value})
                self.assertEqual(error.parameters, {"parameter": field})
        for field in good:
            self.fails(INVALID, host.call, "Acquire", **{k: v for k, v in good.items() if k != field})
        host.wait_all_ready(4)

    def test_bad_names(self):
        host = self.host()
        for vm in ("", "a b", "../x", "-x", "a" * 64, "ä", "a\n", "a/b"):
            with self.subTest(vm=vm):
                self.refused("bad-name", host.call, "Acquire", tenant="red", pool="net", vm=vm)
        host.wait_all_ready(4)

    def test_no_such_lease_and_device(self):
        host = self.host()
        for lease in ("", "0123456789abcdef", "../../etc/passwd", "a" * 1000):
            self.refused("no-such-lease", host.call, "Release", lease=lease)
        self.refused("no-such-device", lambda: host.call("Clear", address="0000:77:00.0", reason="a test"))
        self.fails(INVALID, host.call, "Clear", address="nonsense", reason="a test")

    def test_hand_off_that_the_kernel_cannot_do(self):
        self.refused("no-fd-handoff", self.host(kernel="group").vm().acquire, hand_off="fd")
        self.refused("no-node-handoff", self.host(kernel="cdev").vm().acquire, hand_off="node")

    def test_dead_process(self):
        host = self.host()
        vm = host.vm().greet()
        vm.kill()
        self.refused("owner-gone", host.call, "Acquire", tenant="red", pool="net", vm="x", pid=vm.pid)
        host.wait_all_ready(4)

    def test_releasing_twice(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.call("Release", lease=vm.lease["id"])
        host.call("Release", lease=vm.lease["id"])
        vm.kill()
        host.wait_all_ready(4)
        self.refused("no-such-lease", host.call, "Release", lease=vm.lease["id"])


class PeerTest(SimTest):
    """Needs root, because the daemon asks the kernel who is who."""

    @needs_users
    def test_stranger_learns_nothing(self):
        host = self.host()
        host.vm(vm="web1")
        stranger = host.vm("stranger")
        for method, arguments in (("GetStatus", {}), ("ListPFs", {}), ("ListVFs", {}), ("ListLeases", {}),
                                  ("ListPools", {}), ("ListTenants", {}), ("Plan", {}), ("Apply", {}), ("Rescan", {}),
                                  ("Reload", {}), ("Monitor", {}), ("Clear", {"address": "0000:01:10.0"}),
                                  ("Release", {"lease": "x"}), ("Acquire", {"tenant": "red", "pool": "net", "vm": "x"}),
                                  ("Acquire", {"tenant": "nobody", "pool": "net", "vm": "x"})):
            with self.subTest(method=method):
                error = self.fails(DENIED, stranger.call, method, **arguments)
                self.assertEqual(error.parameters, {})
        self.assertEqual(stranger.call("org.varlink.service.GetInfo")["vendor"], "vfctl")

    @needs_users
    def test_tenants_see_and_change_only_their_own(self):
        host = self.host()
        red, blue = host.vm("red", tenant="red", vm="web1"), host.vm("blue", tenant="blue", vm="db1")
        self.assertEqual([l["vm"] for l in red.call("ListLeases")["leases"]], ["web1"])
        self.assertEqual([v["address"] for v in red.call("ListVFs")["vfs"]], red.vfs)
        self.assertEqual([t["name"] for t in red.call("ListTenants")["tenants"]], ["red"])
        self.assertEqual(red.call("GetStatus")["status"]["leases"], 1)
        self.assertEqual(red.call("ListLeases", lease=blue.lease["id"])["leases"], [])
        self.refused("no-such-lease", red.call, "Release", lease=blue.lease["id"])
        # a name that exists and one that does not must look alike
        foreign = self.refused("not-your-tenant", red.acquire, tenant="blue")
        unknown = self.refused("not-your-tenant", red.acquire, tenant="green")
        self.assertEqual(foreign.parameters, unknown.parameters)
        for method, arguments in (("ListPFs", {}), ("Plan", {}), ("Apply", {}), ("Rescan", {}), ("Reload", {}),
                                  ("Clear", {"address": red.vfs[0]})):
            self.fails(DENIED, red.call, method, **arguments)
        self.assertEqual(host.vf(blue.vfs[0])["state"], "leased")

    @needs_users
    def test_tenant_may_not_name_a_foreign_process_or_uid(self):
        host = self.host()
        red, blue = host.vm("red").greet(), host.vm("blue").greet()
        self.refused("not-your-process", red.acquire, pid=blue.pid)
        self.refused("not-your-process", red.acquire, pid=1)
        self.refused("not-your-process", red.acquire, uid=harness.USERS["blue"])
        self.refused("not-your-process", red.acquire, uid=0)
        host.wait_all_ready(4)

    @needs_users
    def test_administrator_leases_for_a_process(self):
        host = self.host(kernel="group")
        red = host.vm("red").greet()
        lease = host.call("Acquire", tenant="red", pool="net", vm="web1", pid=red.pid)["lease"]
        self.assertEqual((lease["uid"], lease["pid"]), (harness.USERS["red"], red.pid))
        self.assertEqual(open(host.tree.node(lease["vfs"][0]) + ".owner").read().split()[0], str(harness.USERS["red"]))
        red.kill()
        host.wait_all_ready(4)

    @needs_users
    def test_blue_cannot_open_the_node_of_red(self):
        host = self.host(kernel="group")
        red, blue = host.vm("red", vm="web1"), host.vm("blue").greet()
        blue.do("claim", address=red.vfs[0], node="/dev/vfio/" + os.path.basename(host.tree.node(red.vfs[0])))
        with self.assertRaisesRegex(AssertionError, "PermissionError"):
            blue.do("bind")

    @needs_users
    def test_secrets_do_not_pass_from_red_to_blue(self):
        host = self.host([PF("0000:01:00.0", total=1)])
        red = host.vm("red", vm="web1")
        red.do("write", text="red secret")
        red.kill()
        host.wait_all_ready(1)
        blue = host.vm("blue", tenant="blue", vm="db1")
        self.assertEqual((blue.vfs, blue.do("read")["found"]), (red.vfs, [""]))


class RaceTest(SimTest):
    def test_two_ask_for_the_last_vf(self):
        host = self.host([PF("0000:01:00.0", total=1)])
        host.wait_all_ready(1)
        host.faults("op=open delay=50", "op=grant delay=50")
        vms = [host.vm().greet() for _ in range(2)]
        for vm in vms:
            vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "last"})
        answers = [vm.end_of() for vm in vms]
        won = [a for a in answers if "reply" in a]
        lost = [a for a in answers if "error" in a]
        self.assertEqual((len(won), len(lost)), (1, 1), answers)
        self.assertEqual(lost[0]["parameters"]["reason"], "pool-empty")
        host.check_invariants()

    def test_many_ask_at_once_and_none_gets_what_another_has(self):
        host = self.host([PF("0000:01:00.0", total=16)])
        host.wait_all_ready(16)
        links = [host.connect() for _ in range(24)]
        for n, link in enumerate(links):
            link.send("Acquire", {"tenant": "red", "pool": "net", "vm": f"vm{n}", "hand_off": "node"})
        got, refused = [], 0
        for link in links:
            try:
                got += link.reply()["lease"]["vfs"]
            except VarlinkError as e:
                self.assertEqual(e.reason, "pool-empty")
                refused += 1
        self.assertEqual((len(got), len(set(got)), refused), (16, 16, 8))
        host.check_invariants()

    def client_goes_away(self, kernel, op):
        host = self.host(kernel=kernel)
        host.wait_all_ready(4)
        host.faults(f"op={op} delay=200 count=2")
        link = Varlink(host.socket)
        link.send("Acquire", {"tenant": "red", "pool": "net", "vm": "gone", "count": 2, "lifetime": "kept"})
        wait_for(lambda: len(host.faults_hit()) == 2)
        link.close()
        wait_for(lambda: len(host.operations(op)) >= 2)
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
        host.check_invariants()

    def test_client_goes_away_before_the_answer_fd(self):
        self.client_goes_away("cdev", "open")

    def test_client_goes_away_before_the_answer_node(self):
        self.client_goes_away("group", "grant")

    def test_owner_is_killed_while_it_acquires(self):
        for op, kernel in (("open", "cdev"), ("grant", "group")):
            with self.subTest(op=op):
                host = self.host(kernel=kernel)
                host.wait_all_ready(4)
                host.faults(f"op={op} delay=200 count=1")
                vm = host.vm().greet()
                vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "x"})
                wait_for(host.faults_hit)
                vm.kill()
                host.wait_all_ready(4)
                self.assertEqual(host.leases(), {})

    def test_release_while_it_is_handed_over(self):
        host = self.host(kernel="group")
        host.wait_all_ready(4)
        host.faults("op=grant delay=300 count=1")
        link = host.connect()
        link.send("Acquire", {"tenant": "red", "pool": "net", "vm": "x"})
        lease = wait_for(lambda: list(host.leases()))[0]
        host.call("Release", lease=lease)
        self.refused("owner-gone", link.reply)
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
