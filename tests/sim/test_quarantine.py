# SPDX-License-Identifier: GPL-2.0-or-later
"""VFs taken out of use by hand: idle, leased, over restarts."""

import contextlib
import itertools
import os

import harness
from harness import SimTest, default_policy, wait_for

COMMAND = 4  # the command register in configuration space
MASTER = 4


class QuarantineTest(SimTest):
    def quarantine(self, host, address, reason="ticket 4711"):
        host.call("Quarantine", address=address, reason=reason)

    def event(self, watch, kind):
        """The next event of a kind."""
        while (event := watch.receive()["parameters"]["event"])["kind"] != kind:
            pass
        return event

    def written(self, host):
        return sorted(os.listdir(host.tree.path("var/lib/vfctld/quarantine")))

    def master(self, host, address, on=None):
        """Bus Master of a VF; switched first if that is said. VFs share one file until one is written: a copy."""
        path = host.tree.path("sys/bus/pci/devices", address, "config")
        config = bytearray(host.tree.read_bytes(path))
        if on is not None:
            config[COMMAND] = config[COMMAND] | MASTER if on else config[COMMAND] & ~MASTER
            with open(path + ".new", "wb") as f:
                f.write(config)
            os.chmod(path + ".new", 0o666)
            os.rename(path + ".new", path)
        return bool(config[COMMAND] & MASTER)

    def test_idle(self):
        host = self.host()
        host.wait_all_ready(4)
        address = host.tree.pfs["0000:01:00.0"].vfs[1]
        self.quarantine(host, address)
        vf = host.vf(address)
        self.assertEqual((vf["state"], vf["reason"], vf["condemned"]), ("quarantined", "admin", False))
        self.assertIn("ticket 4711", vf["message"])
        self.assertTrue(host.fenced(address))
        self.assertEqual(self.written(host), [f"{address}.json"])
        self.assertNotIn(address, host.vm(vm="web1", count=3).vfs)
        host.daemon.restart()
        self.assertEqual(host.vf(address)["state"], "quarantined")
        self.assertIn("ticket 4711", host.vf(address)["message"])
        self.assertTrue(host.fenced(address))
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        r = host.vfctl("clear", address, "--reason", "firmware updated")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        host.wait_state(address, "ready")
        self.assertEqual(self.written(host), [])
        self.assertIn(f"{address}: cleared by uid 0: firmware updated", host.daemon.log())
        event = self.event(watch, "cleared")
        self.assertEqual((event["address"], event["reason"], event["message"]), (address, "admin", "uid 0: firmware updated"))
        host.check_invariants()

    def condemned(self, host, **acquire):
        vm = host.vm(vm="web1", **acquire)
        self.master(host, vm.vfs[0], True)
        self.quarantine(host, vm.vfs[0])
        return vm, vm.vfs[0]

    def test_leased(self):
        host = self.host()
        host.wait_all_ready(4)
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        vm, address = self.condemned(host)
        wait_for(lambda: not self.master(host, address))
        vf = host.vf(address)
        self.assertEqual((vf["state"], vf["reason"], vf["condemned"]), ("leased", "admin", True))
        self.assertEqual(self.written(host), [f"{address}.json"])
        event = self.event(watch, "release-requested")
        self.assertEqual((event["address"], event["lease"], event["reason"]), (address, vm.lease["id"], "admin"))
        self.master(host, address, True)  # the guest switches it on again
        wait_for(lambda: not self.master(host, address))
        vm.kill()
        host.wait_state(address, "quarantined")
        self.assertIn("ticket 4711", host.vf(address)["message"])
        self.assertEqual(host.resets(address), 1)
        self.assertTrue(host.fenced(address))
        self.assertEqual(host.leases(), {})
        host.call("Clear", address=address, reason="a test")
        host.wait_state(address, "ready")
        host.check_invariants()

    def test_leased_over_a_restart(self):
        for restart in ("restart", "kill9"):
            with self.subTest(restart=restart):
                host = self.host()
                host.wait_all_ready(4)
                vm, address = self.condemned(host, hand_off="node")
                if restart == "kill9":
                    host.daemon.kill9()
                    host.daemon.start()
                else:
                    host.daemon.restart()
                self.assertEqual((host.vf(address)["state"], host.vf(address)["condemned"]), ("leased", True))
                self.master(host, address, True)
                wait_for(lambda: not self.master(host, address))
                vm.kill()
                host.wait_state(address, "quarantined")

    def test_owner_that_dies_while_the_daemon_is_down(self):
        host = self.host()
        host.wait_all_ready(4)
        vm, address = self.condemned(host)
        host.daemon.kill9()
        vm.kill()
        host.daemon.start()
        host.wait_state(address, "quarantined")
        wait_for(lambda: host.leases() == {})

    def test_taken_back(self):
        host = self.host()
        host.wait_all_ready(4)
        vm, address = self.condemned(host)
        host.call("Clear", address=address, reason="a test")
        self.assertEqual((host.vf(address)["state"], host.vf(address)["condemned"]), ("leased", False))
        self.assertEqual(self.written(host), [])
        vm.kill()
        host.wait_state(address, "ready")

    def test_other_vfs_of_the_lease_go_on(self):
        host = self.host()
        host.wait_all_ready(4)
        vm = host.vm(vm="web1", count=2)
        for address in vm.vfs:
            self.master(host, address, True)
        self.quarantine(host, vm.vfs[0])
        wait_for(lambda: not self.master(host, vm.vfs[0]))
        self.assertTrue(self.master(host, vm.vfs[1]))
        vm.kill()
        host.wait_state(vm.vfs[0], "quarantined")
        host.wait_state(vm.vfs[1], "ready")

    def fenced(self, host, address):
        """Has a driver, and is fenced."""
        return os.path.exists(host.tree.node(address)) and host.fenced(address)

    def reboot(self, host, start=True):
        """Of what the kernel and the daemon had nothing is left but what is on disk."""
        host.daemon.stop()
        host.daemon.systemd.forget()
        for pf in host.tree.pfs:
            host.enable_by_hand(pf, 0)
            with open(host.tree.path("sys/bus/pci/devices", pf, "sriov_drivers_autoprobe"), "w") as f:
                f.write("1\n")
        for name in ("leases", "pending", "baseline"):
            for file in os.listdir(host.tree.path("run/vfctld", name)):
                os.unlink(host.tree.path("run/vfctld", name, file))
        host.admin_link = None
        if start:
            host.daemon.start()

    def out_of_use(self, host, address, message="ticket 4711"):
        vf = host.vf(address)
        self.assertEqual((vf["state"], vf["reason"], vf["condemned"], vf["isolated"]),
                         ("quarantined", "admin", False, False))
        self.assertIn(message, vf["message"])
        self.assertIn(message, str(host.status()["problems"]))
        self.assertEqual(self.written(host), [f"{address}.json"])

    def test_reboot(self):
        """Pass-through groups would give a VF that nobody trusts all of the memory."""
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.host(default_domain="identity", kernel=kernel)
                host.wait_all_ready(4)
                address = host.tree.pfs["0000:01:00.0"].vfs[1]
                self.quarantine(host, address)
                self.reboot(host)
                self.out_of_use(host, address)
                wait_for(lambda: self.fenced(host, address))  # noqa: B023
                self.assertEqual(host.tree.device(address, "iommu_group/type"), "DMA")
                self.assertNotIn(address, host.vm(vm="web1", count=3).vfs)
                self.out_of_use(host, address)
                host.call_fresh("Clear", address=address, reason="a test")
                host.wait_state(address, "ready")
                host.check_invariants()

    def test_idle_and_not_bound(self):
        """One that waits for something is fenced in its quarantine as soon as that is possible, and stays there."""
        host = self.host(default_domain="identity", start=False)
        address = host.tree.pfs["0000:01:00.0"].vfs[1]
        host.faults(f"op=group-type address={address} error=EPERM")
        host.daemon.start()
        self.assertEqual(host.vf(address)["reason"], "identity-domain")
        self.quarantine(host, address)
        wait_for(lambda: "quarantined and not fenced" in host.daemon.log())
        self.out_of_use(host, address)
        self.assertEqual(host.tree.device(address, "iommu_group/type"), "identity")
        host.faults()
        host.call("Rescan")
        wait_for(lambda: self.fenced(host, address))
        self.assertEqual(host.tree.device(address, "iommu_group/type"), "DMA")
        wait_for(lambda: "quarantined and fenced after all" in host.daemon.log())
        self.out_of_use(host, address)

    def test_reboot_and_what_can_fail_then(self):
        """Whatever keeps it from being fenced is said and tried again, and is not the reason of the quarantine."""
        for op, error, by_itself in (("group-type", "EPERM", False), ("bind", "ENXIO", False), ("bind", "EPIPE", True),
                                     ("fence", "EIO", False), ("fence", "EBUSY reason=held", True)):
            with self.subTest(op=op, error=error):
                host = self.host(default_domain="identity")
                host.wait_all_ready(4)
                address = host.tree.pfs["0000:01:00.0"].vfs[1]
                self.quarantine(host, address)
                self.reboot(host, start=False)
                host.faults(f"op={op} address={address} error={error}")
                host.daemon.start()
                wait_for(lambda: "quarantined and not fenced" in host.daemon.log())  # noqa: B023
                self.out_of_use(host, address)
                self.assertFalse(self.fenced(host, address))
                host.faults()
                if not by_itself:
                    host.call("Rescan")
                wait_for(lambda: self.fenced(host, address))  # noqa: B023
                self.out_of_use(host, address)
                host.check_invariants()

    def test_reboot_and_workers_that_hang(self):
        """One hangs, the other waits behind it: both are stuck, and then where they were."""
        host = self.host(options=("--worker-timeout", "3"))
        host.wait_all_ready(4)
        bad = host.tree.pfs["0000:01:00.0"].vfs[:2]
        for address in bad:
            self.quarantine(host, address)
        self.reboot(host, start=False)
        host.faults("op=bind hang=1 count=1")
        host.daemon.start()
        wait_for(lambda: [host.vf(a)["state"] for a in bad] == ["stuck"] * 2)
        host.unhang()
        for address in bad:
            vf = host.wait_state(address, "quarantined")
            self.assertEqual(vf["reason"], "admin")
            self.assertIn("ticket 4711", vf["message"])
            self.assertTrue(self.fenced(host, address))
        host.daemon.restart()
        self.assertEqual([host.vf(a)["state"] for a in bad], ["quarantined"] * 2)

    def test_made_anew_while_nobody_looked(self):
        """The fence that systemd kept is of a VF that is gone."""
        host = self.host(default_domain="identity", kernel="group")
        host.wait_all_ready(4)
        address = host.tree.pfs["0000:01:00.0"].vfs[1]
        self.quarantine(host, address)
        host.daemon.stop()
        for count in (0, 4):
            host.enable_by_hand("0000:01:00.0", count)
        host.daemon.start()
        self.out_of_use(host, address)
        wait_for(lambda: self.fenced(host, address))
        self.assertEqual(host.tree.device(address, "iommu_group/type"), "DMA")

    def test_cut_off_that_fails_is_said(self):
        host = self.host(start=False)
        host.faults("op=cut-off error=EPERM")
        host.daemon.start()
        host.wait_all_ready(4)
        vm, address = self.condemned(host)
        wait_for(lambda: "could not be cut off" in host.daemon.log())
        vm.kill()
        host.wait_state(address, "quarantined")

    def cut_off_again(self, host, address):
        """The timer has been at all condemned VFs when it has been at one."""
        self.master(host, address, True)
        wait_for(lambda: not self.master(host, address))

    def test_cut_off_that_hangs_takes_one_worker(self):
        host = self.host(options=("--worker-timeout", "3"), policy=default_policy(faults={"dma": {"limit": 9, "seconds": 9, "action": "log"}}))
        host.wait_all_ready(4)
        vm = host.vm(vm="web1", count=2)
        bad, good = vm.vfs
        wait_for(host.daemon.reads_kernel_log)
        host.faults(f"op=cut-off address={bad} hang=1")
        for address in vm.vfs:
            self.quarantine(host, address)
        wait_for(lambda: "could not be cut off, only the IOMMU stands before it: cut-off did not return" in host.daemon.log())
        host.tree.kernel_says(f"DMAR: [DMA Write NO_PASID] Request device [{bad[5:]}] fault addr 0xffff0000 [fault reason 0x05] x", 1)
        wait_for(lambda: host.vf(bad)["faults"] == 1)
        for _ in range(3):
            self.cut_off_again(host, good)
        self.assertEqual(host.faults_hit(), [("cut-off", bad)])
        self.assertEqual(host.daemon.log().count("its worker is abandoned"), 1)
        self.assertNotIn("not allowed", host.daemon.log())
        vf = host.vf(bad)
        self.assertEqual((vf["state"], vf["reason"], vf["condemned"]), ("leased", "admin", True))
        host.faults()
        host.unhang()
        self.cut_off_again(host, bad)  # once that worker is back, it is tried again
        vm.kill()
        for address in vm.vfs:
            self.assertEqual(host.wait_state(address, "quarantined")["reason"], "admin")
        host.check_invariants()

    def test_hang_while_leased(self):
        """What hangs on a VF that somebody has condemns it: its owner is asked, it is cut off, and nothing hangs twice."""
        host = self.host(options=("--worker-timeout", "3"))
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        address = vm.vfs[0]
        host.daemon.stop()
        host.faults(f"op=evidence address={address} hang=1")
        host.daemon.start(wait=False)

        def connected():
            with contextlib.suppress(OSError):  # the socket file may still be that of the daemon before
                return host.connect()

        watch = wait_for(connected)
        watch.send("Monitor", {}, more=True)
        event = self.event(watch, "release-requested")
        self.assertEqual((event["address"], event["lease"], event["reason"]), (address, vm.lease["id"], "stuck"))
        self.master(host, address, True)
        wait_for(lambda: not self.master(host, address))
        vf = host.vf(address)
        self.assertEqual((vf["state"], vf["reason"], vf["condemned"]), ("leased", "stuck", True))
        self.assertIn("evidence did not return", vf["message"])
        self.assertEqual(self.written(host), [f"{address}.json"])
        self.assertIn("taken out of use, its owner is asked to release it", host.daemon.log())
        self.assertNotIn("not allowed", host.daemon.log())
        host.daemon.wait_ready()
        for _ in range(3):
            host.call_fresh("Rescan")
            self.cut_off_again(host, address)
        self.assertEqual(host.faults_hit(), [("evidence", address)])
        vm.kill()
        host.wait_state(address, "quarantined")
        host.faults()
        host.unhang()
        host.call_fresh("Clear", address=address, reason="a test")
        host.wait_state(address, "ready")
        host.check_invariants()

    def test_path_that_hangs_takes_one_worker(self):
        """The look at the bridges above a PF with leases, at each rescan."""
        host = self.host(options=("--worker-timeout", "3"))
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        pf = "0000:01:00.0"
        host.faults(f"op=evidence address={pf} hang=1")
        host.call("Rescan")
        wait_for(lambda: "its worker is abandoned" in host.daemon.log())
        for _ in range(3):
            host.call("Rescan")
        host.vm(vm="web2")
        self.assertEqual(host.faults_hit(), [("evidence", pf)])
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        host.unhang()
        wait_for(lambda: "the operation that hung is over" in host.daemon.log())
        wait_for(lambda: len(host.faults_hit()) == 2)  # it is looked at again, and comes back
        host.faults()

    def test_while_a_worker_is_at_it(self):
        host = self.host(start=False)
        host.faults("op=fence delay=300")
        host.daemon.start(wait=False)
        address = host.tree.pfs["0000:01:00.0"].vf(0)
        wait_for(lambda: os.path.exists(host.socket) and host.states().get(address) == "bound")
        self.quarantine(host, address)
        host.wait_state(address, "quarantined")
        host.check_invariants()

    def test_refusals(self):
        host = self.host()
        host.wait_all_ready(4)
        self.refused("no-such-device", lambda: host.call("Quarantine", address="0000:09:00.0", reason="x"))
        self.refused("no-such-device", lambda: host.call("Clear", address="0000:01:10.0", reason="x"))
        for method, reason in itertools.product(("Quarantine", "Clear"), ({}, {"reason": ""}, {"reason": "x" * 121})):
            with self.assertRaises(harness.VarlinkError) as caught:
                host.call(method, address="0000:01:10.0", **reason)
            self.assertEqual((caught.exception.name, caught.exception.parameters),
                             ("org.varlink.service.InvalidParameter", {"parameter": "reason"}))
        for verb in ("quarantine", "clear"):
            r = host.vfctl(verb, "0000:01:10.0")
            self.assertEqual((r.returncode, "needs --reason TEXT" in r.stderr), (64, True))
        r = host.vfctl("quarantine", "0000:01:10.0", "--reason", "ticket 1\x1b[31m")
        self.assertEqual((r.returncode, host.vf("0000:01:10.0")["state"]), (0, "quarantined"))
        self.assertNotIn("\x1b", host.vfctl("show", "0000:01:10.0").stdout)

    def test_condemned_and_then_something_else_fails(self):
        """The first failure gets it into quarantine; one Clear takes it out of there whatever the reasons were."""
        host = self.host(start=False)
        host.daemon.start()
        host.wait_all_ready(4)
        vm, address = self.condemned(host)
        host.faults(f"op=scrub address={address} error=EIO")
        vm.kill()
        host.wait_state(address, "quarantined")
        self.assertEqual((host.vf(address)["reason"], host.vf(address)["condemned"]), ("reset-failed", False))
        host.faults()
        host.call("Clear", address=address, reason="a test")
        host.wait_state(address, "ready")
        self.assertEqual(self.written(host), [])
