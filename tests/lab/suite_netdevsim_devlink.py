#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""devlink and representors against the kernel's own test double, netdevsim (the iommufd kernel has it)."""
import contextlib
import json
import os
import subprocess
import time

import lab

TOOL = "/usr/libexec/vfctl-lab/devlink-tool"
BUS = "/sys/bus/netdevsim"
RULES = "/usr/share/vfctl/79-vfctl-representors.rules"
NO_SWITCH = '"0000000000000000"'
PHYSICAL, PCI_VF = 0, 4


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def tool(*args, ok=True, of=("netdevsim", "netdevsim1")):
    r = subprocess.run([TOOL, *of, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)
    assert (r.returncode == 0) == ok, (args, r.stdout, r.stderr)
    return r.stdout.splitlines() if ok else r.stderr.strip()


def ports():
    return [(int(i), int(flavour), int(pf), int(vf), name) for i, flavour, pf, vf, name in
            (line.split() for line in tool("ports"))]


def settle():
    """udev gives new interfaces other names."""
    subprocess.run(["udevadm", "settle", "--timeout=30"], check=True)


def device(vfs):
    if not os.path.exists("/sys/kernel/debug/netdevsim"):
        subprocess.run(["mount", "-t", "debugfs", "none", "/sys/kernel/debug"], check=False)
    if os.path.exists(f"{BUS}/devices/netdevsim1"):
        write(f"{BUS}/del_device", "1")
    write(f"{BUS}/new_device", "1 1")
    write("/sys/kernel/debug/netdevsim/netdevsim1/max_vfs", str(vfs))
    write(f"{BUS}/devices/netdevsim1/sriov_numvfs", str(vfs))


def test_mode_there_and_back():
    device(4)
    assert tool("mode") == ["legacy"]
    assert [p[1] for p in ports()] == [PHYSICAL]
    tool("mode", "switchdev")
    assert tool("mode") == ["switchdev"]
    assert sorted(p[3] for p in ports() if p[1] == PCI_VF) == [0, 1, 2, 3]
    tool("mode", "legacy")
    assert tool("mode") == ["legacy"]
    assert [p[1] for p in ports()] == [PHYSICAL]


@contextlib.contextmanager
def without_udev():
    """It would rename hundreds of interfaces one by one, which takes long and is no matter of these tests."""
    units = ("systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "systemd-udevd.service")
    subprocess.run(["systemctl", "stop", *units], check=True)
    try:
        yield
    finally:
        subprocess.run(["systemctl", "start", *units], check=True)


def rates_shown():
    """(tx_share, tx_max) in Mbit/s of each port that has rates, as iproute2 shows them."""
    r = subprocess.run(["devlink", "-j", "port", "function", "rate", "show"], capture_output=True, text=True, check=True, timeout=60)
    return {int(port.rsplit("/", 1)[1]): (v.get("tx_share", 0) / 125000, v.get("tx_max", 0) / 125000)
            for port, v in json.loads(r.stdout)["rate"].items()}


def switch_of(vfs):
    """All that depends on the number of VFs: the mode, who stands for whom, rates of all of them at once."""
    took = {}

    def timed(what, *args):
        begun = time.monotonic()
        lines = tool(*args)
        took[what] = (time.monotonic() - begun) * 1000
        return lines
    with without_udev():
        device(vfs)
        timed("switchdev", "mode", "switchdev")
        uplink = next(p[4] for p in ports() if p[1] == PHYSICAL)
        numbers, by_port = ({p[3]: p[n] for p in ports() if p[1] == PCI_VF} for n in (0, 4))
        assert timed("representors", "representors", uplink, 0, vfs + 1) == [by_port[i] for i in range(vfs)] + ["-"], by_port
        subprocess.run(["ip", "link", "set", by_port[vfs - 1], "name", "another"], check=True)
        assert tool("representors", uplink, 0, vfs)[-1] == "another"
        assert timed("rates", "vfs-set", vfs) == [f"{i} {i + 1} {1000 + i}" for i in range(vfs)]
        assert rates_shown() == {numbers[i]: (i + 1, 1000 + i) for i in range(vfs)}
        assert timed("no rates", "vfs-baseline", vfs) == [f"{i} 0 0" for i in range(vfs)]
        assert set(rates_shown().values()) == {(0, 0)}
        timed("legacy", "mode", "legacy")
        assert [p[1] for p in ports()] == [PHYSICAL]
        write(f"{BUS}/del_device", "1")
    print(f"  {vfs} VFs: " + ", ".join(f"{what} {ms:.0f} ms" for what, ms in took.items()), flush=True)


def test_switch_of_4():
    switch_of(4)


def test_switch_of_64():
    switch_of(64)


def test_switch_of_250():
    switch_of(250)


def test_switch_of_400():
    switch_of(400)


def test_renamed_by_the_shipped_rule():
    """The rule as it is shipped, with the id of this switch, as its head says."""
    device(1)
    tool("mode", "switchdev")
    settle()
    with open(f"/sys/class/net/{next(p[4] for p in ports() if p[1] == PHYSICAL)}/phys_switch_id", encoding="ascii") as f:
        switch = f.read().strip()
    tool("mode", "legacy")
    with open(RULES, encoding="utf-8") as f:
        text = f.read()
    assert text.count(NO_SWITCH) == 1
    os.makedirs("/etc/udev/rules.d", exist_ok=True)
    mine = "/etc/udev/rules.d/" + os.path.basename(RULES)
    write(mine, text.replace(NO_SWITCH, f'"{switch}"'))
    try:
        subprocess.run(["udevadm", "control", "--reload"], check=True)
        tool("mode", "switchdev")
        settle()
        assert [p[4] for p in ports() if p[1] == PCI_VF] == ["sw0pf0vf0"], ports()
    finally:
        os.unlink(mine)
        subprocess.run(["udevadm", "control", "--reload"], check=True)


def test_rates():
    device(4)
    tool("mode", "switchdev")
    port = next(p[0] for p in ports() if p[3] == 2)
    other = next(p[0] for p in ports() if p[3] == 3)
    assert tool("rate", port) == ["0 0"]
    tool("rate", port, 10, 2500)
    assert tool("rate", port) == ["1250000 312500000"]
    assert tool("rate", other) == ["0 0"]
    error = tool("rate", port, 10, 25000, ok=False)
    assert error.startswith("EINVAL: ") and "maximum speed" in error, error
    assert tool("rate", port) == ["1250000 312500000"]
    tool("rate", port, 0, 0)
    assert tool("rate", port) == ["0 0"]


def test_vf_is_told_by_its_port():
    device(4)
    tool("mode", "switchdev")
    port = next(p[0] for p in ports() if p[3] == 2)
    tool("vf-set", 2, 1, 100)
    assert tool("rate", port) == ["125000 12500000"]
    for refused in (("vf-vlan", 2, 7), ("vf-set", 2, 5, 50, "02:00:00:00:00:01")):
        error = tool(*refused, ok=False)
        assert "EOPNOTSUPP" in error, error
        assert tool("rate", port) == ["125000 12500000"]
    assert tool("vf-vlan", 2, 7, ok=False).startswith("vlan: ")
    error = tool("vf-set", 2, 1, 25000, ok=False)
    assert error.startswith("max_tx_mbps: EINVAL") and "maximum speed" in error, error
    assert tool("rate", port) == ["125000 12500000"]
    tool("vf-baseline", 2)
    assert tool("rate", port) == ["0 0"]
    tool("vf-baseline", 2)
    tool("vf-wish-vlan", 2, 7)
    assert tool("rate", port) == ["0 0"]
    assert "ENODEV" in tool("vf-set", 4, 1, 1, ok=False)


def portsim(*args, ok=True):
    return tool(*args, ok=ok, of=("platform", "portsim"))


def test_functions_of_ports():
    """Address, state and event queues, which netdevsim's ports have not: portsim.c has ports 1 and 2 of VFs 0 and 1."""
    assert portsim("function", 1) == ["00:00:00:00:00:00 inactive 8"]
    portsim("address", 1, "02:00:00:00:00:05")
    portsim("vf-queues", 0, 16)
    assert portsim("function", 1) == ["02:00:00:00:00:05 inactive 16"]
    error = portsim("vf-queues", 0, 65, ok=False)
    assert error == "max_io_eqs: EINVAL: portsim: Supplied value out of range", error
    assert portsim("function", 1) == ["02:00:00:00:00:05 inactive 16"]
    assert portsim("function", 2) == ["00:00:00:00:00:00 inactive 8"]
    error = portsim("vf-vlan", 0, 7, ok=False)
    assert error.startswith("vlan: EOPNOTSUPP"), error
    portsim("vf-baseline", 0)
    assert portsim("function", 1) == ["00:00:00:00:00:00 active 16"]  # all but the queues as the baseline has them


def watch(change, count=100000):
    """What the monitor tells of a change, read only when all is over."""
    with subprocess.Popen([TOOL, "netdevsim", "netdevsim1", "watch", "5000", str(count)], stdout=subprocess.PIPE,
                          text=True) as p:
        assert p.stdout.readline() == "ready\n"
        change()
        lines = p.stdout.read().splitlines()
    assert p.returncode == 0
    return lines


def test_monitor_tells_the_device():
    device(4)
    settle()  # a port whose interface gets another name is news too
    assert not watch(lambda: tool("mode"))
    news = watch(lambda: tool("mode", "switchdev"))
    assert len(news) >= 4 and set(news) == {"netdevsim netdevsim1"}, news
    port = next(p[0] for p in ports() if p[3] == 2)
    assert set(watch(lambda: tool("rate", port, 1, 100))) == {"netdevsim netdevsim1"}
    news = watch(lambda: tool("mode", "legacy"))
    assert len(news) >= 4 and set(news) == {"netdevsim netdevsim1"}, news


def test_monitor_says_that_it_lost_some():
    device(64)
    limit = "/proc/sys/net/core/rmem_max"
    with open(limit, encoding="ascii") as f:
        before = f.read()
    write(limit, "4096")
    try:
        news = watch(lambda: tool("mode", "switchdev"))
    finally:
        write(limit, before)
    assert "lost" in news, news


def test_shipped_rule_names_representors():
    device(4)
    settle()
    uplink = next(p[4] for p in ports() if p[1] == PHYSICAL)
    with open(f"/sys/class/net/{uplink}/phys_switch_id", encoding="ascii") as f:
        switch = f.read().strip()
    with open(RULES, encoding="utf-8") as f:
        rules = f.read()
    assert rules.count('=="0000000000000000"') == 1
    copy = "/run/udev/rules.d/" + os.path.basename(RULES)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    write(copy, rules.replace('=="0000000000000000"', f'=="{switch}"'))
    try:
        subprocess.run(["udevadm", "control", "--reload"], check=True)
        tool("mode", "switchdev")
        settle()
        assert {p[3]: p[4] for p in ports() if p[1] == PCI_VF} == {i: f"sw0pf0vf{i}" for i in range(4)}, ports()
        assert next(p[4] for p in ports() if p[1] == PHYSICAL) == uplink
        assert tool("representors", uplink, 0, 4) == [f"sw0pf0vf{i}" for i in range(4)]
    finally:
        os.unlink(copy)
        subprocess.run(["udevadm", "control", "--reload"], check=True)


def test_errors_are_the_kernels():
    device(4)
    print(tool("rate", 0, ok=False), flush=True)
    tool("mode", "switchdev")
    port = next(p[0] for p in ports() if p[3] == 1)
    error = tool("address", port, "02:00:00:00:00:01", ok=False)
    assert error.startswith("EOPNOTSUPP: ") and "function attributes" in error, error
    assert tool("rate", 9999, 1, 1, ok=False).startswith("ENODEV")
    write(f"{BUS}/del_device", "1")
    assert tool("mode", ok=False).startswith("ENODEV")
    assert tool("ports", ok=False).startswith("ENODEV")


if __name__ == "__main__":  # suite_netdevsim_netvf.py runs these too
    lab.main([f for n, f in list(globals().items()) if n.startswith("test_") and callable(f)])
