# SPDX-License-Identifier: GPL-2.0-or-later
"""Statistics of VFs: what is counted, what is not known, who may see it, and how often workers are asked."""

import json
import re
import threading
import time

import harness
from harness import PF, SimTest, needs_users, wait_for
from simhost import nvme

ONE, TWO, THREE = "0000:01:00.0", "0000:05:00.0", "0000:09:00.0"
NAMES = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "broadcast", "multicast", "rx_dropped", "tx_dropped")
COUNTED = {"net": {"class": "network", "functions": [{"driver": "i40e"}, {"driver": "igb"}], "vfs": "max"}}


def nic(address, name, total=4, driver="i40e", **more):
    return PF(address, total=total, driver=driver, netdev=name, **more)


def counters(i):
    return [i * 1000 + k for k in range(8)]


class StatsTest(SimTest):
    def nics(self, *pfs, **more):
        host = self.host(list(pfs) or [nic(ONE, "eth1")], policy=dict(harness.default_policy(COUNTED), tenants={
            name: {"users": [harness.USERS[name]], "pools": {"net": {"quota": 64}}} for name in ("red", "blue")}), **more)
        host.wait_all_ready()
        return host

    def statistics(self, host, **filters):
        return {s["address"]: s for s in host.call_fresh("GetStatistics", **filters)["statistics"]}


class WhatIsCountedTest(StatsTest):
    def test_counters(self):
        host = self.nics(nic(ONE, "eth1", total=300))
        pf = host.tree.pfs[ONE]
        host.count(ONE, {i: counters(i) for i in range(300)})
        seen = self.statistics(host)
        self.assertEqual(set(seen), set(pf.vfs))
        for i in range(300):
            s = seen[pf.vf(i)]
            self.assertEqual((s["known"], s["pf"], s["lease"], s["tenant"], s["vm"]), ("known", ONE, None, None, None))
            self.assertEqual(s["counters"], dict(zip(NAMES, counters(i))))
            self.assertLess(abs(s["read"] / 1e6 - time.monotonic()), 20)

    def test_what_the_kernel_does_not_tell_is_unknown(self):
        host = self.nics()
        host.count(ONE, {0: counters(1), 1: None, 3: counters(3)})
        seen = [self.statistics(host)[vf] for vf in host.tree.pfs[ONE].vfs]
        self.assertEqual([s["known"] for s in seen], ["known", "unknown", "known", "known"])
        self.assertEqual([s["counters"] and s["counters"]["rx_packets"] for s in seen], [1000, None, 0, 3000])

    def test_drivers_that_count_nothing(self):
        host = self.nics(nic(ONE, "eth1", driver="igb"), nic(TWO, "eth2"))
        self.assertEqual({(s["pf"], s["known"]) for s in self.statistics(host).values()},
                         {(ONE, "unsupported"), (TWO, "known")})
        host.count(ONE, {2: counters(5)})  # a driver that learned it is believed
        time.sleep(0.6)
        self.assertEqual({s["known"] for s in self.statistics(host).values()}, {"known"})

    def test_great_numbers(self):
        host = self.nics()
        host.count(ONE, {0: [2 ** 63 - 1, 2 ** 64 - 1] + [0] * 6})
        s = self.statistics(host)[host.tree.pfs[ONE].vf(0)]
        self.assertEqual((s["counters"]["rx_packets"], s["counters"]["tx_packets"]), (2 ** 63 - 1, 2 ** 63 - 1))

    def test_filters_and_other_classes(self):
        host = self.host([nic(ONE, "eth1", driver="igb"), nic(TWO, "eth2", driver="igb"), nvme(THREE), PF("0000:0d:00.0")])
        host.wait_all_ready()
        one, two = host.tree.pfs[ONE], host.tree.pfs[TWO]
        self.assertEqual(set(self.statistics(host)), {*one.vfs, *two.vfs})  # no interface, no statistics
        self.assertEqual(set(self.statistics(host, pf=TWO)), set(two.vfs))
        self.assertEqual(set(self.statistics(host, address=one.vf(2))), {one.vf(2)})
        self.assertEqual(self.statistics(host, address=one.vf(2), pf=TWO), {})
        self.assertEqual(self.statistics(host, address=host.tree.pfs[THREE].vf(0)), {})
        self.assertNotIn(THREE, host.statistics_rounds())
        for bad in ({"address": "x"}, {"pf": "x"}, {"vf": ONE}, {"pf": 1}):
            self.fails("org.varlink.service.InvalidParameter", host.call_fresh, "GetStatistics", **bad)

    def test_leases(self):
        host = self.nics()
        vm = host.vm(vm="web1")
        s = self.statistics(host)[vm.vfs[0]]
        self.assertEqual((s["lease"], s["tenant"], s["vm"]), (vm.lease["id"], "red", "web1"))


    def test_what_the_last_owner_sent_is_not_told_to_the_next(self):
        """Drivers may count on from one lease to the next."""
        host = self.nics()
        red = host.vm(vm="web1")
        vf = red.vfs[0]
        index = host.tree.pfs[ONE].vfs.index(vf)
        seen = lambda: list(self.statistics(host)[vf]["counters"].values())
        wait_for(lambda: seen() == [0] * 8)
        host.count(ONE, {index: counters(7)})
        wait_for(lambda: seen() == counters(7))
        red.kill()
        host.wait_all_ready()
        blue = host.vm(vm="web2")
        self.assertEqual(blue.vfs, [vf])
        self.assertEqual(seen(), [0] * 8)
        host.count(ONE, {index: [n + 5 for n in counters(7)]})
        wait_for(lambda: seen() == [5] * 8)
        host.count(ONE, {index: [3] * 8})  # set back by the driver
        wait_for(lambda: seen() == [3] * 8)


