# SPDX-License-Identifier: GPL-2.0-or-later
"""Hardware, kernel and workers that do not do what they are asked."""

import os
import subprocess
import unittest

import harness
from harness import PF, SimTest, wait_for

ONE, TWO = "0000:01:00.0", "0000:05:00.0"


def problems(host):
    return {(p["address"], p["reason"]) for p in host.status()["problems"]}


class PlatformTest(SimTest):
    """Isolation that cannot be shown: nothing is ready, the reason is, nothing is leased."""

    def nothing_ready(self, reason, pfs=None, **tree):
        host = self.host(pfs, **tree)
        vfs = host.vfs()
        self.assertEqual(len(vfs), 4)
        for vf in vfs.values():
            self.assertEqual((vf["reason"], vf["isolated"], vf["lease"]), (reason, False, None), vf)
            self.assertIn(vf["state"], ("unbound", "bound", "quarantined"))
        self.refused("pool-empty", host.vm().acquire)
        self.assertEqual({reason for _, reason in problems(host)}, {reason})
        return host

    def test_no_iommu(self):
        self.nothing_ready("no-iommu", iommu=False)

    def test_noiommu_mode_isolates_nothing(self):
        host = self.host(iommu=False, noiommu=True)
        self.assertEqual({vf["isolated"] for vf in host.vfs().values()}, {False})
        self.assertNotIn("ready", host.states().values())
        self.refused("pool-empty", host.vm().acquire)

    def test_no_msi_isolation(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                self.nothing_ready("no-msi-isolation", msi_isolation=False, kernel=kernel)

    def test_unsafe_interrupts_are_no_way_around_it(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                self.nothing_ready("unsafe-interrupts", msi_isolation=False, unsafe_interrupts=True, kernel=kernel)

    def test_shared_group(self):
        host = self.nothing_ready("shared-group", [PF(ONE, shared_group=7)])
        self.assertEqual(host.operations("scrub"), [])

    def test_identity_groups_are_switched_before_the_driver(self):
        host = self.host(default_domain="identity")
        host.wait_all_ready(4)
        for vf in host.tree.pfs[ONE].vfs:
            self.assertEqual([op for op, *_ in host.operations(address=vf)], ["group-type", "bind", "fence"])
            self.assertEqual(host.tree.device(vf, "iommu_group/type"), "DMA")

    def test_identity_that_cannot_be_switched(self):
        host = self.host(default_domain="identity", start=False)
        host.faults("op=group-type error=EPERM")
        host.daemon.start()
        for vf in host.vfs().values():
            self.assertEqual((vf["reason"], vf["lease"]), ("identity-domain", None))
        self.assertNotIn("ready", host.states().values())
        self.refused("pool-empty", host.vm().acquire)

    def test_no_reset(self):
        host = self.host(start=False)
        os.unlink(host.tree.path(f"sim/pf/{ONE}/vf/reset_method"))
        host.daemon.start()
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"no-reset"})
        self.refused("pool-empty", host.vm().acquire)

    def test_isolation_that_goes_away_is_noticed_before_a_lease(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm().greet()
        host.tree.unsafe_interrupts("Y")
        self.assertIn("unsafe-interrupts", self.refused("not-isolated", vm.acquire).parameters["message"])
        wait_for(lambda: set(host.states().values()) == {"bound"})  # and then all are looked at
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"unsafe-interrupts"})
        host.tree.unsafe_interrupts("N")
        host.call("Rescan")
        host.wait_all_ready(4)

    def test_isolation_that_goes_away_while_a_lease_begins(self):
        host = self.host()
        host.wait_all_ready(4)
        host.faults("op=evidence delay=300 count=1")
        vm = host.vm().greet()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "x"})
        wait_for(host.faults_hit)
        host.tree.unsafe_interrupts("Y")
        answer = vm.end_of()
        self.assertEqual(answer["parameters"]["reason"], "not-isolated")
        self.assertIn("unsafe-interrupts", answer["parameters"]["message"])
        wait_for(lambda: host.leases() == {})


