# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that come and go."""

import os
import signal

from harness import PF, SimTest, default_policy, wait_for

ONE, TWO = "0000:01:00.0", "0000:05:00.0"


class HotplugTest(SimTest):
    def test_pf_appears(self):
        host = self.host([PF(ONE)])
        host.wait_all_ready(4)
        host.tree.add(PF(TWO))
        host.call("Rescan")
        host.wait_all_ready(8)
        host.check_invariants()

    def test_pf_appears_before_its_driver(self):
        """The event of a new PF may be read before its driver is bound; what the policy says of the driver decides then."""
        host = self.host([PF(ONE, driver="")])
        self.assertEqual([pf["pool"] for pf in host.call("ListPFs")["pfs"]], [None])
        os.makedirs(host.tree.path("sys/bus/pci/drivers/igb"), exist_ok=True)
        os.symlink("../../../../bus/pci/drivers/igb", host.tree.path("sys/bus/pci/devices", ONE, "driver"))
        host.call("Rescan")
        host.wait_all_ready(4)
        host.vm(vm="web1")
        host.check_invariants()

    def test_pf_appears_told_by_signal(self):
        host = self.host([])
        host.tree.add(PF(ONE))
        host.daemon.signal(signal.SIGUSR1)
        host.wait_all_ready(4)

    def test_idle_pf_disappears(self):
        host = self.host([PF(ONE), PF(TWO)])
        host.wait_all_ready(8)
        host.tree.remove(ONE)
        host.call("Rescan")
        host.wait_all_ready(4)
        self.assertEqual([pf["address"] for pf in host.call("ListPFs")["pfs"]], [TWO])
        self.assertEqual(len([fd for fd in host.daemon.fds() if "/dev/vfio/" in fd]), 4, "fences that are still open")
        wait_for(lambda: len(host.daemon.systemd.stored()) == 4)
        host.check_invariants()

    def test_leased_vf_disappears(self):
        host = self.host([PF(ONE), PF(TWO)])
        host.wait_all_ready(8)
        vm = host.vm(vm="web1", count=4)
        self.assertEqual(vm.vfs, host.tree.pfs[ONE].vfs)
        host.tree.remove(ONE)
        host.call("Rescan")
        host.wait_all_ready(4)
        wait_for(lambda: host.leases() == {})
        self.assertEqual(os.listdir(host.tree.path("run/vfctld/leases")), [])
        host.vm(vm="web2", count=4)
        host.check_invariants()

    def test_lease_with_one_vanished_vf_keeps_the_other(self):
        policy = default_policy()
        policy["pools"]["net"]["placement"] = "spread"
        host = self.host([PF(ONE), PF(TWO)], policy=policy)
        host.wait_all_ready(8)
        vm = host.vm(vm="web1", count=2)
        self.assertEqual(len(set(vm.vfs) & set(host.tree.pfs[ONE].vfs)), 1)
        host.tree.remove(ONE)
        host.call("Rescan")
        wait_for(lambda: len(host.vfs()) == 4)
        lease = host.leases()[vm.lease["id"]]
        self.assertEqual(len(lease["vfs"]), 1)
        self.assertEqual(host.vf(lease["vfs"][0])["state"], "leased")
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})

    def test_pf_vanishes_while_its_vfs_are_made(self):
        for op in ("numvfs", "bind", "fence"):
            with self.subTest(op=op):
                host = self.host([PF(ONE), PF(TWO)], start=False)
                host.faults(f"op={op} address=0000:01:* delay=300 count=1")
                host.daemon.start(wait=False)
                wait_for(host.faults_hit)
                wait_for(lambda: os.path.exists(host.socket))
                host.tree.remove(ONE)
                host.call_fresh("Rescan")
                host.wait_all_ready(4)
                host.check_invariants()

    def test_pf_vanishes_while_a_vf_is_handed_over(self):
        host = self.host([PF(ONE)], kernel="cdev")
        host.wait_all_ready(4)
        host.faults("op=open delay=300 count=1")
        vm = host.vm().greet()
        vm.begin("acquire", parameters={"tenant": "red", "pool": "net", "vm": "x"})
        wait_for(host.faults_hit)
        host.tree.remove(ONE)
        host.call("Rescan")
        self.assertIn("error", vm.end_of())
        self.assertEqual((host.leases(), host.vfs()), ({}, {}))

    def test_pf_vanishes_while_a_vf_is_reclaimed(self):
        host = self.host([PF(ONE)])
        vm = host.vm(vm="web1")
        host.faults("op=scrub delay=300 count=1")
        vm.kill()
        wait_for(host.faults_hit)
        host.tree.remove(ONE)
        host.call("Rescan")
        wait_for(lambda: (host.leases(), host.vfs()) == ({}, {}))

    def test_pf_comes_back(self):
        host = self.host([PF(ONE)])
        for _ in range(5):
            host.wait_all_ready(4)
            host.tree.remove(ONE)
            host.call("Rescan")
            self.assertEqual(host.vfs(), {})
            host.tree.add(PF(ONE))
            host.call("Rescan")
        host.wait_all_ready(4)
        host.check_invariants()
        self.assertEqual(len(host.daemon.systemd.stored()), 4)

    def test_vfs_vanish_while_the_daemon_is_down(self):
        host = self.host([PF(ONE), PF(TWO)])
        vm = host.vm(vm="web1", count=4)
        host.daemon.stop()
        host.tree.remove(ONE)
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual((host.leases(), vm.vfs), ({}, PF(ONE).vfs))
        wait_for(lambda: len(host.daemon.systemd.stored()) == 4)

    def test_driver_of_a_ready_vf_is_taken_away(self):
        """Somebody unbinds vfio-pci behind the daemon's back."""
        host = self.host([PF(ONE)])
        host.wait_all_ready(4)
        vf = host.tree.pfs[ONE].vf(0)
        os.unlink(host.tree.path("sys/bus/pci/devices", vf, "driver"))
        os.unlink(host.tree.path("sys/bus/pci/drivers/vfio-pci", vf))
        host.call("Rescan")
        host.wait_all_ready(4)
        self.assertEqual(host.tree.driver(vf), "vfio-pci")

    def test_rescans_without_change_do_nothing(self):
        host = self.host([PF(ONE), PF(TWO)])
        host.wait_all_ready(8)
        vm = host.vm(vm="web1")
        host.call("Rescan")
        before, fds = host.operations(), host.daemon.kept_fds()
        for _ in range(20):
            host.call("Rescan")
        self.assertEqual((host.operations(), host.daemon.kept_fds()), (before, fds))
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