class WhoMaySeeTest(StatsTest):
    @needs_users
    def test_tenants_see_their_own(self):
        host = self.nics(nic(ONE, "eth1"), nic(TWO, "eth2"))
        host.count(ONE, {i: counters(i) for i in range(4)})
        red, blue = host.vm(vm="web1"), host.vm("blue", tenant="blue", vm="db1")
        self.assertEqual([s["address"] for s in red.call("GetStatistics")["statistics"]], red.vfs)
        self.assertEqual([s["address"] for s in blue.call("GetStatistics")["statistics"]], blue.vfs)
        self.assertEqual(red.call("GetStatistics", address=blue.vfs[0])["statistics"], [])
        pf = self.statistics(host)[red.vfs[0]]["pf"]
        time.sleep(0.6)
        before = len(host.statistics_rounds())
        red.call("GetStatistics")
        self.assertEqual(host.statistics_rounds()[before:], [pf])  # and no PF is read for nothing
        stranger = host.vm("stranger")
        self.fails("org.varlink.service.PermissionDenied", stranger.call, "GetStatistics")


class WorkersTest(StatsTest):
    def test_many_ask_and_few_are_asked(self):
        host = self.nics(nic(ONE, "eth1"), nic(TWO, "eth2"))
        began = time.monotonic()

        def ask():
            for _ in range(20):
                self.assertEqual(len(self.statistics(host)), 8)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rounds = host.statistics_rounds()
        most = (time.monotonic() - began) / 0.5 + 1
        self.assertLessEqual(max(rounds.count(ONE), rounds.count(TWO)), most)
        self.assertGreaterEqual(len(rounds), 2)

    def test_pfs_side_by_side_but_not_all_workers(self):
        host = self.nics(*(nic(f"0000:{bus:02x}:00.0", f"eth{bus}", total=1) for bus in range(1, 25, 4)))
        host.faults("op=statistics delay=300")
        self.assertEqual({s["known"] for s in self.statistics(host).values()}, {"known"})
        with open(host.tree.path("sim/log")) as f:
            times = [[int(word.split("=")[1]) for word in line.split() if re.match("(from|to)=", word)]
                     for line in f if line.split()[1] == "statistics"]
        self.assertEqual(len(times), 6)
        at_once = [sum(begin <= t < end for begin, end in times) for t, _ in times]
        self.assertGreaterEqual(max(at_once), 2)
        self.assertLessEqual(max(at_once), 4)

    def test_a_slow_pf_keeps_nobody_waiting(self):
        host = self.nics(nic(ONE, "eth1"), nic(TWO, "eth2"))
        host.faults(f"op=statistics address={ONE} hang=1 count=1")
        began = time.monotonic()
        seen = self.statistics(host)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual({(s["pf"], s["known"]) for s in seen.values()}, {(ONE, "unknown"), (TWO, "known")})
        began = time.monotonic()
        for _ in range(10):  # others have waited for it: nobody does again
            self.assertEqual({s["known"] for s in self.statistics(host, pf=ONE).values()}, {"unknown"})
            self.assertEqual({s["known"] for s in self.statistics(host, pf=TWO).values()}, {"known"})
        self.assertLess(time.monotonic() - began, 2)
        host.vm(vm="web1").end()  # and nothing else waits for it
        host.unhang()
        wait_for(lambda: {s["known"] for s in self.statistics(host).values()} == {"known"}, what="all is known")

    def test_failure_is_unknown_and_passes(self):
        host = self.nics(nic(ONE, "eth1"), nic(TWO, "eth2"))
        for fault in ("error=EIO", "exit=before", "exit=after", "short=1", "badid=1"):
            with self.subTest(fault=fault):
                host.faults(f"op=statistics address={ONE} count=1 {fault}")
                seen = self.statistics(host)
                self.assertEqual({(s["pf"], s["known"]) for s in seen.values()}, {(ONE, "unknown"), (TWO, "known")})
                self.assertTrue(all(s["counters"] is None for s in seen.values() if s["pf"] == ONE))
                time.sleep(0.6)
                self.assertEqual({s["known"] for s in self.statistics(host).values()}, {"known"})
                time.sleep(0.6)
        self.assertEqual(host.daemon.log().count("the statistics of its VFs cannot be read"), 5)

    def test_a_worker_that_lies(self):
        host = self.nics(nic(ONE, "eth1"), nic(TWO, "eth2"))
        fds = len(host.daemon.fds())
        for lie in ("unsealed", "short", "long", "order", "pipe", "none"):
            with self.subTest(lie=lie):
                host.count(ONE, f"0 1 2 3 4 5 6 7 8\n{lie}\n")
                self.assertEqual({(s["pf"], s["known"]) for s in self.statistics(host).values()},
                                 {(ONE, "unknown"), (TWO, "known")})
                time.sleep(0.6)
        self.check_closed(host, fds)

    def test_a_hung_worker_is_given_up_and_the_pf_rests(self):
        host = self.nics(options=("--worker-timeout", "1"))
        host.faults("op=statistics hang=1")
        for _ in range(3):
            self.assertEqual({s["known"] for s in self.statistics(host).values()}, {"unknown"})
            time.sleep(0.6)
        self.assertEqual(len(host.faults_hit()), 1)  # and takes no further worker with it
        self.assertEqual(set(host.states().values()), {"ready"})
        host.vm(vm="web1")

    def test_clients_that_go_away(self):
        host = self.nics()
        host.faults("op=statistics hang=1 count=1")
        for _ in range(20):
            link = host.connect()
            link.send("io.vfctl.Manager.GetStatistics")
            link.close()
        host.unhang()
        wait_for(lambda: {s["known"] for s in self.statistics(host).values()} == {"known"}, what="all is known")

    def test_stop_with_a_question_under_way(self):
        host = self.nics()
        host.faults("op=statistics hang=1 count=1")
        link = host.connect()
        link.send("io.vfctl.Manager.GetStatistics")
        wait_for(host.faults_hit, what="the worker hangs")
        host.daemon.restart()
        host.unhang()
        self.assertEqual({s["known"] for s in self.statistics(host).values()}, {"known"})


