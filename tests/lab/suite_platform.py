#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Platforms that isolate badly: what cannot be isolated is shown with its reason, and never leased."""
import json
import os
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


def findings(address):
    evidence = json.loads(vfctl("show", address, "--json").stdout)["evidence"][0]
    return evidence["verdict"], {f["finding"]: f["at"] for f in evidence["findings"] if f["severity"] == "unsafe"}


def unsafe_interrupts(text):
    for module in ("vfio_iommu_type1", "iommufd"):
        path = f"/sys/module/{module}/parameters/allow_unsafe_interrupts"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as f:
                f.write(text)


def test_no_intremap():
    refused_with("no-msi-isolation")
    address = listing("vfs")[0]["address"]
    assert findings(address)[0] == "unprotected" and "no-msi-isolation" in findings(address)[1], findings(address)
    # with the switch that many guides recommend a fence works; the verdict does not change
    unsafe_interrupts("Y")
    vfctl("rescan")
    wait_for(lambda: {v["reason"] for v in listing("vfs")} == {"unsafe-interrupts"}, 30, "the switch is seen")
    r = vfctl("run", "--tenant", "red", "--pool", "net", "--vm", "x", "--", "true", uid=RED, check=False)
    assert r.returncode == 75 and "pool-empty" in r.stderr, r.stderr
    # unless the operator says in the policy that he lives with it
    policy = json.loads(json.dumps(lab.POLICY))
    policy["pools"]["net"]["accept"] = ["unsafe-interrupts"]
    lab.write_policy(policy)
    vfctl("reload")
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 60, "accepted")
    assert {v["verdict"] for v in listing("vfs")} == {"unprotected"}
    r = vfctl("acquire", "--tenant", "red", "--pool", "net", "--vm", "x", uid=RED)
    assert listing("leases")[0]["unsafe"] == ["unsafe-interrupts"], listing("leases")
    assert "although unsafe-interrupts" in lab.journal()
    unsafe_interrupts("N")


def test_no_acs():
    refused_with("shared-group")
    pf = listing("pfs")[0]["address"]
    port = os.path.basename(os.path.dirname(os.path.realpath(f"{lab.SYS}/{pf}")))
    address = listing("vfs")[0]["address"]
    verdict, found = findings(address)
    assert verdict == "shared" and found["no-acs"] == port and "shared-group" in found, (verdict, found)
    shown = vfctl("show", address).stdout
    assert f"no-acs at {port}" in shown and pf in shown.split("in group:")[1].split("\n")[0], shown
    print(shown)


def test_passthrough():
    lab.start()
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 120, "all VFs ready")
    vfs = listing("vfs")
    assert {v["state"] for v in vfs} == {"ready"} and {v["group_type"] for v in vfs} == {"DMA"}, vfs
    assert all(v["isolated"] for v in vfs)
    print(vfctl("show", vfs[0]["address"]).stdout)


sys.argv = [sys.argv[0], "test_" + sys.argv[1]]
lab.main([test_no_iommu, test_no_intremap, test_no_acs, test_passthrough])
