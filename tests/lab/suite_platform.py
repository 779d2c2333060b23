#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Platforms that isolate badly: what cannot be isolated is shown with its reason, and never leased."""
import json
import sys

import lab
from lab import RED, listing, vfctl, wait_for


def refused_with(reason):
    """Every network VF waits with this reason, nothing is leased, the daemon is up and says what to do."""
    lab.start()
    vfs = wait_for(lambda: [v for v in listing("vfs") if v["pool"] == "net"], 30, "VFs")
    assert {v["reason"] for v in vfs} == {reason}, vfs
    assert not any(v["isolated"] for v in vfs)
    assert {v["state"] for v in vfs} <= {"unbound", "bound"}, vfs
    r = vfctl("run", "--tenant", "red", "--pool", "net", "--vm", "x", "--", "true", uid=RED, check=False)
    assert r.returncode == 75 and "pool-empty" in r.stderr, r.stderr
    r = vfctl("status", check=False)
    assert r.returncode == 1 and reason in r.stdout, r.stdout
    problems = json.loads(vfctl("status", "--json", check=False).stdout)["status"]["problems"]
    assert all(p["hint"] for p in problems)


def test_no_iommu():
    refused_with("no-iommu")


def test_no_intremap():
    refused_with("no-msi-isolation")


def test_no_acs():
    refused_with("shared-group")


def test_passthrough():
    lab.start()
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 120, "all VFs ready")
    vfs = listing("vfs")
    assert {v["state"] for v in vfs} == {"ready"} and {v["group_type"] for v in vfs} == {"DMA"}, vfs
    assert all(v["isolated"] for v in vfs)


sys.argv = [sys.argv[0], "test_" + sys.argv[1]]
lab.main([test_no_iommu, test_no_intremap, test_no_acs, test_passthrough])
