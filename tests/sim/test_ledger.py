# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger of disks: who had which namespace, whatever fails, dies or is pulled out in between."""

import contextlib
import json
import os

from harness import VarlinkError, wait_for
from simhost import namespace, nvme, put
from test_storage import PF, TWO, VFS, G, StorageTest, policy
from varlink import Closed


class EraseFailsTest(StorageTest):
    def test_quarantined_and_given_to_nobody(self):
        host = self.listed(1, 2)
        host.wait_all_ready(4)
        red = host.vm(pool="disk", vm="red1")
        host.tree.write_disk(PF, self.vf(red), 1, "red's secret")
        host.faults("op=nvme-erase error=EIO reason=erase-failed")
        red.kill()
        vf = host.wait_state(red.vfs[0], "quarantined")
        self.assertEqual(vf["reason"], "erase-failed")
        host.faults()
        host.daemon.restart()
        blue = host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
        self.assertEqual(list(host.tree.disks(PF, self.vf(blue))), [2])
        self.assertEqual([s for s in host.states().values()].count("quarantined"), 1)
        host.call("Clear", address=red.vfs[0], reason="looked at it")
        host.wait_state(red.vfs[0], "ready")
        with host.tree.controller(PF) as state:
            self.assertEqual({n["nsid"]: n["data"] for n in state["namespaces"]}, {1: "", 2: "the operator's", 3: "the operator's"})
        self.assertEqual(self.records(host), ["SIM09_00_0-2.json"])

    def test_only_the_list_says_that_it_is_gone(self):
        """Whatever else is not there, a node or a table of mounts: the data are, and the record stays."""
        for reason in ("reason=nvme-failed", "reason=erase-failed", ""):
            with self.subTest(reason=reason):
                host = self.listed(1)
                host.wait_all_ready(4)
                red = host.vm(pool="disk", vm="red1")
                host.tree.write_disk(PF, self.vf(red), 1, "red's secret")
                host.faults(f"op=nvme-erase error=ENOENT {reason}")
                red.kill()
                host.wait_state(red.vfs[0], "quarantined")
                self.assertEqual(self.records(host), ["SIM09_00_0-1.json"])
                self.refused("namespaces-used-up", host.vm(user="blue").acquire, tenant="blue", pool="disk", vm="blue1")
                host.faults()
                host.call("Clear", address=red.vfs[0], reason="a test")
                host.wait_all_ready(4)
                self.assertEqual(self.records(host), [])
                self.assertEqual(self.disk_of(host, host.vm(user="blue", tenant="blue", pool="disk", vm="blue2")), 1)
                self.assertNotIn("red's secret", host.tree.read(f"sim/pf/{PF}/nvme"))
                host.close()

    def test_deleted_by_hand(self):
        host = self.listed(1)
        host.wait_all_ready(4)
        red = host.vm(pool="disk", vm="red1")
        host.command_by_hand(PF, "delete", nsid=1)
        red.kill()
        host.wait_all_ready(4)
        self.assertEqual(self.records(host), [])

    def test_others_go_on(self):
        host = self.listed(1, 2)
        host.wait_all_ready(4)
        host.faults(f"op=nvme-online address={VFS[1]} error=EIO")
        vms = [host.vm(pool="disk", vm=f"vm{i}") for i in range(1)]
        self.refused("nvme-failed", host.vm().acquire, pool="disk", vm="vmx")
        host.wait_state(VFS[1], "quarantined")
        self.assertEqual(host.vf(vms[0].vfs[0])["state"], "leased")
        host.vm(pool="disk", vm="vmy")


