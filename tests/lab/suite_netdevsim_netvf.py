#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Attributes of hundreds of VFs on a real kernel: netdevsim (iommufd kernel), which takes every attribute there is."""

import json
import os
import subprocess
import time

import lab
import suite_netdevsim_devlink
from lab import run

TOOL = "/usr/libexec/vfctl-lab/netvf-tool"
SIM = "/sys/bus/netdevsim"
LINKS = ("auto", "enable", "disable")


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


class Device:
    """A netdevsim device with VFs; its first port is the PF's interface."""

    def __init__(self, ident, vfs):
        write(f"{SIM}/new_device", f"{ident} 1")
        self.dir = f"{SIM}/devices/netdevsim{ident}"
        lab.wait_for(lambda: os.path.isdir(f"{self.dir}/net") and os.listdir(f"{self.dir}/net"), 20, "its interface")
        self.ident, self.vfs = ident, vfs
        if not os.path.ismount("/sys/kernel/debug"):
            run("mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug")
        write(f"/sys/kernel/debug/netdevsim/netdevsim{ident}/max_vfs", str(vfs))
        write(f"{self.dir}/sriov_numvfs", str(vfs))
        self.settle()

    def settle(self):
        """udev renames it."""
        run("udevadm", "settle", "--timeout=20", check=False)
        self.name = os.listdir(f"{self.dir}/net")[0]
        with open(f"/sys/class/net/{self.name}/ifindex", encoding="ascii") as f:
            self.ifindex = f.read().strip()

    def tool(self, what, check=True):
        r = run(TOOL, self.ifindex, what, str(self.vfs), check=check, timeout=120)
        return r.stdout.splitlines()

    def read(self):
        return [line.split()[1:] for line in self.tool("read")]

    def remove(self):
        write(f"{SIM}/del_device", str(self.ident))


def own(i):
    """As netvf-tool.c gives them."""
    return [f"02:52:44:00:{i >> 8:02x}:{i & 255:02x}", str(1 + i % 4094), str(i % 8), "802.1ad" if i % 2 else "802.1Q", str(1 + i),
            str(1000 + i), str(int(i % 3 == 0)), str(i % 2), LINKS[i % 3], str(int(i % 5 == 0))]


PLAIN = ["00:00:00:00:00:00", "0", "0", "802.1Q", "0", "0", "1", "0", "auto", "0"]


def all_attributes(vfs):
    d = Device(vfs, vfs)
    try:
        done = d.tool("set")[-1]
        assert d.read() == [own(i) for i in range(vfs)]
        print(f"  {done}; read back right, each VF its own")
        # netdevsim counts nothing, so each has zeros; that each is there is what counts, beyond 221 in a list that wrapped
        *rows, read = d.tool("stats")
        assert [[int(x) for x in row.split()] for row in rows] == [[i] + [0] * 8 for i in range(vfs)], rows[-3:]
        print(f"  {read} (statistics)")
        # somebody else's change of the last one: that VF has it, and no other
        run("ip", "link", "set", "dev", d.name, "vf", str(vfs - 1), "mac", "02:00:00:00:be:ef", "trust", "on")
        changed = own(vfs - 1)
        changed[0], changed[7] = "02:00:00:00:be:ef", "1"
        assert d.read() == [own(i) for i in range(vfs - 1)] + [changed]
        done = d.tool("restore")[-1]
        assert d.read() == [PLAIN] * vfs, [x for x in d.read() if x != PLAIN][:3]
        print(f"  {done}; all plain")
    finally:
        d.remove()


def test_4_vfs():
    all_attributes(4)


def test_64_vfs():
    all_attributes(64)


def test_250_vfs():
    all_attributes(250)


def test_400_vfs():
    """The kernel's list of 400 VFs has a length that wrapped: iproute2 shows a part of them."""
    all_attributes(400)


def test_the_list_really_wraps():
    d = Device(9, 400)
    try:
        r = subprocess.run(["ip", "-j", "link", "show", "dev", d.name], capture_output=True, text=True, check=False, timeout=30)
        try:
            shown = len(json.loads(r.stdout)[0].get("vfinfo_list", []))
        except (ValueError, IndexError):
            shown = 0
        print(f"  iproute2 shows {shown} of 400 VFs")
        assert shown < 400 and len(d.read()) == 400
    finally:
        d.remove()


def test_cost():
    """One message for all of them, against one command a VF; and what each VF costs does not grow with their number, as it would
    by 6.25 if all of them were looked at for each."""
    took, few, many = {}, 64, 400
    for vfs in (few, many):
        d = Device(vfs, vfs)
        try:
            took[vfs] = min(int(d.tool(what)[-1].split()[3]) for what in ("set", "restore") * 5) / vfs
            if vfs == many:
                begun = time.monotonic()
                for i in range(20):
                    run("ip", "link", "set", "dev", d.name, "vf", str(i), "mac", f"02:00:00:00:01:{i:02x}", "vlan", "7",
                        "spoofchk", "on", "trust", "on", "state", "enable")
                ip = (time.monotonic() - begun) / 20 * 1e6
        finally:
            d.remove()
    print(f"  a VF: {took[few]:.1f} us of {few}, {took[many]:.1f} us of {many}; by 'ip' {ip:.0f} us: {ip / took[many]:.0f} times")
    assert took[many] < took[few] * 2.5, "more than linear"
    assert ip / took[many] > 20


def test_an_interface_that_is_gone():
    r = run(TOOL, "99999", "set", "4", check=False)
    assert r.returncode == 1 and "No such device" in r.stderr, r


if __name__ == "__main__":  # one boot for both suites
    lab.main([f for suite in (globals(), vars(suite_netdevsim_devlink)) for n, f in list(suite.items())
              if n.startswith("test_") and callable(f)])
