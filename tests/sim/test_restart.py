# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon goes and comes back: by restart, by SIGKILL at any step, with and without systemd's descriptor store."""

import contextlib
import os

import harness
from harness import PF, PLAIN, SimTest, wait_for
from varlink import Closed

ONE = "0000:01:00.0"


class RestartTest(SimTest):
    def test_fences_survive_and_cost_nothing(self):
        host = self.host([PF("0000:01:00.0", total=8)])
        host.wait_all_ready(8)
        before = host.operations()
        host.daemon.restart()
        host.wait_all_ready(8)
        self.assertEqual(host.operations(), before)
        self.assertEqual(len(host.daemon.systemd.stored()), 8)
        host.check_invariants()

    def test_kill_is_as_good_as_a_restart(self):
        host = self.host([PF("0000:01:00.0", total=8)])
        host.wait_all_ready(8)
        before = host.operations()
        host.daemon.kill9()
        host.daemon.start()
        host.wait_all_ready(8)
        self.assertEqual(host.operations(), before)

    def test_lost_fences_are_taken_again(self):
        host = self.host()
        host.wait_all_ready(4)
        host.daemon.stop()
        host.daemon.systemd.forget()
        host.daemon.start()
        host.wait_all_ready(4)
        for vf in host.tree.pfs["0000:01:00.0"].vfs:
            self.assertTrue(host.fenced(vf))
            self.assertEqual(host.resets(vf), 1)  # nobody knows what happened meanwhile

    def test_running_vm_does_not_notice(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.host(kernel=kernel)
                vm = host.vm(vm="web1", count=2)
                vm.do("write", text="working")
                for end in (host.daemon.stop, host.daemon.kill9):
                    end()
                    host.daemon.start()
                    lease = host.leases()[vm.lease["id"]]
                    self.assertEqual((lease["vfs"], lease["vm"], lease["pid"], lease["ending"], lease["created"]),
                                     (vm.vfs, "web1", vm.pid, False, vm.lease["created"]))
                    self.assertEqual([host.vf(vf)["state"] for vf in vm.vfs], ["leased"] * 2)
                    host.check_invariants()
                self.assertEqual(vm.do("bind")["bound"], vm.vfs)
                self.assertEqual(vm.do("read")["found"], ["working"] * 2)
                self.assertEqual([host.resets(vf) for vf in vm.vfs], [0, 0])
                vm.kill()
                host.wait_all_ready(4)

    def test_vm_that_died_meanwhile_is_reclaimed(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.host(kernel=kernel)
                vm = host.vm(vm="web1")
                host.daemon.stop()
                vm.kill()
                host.daemon.start()
                host.wait_all_ready(4)
                self.assertEqual((host.leases(), host.resets(vm.vfs[0])), ({}, 1))

    def test_kept_lease_survives_a_restart(self):
        host = self.host()
        vm = host.vm(vm="web1", lifetime="kept")
        vm.end()
        host.daemon.restart()
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        host.call_fresh("Release", lease=vm.lease["id"])
        host.wait_all_ready(4)

    def test_the_youngest_are_over_a_quota_after_a_restart_too(self):
        host = self.host([PF(ONE, total=16)])
        leases = [host.call("Acquire", tenant="red", pool="net", vm=f"web{n}", lifetime="kept")["lease"]["id"] for n in range(8)]
        for n in range(4):
            host.call("Reserve", tenant="red", vm=f"later{n}", wants=[{"pool": "net"}])
        host.daemon.restart()
        for quota, over in ((10, ["later2", "later3"]), (5, leases[5:] + ["later0", "later1", "later2", "later3"])):
            host.write_policy(harness.default_policy(quota=quota))
            host.call_fresh("Reload")
            found = host.call_fresh("ListLeases")["leases"], host.call_fresh("ListReservations")["reservations"]
            self.assertEqual([lease["id"] for lease in found[0]], leases)
            self.assertEqual([x.get("id", x["vm"]) for many in found for x in many if x["over_policy"] == "quota"], over)

    def test_release_goes_on_after_a_restart(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.call("Release", lease=vm.lease["id"])
        host.wait_state(vm.vfs[0], "reclaiming")
        host.daemon.kill9()
        host.daemon.start()
        self.assertEqual(host.vf(vm.vfs[0])["state"], "reclaiming")
        self.assertEqual(host.leases()[vm.lease["id"]]["ending"], True)
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})

    def test_quarantine_survives_a_restart_and_clear_ends_it(self):
        host = self.host(start=False)
        bad = host.tree.pfs["0000:01:00.0"].vf(2)
        host.faults(f"op=bind address={bad} silent=1")
        host.daemon.start()
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "probe-failed")
        host.faults()
        host.daemon.restart()
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "probe-failed")
        host.call_fresh("Clear", address=bad, reason="a test")
        host.wait_all_ready(4)
        host.daemon.restart()
        host.wait_all_ready(4)

    def test_unknown_stored_descriptor_is_closed(self):
        host = self.host()
        host.wait_all_ready(4)
        host.daemon.stop()
        with host.daemon.systemd.lock:
            host.daemon.systemd.store["something-else"] = [os.open("/dev/null", os.O_RDONLY)]
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual([fd for fd in host.daemon.fds() if fd == "/dev/null"], ["/dev/null"])  # its standard input

    def test_garbage_in_the_lease_store_is_survived(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.daemon.stop()
        for name, text in (("0123456789abcdef.json", "{ nonsense"), ("fedcba9876543210.json", "[]"), ("empty.json", "")):
            with open(host.tree.path("run/vfctld/leases", name), "w") as f:
                f.write(text)
        host.daemon.start()
        self.assertEqual(list(host.leases()), [vm.lease["id"]])
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        host.check_invariants()

    def test_ten_restarts_leak_no_stored_fence(self):
        host = self.host()
        for _ in range(10):
            host.daemon.restart()
        host.wait_all_ready(4)
        self.assertEqual([len(fds) for fds in host.daemon.systemd.stored().values()], [1] * 4)


class CrashBase(SimTest):
    def crash(self, host, trigger):
        """Runs trigger() until the daemon dies of the armed fault, then starts it again."""
        trigger()
        wait_for(lambda: not host.daemon.alive(), what="the daemon's death\n" + str(host.operations()[-5:]))
        self.assertEqual(host.daemon.process.wait(), -9)
        host.admin_link = None
        host.faults()
        host.daemon.start()


class CrashTest(CrashBase):
    """The daemon is killed at one worker operation; it is started again, and everything must come right."""

    def at_start(self, op, die, kernel="both"):
        host = self.host(kernel=kernel, start=False)
        host.faults(f"op={op} after={0 if op in ('autoprobe', 'numvfs') else 1} count=1 die={die}")
        self.crash(host, lambda: host.daemon.start(wait=False))
        host.wait_all_ready(4)
        host.check_invariants()
        self.assertEqual(host.leases(), {})

    def at_acquire(self, op, die, kernel):
        policy = harness.default_policy()
        policy["tenants"]["red"]["memlock"] = "1G"
        host = self.host(kernel=kernel, policy=policy)
        host.wait_all_ready(4)
        vm = host.vm().greet()
        host.faults(f"op={op} count=1 die={die}")
        self.crash(host, lambda: vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "a", "count": 2}))
        vm.process.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
        host.check_invariants()

    def at_release(self, op, die, kernel):
        host = self.host(kernel=kernel)
        vm = host.vm(vm="web1", count=2)
        vm.do("write", text="secret")
        host.faults(f"op={op} count=1 die={die}")
        self.crash(host, vm.kill)
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
        host.check_invariants()
        for vf in vm.vfs:
            self.assertGreaterEqual(host.resets(vf), 1)
        self.assertEqual(host.vm(vm="web2", count=4).do("read")["found"], [""] * 4)