class OtherVfsTest(StatsTest):
    def test_new_vfs_do_not_get_the_old_counters(self):
        host = self.nics()
        host.count(ONE, {i: counters(i + 1) for i in range(4)})
        self.assertEqual({s["known"] for s in self.statistics(host).values()}, {"known"})
        host.count(ONE, {})
        policy = json.loads(host.tree.read("etc/vfctl/policy.json"))
        policy["pools"]["net"]["vfs"] = 2
        host.write_policy(policy)
        host.call("Reload")
        self.assertEqual(host.vfctl("apply", "--destructive").returncode, 0)
        host.wait_all_ready(2)
        self.assertEqual([s["counters"]["rx_packets"] for s in self.statistics(host).values()], [0, 0])

    def test_pf_goes_away(self):
        host = self.nics(nic(ONE, "eth1"), nic(TWO, "eth2"))
        host.faults(f"op=statistics address={TWO} delay=800 count=1")
        link = host.connect()
        link.send("io.vfctl.Manager.GetStatistics")
        wait_for(host.faults_hit, what="the question")
        host.tree.remove(TWO)
        host.call("Rescan")
        self.assertEqual({s["pf"] for s in link.receive()["parameters"]["statistics"]}, {ONE})
        self.assertEqual({s["pf"] for s in self.statistics(host).values()}, {ONE})