class LedgerTest(StorageTest):
    """Records of who had which namespace: whose they are, and what becomes of one that cannot be read."""

    def ports(self, one, two, **disk):
        """Two PFs with one serial number, as ports of a card have it, with one VF each."""
        return self.host([nvme(PF, total=1, serial="S1", controller={"namespaces": one}),
                          nvme(TWO, total=1, serial="S1", controller={"namespaces": two})], policy=policy(**disk))

    def data(self, host, pf):
        with host.tree.controller(pf) as state:
            return {n["nsid"]: n["data"] for n in state["namespaces"]}

    def test_each_port_sees_to_its_own(self):
        host = self.ports([namespace(1)], [namespace(2)], namespaces=[1, 2])
        host.wait_all_ready(2)
        vms = [host.vm(pool="disk", vm=f"red{i}") for i in range(2)]
        host.tree.write_disk(PF, 1, 1, "red's secret")
        host.tree.write_disk(TWO, 1, 2, "red's secret")
        host.daemon.restart()
        wait_for(lambda: {a: vf["namespaces"] for a, vf in host.vfs().items()} == {"0000:09:00.1": [1], "0000:0d:00.1": [2]})
        for vm in vms:
            vm.kill()
        host.wait_all_ready(2)
        self.assertEqual((self.data(host, PF), self.data(host, TWO)), ({1: ""}, {2: ""}))
        self.assertEqual(self.records(host), [])

    def test_what_one_port_could_not_erase_the_other_does_not_give(self):
        host = self.ports([namespace(1)], [namespace(1)], namespaces=[1])
        host.wait_all_ready(2)
        red = host.vm(pool="disk", vm="red1")
        host.faults("op=nvme-erase error=EIO reason=erase-failed")
        red.kill()
        host.wait_state(red.vfs[0], "quarantined")
        self.refused("namespaces-used-up", host.vm(user="blue").acquire, tenant="blue", pool="disk", vm="blue1")
        host.faults()
        host.call("Clear", address=red.vfs[0], reason="a test")
        host.wait_all_ready(2)
        host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
        self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="red2")

    def test_card_moved(self):
        """Its records find it, also if an NVMe card that is nobody's has its old place."""
        for other in (False, True):
            with self.subTest(other=other):
                p = policy(namespaces=[1])
                host = self.host([nvme(PF, total=1, serial="S1", controller={"namespaces": [namespace(1)]})], policy=p)
                host.wait_all_ready(1)
                red = host.vm(pool="disk", vm="red1")
                host.daemon.kill9()
                red.kill()
                host.daemon.systemd.forget()
                host.tree.remove(PF)
                if other:
                    p["pools"]["disk"]["functions"] = [{"address": TWO}]
                    host.write_policy(p)
                    host.tree.add(nvme(PF, total=1, serial="S2", controller={"namespaces": [namespace(1, data="image")]}))
                host.tree.add(nvme(TWO, total=1, serial="S1", controller={"namespaces": [namespace(1, data="red's secret")]}))
                host.daemon.start()
                host.wait_state("0000:0d:00.1", "ready")
                wait_for(lambda h=host: self.records(h) == [])
                self.assertEqual(self.data(host, TWO), {1: ""})
                if other:
                    self.assertEqual(self.data(host, PF), {1: "image"})
                host.close()

    def test_record_that_cannot_be_read(self):
        """The data are there all the same: nobody gets them, and an administrator is told what to do."""
        newer = '{"version":9,"owner":"red","nsid":1}'
        for wrong in ("", "{", "[]", newer, None):
            with self.subTest(wrong=wrong):
                host = self.listed(1, 2)
                host.wait_all_ready(4)
                red = host.vm(pool="disk", vm="red1")
                host.tree.write_disk(PF, self.vf(red), 1, "red's secret")
                host.daemon.stop()
                path = "var/lib/vfctld/disks/SIM09_00_0-1.json"
                os.unlink(host.tree.path(path))
                if wrong is None:
                    os.symlink("nowhere", host.tree.path(path))
                else:
                    put(host.tree.root, path, wrong)
                red.kill()
                host.daemon.start()
                host.wait_all_ready(4)
                problem = next(p for p in host.status()["problems"] if p["reason"] == "disk-record")
                self.assertIn("/" + path, problem["message"])
                self.assertIn("erase", problem["hint"])
                self.assertIn(path, host.vfctl("status").stdout)
                blue = host.vm(user="blue", tenant="blue", pool="disk", vm="blue1")
                self.assertEqual(self.disk_of(host, blue), 2)
                self.refused("namespaces-used-up", host.vm().acquire, pool="disk", vm="red2")
                self.assertEqual(self.data(host, PF)[1], "red's secret")
                with host.tree.controller(PF) as state:
                    state["namespaces"][0]["data"] = ""
                os.unlink(host.tree.path(path))
                host.daemon.restart()
                wait_for(lambda h=host: sorted(h.states().values()) == ["leased"] + ["ready"] * 3)
                self.assertEqual(self.disk_of(host, host.vm(pool="disk", vm="red3")), 1)
                host.close()

    def test_record_of_another_name(self):
        """What its name says holds."""
        host = self.listed(1, 2, 3)
        host.wait_all_ready(4)
        red = host.vm(pool="disk", vm="red1")
        host.daemon.stop()
        disks = host.tree.path("var/lib/vfctld/disks")
        os.rename(f"{disks}/SIM09_00_0-1.json", f"{disks}/SIM09_00_0-2.json")
        red.kill()
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual([p["reason"] for p in host.status()["problems"]], ["disk-record"])
        self.assertEqual(self.records(host), ["SIM09_00_0-2.json"])
        self.assertNotEqual(self.disk_of(host, host.vm(pool="disk", vm="red2")), 2)


