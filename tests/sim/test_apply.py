# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans carried out when something goes wrong: a PF stops, the others go on, and what is left is done the next time."""

import os

import harness
from harness import PF, SimTest, wait_for
from simhost import nvme

ONE, TWO = "0000:01:00.0", "0000:05:00.0"
SKIPPED = "not tried: an earlier step failed"


def policy(**net):
    p = harness.default_policy()
    p["pools"]["net"].update(net)
    return p


class ApplyTest(SimTest):
    def apply(self, host, **parameters):
        """The steps as they ended: (kind, address, outcome, error); then done, failed, skipped."""
        with host.connect() as link:
            *steps, last = link.call_more("Apply", **{"destructive": True, **parameters})
        self.assertEqual((last["step"], last["outcome"], last["error"]), (None, None, None))
        return ([(s["step"]["kind"], s["step"]["address"], s["outcome"], s["error"]) for s in steps],
                (last["done"], last["failed"], last["skipped"]))

    def change(self, host, policy):
        host.write_policy(policy)
        host.call("Reload")

    def nothing_left(self, host):
        self.assertEqual(self.apply(host), ([], (0, 0, 0)))
        self.assertEqual((host.vfctl("plan").returncode, host.vfctl("apply").stdout),
                         (0, "Nothing was done; see 'vfctl plan' for what is left.\n"))

    def found(self, *faults, pfs=None):
        """VFs that were there before the daemon, in the hands of the host's driver."""
        host = self.host(pfs or [PF(ONE), PF(TWO)], start=False)
        for pf in host.tree.pfs:
            host.enable_by_hand(pf, 4)
        host.faults(*faults)
        host.daemon.start()
        return host


class FailureTest(ApplyTest):
    def test_a_count_that_one_pf_refuses(self):
        host = self.host([PF(ONE), PF(TWO)], policy=policy(vfs=2))
        host.wait_all_ready(4)
        self.change(host, policy(vfs=4))
        host.faults(f"op=numvfs address={ONE} value=4 error=ENOSPC reason=numvfs-no-room count=2")
        steps, sums = self.apply(host)
        self.assertEqual(sorted(steps), [
            ("resize", ONE, "failed", "there are not enough bus numbers or MMIO space for the VFs"), ("resize", TWO, "done", None)])
        self.assertEqual(sums, (1, 1, 0))
        wait_for(lambda: [host.states().get(vf) for vf in host.tree.pfs[TWO].vfs] == ["ready"] * 4)
        self.assertEqual([v for _, _, v, _ in host.operations("numvfs", ONE)], [2, 0, 4])  # not tried again by itself
        r = host.vfctl("apply", "--destructive")
        self.assertEqual(r.returncode, 1)
        self.assertRegex(r.stdout, rf"(?m)^{ONE}  failed  enable 4 VFs on {ONE} \(now 0\): there are not enough")
        self.assertIn("\n0 done, 1 failed\n", r.stdout)
        self.assertEqual(self.apply(host), ([("enable", ONE, "done", None)], (1, 0, 0)))
        host.wait_all_ready(8)
        self.nothing_left(host)

    def test_a_pf_that_keeps_its_autoprobe(self):
        """Its VFs are skipped, for a host driver would take them back; those of the other PF are taken from theirs."""
        host = self.found(f"op=autoprobe address={ONE} error=EIO detail=broken count=3")
        one, two = host.tree.pfs[ONE].vfs, host.tree.pfs[TWO].vfs
        self.assertEqual({host.vf(vf)["reason"] for vf in two}, {"host-driver"})
        steps, sums = self.apply(host)
        self.assertEqual(steps[0], ("autoprobe", ONE, "failed", "broken"))
        self.assertEqual(sorted(s for s in steps if s[1] in one),
                         sorted((kind, vf, "skipped", SKIPPED) for kind in ("bind", "fence") for vf in one))
        self.assertEqual(sorted(s for s in steps if s[1] in two),
                         sorted((kind, vf, "done", None) for kind in ("bind", "fence") for vf in two))
        self.assertEqual(sums, (8, 1, 8))
        self.assertEqual(host.operations("bind", one[0]), [])
        self.assertEqual({host.states()[vf] for vf in two}, {"ready"})
        r = host.vfctl("apply", "--destructive")
        self.assertEqual(r.returncode, 1)
        self.assertRegex(r.stdout, rf"(?m)^{ONE}  failed  keep host drivers off new VFs of {ONE}: broken$")
        self.assertIn(f"{ONE}  skipped fence {one[3]}: {SKIPPED}\n", r.stdout)
        self.assertIn("\n0 done, 1 failed, 8 skipped\n", r.stdout)
        steps, sums = self.apply(host)
        self.assertEqual(steps[0], ("autoprobe", ONE, "done", None))
        self.assertEqual(({outcome for *_, outcome, _ in steps}, sums), ({"done"}, (9, 0, 0)))
        host.wait_all_ready(8)
        self.nothing_left(host)

    def test_vfs_wait_for_the_steps_of_their_pf(self):
        """The PF is busy for a while: nothing is said of its VFs before that is over and they were tried."""
        host = self.found(f"op=autoprobe address={ONE} error=EIO count=1")
        host.faults(f"op=autoprobe address={ONE} delay=300")
        steps, sums = self.apply(host)
        self.assertEqual(sums, (9 + 8, 0, 0))
        of_one = [s[:2] for s in steps if s[1] in (ONE, *host.tree.pfs[ONE].vfs)]
        self.assertEqual(of_one[0], ("autoprobe", ONE))
        host.wait_all_ready(8)
        self.nothing_left(host)

    def test_vfs_that_go_are_not_taken_from_the_host_first(self):
        host = self.host([PF(ONE)], start=False)
        host.enable_by_hand(ONE, 2)
        host.daemon.start()
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"host-driver"})
        self.assertEqual(self.apply(host), ([("resize", ONE, "done", None)], (1, 0, 0)))
        host.wait_all_ready(4)
        self.assertEqual([value for op, _, value, _ in host.operations()][:3], [0, 0, 4])
        self.nothing_left(host)

    def test_a_vf_that_fails_stops_only_itself(self):
        host = self.found(pfs=[PF(ONE)])
        bad, *others = host.tree.pfs[ONE].vfs
        host.faults(f"op=bind address={bad} error=EIO detail=broken")
        steps, sums = self.apply(host)
        self.assertEqual([s for s in steps if s[1] == bad],
                         [("bind", bad, "failed", "the VFIO driver did not bind to the VF"), ("fence", bad, "skipped", SKIPPED)])
        self.assertEqual(sums, (6, 1, 1))
        self.assertEqual({host.states()[vf] for vf in others}, {"ready"})

    def test_a_fence_that_fails_after_its_bind(self):
        host = self.found(pfs=[PF(ONE)])
        bad = host.tree.pfs[ONE].vfs[0]
        host.faults(f"op=fence address={bad} error=EIO")
        steps, sums = self.apply(host)
        self.assertEqual([s for s in steps if s[1] == bad],
                         [("bind", bad, "done", None), ("fence", bad, "failed", "the VF could not be fenced")])
        self.assertEqual(sums, (7, 1, 0))

    def test_a_worker_that_ends_is_no_failure(self):
        """After it had destroyed the VFs; what is left of the step is another one, and the answer comes all the same."""
        host = self.host([PF(ONE)], policy=policy(vfs=2))
        host.wait_all_ready(2)
        self.change(host, policy(vfs=4))
        for when in ("before", "after"):
            for value, count in ((0, 4), (2, 2)):
                with self.subTest(when=when, value=value):
                    self.change(host, policy(vfs=count))
                    host.faults(f"op=numvfs value={value} exit={when} count=1")
                    self.assertEqual(self.apply(host), ([("resize", ONE, "done", None)], (1, 0, 0)))
                    host.wait_all_ready(count)
        self.nothing_left(host)

    def test_a_worker_that_ends_at_a_vf_is_no_failure(self):
        host = self.found(pfs=[PF(ONE)])
        host.faults("op=bind exit=before count=3")
        self.assertEqual(self.apply(host)[1], (8, 0, 0))
        host.wait_all_ready(4)


