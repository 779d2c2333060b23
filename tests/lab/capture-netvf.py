#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What iproute2 sends to set and show VFs of netdevsim or igb, and what the kernel answers, as a header for tests/unit (needs
strace):
  tests/lab/run --kernel iommufd --igb 0 --nvme 0 -- tests/lab/capture-netvf.py netdevsim >tests/unit/captured-netdevsim.h
  tests/lab/run --kernel stock --igb 1 --nvme 0 -- tests/lab/capture-netvf.py igb >tests/unit/captured-igb.h"""
import json
import os
import platform
import re
import subprocess
import sys

import wire

RTM_NEWLINK, RTM_GETLINK = 16, 18
SETS = {
    "netdevsim": [
        "vf 0 mac 02:52:44:00:00:01 vlan 100 qos 3 min_tx_rate 10 max_tx_rate 1000 spoofchk on state enable query_rss on trust on",
        "vf 1 mac 02:52:44:00:00:02 vlan 4094 qos 7 proto 802.1ad spoofchk off state disable query_rss off trust off",
        "vf 2 vlan 0 qos 0",
        "vf 2 vlan 5 qos 0",
        "vf 2 min_tx_rate 0 max_tx_rate 70000",
        "vf 2 state auto",
    ],
    "igb": [
        "vf 0 mac 02:52:44:00:00:01",
        "vf 0 vlan 100 qos 3",
        "vf 0 min_tx_rate 0 max_tx_rate 100",
        "vf 1 spoofchk off",
        "vf 1 trust on",
    ],
}


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def netdevsim():
    write("/sys/bus/netdevsim/new_device", "1 1")
    subprocess.run(["mount", "-t", "debugfs", "none", "/sys/kernel/debug"], check=False, stderr=subprocess.DEVNULL)
    write("/sys/kernel/debug/netdevsim/netdevsim1/max_vfs", "3")
    write("/sys/bus/netdevsim/devices/netdevsim1/sriov_numvfs", "3")
    subprocess.run(["udevadm", "settle"], check=True)
    return os.listdir("/sys/bus/netdevsim/devices/netdevsim1/net")[0]


def igb():
    pf = "0000:01:00.0"
    write(f"{wire.SYS}/{pf}/sriov_drivers_autoprobe", "0")
    write(f"{wire.SYS}/{pf}/sriov_numvfs", "3")
    wire.up(pf)  # else it refuses rates
    return wire.netdev(pf)


def strace(argv):
    """What a command wrote, and the netlink messages that it sent and got, in order."""
    p = subprocess.run(["strace", "-o", "/tmp/trace", "-e", "trace=sendmsg,recvmsg", "-e", "read=all", "-e", "write=all", *argv],
                       check=True, stdout=subprocess.PIPE, text=True)
    sent, got, now = [], [], None
    with open("/tmp/trace", encoding="utf-8") as f:
        for line in f:
            if line.startswith(("sendmsg", "recvmsg")):
                now = sent if line.startswith("sendmsg") else got
                now.append(b"")
            elif m := re.match(r" \| [0-9a-f]+  ((?:[0-9a-f]{2} {1,2})+) ", line):
                now[-1] += bytes.fromhex(m[1])
    return p.stdout, sent, got


def only(messages, kind):
    return [m for m in messages if len(m) > 32 and int.from_bytes(m[4:6], "little") == kind]


def text(s):
    """A string of C, 100 bytes a line."""
    parts = [s[i:i + 100].replace('"', r'\"') for i in range(0, len(s), 100)]
    return "\n".join(f'          "{p}"' for p in parts)


def entry(command, sent, answer, shown):
    values = f'"{command}"', text(sent.hex()), answer and text(answer.hex()), shown and text(shown)
    print("        { " + ",\n".join(v.lstrip() if n == 0 else v or "          NULL" for n, v in enumerate(values)) + " },")


def main():
    kind = sys.argv[1]
    dev = netdevsim() if kind == "netdevsim" else igb()
    version = subprocess.run(["ip", "-V"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[2].strip(",")
    print(f"""/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Three VFs of {kind}, Linux {platform.release()}: messages of {version}, caught by strace. Made by
 * tests/lab/capture-netvf.py, which says how. */

/* clang-format off */
static const struct captured captured_{kind}[] = {{""")
    for options in SETS[kind]:
        command = f"ip link set dev {dev} {options}"
        _, sent, _ = strace(command.split())
        entry(command, only(sent, RTM_NEWLINK)[-1], None, None)
    command = f"ip -d -s -j link show dev {dev}"  # asks twice: for its number, without statistics, then for all
    shown, sent, got = strace(command.split())
    vfs = json.dumps(json.loads(shown)[0]["vfinfo_list"])
    for question, answer in zip(only(sent, RTM_GETLINK), only(got, RTM_NEWLINK), strict=True):
        entry(command, question, answer, vfs)
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    main()
