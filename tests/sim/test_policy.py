# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies: broken, changed, merged; plans and what they hit."""

import json
import os
import signal

import harness
from harness import PF, SimTest, wait_for

ONE, TWO = "0000:01:00.0", "0000:05:00.0"
BROKEN = '{\n  "version": 1,\n  "pools": {\n    "net": { "clas": "network" }\n  }\n}\n'


class BrokenPolicyTest(SimTest):
    def test_broken_at_start_touches_nothing(self):
        host = self.host(policy=BROKEN)
        status = host.status()
        self.assertFalse(status["policy_valid"])
        self.assertIn(("/etc/vfctl/policy.json", 4, 14),
                      [(e["file"], e["line"], e["column"]) for e in status["policy_errors"] if "clas" in e["path"]])
        self.assertIn("policy-invalid", {p["reason"] for p in status["problems"]})
        self.assertEqual(host.operations(), [])
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "0")
        self.refused("policy-invalid", host.call, "Acquire", tenant="red", pool="net", vm="x")
        self.refused("policy-invalid", host.call, "Plan")

    def test_syntax_errors_have_a_place(self):
        for text, place in (("{", (1, 2)), ("", (1, 1)), ('{ "version": 1,\n  "pools": nonsense }', (2, 12))):
            with self.subTest(text=text):
                error = self.host(policy=text).status()["policy_errors"][0]
                self.assertEqual(error["file"], "/etc/vfctl/policy.json")
                self.assertEqual(error["line"], place[0])
                self.assertGreater(error["column"], 0)
                self.assertTrue(error["message"])

    def test_no_policy_at_all(self):
        host = self.host(start=False)
        os.unlink(host.tree.path("etc/vfctl/policy.json"))
        host.daemon.start()
        self.assertFalse(host.status()["policy_valid"])
        self.assertEqual(host.operations(), [])

    def test_mended_policy_is_taken_by_reload(self):
        host = self.host(policy=BROKEN)
        host.write_policy(harness.default_policy())
        host.call("Reload")
        host.wait_all_ready(4)
        self.assertEqual(host.status()["policy_errors"], [])

    def test_broken_reload_keeps_the_old_policy(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.write_policy(BROKEN)
        error = self.fails("PolicyInvalid", host.call, "Reload")
        self.assertIn((4, 14), [(e["line"], e["column"]) for e in error.parameters["errors"]])
        status = host.status()
        self.assertEqual(status["policy_errors"][0]["line"], 4)
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        host.vm(vm="web2")

    def test_reload_by_signal(self):
        host = self.host(policy=harness.default_policy(quota=1))
        host.vm(vm="web1")
        self.refused("quota", host.vm().acquire, vm="web2")
        host.write_policy(harness.default_policy(quota=2))
        host.daemon.signal(signal.SIGHUP)
        wait_for(lambda: host.call("ListTenants")["tenants"][0]["pools"][0]["quota"] == 2)
        host.vm(vm="web2")

    def test_reload_that_fails_says_so(self):
        """What 'systemctl reload' runs."""
        host = self.host(policy=harness.default_policy(quota=1))
        host.write_policy(BROKEN)
        r = host.vfctl("reload")
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("/etc/vfctl/policy.json:4:14: ", r.stderr)
        self.assertEqual(host.call("ListTenants")["tenants"][0]["pools"][0]["quota"], 1)
        host.write_policy(harness.default_policy(quota=2))
        self.assertEqual(host.vfctl("reload").returncode, 0)
        self.assertEqual(host.call("ListTenants")["tenants"][0]["pools"][0]["quota"], 2)

    def test_running_vms_survive_a_broken_policy_and_a_restart(self):
        host = self.host()
        vm = host.vm(vm="web1")
        host.write_policy(BROKEN)
        host.daemon.restart()
        self.assertEqual(list(host.leases()), [vm.lease["id"]])
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)
        vfs = host.tree.pfs[ONE].vfs
        for vf in vfs:
            self.assertTrue(host.fenced(vf), "a broken policy must not open idle VFs")


