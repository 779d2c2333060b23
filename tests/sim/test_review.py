# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens between two steps: plans that are older than a lease, VFs that nobody watched, errors that look like hangs."""

import os

import harness
from harness import PF, SimTest, wait_for

ONE = "0000:01:00.0"


def policy(vfs="max", pools=True):
    p = harness.default_policy()
    p["pools"]["net"]["vfs"] = vfs
    if not pools:
        del p["pools"]["net"]
        for tenant in p["tenants"].values():
            tenant["pools"].pop("net", None)
    return p


class BetweenTest(SimTest):
    def test_a_step_that_is_older_than_a_lease_is_not_done(self):
        host = self.host(policy=policy())
        vfs = host.tree.pfs[ONE].vfs
        host.call("Quarantine", address=vfs[3], reason="to keep it busy")
        host.wait_state(vfs[3], "quarantined")
        host.faults(f"op=scrub address={vfs[3]} hang=1 count=1")
        host.write_policy(policy(2))
        host.call("Reload")
        host.call("Clear", address=vfs[3], reason="a test")
        wait_for(lambda: host.vf(vfs[3])["state"] == "reclaiming")
        apply = host.connect()
        apply.send("Apply", {"destructive": True}, more=True)
        vm = host.vm(vm="web1")  # the step waits for the VF that is busy, this one comes in between
        host.unhang()
        replies = []
        while True:
            message = apply.receive()
            replies.append(message["parameters"])
            if not message.get("continues"):
                break
        self.assertEqual([r["error"] for r in replies if r["step"]],
                         ["VFs of this PF are leased, so it must not change"])
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "4")
        host.check_invariants()

    def test_a_vf_that_was_nobodys_for_a_time_is_reset(self):
        host = self.host(policy=policy())
        vf = host.tree.pfs[ONE].vfs[0]
        host.write_policy(policy(pools=False))
        host.call("Reload")
        host.wait_state(vf, "unmanaged")
        host.daemon.systemd.stored()  # the service manager closes its descriptor of the fence when it comes to it
        self.assertFalse(host.fenced(vf))
        with open(host.tree.path("sim/vf", vf), "w") as f:
            f.write("what somebody left behind")
        host.write_policy(policy())
        host.call("Reload")
        host.wait_state(vf, "ready")
        self.assertEqual((host.resets(vf), host.tree.read(f"sim/vf/{vf}")), (1, ""))

    def test_a_vf_that_is_found_bound_is_renewed(self):
        """Whoever had it may have kept a descriptor, or its node."""
        host = self.host(kernel="cdev", policy=policy())
        vf = host.tree.pfs[ONE].vfs[0]
        host.write_policy(policy(pools=False))
        host.call("Reload")
        host.wait_state(vf, "unmanaged")
        before = len(host.operations(address=vf))
        host.write_policy(policy())
        host.call("Reload")
        host.wait_state(vf, "ready")
        self.assertIn("renew", [op for op, *_ in host.operations(address=vf)[before:]])


class HangTest(SimTest):
    OPTIONS = ("--worker-timeout", "1")

    def test_a_driver_that_gives_up_is_no_hang(self):
        host = self.host([PF(ONE)], start=False)
        host.faults(f"op=numvfs address={ONE} error=ETIMEDOUT count=1")
        host.daemon.start()
        pf = host.call("ListPFs")["pfs"][0]
        self.assertEqual((pf["stuck"], pf["reason"]), (False, "numvfs-failed"))
        with host.connect() as link:
            link.call("Apply")
        host.wait_all_ready(4)

    def test_only_the_vf_whose_bind_hangs_is_blamed(self):
        host = self.host([PF(ONE)], options=self.OPTIONS, start=False)
        bad, *others = host.tree.pfs[ONE].vfs
        host.faults(f"op=bind address={bad} hang=1 count=1")
        host.daemon.start(wait=False)
        wait_for(lambda: os.path.exists(host.socket))
        wait_for(lambda: host.call_fresh("ListPFs")["pfs"][0]["stuck"])
        host.unhang()
        for vf in others:
            host.wait_state(vf, "ready")
        self.assertEqual(host.wait_state(bad, "quarantined")["reason"], "stuck")


class ForeignHandTest(SimTest):
    def test_autoprobe_switched_on_by_somebody(self):
        host = self.host(policy=policy())
        vm = host.vm(vm="web1", count=2)
        with open(host.tree.path("sys/bus/pci/devices", ONE, "sriov_drivers_autoprobe"), "w") as f:
            f.write("1\n")
        vm.kill()
        for vf in vm.vfs:
            host.wait_state(vf, "ready")
        self.assertEqual(host.tree.device(ONE, "sriov_drivers_autoprobe"), "0")