class EnableTest(SimTest):
    def other_is_fine(self, host, reason, vfs_of_one=0):
        host.wait_all_ready(4 + vfs_of_one)
        self.assertIn((ONE, reason), problems(host))
        vm = host.vm(vm="web1", count=4)
        if not vfs_of_one:
            self.assertEqual(vm.vfs, host.tree.pfs[TWO].vfs)

    def enable_fails(self, error, reason, told=True):
        host = self.host([PF(ONE), PF(TWO)], start=False)
        host.faults(f"op=numvfs address={ONE} error={error}" + (f" reason={reason}" if told else ""))
        host.daemon.start()
        self.other_is_fine(host, reason)
        # not tried over and over by itself
        tries = len(host.operations("numvfs", ONE))
        host.call("Rescan")
        host.status()
        self.assertLessEqual(len(host.operations("numvfs", ONE)), tries + 1)

    def test_busy(self):
        self.enable_fails("EBUSY", "numvfs-busy")

    def test_no_room(self):
        self.enable_fails("ENOMEM", "numvfs-no-room")

    def test_no_driver(self):
        self.enable_fails("ENOENT", "numvfs-no-driver")

    def test_unexplained(self):
        self.enable_fails("EIO", "numvfs-failed", told=False)

    def test_fewer_vfs_than_asked(self):
        host = self.host([PF(ONE), PF(TWO)], start=False)
        with open(host.tree.path(f"sim/pf/{ONE}/driver_max"), "w") as f:
            f.write("2\n")
        host.daemon.start()
        host.wait_all_ready(6)
        self.assertIn((ONE, "fewer-vfs"), problems(host))
        self.assertEqual(len(host.operations("numvfs", ONE)), 1)

    def test_driver_that_sets_its_total_while_it_probes(self):
        host = self.host([PF(ONE), PF(TWO)], start=False)
        host.faults(f"op=numvfs address={ONE} delay=300 count=1")
        host.daemon.start(wait=False)
        wait_for(host.faults_hit)  # the step was planned with the card's own total
        with open(host.tree.path(f"sys/bus/pci/devices/{ONE}/sriov_totalvfs"), "w") as f:
            f.write("3\n")
        host.wait_all_ready(7)
        self.assertEqual([(v, e) for _, _, v, e in host.operations("numvfs", ONE)][-1][0], 3)
        self.assertEqual(problems(host), set())

    def test_silent_probe_failure(self):
        host = self.host(start=False)
        bad = host.tree.pfs[ONE].vf(1)
        host.faults(f"op=bind address={bad} silent=1")
        host.daemon.start()
        record = host.wait_state(bad, "quarantined")
        self.assertEqual((record["reason"], record["driver"], record["isolated"]), ("probe-failed", "", False))
        self.assertEqual(sorted(host.states().values()), ["quarantined", "ready", "ready", "ready"])
        self.refused("pool-empty", host.vm().acquire, count=4)
        host.vm(count=3)
        host.faults()
        host.call("Clear", address=bad, reason="a test")
        host.wait_state(bad, "ready")

    def test_driver_that_goes_right_after_it_came(self):
        """As when a card is pulled out: the worker saw it bound, the daemon does not."""
        host = self.host(start=False)
        vf = host.tree.pfs[ONE].vf(1)
        driver = host.tree.path("sys/bus/pci/devices", vf, "driver")
        host.faults(f"op=bind address={vf} delay-after=1000 count=1")
        host.daemon.start(wait=False)
        wait_for(lambda: os.path.islink(driver))
        os.unlink(driver)
        host.wait_all_ready(4)

    def test_fence_fails(self):
        host = self.host(start=False)
        bad = host.tree.pfs[ONE].vf(1)
        host.faults(f"op=fence address={bad} error=EIO")
        host.daemon.start()
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "fence-failed")
        self.assertEqual(sorted(host.states().values()), ["quarantined", "ready", "ready", "ready"])

    def test_vf_held_by_a_stranger_at_start(self):
        """Some process has the group open: the VF waits, says who, and becomes ready when it ends."""
        host = self.host()
        host.wait_all_ready(4)
        host.daemon.stop()
        host.daemon.systemd.forget()
        vf = host.tree.pfs[ONE].vf(0)
        holder = subprocess.Popen(["flock", "--no-fork", host.tree.node(vf), "sleep", "1000"])
        try:
            wait_for(lambda: host.fenced(vf))
            host.daemon.start()
            record = wait_for(lambda: (r := host.vf(vf))["holders"] and r)
            self.assertEqual((record["reason"], [h["pid"] for h in record["holders"]]), ("held", [holder.pid]))
        finally:
            holder.kill()
            holder.wait()
        host.wait_all_ready(4)
        self.assertEqual(host.resets(vf), 1)


