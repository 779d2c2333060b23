#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two VMs with a Linux of their own, each on an igb VF that `vfctl run` leased to it: igbvf has the policy's MAC, pings are
answered, and a neighbour in another VLAN hears nothing. The same as suite_network.py, with a real VMM and a real driver: slower,
and at the mercy of nested virtualization in an emulator. Ends with 126 if that failed."""
import os
import sys

import lab
import wire
from lab import BLUE, RED, listing, run, wait_for
from nested import NoBoot, boot
from suite_network import NET, OTHER, POLICY, is_plain, settled
from wire import BROADCAST, Guest, Wire, netdev, told, vlan_of

POLICY["defaults"]["memlock"] = "512M"
vms = []


def test_two_vms_boot():
    for pf in (NET, OTHER):
        run("ip", "link", "set", "dev", netdev(pf), "up")
    lab.start(POLICY)
    wait_for(settled, 60, "all VFs ready")
    for pf in (NET, OTHER):
        wire.up(pf)
    try:
        vms.extend(boot("red", RED, name) for name in ("web", "db"))
    except NoBoot as e:
        print(f"{e} does not boot, again and again", flush=True)
        os._exit(126)  # not a failure of ours: tests/lab/test boots another host


def test_pings_between_them():
    listener, neighbour = Wire(OTHER), Guest("blue", BLUE, "neighbour", 200)
    assert neighbour.do("start") == neighbour.mac
    macs = [vm.lease["devices"][0]["attributes"]["mac"] for vm in vms]
    for n, (vm, mac) in enumerate(zip(vms, macs)):
        now = told(NET)[lab.vf(vm.address)["index"]]
        assert (now["address"], vlan_of(now)) == (mac, 100) and mac.startswith("02:52:44:"), now
        assert vm.sh("cat /sys/class/net/eth0/address") == mac
        vm.sh(f"ip link set eth0 up && ip addr add 10.0.0.{n + 1}/24 dev eth0")
    for n, vm in enumerate(vms):
        other = 1 - n
        out = vm.sh(f"ping -c 5 -w 30 10.0.0.{other + 1}")
        print(f"  {vm.name}, {vm.address}, MAC {macs[n]}: {out.splitlines()[-2]}", flush=True)
        assert macs[other] in vm.sh("cat /proc/net/arp"), "the other's MAC, as it came over the wire"
        assert int(vm.sh("cat /sys/class/net/eth0/statistics/rx_packets")) > 0
    listener.send(BROADCAST, "end", 200)
    wait_for(lambda: (listener.mac, "end") in neighbour.heard(), 10, "the neighbour hears its VLAN")
    assert neighbour.senders == {listener.mac}, neighbour.senders
    listener.heard()
    assert {vlan for vlan, mac in listener.senders if mac in macs} == {100}, listener.senders
    print(f"  VLAN 200 has heard {neighbour.senders}, the wire {listener.senders}", flush=True)
    neighbour.close()


def test_nothing_is_left():
    while vms:
        vms.pop().end()
    wait_for(settled, 30, "all back")
    assert not listing("leases") and all(is_plain(n) for n in range(4)), told(NET)


if __name__ == "__main__":
    sys.exit(lab.main([test_two_vms_boot, test_pings_between_them, test_nothing_is_left]))