class BlockedTest(ApplyTest):
    def test_what_is_blocked_stops_what_comes_after_it(self):
        """The controller is not reset under the host's disk; so its VFs are not destroyed for what needs that."""
        p = harness.default_policy()
        p["pools"]["disk"].update(vfs=2, host_queues=0, host_disk="allow")
        q = {"flexible": 16, "primary": 4, "next": 4, "private": 8, "secondary_max": 8, "granularity": 1}
        host = self.host([nvme(ONE, controller={"queues": q}), PF(TWO)], policy=p, start=False)
        host.tree.disk(host.tree.pfs[ONE], mounted="/")
        host.daemon.start()
        host.wait_all_ready(6)
        p["pools"]["disk"]["vfs"] = 4
        p["pools"]["net"]["vfs"] = 2
        self.change(host, p)
        steps, sums = self.apply(host)
        self.assertEqual(steps, [("primary", ONE, "blocked", "the host uses a disk of this PF, and the policy does not allow VFs of it"),
                                 ("resize", ONE, "skipped", SKIPPED), ("resize", TWO, "done", None)])
        self.assertEqual(sums, (1, 1, 1))
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "2")

    def test_what_is_pending_stops_nothing(self):
        host = self.host([PF(ONE)], policy=policy(vfs=4), start=False)
        host.enable_by_hand(ONE, 2)
        mine, its = host.tree.pfs[ONE].vfs[:2]
        os.unlink(host.tree.path(f"sys/bus/pci/devices/{mine}/driver"))  # the other one stays with the host's driver
        os.unlink(host.tree.path(f"sys/bus/pci/drivers/igbvf/{mine}"))
        host.daemon.start()
        host.wait_state(mine, "ready")
        vm = host.vm(vm="web1")
        self.assertEqual(vm.vfs, [mine])
        steps, sums = self.apply(host)
        self.assertEqual(steps, [("resize", ONE, "pending", "VFs of this PF are leased, so it must not change"),
                                 ("bind", its, "done", None), ("fence", its, "done", None)])
        self.assertEqual(sums, (2, 0, 0))
        vm.kill()
        host.wait_all_ready(4)
        self.nothing_left(host)