class ChangeTest(SimTest):
    def policy(self, vfs, **more):
        p = harness.default_policy()
        p["pools"]["net"].update(vfs=vfs, **more)
        return p

    def change(self, host, policy):
        host.write_policy(policy)
        host.call("Reload")

    def test_files_of_policy_d_are_merged(self):
        host = self.host(start=False)
        policy = harness.default_policy()
        tenants = {"version": 1, "tenants": policy.pop("tenants")}
        host.write_policy(policy)
        host.write_policy(tenants, "policy.d/50-tenants.json")
        host.daemon.start()
        host.wait_all_ready(4)
        self.assertEqual(host.status()["policy_errors"], [])
        host.vm(vm="web1")

    def test_one_file_too_many_is_an_error(self):
        host = self.host(start=False)
        for i in range(257):
            host.write_policy('{ "version": 1 }', f"policy.d/{i:03}.json")
        host.daemon.start()
        self.assertEqual([(e["file"], e["message"]) for e in host.status()["policy_errors"]],
                         [("/etc/vfctl/policy.d", "too many files, more than vfctld reads")])
        os.unlink(host.tree.path("etc/vfctl/policy.d/000.json"))
        host.call("Reload")
        host.wait_all_ready(4)

    def test_error_in_policy_d_names_its_file(self):
        host = self.host(start=False)
        host.write_policy('{ "version": 1, "nonsense": 2 }', "policy.d/60-bad.json")
        host.daemon.start()
        error = host.status()["policy_errors"][0]
        self.assertEqual((error["file"], error["line"]), ("/etc/vfctl/policy.d/60-bad.json", 1))

    def test_more_vfs_are_a_plan_first(self):
        """A change of the count destroys VFs, so it is only done when an administrator says so."""
        host = self.host(policy=self.policy(2))
        host.wait_all_ready(2)
        self.change(host, self.policy(4))
        host.status()
        self.assertEqual(len(host.vfs()), 2)
        steps = host.call("Plan")["steps"]
        self.assertEqual([(s["kind"], s["address"], s["from"], s["to"], s["destructive"], s["blocked"]) for s in steps],
                         [("resize", ONE, 2, 4, True, False)])
        replies = list(host.connect().call_more("Apply", destructive=True))
        self.assertEqual((replies[-1]["done"], replies[-1]["failed"]), (1, 0))
        host.wait_all_ready(4)
        self.assertEqual(host.call("Plan")["steps"], [])
        self.assertEqual([v for _, _, v, _ in host.operations("numvfs")], [2, 0, 4])

    def test_apply_without_destructive_does_nothing_destructive(self):
        host = self.host(policy=self.policy(2))
        host.wait_all_ready(2)
        self.change(host, self.policy(4))
        replies = list(host.connect().call_more("Apply"))
        self.assertEqual(replies[-1]["done"], 0)
        self.assertEqual(len(host.vfs()), 2)

    def test_leases_block_a_resize_and_are_named(self):
        host = self.host(policy=self.policy(2))
        vm = host.vm(vm="web1")
        self.change(host, self.policy(4))
        step = host.call("Plan")["steps"][0]
        self.assertEqual((step["kind"], step["blocked"], step["reason"]), ("resize", True, "leased"))
        self.assertEqual(len(step["hits"]), 1)
        self.assertIn("web1", step["hits"][0])
        list(host.connect().call_more("Apply", destructive=True))
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        self.assertEqual([v for _, _, v, _ in host.operations("numvfs")], [2])

    def test_pool_that_goes_away_leaves_vfs_alone(self):
        host = self.host([PF(ONE), PF(TWO)], policy=self.policy("max"))
        host.wait_all_ready(8)
        vm = host.vm(vm="web1")
        policy = self.policy("max", functions=[{"address": TWO}])
        self.change(host, policy)
        wait_for(lambda: {host.states()[vf] for vf in host.tree.pfs[ONE].vfs} <= {"unmanaged", "leased"},
                 what=str(host.states()))
        self.assertEqual(host.tree.device(ONE, "sriov_numvfs"), "4")
        self.assertEqual(list(host.leases()), [vm.lease["id"]])
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)

    def test_tenant_that_goes_away_keeps_its_running_vms(self):
        host = self.host()
        vm = host.vm(vm="web1")
        policy = harness.default_policy()
        del policy["tenants"]["red"]
        self.change(host, policy)
        self.assertEqual(list(host.leases()), [vm.lease["id"]])
        self.refused("no-such-tenant", host.call, "Acquire", tenant="red", pool="net", vm="x")
        vm.kill()
        host.wait_all_ready(4)

    def test_numbers_of_vfs(self):
        for vfs, count in ((0, 0), (1, 1), (3, 3), ("max", 4)):
            with self.subTest(vfs=vfs):
                host = self.host(policy=self.policy(vfs))
                host.wait_all_ready(count)

    def test_more_than_the_pf_has(self):
        host = self.host(policy=self.policy(64))
        status = host.status()
        self.assertTrue(status["problems"] or len(host.vfs()) == 4, status)

    def test_placement(self):
        for placement, per_pf in (("pack", [3, 0]), ("spread", [2, 1])):
            with self.subTest(placement=placement):
                host = self.host([PF(ONE), PF(TWO)], policy=self.policy("max", placement=placement))
                host.wait_all_ready(8)
                vfs = [host.vm(vm=f"web{n}", hand_off="node").vfs[0] for n in range(3)]
                self.assertEqual([len(set(vfs) & set(host.tree.pfs[pf].vfs)) for pf in (ONE, TWO)], per_pf)

    def test_vfctl_policy_check_agrees_with_the_daemon(self):
        host = self.host(policy=BROKEN)
        path = host.tree.path("etc/vfctl/policy.json")
        result = host.vfctl("policy", "check", path)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(f"{path}:4:14", result.stdout + result.stderr)
        host.write_policy(json.dumps(harness.default_policy()))
        self.assertEqual(host.vfctl("policy", "check", path).returncode, 0)
