# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies that want another driver, or another number of MSI-X vectors, of VFs that there are already."""

import os

import harness
from harness import PF, SimTest, wait_for

ONE, TWO = "0000:01:00.0", "0000:05:00.0"
OTHER = "mlx5_vfio_pci"


def policy(**net):
    p = harness.default_policy()
    p["pools"]["net"].update(net)
    return p


class RebindTest(SimTest):
    def change(self, host, **net):
        host.write_policy(policy(**net))
        host.call_fresh("Reload")

    def drivers(self, host):
        return {address: vf["driver"] for address, vf in host.vfs().items()}

    def load(self, host, driver=OTHER):
        os.mkdir(host.tree.path("sys/bus/pci/drivers", driver))

    def steps(self, host):
        return [(s["kind"], s["address"], s["because"], s["destructive"], s["blocked"], s["reason"])
                for s in host.call_fresh("Plan")["steps"]]

    def vectors(self, host, vf):
        """As the VF's configuration space says."""
        return int.from_bytes(host.tree.read_bytes(f"sys/bus/pci/devices/{vf}/config")[0xE2:0xE4], "little") % 2048 + 1

    def wait_fit(self, host, fits):
        """Ready as ever, and as the policy says."""
        wait_for(lambda: all(map(fits, host.tree.pfs[ONE].vfs)), what=host.daemon.log_tail())
        host.wait_all_ready()
        self.assertEqual(self.steps(host), [])
        host.check_invariants()