class LeaseFaultTest(SimTest):
    def test_directory_that_goes_first(self):
        """A card that is pulled out while a VF is reset: what is seen first may be that its directory is gone."""
        for error in ("ENODEV", "ENOENT"):
            with self.subTest(error=error):
                host = self.host()
                host.wait_all_ready(4)
                vm = host.vm(vm="web1")
                host.faults(f"op=scrub error={error} count=1")
                vm.kill()
                wait_for(lambda: host.faults_hit(), what="the fault")
                host.wait_state(vm.vfs[0], "ready")

    def test_hand_over_fails(self):
        for kernel, op in (("cdev", "open"), ("group", "grant")):
            with self.subTest(op=op):
                host = self.host(kernel=kernel)
                host.wait_all_ready(4)
                host.faults(f"op={op} error=EIO after=1 count=1")
                self.refused("handoff-failed", host.vm().acquire, count=3)
                host.wait_all_ready(4)
                self.assertEqual(host.leases(), {})
                host.check_invariants()

    def test_reset_fails(self):
        host = self.host()
        vm = host.vm(vm="web1")
        vf = vm.vfs[0]
        vm.do("write", text="secret")
        host.faults(f"op=scrub address={vf} error=EIO")
        vm.kill()
        record = host.wait_state(vf, "quarantined")
        self.assertEqual((record["reason"], record["lease"]), ("reset-failed", None))
        self.assertEqual(host.leases(), {})
        self.refused("pool-empty", host.vm().acquire, count=4)
        host.faults()
        host.call("Clear", address=vf, reason="a test")
        host.wait_state(vf, "ready")
        self.assertEqual(host.vm(count=4).do("read")["found"], [""] * 4)

    def test_quarantined_vf_stays_fenced(self):
        host = self.host()
        vm = host.vm(vm="web1")
        vf = vm.vfs[0]
        host.faults(f"op=scrub address={vf} error=EIO")
        vm.kill()
        host.wait_state(vf, "quarantined")
        wait_for(lambda: host.fenced(vf))

    def test_fence_fails_after_an_owner(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.faults(f"op=fence address={vm.vfs[0]} error=EIO count=1")
        vm.kill()
        self.assertEqual(host.wait_state(vm.vfs[0], "quarantined")["reason"], "fence-failed")

    def test_busy_for_a_moment(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.faults(f"op=fence address={vm.vfs[0]} error=EBUSY reason=held count=2")
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")
        self.assertEqual(len(host.faults_hit()), 2)

    def test_lease_that_cannot_be_written_down_is_refused(self):
        host = self.host()
        host.wait_all_ready(4)
        leases = host.tree.path("run/vfctld/leases")
        self.no_space(leases)
        self.refused("store-failed", host.vm().acquire, vm="web1")
        self.assertEqual(host.operations("open") + host.operations("grant"), [])
        host.wait_all_ready(4)
        self.space_again(leases)
        host.vm(vm="web1")

    def test_promise_that_cannot_be_written_down_is_refused(self):
        host = self.host()
        first = host.vm(vm="web1", keep=True)
        reservations = host.tree.path("var/lib/vfctld/reservations")
        self.no_space(reservations)
        for vm in ("web1", "web2"):
            self.refused("store-failed", host.vm().acquire, vm=vm, keep=True)
            wait_for(lambda: list(host.leases()) == [first.lease["id"]])
        self.assertEqual([[d["address"] for d in r["devices"]] for r in host.call("ListReservations")["reservations"]], [first.vfs])
        wait_for(lambda: sorted(host.states().values()) == ["leased"] + ["ready"] * 3)
        self.space_again(reservations)
        host.vm(vm="web2", keep=True)
        self.assertEqual(len(host.call("ListReservations")["reservations"]), 2)

    def no_space(self, path):
        """A full file system where root can mount one, else a directory that cannot be written."""
        if harness.MANY_USERS and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2,mode=0777", "none",
                                                  path], capture_output=True).returncode == 0:
            self.addCleanup(subprocess.run, ["umount", "-l", path], capture_output=True)
            with open(f"{path}/.fill", "w") as f:
                f.write("x")
        elif harness.MANY_USERS:
            os.chown(path, 0, 0)
        else:
            os.rename(path, path + ".gone")

    def space_again(self, path):
        if os.path.ismount(path):
            os.unlink(f"{path}/.fill")
            subprocess.run(["mount", "-o", "remount,size=64k,nr_inodes=64", path], check=True, capture_output=True)
        elif harness.MANY_USERS:
            os.chown(path, harness.DAEMON_UID, harness.DAEMON_UID)
        else:
            os.rename(path + ".gone", path)

    def test_end_of_a_lease_with_a_full_disk(self):
        """What cannot be written down must still be taken back."""
        host = self.host()
        vm = host.vm(vm="web1")
        if harness.MANY_USERS:
            os.chown(host.tree.path("run/vfctld/leases"), 0, 0)
        else:
            self.skipTest("needs root")
        vm.kill()
        host.wait_state(vm.vfs[0], "ready")
        self.assertEqual(host.leases(), {})
        host.check_invariants()


