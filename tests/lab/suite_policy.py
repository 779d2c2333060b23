#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Policy, plan and placement on a real kernel: whole functions, attributes, several pools, the line, growth, draining."""
import json
import os
import socket
import struct
import subprocess
import time

import lab
from lab import EBUSY, RED, SYS, VM, listing, run, vf, vfctl, wait_for

NET, CARD, DISK = "0000:01:00.0", "0000:02:00.0", "0000:03:00.0"
POLICY = {
    "version": 1,
    "pools": {
        "card": {"class": "network", "functions": [{"address": CARD}], "assign": "function"},
        "net": {"class": "network", "functions": [{"driver": "igb"}], "vfs": "50%"},
        "disk": {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": 4},
    },
    "defaults": {"memlock": "256M", "pools": {"net": {"spoof_check": True}}},
    "tenants": {
        "red": {"users": ["red"], "quota": 6, "max_lease": "1h",
                "pools": {"net": {"quota": 4, "vlans": [100, "200-299"], "macs": "02:52:44:00:00:00/40"},
                          "disk": {"quota": 2}, "card": {"quota": 1}}},
        "blue": {"users": ["blue"], "pools": {"net": {"quota": 4}}},
    },
}


def pf(address):
    return next(p for p in listing("pfs") if p["address"] == address)


def netdev(address):
    return os.listdir(f"{SYS}/{address}/net")[0]


def told(index):
    """What the kernel says that a VF of NET was told."""
    link = json.loads(run("ip", "-j", "link", "show", "dev", netdev(NET)).stdout)[0]
    return next(v for v in link["vfinfo_list"] if v["vf"] == index)


def acquire(*argv):
    return json.loads(vfctl("acquire", "--tenant", "red", "--user", "red", *argv, "--json").stdout)["lease"]


def release(lease):
    vfctl("release", lease["id"])
    wait_for(lambda: all(vf(a)["state"] == "ready" for a in lease["vfs"]), 30, "back")


def test_start():
    lab.start(POLICY)
    wait_for(lambda: [v["state"] for v in listing("vfs") if v["pool"] in ("net", "disk")] == ["ready"] * 7, 120, "ready")
    assert pf(NET)["num_vfs"] == 3, "half of 7, rounded down"
    assert pf(NET)["mac"] == run("cat", f"{SYS}/{NET}/net/{netdev(NET)}/address").stdout.strip(), pf(NET)


def test_function_that_the_host_uses_is_not_taken():
    """The card carries the default route: not even --destructive takes it."""
    device = netdev(CARD)
    run("ip", "link", "set", device, "up")
    run("ip", "route", "add", "default", "dev", device)
    try:
        r = vfctl("plan", check=False)
        assert r.returncode == 2 and CARD in r.stdout, r.stdout
        assert os.path.basename(os.readlink(f"{SYS}/{CARD}/driver")) == "igb", "taken without being asked"
        r = vfctl("apply", "--destructive", check=False)
        assert "the host itself uses this function" in r.stdout, r.stdout
        assert os.path.basename(os.readlink(f"{SYS}/{CARD}/driver")) == "igb"
    finally:
        run("ip", "route", "del", "default", "dev", device)
        run("ip", "link", "set", device, "down")


def test_whole_function():
    vfctl("apply", "--destructive")
    wait_for(lambda: vf(CARD)["state"] == "ready", 30, "the card is fenced")
    assert lab.open_error(f"/dev/vfio/{vf(CARD)['group']}") == EBUSY
    vm = VM("red", RED, "appliance", pool="card")
    assert vm.lease["vfs"] == [CARD]
    assert vm.pci() == [(0x8086, 0x10c9)], vm.pci()
    vm.end()
    wait_for(lambda: vf(CARD)["state"] == "ready", 30, "reclaimed")
    assert f"{CARD}: reclaiming -> ready" in lab.journal()
    lab.systemctl("restart")
    wait_for(lambda: vf(CARD)["state"] == "ready", 30, "found again")


def test_several_pools_and_attributes():
    lease = acquire("--pool", "net:2,vlan=200", "--pool", "disk", "--vm", "web1")
    assert lease["pools"] == ["net", "disk"] and len(lease["vfs"]) == 3, lease
    assert len({vf(a)["pf"] for a in lease["vfs"]}) == 2
    for i, d in enumerate(lease["devices"][:2]):
        index = vf(d["address"])["index"]
        assert d["attributes"]["mac"] == f"02:52:44:00:00:0{i}", d
        now = told(index)
        assert now["address"] == d["attributes"]["mac"], now
        assert (now["vlan_list"][0]["vlan"], now["spoofchk"]) == (200, True), now
    release(lease)
    for d in lease["devices"][:2]:
        now = told(vf(d["address"])["index"])
        assert now["address"] != d["attributes"]["mac"], now
        assert all(v.get("vlan", 0) == 0 for v in now.get("vlan_list", [])), now


def test_what_somebody_else_changes_is_put_right():
    """'ip link' behind the daemon's back: of a leased VF, and of an idle one. The kernel tells while the interface is up."""
    dev = netdev(NET)
    run("ip", "link", "set", "dev", dev, "up")
    lease = acquire("--pool", "net", "--vm", "drift", "--vlan", "205")
    mine = int(vf(lease["vfs"][0])["index"])
    idle = next(int(v["index"]) for v in listing("vfs", state="ready") if v["pf"] == NET)
    mac = told(mine)["mac"] if "mac" in told(mine) else told(mine)["address"]
    plain = told(idle)
    run("ip", "link", "set", "dev", dev, "vf", str(mine), "vlan", "0", "trust", "on")
    run("ip", "link", "set", "dev", dev, "vf", str(idle), "mac", "02:00:00:00:be:ef", "vlan", "9")

    def right():
        now = told(mine)
        return now.get("vlan_list", [now])[0].get("vlan", 0) == 205 and not now["trust"]
    wait_for(right, 30, "the leased VF is put right")
    wait_for(lambda: told(idle) == plain, 30, "the idle VF is put right")
    assert (told(mine)["mac"] if "mac" in told(mine) else told(mine)["address"]) == mac
    wait_for(lambda: not any(v["drift"] for v in listing("vfs")), 30, "nothing is shown any more")
    assert "somebody else changed its vlan" in lab.journal()
    release(lease)
    wait_for(lambda: {v["state"] for v in listing("vfs") if v["pf"] == NET} == {"ready"}, 30, "all ready")
def test_statistics():
    """igb counts nothing for its VFs: the kernel sends zeros, which are nobody's traffic."""
    lease = acquire("--pool", "net:2", "--pool", "disk", "--vm", "web1")
    rows = {r["address"]: r for r in json.loads(vfctl("top", "--once", "--json").stdout)["rows"]}
    assert set(rows) == {v["address"] for v in listing("vfs", pf=NET)}, rows
    assert {r["known"] for r in rows.values()} == {"unsupported"}, rows
    assert {a for a, r in rows.items() if r["tenant"] == "red"} == set(lease["vfs"][:2]), rows
    own = json.loads(vfctl("top", "--once", "--json", uid=RED).stdout)["rows"]
    assert {r["address"] for r in own} == set(lease["vfs"][:2]), own
    assert "traffic:   -\n" in vfctl("show", lease["vfs"][0]).stdout
    assert "traffic:" not in vfctl("show", lease["vfs"][2]).stdout
    release(lease)


def attributes(data, at, end):
    """(type, length as told, offset) of each netlink attribute, until one does not fit."""
    while end - at >= 4:
        length, kind = struct.unpack_from("=HH", data, at)
        yield kind & 0x3FFF, length, at
        if length < 4 or length > end - at:
            return
        at += (length + 3) & ~3


def test_long_lists_of_vfs_are_as_we_read_them():
    """What sriov/netvf-list.c rests on: the list's length wraps, and nothing else does. Simulated NICs have enough VFs."""
    if not os.path.exists("/sys/bus/netdevsim/new_device"):
        return
    for n in (200, 250, 500):
        with open("/sys/bus/netdevsim/new_device", "w") as f:
            f.write(f"{n} 1")
        device = f"/sys/bus/netdevsim/devices/netdevsim{n}"
        for path, value in ((f"/sys/kernel/debug/netdevsim/netdevsim{n}/max_vfs", n), (f"{device}/sriov_numvfs", n)):
            with open(path, "w") as f:
                f.write(str(value))
        name = wait_for(lambda: os.listdir(f"{device}/net"), 10, "an interface")[0]
        with open(f"{device}/net/{name}/ifindex") as f:
            body = struct.pack("=BxHiIIHHI", 0, 0, int(f.read()), 0, 0, 8, 29, 1)  # IFLA_EXT_MASK, RTEXT_FILTER_VF
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.send(struct.pack("=IHHII", 16 + len(body), 18, 1, 1, 0) + body)  # RTM_GETLINK
            data = netlink.recv(1 << 20)
        assert struct.unpack_from("=IH", data) == (len(data), 16), "one whole message"
        length, at = next((length, at) for kind, length, at in attributes(data, 32, len(data)) if kind == 22)
        end = at + 4
        for i, (kind, size, vf_at) in zip(range(n), attributes(data, at + 4, len(data))):
            mac_size, mac, index = struct.unpack_from("=HHI", data, vf_at + 4)
            assert (kind, mac_size, mac, index) == (1, 40, 1, i), (n, i, kind, mac_size, mac, index)
            end = vf_at + size
        assert (end - at) % 65536 == length and (end - at > 65536) == (n > 221), (n, end - at, length)
        *_, (_, size, last) = attributes(data, end, len(data))
        assert last + ((size + 3) & ~3) == len(data), (n, last, size, len(data))
        with open("/sys/bus/netdevsim/del_device", "w") as f:
            f.write(str(n))


def test_choices_are_held_to_the_policy():
    for reason, choice in (("vlan", "vlan=300"), ("mac", "mac=02:00:00:00:00:01"), ("rate", "min-tx=1")):
        r = vfctl("acquire", "--tenant", "red", "--pool", f"net,{choice}", "--vm", "x", check=False)
        assert r.returncode != 0 and f"({reason})" in r.stderr, r.stderr


def test_the_line():
    first = acquire("--pool", "net:3", "--vm", "one")
    waiter = subprocess.Popen(["vfctl", "acquire", "--tenant", "red", "--pool", "net:2", "--vm", "two", "--wait=60", "--json"],
                              stdout=subprocess.PIPE, text=True)
    wait_for(lambda: next(p for p in listing("pools") if p["name"] == "net")["waiting"] == 1, 10, "in line")
    vfctl("release", first["id"])
    lease = json.loads(waiter.communicate(timeout=60)[0])["lease"]
    assert lease["vm"] == "two" and len(lease["vfs"]) == 2
    release(lease)


def test_reservation_outlives_a_restart():
    first = acquire("--pool", "net", "--vm", "db1", "--keep")
    release(first)
    lab.systemctl("restart")
    wait_for(lambda: vfctl("status", check=False).returncode == 0, 30, "healthy")
    other = acquire("--pool", "net:2", "--vm", "other")
    assert not set(other["vfs"]) & set(first["vfs"])
    again = acquire("--pool", "net", "--vm", "db1")
    assert [(d["address"], d["attributes"]["mac"]) for d in again["devices"]] == \
           [(d["address"], d["attributes"]["mac"]) for d in first["devices"]]
    release(other)
    release(again)
    vfctl("unreserve", "--tenant", "red", "--vm", "db1")


def test_growth_waits_for_the_last_lease():
    lease = acquire("--pool", "net", "--vm", "web1")
    policy = json.loads(json.dumps(POLICY))
    policy["pools"]["net"]["vfs"] = "max"
    lab.write_policy(policy)
    vfctl("reload")
    vfctl("apply", "--destructive", check=False)
    assert (pf(NET)["num_vfs"], pf(NET)["pending_vfs"]) == (3, 7), pf(NET)
    time.sleep(0.5)  # nothing may happen meanwhile: there is no condition to wait for
    assert vf(lease["vfs"][0])["state"] == "leased"
    vfctl("release", lease["id"])
    wait_for(lambda: pf(NET)["num_vfs"] == 7 and
             [v["state"] for v in listing("vfs", pf=NET)] == ["ready"] * 7, 60, "grown")
    assert pf(NET)["pending_vfs"] == 0
    assert vfctl("plan", check=False).returncode == 0


def test_drain():
    lease = acquire("--pool", "net", "--vm", "web1")
    drain = subprocess.Popen(["vfctl", "drain", NET, "--reason", "new cable", "--wait=60"], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: pf(NET)["drained"], 10, "drained")
    r = vfctl("acquire", "--tenant", "red", "--pool", "net", "--vm", "x", check=False)
    assert r.returncode == 75 and "drained" in r.stderr, r.stderr
    assert drain.poll() is None
    vfctl("release", lease["id"])
    assert drain.wait(60) == 0
    vfctl("undrain", NET)
    release(acquire("--pool", "net", "--vm", "x"))


def test_nothing_was_logged_as_an_error():
    errors = run("journalctl", "--no-pager", "-o", "cat", "-p", "err", "-u", "vfctld", "-u", "vfctld-worker@*").stdout
    assert errors.strip() == "", errors


def test_vfs_that_somebody_drives_are_not_destroyed():
    """It would freeze hotplug of the whole host until that process lets go."""
    policy = json.loads(json.dumps(POLICY))
    del policy["pools"]["net"], policy["defaults"]
    for tenant in policy["tenants"].values():
        tenant["pools"].pop("net", None)
    lab.write_policy(policy)
    vfctl("reload")
    wait_for(lambda: {v["state"] for v in listing("vfs", pf=NET)} == {"unmanaged"}, 10, "given up")
    held = listing("vfs", pf=NET)[4]
    fd = os.open(f"/dev/vfio/{held['group']}", os.O_RDWR)
    before = pf(NET)["num_vfs"]
    policy = json.loads(json.dumps(POLICY))
    policy["pools"]["net"]["vfs"] = 2
    lab.write_policy(policy)
    vfctl("reload")
    wait_for(lambda: vf(held["address"])["reason"] == "held", 20, "held")
    wait_for(lambda: [v["state"] for v in listing("vfs", pf=NET)].count("ready") == before - 1, 30, "the others ready")
    r = vfctl("apply", "--destructive", check=False)
    assert r.returncode != 0 and "another process still holds the VF" in r.stdout, r.stdout + r.stderr
    assert pf(NET)["num_vfs"] == before
    os.close(fd)
    wait_for(lambda: vf(held["address"])["state"] == "ready", 30, "let go")
    vfctl("apply", "--destructive")
    wait_for(lambda: pf(NET)["num_vfs"] == 2 and {v["state"] for v in listing("vfs", pf=NET)} == {"ready"}, 30, "two")


if __name__ == "__main__":
    lab.main([t for n, t in list(globals().items()) if n.startswith("test_")])