class MessageTest(CrashBase):
    """The daemon is killed between every two netlink messages of a change set, however many there are; its worker goes on, or
    dies with it."""

    def setUp(self):
        super().setUp()
        self.while_told = ()  # faults while a change set is under way

    def begin_host(self, pf=None, **grant):
        p = harness.default_policy()
        p["tenants"]["red"]["pools"]["net"].update(grant or {"vlans": [100], "macs": "02:52:44:00:00:00/32", "trust": True})
        host = self.host([pf or PF(ONE, netdev="enp1s0")], policy=p)
        host.wait_all_ready(4)
        return host

    def each(self, host, least, worker_dies, hand_over):
        """Message after message, until there is no further one."""
        if worker_dies:
            with open(host.tree.path("sim/worker_dies"), "w"):
                pass
        n = 1
        while self.is_killed_at(host, n, self.hand_over if hand_over else self.reclaim):
            n += 1
        self.assertGreater(n, least)

    def is_killed_at(self, host, n, act):
        """False: there were fewer messages."""
        counter = host.tree.path("sim/die_at_message")
        vm, arm = act(host)
        host.faults(*self.while_told)
        with open(counter, "w") as f:
            f.write(f"{n}\n")
        os.chmod(counter, 0o666)
        ends_as = arm()
        wait_for(lambda: not host.daemon.alive() or self.states(host) <= ends_as, what=f"the end, or death at message {n}")
        killed = not os.path.exists(counter)
        host.faults()
        if killed:
            wait_for(lambda: not host.daemon.alive())
            self.assertEqual(host.daemon.process.wait(), -9)
            host.admin_link = None
            host.daemon.start()
        else:
            os.unlink(counter)
        vm.process.kill()
        self.over(host)
        return killed

    def states(self, host):
        try:
            return set(host.states().values())
        except (OSError, Closed):  # it died just now
            return {"dead"}

    def over(self, host):
        for vf, state in host.states().items():
            if state == "quarantined":
                host.call("Clear", address=vf, reason="test")
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
        self.assertEqual([host.attributes(v) for v in host.tree.pfs[ONE].vfs], [PLAIN] * 4)
        host.check_invariants()

    def hand_over(self, host):
        vm = host.vm().greet()

        def acquire():
            vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "a", "count": 2})
            with contextlib.suppress(AssertionError):  # the daemon died
                vm.end_of()
            return {"ready", "leased"}
        return vm, acquire

    def reclaim(self, host):
        vm = host.vm(vm="web1", count=2)

        def kill():
            vm.process.kill()
            return {"ready", "quarantined"}
        return vm, kill

    def plain(self, **how):
        self.each(self.begin_host(), 3, **how)  # a look, the message, a look back

    def one_refused(self, **how):
        """All again, each VF alone."""
        host = self.begin_host()
        self.while_told = [f"op=attributes address={host.tree.pfs[ONE].vfs[0]} value={1 if how['hand_over'] else 2} error=EINVAL"]
        self.each(host, 5, **how)

    def undone(self, **how):
        """The MAC and the VLAN are set by the time that the rate is refused."""
        host = self.begin_host(vlans=[100], macs="02:52:44:00:00:00/32", max_tx_mbps=500)
        host.set_link(ONE, up=False)
        self.each(host, 8, **how)

    def switch(self, **how):
        self.each(self.begin_host(PF(ONE, netdev="enp1s0", eswitch="switchdev", link=10000), macs="02:52:44:00:00:00/32",
                                  min_tx_mbps=100, max_tx_mbps=200), 3, **how)


