#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's story, inside the virtual host: each step one line of what happens, then the evidence."""
import json
import os
import signal

import lab
from lab import BLUE, EBUSY, RED, STRANGER, VM, listing, run, vf, vfctl, wait_for


def step(text):
    print(f"\n* {text}", flush=True)


def show(text):
    print("".join(f"    {line}\n" for line in text.rstrip().splitlines()), end="", flush=True)


def expect(condition, what):
    """A story that is not true is not told."""
    assert condition, what
    show(what)


def refused(uid, who, *argv):
    r = vfctl("run", *argv, "--", "true", uid=uid, check=False)
    expect(r.returncode != 0, f"{who}: {r.stderr.splitlines()[0]}")


POLICY = json.loads(json.dumps(lab.POLICY))
POLICY["tenants"]["red"]["pools"]["net"].update(vlans=[100, "110-119"], macs="02:52:44:00:00:00/40")
POLICY["tenants"]["blue"]["pools"]["net"].update(vlans=[200], macs="02:42:4c:00:00:00/40")


def told(address):
    """What the kernel says that a VF was told."""
    v = vf(address)
    netdev = os.listdir(f"{lab.SYS}/{v['pf']}/net")[0]
    link = json.loads(run("ip", "-j", "link", "show", "dev", netdev).stdout)[0]
    now = next(x for x in link["vfinfo_list"] if x["vf"] == v["index"])
    return f"{netdev} vf {v['index']}: MAC {now['address']}, VLAN {now.get('vlan_list', [{}])[0].get('vlan', 0)}"


step("vfctld starts as a systemd service: tenants red and blue, pools over 2 igb and 1 NVMe functions")
lab.start(POLICY)
wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 120)
show(vfctl("status").stdout)
expect(run("stat", "-c", "%U", f"/proc/{lab.main_pid()}").stdout.strip() == "vfctl",
       f"vfctld runs as user vfctl, effective capabilities {[l for l in open(f'/proc/{lab.main_pid()}/status') if 'CapEff' in l][0].split()[1]}")

step("every VF is up, in an IOMMU group of its own, fenced")
show(vfctl("list", "vfs").stdout)
vfs = listing("vfs")
expect(all(lab.open_error(f"/dev/vfio/{v['group']}") == EBUSY for v in vfs),
       f"root opens each of the {len(vfs)} group nodes: the kernel answers EBUSY every time")

step("red and blue, unprivileged and without access to /dev/vfio, start a VM each: vfctl run -- qemu-system-x86_64 …")
web1, db1 = VM("red", RED, "web1"), VM("blue", BLUE, "db1")
show(vfctl("list", "leases").stdout)
for vm in (web1, db1):
    expect(vm.pci() == [(0x8086, 0x10ca)], f"QMP of {vm.name} (pid {vm.pid}): query-pci shows the VF 8086:10ca")
for vm in (web1, db1):
    mac = vm.lease["devices"][0]["attributes"]["mac"]
    expect(mac in told(vm.address), f"{vm.name}, by the policy, in the kernel: {told(vm.address)}")
if lab.KERNEL == "iommufd":
    a, b = lab.page_table(web1.address), lab.page_table(db1.address)
    expect(a and b and a != b, f"page table roots: {web1.address} {a}, {db1.address} {b}")

step("what may red have, and which rule says so? vfctl policy explain")
show(vfctl("policy", "explain", "--tenant", "red", "--pool", "net", uid=RED).stdout)

step("who asks for too much, or for what is not theirs, is refused")
refused(RED, "red beyond its quota", "--tenant", "red", "--pool", "net", "--vm", "x", "--count", "2")
refused(RED, "red on blue's VLAN", "--tenant", "red", "--pool", "net,vlan=200", "--vm", "x")
refused(RED, "red as blue", "--tenant", "blue", "--pool", "net", "--vm", "x")
refused(STRANGER, "a stranger", "--tenant", "red", "--pool", "net", "--vm", "x")

step(f"red's VM is killed (SIGKILL to pid {web1.pid}): its VF is reclaimed, reset, fenced and ready, without anybody asking")
web1.end(signal.SIGKILL)
wait_for(lambda: vf(web1.address)["state"] == "ready", 30)
show("\n".join(l for l in lab.journal().splitlines() if web1.address in l))
group = vf(web1.address)["group"]
expect(lab.open_error(f"/dev/vfio/{group}") == EBUSY, f"/dev/vfio/{group}: EBUSY again")

step("vfctld is restarted while blue's VM runs")
old = lab.main_pid()
lab.systemctl("restart")
expect(lab.main_pid() != old, f"vfctld was pid {old}, is pid {lab.main_pid()}")
expect(db1.process.poll() is None and db1.qmp("query-status")["status"] == "running" and db1.pci() == [(0x8086, 0x10ca)],
       f"db1 is still pid {db1.pid}, running, with its VF")
show(vfctl("list", "leases").stdout)
vfs = [v for v in listing("vfs") if v["address"] != db1.address]
expect(all(v["state"] == "ready" and lab.open_error(f"/dev/vfio/{v['group']}") == EBUSY for v in vfs),
       f"all {len(vfs)} fences are still there")
db1.end()
os.sync()
print("\nThe story is told.", flush=True)