class DriverTest(RebindTest):
    def begin(self, **tree):
        host = self.host([PF(ONE)], **tree)
        host.wait_all_ready(4)
        self.assertEqual(set(self.drivers(host).values()), {"vfio-pci"})
        return host

    def test_idle_vfs_get_it_at_once_and_a_leased_one_when_it_comes_back(self):
        for kernel in ("group", "cdev", "both"):
            with self.subTest(kernel=kernel):
                host = self.begin(kernel=kernel)
                self.load(host)
                vm = host.vm(vm="web1")
                mine, *idle = host.tree.pfs[ONE].vfs
                self.assertEqual(vm.vfs, [mine])
                before = len(host.operations(address=mine))
                host.faults("op=bind hang=1")
                self.change(host, driver=OTHER)
                because = f"pool net wants the driver {OTHER}, it has vfio-pci"
                self.assertEqual([s for s in self.steps(host) if s[0] == "bind"],
                                 [("bind", vf, because, False, False, "none") for vf in idle])
                host.unhang()
                for vf in idle:
                    host.wait_state(vf, "ready")
                    self.assertEqual([(op, e) for op, _, _, e in host.operations(address=vf)][-3:],
                                     [("bind", "0"), ("fence", "0"), ("scrub", "0")])
                self.assertEqual(self.drivers(host), {mine: "vfio-pci", **dict.fromkeys(idle, OTHER)})
                self.assertEqual(self.steps(host), [])
                self.assertEqual(len(host.operations(address=mine)), before)  # nobody has touched it
                self.assertEqual(vm.do("bind")["bound"], [mine])
                vm.kill()
                self.wait_fit(host, lambda vf, h=host: self.drivers(h)[vf] == OTHER)
                self.assertEqual(host.operations("scrub", mine)[-1], host.operations(address=mine)[-1])
                host.vm(vm="web2", count=4)

    def test_a_driver_that_is_not_there_takes_nothing_away(self):
        host = self.begin()
        vfs = host.tree.pfs[ONE].vfs
        before = host.operations()
        self.change(host, driver=OTHER)
        host.call("Rescan")
        self.assertIn(f"pool net wants the driver {OTHER}, which is not loaded", host.daemon.log())
        self.assertEqual([(kind, vf, blocked, reason) for kind, vf, _, _, blocked, reason in self.steps(host)],
                         [("bind", vf, True, "probe-failed") for vf in vfs])
        r = host.vfctl("apply")
        self.assertEqual(r.returncode, 1)
        self.assertIn(f"{ONE}  blocked bind {vfs[0]} to its VFIO driver: the VFIO driver did not bind to the VF\n", r.stdout)
        self.assertEqual(host.operations(), before)
        vm = host.vm(vm="web1")
        vm.kill()
        host.wait_all_ready(4)
        self.assertEqual(set(self.drivers(host).values()), {"vfio-pci"})
        self.load(host)
        self.assertEqual([s[3:] for s in self.steps(host)], [(False, False, "none")] * 8)
        r = host.vfctl("apply")
        self.assertEqual((r.returncode, r.stdout.splitlines()[-1]), (0, "8 done, 0 failed"))
        self.wait_fit(host, lambda vf: self.drivers(host)[vf] == OTHER)

    def test_a_bind_that_fails(self):
        host = self.begin()
        self.load(host)
        bad, *others = host.tree.pfs[ONE].vfs
        host.faults(f"op=bind address={bad} error=EIO")
        self.change(host, driver=OTHER)
        for vf in others:
            wait_for(lambda vf=vf: host.vf(vf)["driver"] == OTHER)
            host.wait_state(vf, "ready")
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "probe-failed")
        host.faults()
        host.call("Clear", address=bad, reason="test")
        self.wait_fit(host, lambda vf: self.drivers(host)[vf] == OTHER)

    def test_back_before_it_is_done(self):
        host = self.begin()
        self.load(host)
        host.faults("op=bind delay=100")
        for driver in (OTHER, "vfio-pci", OTHER):
            self.change(host, driver=driver)
        self.wait_fit(host, lambda vf: self.drivers(host)[vf] == OTHER)

    def test_changed_while_the_daemon_is_away(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.begin(kernel=kernel)
                self.load(host)
                vm = host.vm(vm="web1")
                host.daemon.stop()
                host.write_policy(policy(driver=OTHER))
                host.daemon.start()
                self.assertEqual({vf for vf, driver in self.drivers(host).items() if driver != OTHER}, set(vm.vfs))
                vm.kill()
                self.wait_fit(host, lambda vf, h=host: self.drivers(h)[vf] == OTHER)

    def test_daemon_killed_in_the_middle(self):
        for when in ("before", "during", "after"):
            with self.subTest(when=when):
                host = self.begin()
                self.load(host)
                host.faults(f"op=bind die={when} count=1")
                self.change(host, driver=OTHER)
                wait_for(lambda h=host: not h.daemon.alive())
                host.faults()
                host.daemon.start()
                self.wait_fit(host, lambda vf, h=host: self.drivers(h)[vf] == OTHER)


class VectorsTest(RebindTest):
    def test_idle_vfs_get_them_at_once_and_a_leased_one_when_it_comes_back(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.host([PF(ONE, total_msix=64, vf_msix=4)], kernel=kernel)
                host.wait_all_ready(4)
                vm = host.vm(vm="web1")
                mine, *idle = host.tree.pfs[ONE].vfs
                host.faults("op=bind hang=1")
                self.change(host, msix=8)
                self.assertEqual([s for s in self.steps(host) if s[0] == "bind"],
                                 [("bind", vf, "pool net wants 8 MSI-X vectors, it has 4", False, False, "none") for vf in idle])
                host.unhang()
                for vf in idle:
                    wait_for(lambda h=host, vf=vf: self.vectors(h, vf) == 8)
                    host.wait_state(vf, "ready")
                self.assertEqual((self.vectors(host, mine), self.steps(host)), (4, []))
                self.assertEqual(vm.do("bind")["bound"], [mine])
                vm.kill()
                self.wait_fit(host, lambda vf, h=host: self.vectors(h, vf) == 8)
                done = host.operations("bind")
                self.change(host, msix=8, placement="spread")  # nothing new
                host.call_fresh("Rescan")
                self.change(host)  # as they are is as good as any
                host.call_fresh("Rescan")
                self.assertEqual((host.operations("bind"), self.steps(host)), (done, []))

    def test_what_was_set_is_known_after_a_restart(self):
        host = self.host([PF(ONE, total_msix=64, vf_msix=4)], policy=policy(msix=8))
        host.wait_all_ready(4)
        done = host.operations("bind")
        host.daemon.restart()
        host.wait_all_ready(4)
        self.assertEqual((host.operations("bind"), self.steps(host)), (done, []))
        host.daemon.stop()
        host.write_policy(policy(msix=16))
        host.daemon.start()
        self.wait_fit(host, lambda vf: self.vectors(host, vf) == 16)

    def test_a_card_that_cannot_keeps_its_vfs_ready(self):
        host = self.host([PF(ONE, total_msix=64, vf_msix=4), PF(TWO, vf_msix=4)])
        host.wait_all_ready(8)
        self.change(host, msix=8)
        wait_for(lambda: {self.vectors(host, vf) for vf in host.tree.pfs[ONE].vfs} == {8})
        host.wait_all_ready(8)
        because = "pool net wants 8 MSI-X vectors, it has 4"
        self.assertEqual(self.steps(host), [("bind", vf, because, False, True, "msix-failed") for vf in host.tree.pfs[TWO].vfs])
        self.assertEqual({host.operations("bind", vf)[0][2] for vf in host.tree.pfs[TWO].vfs}, {0})
        self.change(host, msix=65)  # more than there are for all
        self.assertEqual({s[4:] for s in self.steps(host)}, {(True, "msix-failed")})
        host.vm(vm="web1", count=8)

    def test_vectors_that_are_refused(self):
        """Such a VF has no driver any more, and says why; another policy brings it back."""
        host = self.host([PF(ONE, total_msix=64, vf_msix=4)])
        host.wait_all_ready(4)
        with open(host.tree.path("sys/bus/pci/devices", ONE, "sriov_vf_total_msix"), "w") as f:
            f.write("7\n")  # somebody has the others by now
        self.change(host, msix=8)
        wait_for(lambda: {(vf["state"], vf["reason"], vf["driver"]) for vf in host.vfs().values()} == {("unbound", "msix-failed", "")},
                 what=str(host.vfs()))
        self.assertEqual({s[0] for s in self.steps(host)}, {"bind", "fence"})
        self.change(host, msix=6)
        self.wait_fit(host, lambda vf: self.vectors(host, vf) == 6)