class WorkerTest(SimTest):
    OPTIONS = ("--worker-timeout", "1")

    def test_hang_at_enable_leaves_other_pfs_alone(self):
        host = self.host([PF(ONE), PF(TWO)], options=self.OPTIONS, start=False)
        host.faults(f"op=numvfs address={ONE} hang=1 count=1")
        host.daemon.start(wait=False)
        wait_for(lambda: os.path.exists(host.socket))
        wait_for(lambda: any(pf["stuck"] for pf in host.call_fresh("ListPFs")["pfs"]))
        host.daemon.wait_ready()
        pfs = {pf["address"]: (pf["stuck"], pf["reason"]) for pf in host.call_fresh("ListPFs")["pfs"]}
        self.assertEqual(pfs, {ONE: (True, "stuck"), TWO: (False, "none")})
        self.assertIn((ONE, "stuck"), problems(host))
        self.assertEqual(host.vm(vm="web1", count=4).vfs, host.tree.pfs[TWO].vfs)
        host.unhang()
        wait_for(lambda: not any(pf["stuck"] for pf in host.call_fresh("ListPFs")["pfs"]))
        wait_for(lambda: [host.states().get(vf) for vf in host.tree.pfs[ONE].vfs] == ["ready"] * 4,
                 what=str(host.states()))
        host.check_invariants()

    def test_hang_at_scrub_leaves_other_vfs_alone(self):
        host = self.host(options=self.OPTIONS)
        vm = host.vm(vm="web1", count=2)
        bad, good = vm.vfs
        host.faults(f"op=scrub address={bad} hang=1 count=1")
        vm.kill()
        host.wait_state(bad, "stuck")
        host.wait_state(good, "ready")
        self.refused("pool-empty", host.vm().acquire, count=4)
        host.vm(vm="web2", count=3)
        host.unhang()
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "stuck")
        self.assertGreaterEqual(host.resets(bad), 1)
        host.call("Clear", address=bad, reason="a test")
        host.wait_state(bad, "ready")
        self.assertEqual([lease["vm"] for lease in host.leases().values()], ["web2"])
        host.check_invariants()

    def test_a_hang_is_not_forgotten_by_a_restart(self):
        host = self.host(options=self.OPTIONS)
        vm = host.vm(vm="web1")
        bad = vm.vfs[0]
        host.faults(f"op=scrub address={bad} hang=1 count=1")
        vm.kill()
        host.wait_state(bad, "stuck")
        host.daemon.stop()
        host.daemon.start()
        self.assertTrue(host.vf(bad)["condemned"])  # the old daemon's worker still holds it
        host.unhang()
        vf = host.wait_state(bad, "quarantined")
        self.assertEqual((vf["reason"], "scrub did not return" in vf["message"]), ("stuck", True))
        host.call("Clear", address=bad, reason="a test")
        host.wait_state(bad, "ready")
        host.check_invariants()

    def test_restart_does_not_wait_for_a_hung_worker(self):
        host = self.host([PF(ONE), PF(TWO)], options=self.OPTIONS, start=False)
        host.faults(f"op=numvfs address={ONE} hang=1 count=1")
        host.daemon.start(wait=False)
        wait_for(host.faults_hit)
        host.daemon.stop()
        host.daemon.start()
        wait_for(lambda: [host.states().get(vf) for vf in host.tree.pfs[TWO].vfs] == ["ready"] * 4)
        host.unhang()
        wait_for(lambda: [host.states().get(vf) for vf in host.tree.pfs[ONE].vfs] == ["ready"] * 4)
        host.check_invariants()

    def test_hang_while_handing_over(self):
        host = self.host(kernel="cdev", options=self.OPTIONS)
        host.wait_all_ready(4)
        host.faults("op=open hang=1 count=1")
        self.refused("stuck", host.vm().acquire)
        self.assertEqual(sorted(host.states().values()), ["ready", "ready", "ready", "stuck"])
        bad = next(vf for vf, state in host.states().items() if state == "stuck")
        host.unhang()
        host.wait_state(bad, "quarantined")
        host.call("Clear", address=bad, reason="a test")
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
        host.check_invariants()

    def disturbed(self, *faults):
        host = self.host([PF(ONE, total=8)], start=False)
        host.faults(*faults)
        host.daemon.start()
        host.wait_all_ready(8)
        host.check_invariants()
        self.assertGreater(len(host.faults_hit()), 0)

    def test_worker_ends_before_an_operation(self):
        self.disturbed("op=bind exit=before after=1 count=2", "op=fence exit=before after=3 count=2")

    def test_worker_ends_after_an_operation(self):
        self.disturbed("op=bind exit=after after=1 count=2", "op=fence exit=after after=3 count=2")

    def test_short_replies(self):
        self.disturbed("op=bind short=1 after=1 count=2", "op=fence short=1 after=3 count=2")

    def test_replies_to_nothing(self):
        self.disturbed("op=bind badid=1 after=1 count=2", "op=fence badid=1 after=3 count=2")

    def test_worker_ends_at_enable(self):
        for when in ("before", "after"):
            with self.subTest(when=when):
                self.disturbed(f"op=numvfs exit={when} count=1")

    def test_worker_that_always_ends(self):
        """A VF on which every worker dies is given up, the others are not."""
        host = self.host(start=False)
        bad = host.tree.pfs[ONE].vf(0)
        host.faults(f"op=fence address={bad} exit=before")
        host.daemon.start(wait=False)
        host.daemon.wait_ready()
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "fence-failed")
        self.assertEqual(sorted(host.states().values()), ["quarantined", "ready", "ready", "ready"])

    def test_no_worker_at_all(self):
        host = self.host(start=False)
        broken = harness.binaries() + "/worker/none"
        host.daemon.options = ("--worker-exec", broken)
        host.daemon.start(wait=False)
        wait_for(lambda: os.path.exists(host.socket))
        self.assertTrue(problems(host) or not host.status()["ready"])
        self.refused("pool-empty", host.call_fresh, "Acquire", tenant="red", pool="net", vm="x")

    def test_one_worker_is_enough(self):
        host = self.host([PF(ONE, total=16), PF(TWO, total=16)], options=("--workers", "1"))
        host.wait_all_ready(32)

    def test_resets_of_different_vfs_run_side_by_side(self):
        host = self.host([PF(ONE, total=8)], kernel="group")  # no step of which waits for that of another VF
        vm = host.vm(vm="web1", count=8)
        with open(host.tree.path("sim/reset_usec"), "w") as f:
            f.write("200000\n")
        vm.kill()
        host.wait_all_ready(8)
        spans = []
        with open(host.tree.path("sim/log")) as f:
            for line in f:
                words = line.split()
                if words[1] == "scrub":
                    spans.append(tuple(int(w.split("=")[1]) for w in words[6:8]))
        self.assertEqual(len(spans), 8)
        together = max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)
        self.assertGreaterEqual(together, 4, spans)


if __name__ == "__main__":
    unittest.main()
