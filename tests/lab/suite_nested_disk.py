#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with a Linux of its own on an NVMe VF that `vfctl run` leased to it: its nvme driver finds the disk, what it writes is in the
file behind that disk and in no other, and gone when the VM has powered off. Two VMs of two tenants at once. As suite_nested.py, at
the mercy of nested virtualization in an emulator: ends with 126 if that failed. Wants --nvme-vfs 4 --nvme-queues 4 --nvme-namespaces 3."""
import os

import lab
from lab import BLUE, RED, vf, wait_for
from nested import NoBoot, boot
from suite_storage import all_ready, policy

FILES = {n: f"/mnt/lab/disk-0-{n}.img" for n in (2, 3, 4)}
vms = {}


def where(text):
    return [n for n, path in FILES.items() if text.encode() in open(path, "rb").read()]


def test_two_vms_find_their_disks():
    p = policy(namespaces=[2, 3])
    for tenant in p["tenants"].values():
        tenant["memlock"] = "512M"
    lab.start(p)
    wait_for(all_ready, 60, "all VFs ready")
    try:
        for tenant, uid in (("red", RED), ("blue", BLUE)):
            vms[tenant] = boot(tenant, uid, f"{tenant}-vm", pool="disk")
    except NoBoot as e:
        print(f"{e} does not boot, again and again", flush=True)
        os._exit(126)  # not a failure of ours: tests/lab/test boots another host
    for tenant, vm in vms.items():
        size = vm.sh('until s=$(cat /sys/block/nvme0n1/size) && [ "$s" -gt 0 ]; do sleep 1; done 2>/dev/null; echo "$s"')
        assert size == str(16 * 2048), f"{size}, not 16 MiB"
        print(f"  {tenant}: {vm.address} is {vm.sh('cat /sys/class/nvme/nvme0/model').strip()}", flush=True)


def test_write_and_read_back():
    for tenant, vm in vms.items():
        vm.sh(f"echo '{tenant} was here' | dd of=/dev/nvme0n1 bs=512 seek=7 conv=sync,fsync 2>/dev/null")
        vm.sh("echo 3 >/proc/sys/vm/drop_caches")
        assert vm.sh("dd if=/dev/nvme0n1 bs=512 skip=7 count=1 2>/dev/null | tr -d '\\0'") == f"{tenant} was here"
    assert (where("red was here"), where("blue was here")) == ([2], [3])


def test_powered_off():
    for tenant, vm in vms.items():
        vm.serial.sendall(b"poweroff -f\n")
        wait_for(lambda v=vm: v.process.poll() is not None, 60, f"the VM of {tenant} is off")
        wait_for(lambda v=vm: vf(v.address)["state"] == "ready", 60, f"its VF {vm.address} is ready")
    assert where("was here") == []


if __name__ == "__main__":
    lab.main([t for n, t in list(globals().items()) if n.startswith("test_")])