def add_message_tests():
    for what, cases in (("hand_over", ("plain", "one_refused", "undone", "switch")), ("reclaim", ("plain", "one_refused", "switch"))):
        for case in cases:
            for dies in (False, True):
                def test(self, case=case, hand_over=what == "hand_over", dies=dies):
                    getattr(self, case)(hand_over=hand_over, worker_dies=dies)
                setattr(MessageTest, f"test_{what}_{case}_worker_{'dies' if dies else 'goes_on'}", test)


add_message_tests()


def add_crash_tests():
    """One test for each operation and moment, so that they run side by side and name what failed."""
    def add(name, function, *arguments):
        setattr(CrashTest, "test_" + name.replace("-", "_"), lambda self: function(self, *arguments))
    for die in ("before", "during", "after"):
        for op in ("autoprobe", "numvfs", "bind", "fence"):
            add(f"start_{op}_{die}", CrashTest.at_start, op, die)
        for kernel, ops in (("group", ("memlock", "grant")), ("cdev", ("memlock", "open"))):
            for op in ops:
                add(f"acquire_{kernel}_{op}_{die}", CrashTest.at_acquire, op, die, kernel)
        for kernel, ops in (("group", ("revoke", "fence", "scrub")), ("cdev", ("fence", "holders", "renew", "scrub")),
                            ("both", ("revoke", "fence", "holders", "renew", "scrub"))):
            for op in ops:
                add(f"release_{kernel}_{op}_{die}", CrashTest.at_release, op, die, kernel)


add_crash_tests()