class OrphanTest(StorageTest):
    """Namespaces that were made and whose number nobody wrote down."""

    def about_to(self, host, *vfs, size=10 * G, before=()):
        """What the daemon has written down of them when it dies."""
        for vf in vfs:
            put(host.tree.root, f"var/lib/vfctld/disks/SIM09_00_0-new-{vf}.json",
                json.dumps({"version": 2, "vf": vf, "pf": PF, "serial": "SIM09:00.0", "nsid": 0, "size": size, "made": True,
                            "erase": "delete", "tenant": "red", "vm": "red1", "before": list(before)}))

    def after_a_crash(self, *namespaces):
        return self.host([nvme(PF, total=2, controller={"namespaces": list(namespaces)})],
                         policy=policy(namespaces={"size": "10G"}), start=False)

    def test_two_at_once(self):
        """Both VFs see both; neither deletes what the other does."""
        host = self.after_a_crash(namespace(1, size=10 * G), namespace(2, size=10 * G))
        self.about_to(host, *VFS[:2])
        host.faults("op=nvme-erase delay=300 count=1")
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((self.attached(host), self.records(host)), ({}, []))
        self.assertEqual(len(host.tree.commands(PF, "delete")), 2)

    def test_one_for_two(self):
        host = self.after_a_crash(namespace(1, size=10 * G))
        self.about_to(host, *VFS[:2])
        host.faults("op=nvme-erase delay=300 count=1")
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((self.attached(host), self.records(host)), ({}, []))

    def test_what_the_operator_made_meanwhile(self):
        """Another size, or there before, or somebody has it: none of ours."""
        host = self.after_a_crash(namespace(1, size=10 * G - 1, data="a"), namespace(2, size=10 * G + 4096, data="b"),
                                  namespace(3, size=10 * G, data="c"), namespace(4, size=10 * G, data="d", controllers=[0]),
                                  namespace(5, size=10 * G + 4095))
        self.about_to(host, VFS[0], before=[3])
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((sorted(self.attached(host)), self.records(host)), ([1, 2, 3, 4], []))

    def test_many_before(self):
        """As many as there can be, with the longest numbers."""
        host = self.after_a_crash(namespace(1, size=10 * G))
        self.about_to(host, VFS[0], before=range(0xfffffffd - 4096, 0xfffffffd))
        host.daemon.start()
        host.wait_all_ready(2)
        self.assertEqual((self.attached(host), self.records(host)), ({}, []))
        self.assertEqual(host.status()["problems"], [])

    def test_another_lease_is_making_one(self):
        """Nobody has heard its number yet, and it is no orphan."""
        host = self.storage_new(total=2)
        host.wait_all_ready(2)
        host.faults("op=nvme-create exit=before count=1", "op=nvme-detach hang=1 after=1 count=1")
        with self.assertRaises(VarlinkError):
            host.vm().acquire(pool="disk", vm="red1")
        wait_for(lambda: ("nvme-detach", VFS[0]) in host.faults_hit())
        host.faults("op=nvme-create delay-after=1000 count=1")
        vm = host.vm()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "disk", "vm": "red2"})
        wait_for(lambda: host.tree.commands(PF, "create"))
        host.unhang()
        lease = vm.end_of()["reply"]["lease"]
        self.assertEqual(host.tree.disks(PF, VFS.index(lease["vfs"][0]) + 1), {1: ""})
        wait_for(lambda: sorted(host.states().values()) == ["leased", "ready"])
        self.assertEqual(self.records(host), ["SIM09_00_0-1.json"])


class CrashTest(StorageTest):
    """The daemon is killed at each admin command, with its workers or without; nothing is left over, nothing is readable."""

    def arm(self, host, at):
        with open(host.tree.path("sim/die_at_command"), "w") as f:
            f.write(f"{at}\n")
        os.chmod(host.tree.path("sim/die_at_command"), 0o666)

    def lease(self, host):
        """Red has a disk for a moment, or not even that."""
        vm = host.vm()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "disk", "vm": "red1"})
        with contextlib.suppress(Exception):  # the daemon dies meanwhile
            vf = VFS.index(vm.end_of()["reply"]["lease"]["vfs"][0]) + 1
            for nsid in host.tree.disks(PF, vf):
                host.tree.write_disk(PF, vf, nsid, "red's secret")
        vm.kill()

    def at_rest(self, host):
        try:
            return set(host.states().values()) == {"ready"} and not host.leases()
        except (Closed, OSError):  # it died meanwhile
            return False

    def die_at_each(self, host):
        for at in range(1, 100):
            self.arm(host, at)
            self.lease(host)
            wait_for(lambda: not host.daemon.alive() or self.at_rest(host))
            if host.daemon.alive():
                self.assertGreater(at, 5)
                return
            host.daemon.restart()
            host.wait_all_ready(2)
            wait_for(lambda: self.at_rest(host))
            self.assertNotIn("red's secret", host.tree.read(f"sim/pf/{PF}/nvme"))
            self.assertEqual(self.records(host), [])
            self.check_disks(host)
            host.check_invariants()
        self.fail("it never gets through")

    def check_disks(self, host):
        attached = self.attached(host)
        self.assertEqual([c for c in attached.values() if c], [])
        self.assertEqual(sorted(attached), self.present)

    def survived(self, host):
        """It is not armed any more. False: it has died, and is there again."""
        try:
            os.unlink(host.tree.path("sim/die_at_command"))
            return True
        except FileNotFoundError:
            wait_for(lambda: not host.daemon.alive())
            host.daemon.restart()
            return False

    def way_up(self, worker_dies):
        """From a PF without VFs, of whose controllers somebody has attached a namespace to each, until all are ready."""
        for at in range(1, 100):
            shared = namespace(1, shared=True, data="the host's", controllers=[0, 1, 2])
            host = self.host([nvme(PF, total=2, controller={"namespaces": [shared]})], policy=policy(namespaces={"size": "10G"}), start=False)
            if worker_dies:
                put(host.tree.root, "sim/worker_dies", "")
            self.arm(host, at)
            host.daemon.start(wait=False)
            wait_for(lambda h=host: h.daemon.systemd.ready.is_set() or not h.daemon.alive())
            through = self.survived(host)
            host.wait_all_ready(2)
            self.assertEqual(self.attached(host), {1: [0]})
            self.assertEqual(self.secondaries(host), {vf: (4, 2, 1) for vf in (1, 2)})
            self.assertEqual(self.records(host), [])
            host.check_invariants()
            host.close()
            if through:
                self.assertGreater(at, 15)
                return
        self.fail("it never gets through")

    def test_way_up(self):
        self.way_up(worker_dies=False)

    def test_way_up_and_the_worker_dies_too(self):
        self.way_up(worker_dies=True)

    def test_primary(self):
        """What the primary gives away it gives away in the end, and its VFs get it."""
        queues = {"flexible": 8, "primary": 8, "next": 8, "private": 8, "secondary_max": 8, "granularity": 1}
        for worker_dies in (False, True):
            done = []  # when it died
            for at in range(1, 7):
                host = self.host([nvme(PF, total=2, controller={"queues": queues})], policy=policy(host_queues=0))
                wait_for(lambda h=host: [vf["reason"] for vf in h.vfs().values()] == ["nvme-resources"] * 2)
                if worker_dies:
                    put(host.tree.root, "sim/worker_dies", "")
                self.arm(host, at)
                host.vfctl("apply", "--destructive")
                wait_for(lambda h=host: not h.daemon.alive())
                done.append([c[0] for c in host.tree.commands(PF)])
                if not worker_dies:  # it goes on, to its end
                    wait_for(lambda h=host: h.operations("nvme-primary"))
                host.daemon.restart()
                wait_for(lambda h=host: "primary" not in [s["kind"] for s in h.call_fresh("Plan")["steps"]] or
                         not h.vfctl("apply", "--destructive"))
                host.wait_all_ready(2)
                self.assertEqual(self.secondaries(host), {vf: (4, 2, 1) for vf in (1, 2)})
                self.assertEqual(host.call_fresh("Plan")["steps"], [])
                host.check_invariants()
                host.close()
            if worker_dies:
                self.assertEqual([n for n in range(4) if ["primary-vq", "primary-vi", "reset"][:n] in done], [0, 1, 2, 3])

    def test_made(self):
        self.present = []
        host = self.storage_new(total=2)
        host.wait_all_ready(2)
        self.die_at_each(host)

    def test_listed(self):
        self.present = [1, 2, 3]
        host = self.listed(1, total=2)
        host.wait_all_ready(2)
        self.die_at_each(host)

    def test_made_and_the_worker_dies_too(self):
        self.present = []
        host = self.storage_new(total=2)
        put(host.tree.root, "sim/worker_dies", "")
        host.wait_all_ready(2)
        self.die_at_each(host)
