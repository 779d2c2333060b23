#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints tests/unit/captured-devlink.h: what iproute2's devlink says to a kernel with netdevsim and portsim, and what that answers.

usage, in a host of the lab with both modules loaded: capture-devlink.py [DEVLINK] > captured-devlink.h
DEVLINK: the program, of iproute2 6.10 or later, which knows max_io_eqs (default: devlink). portsim.c says how it is built."""
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

DEVLINK = sys.argv[1] if len(sys.argv) > 1 else "devlink"
BUS = "/sys/bus/netdevsim"
DEVICE = "netdevsim/netdevsim1"
PORTS = "platform/portsim"
ERROR, DONE, CTRL = 2, 3, 16
WORDS_MAX = 50  # bytes in one line of the header
PORT_GET, PORT_SET, ESWITCH_GET, ESWITCH_SET, RATE_GET, RATE_SET = 5, 6, 29, 30, 74, 75


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def messages(data):
    while len(data) >= 16:
        size = struct.unpack_from("<I", data)[0]
        yield data[:size]
        data = data[(size + 3) & ~3:]


def read_trace(text):
    """What went over the socket: ("sendto" or "recvmsg", bytes), from what strace dumped."""
    calls = []
    for line in text.splitlines():
        call = re.match(r"(?:\d+ +)?(sendto|sendmsg|recvmsg|recvfrom)\(", line)
        if call:
            calls.append((call.group(1)[:4], bytearray()))
        dump = re.match(r" \| [0-9a-f]+  ((?:[0-9a-f]{2} +)+) ", line)
        if dump and calls:
            calls[-1][1].extend(bytes.fromhex(dump.group(1)))
    return [(direction, bytes(data)) for direction, data in calls]


def traced(*command):
    return ["strace", "-qq", "-e", "trace=sendto,sendmsg,recvmsg,recvfrom", "-e", "read=all", "-e", "write=all", *command]


def run(*args):
    r = subprocess.run(traced(DEVLINK, *args), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return read_trace(r.stderr)


def talk(command, *args):
    """The message with this command and the kernel's answers to it, without those that only say that there are no more."""
    asked, answers = None, []
    for direction, data in run(*args):
        for m in messages(data):
            kind, flags, sequence = struct.unpack_from("<HHI", m, 4)
            if direction == "send":
                here = kind != CTRL and m[16] == command
                if here:
                    asked, number = m, sequence
            elif asked and sequence == number and (kind not in (ERROR, DONE) or struct.unpack_from("<i", m, 16)[0] != 0):
                answers.append(m)
    assert asked, (args, run(*args))
    return asked, answers


def show(name, what, data):
    print(f"\n/* {what} */\nstatic const char {name}[] =")
    rows = [data[i:i + WORDS_MAX].hex() for i in range(0, len(data), WORDS_MAX)]
    print("\n".join(f'                "{row}"' for row in rows) + ";")


def capture(name, command, *args):
    asked, answers = talk(command, *args)
    show(f"asked_{name}", "devlink " + " ".join(args), asked)
    if answers:
        show(f"answer_{name}", f"{len(answers)} message{'s' * (len(answers) > 1)}", b"".join(m + b"\0" * (-len(m) % 4) for m in answers))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def listens(strace):
    """Whether its child is a member of a multicast group of generic netlink."""
    with open("/proc/net/netlink", encoding="ascii") as f:
        lines = [line.split() for line in f]
    return any(protocol == "16" and port in map(str, children(strace)) and int(groups, 16) for _, protocol, port, groups, *_ in lines[1:])


def capture_news(name, what, change):
    """What 'devlink monitor' receives of a change."""
    with tempfile.TemporaryFile("w+") as out:
        with subprocess.Popen(traced(DEVLINK, "monitor"), stdout=subprocess.DEVNULL, stderr=out) as p:
            deadline = time.monotonic() + 30
            while not listens(p.pid):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            change()
            while True:
                out.seek(0)
                news = [m for direction, data in read_trace(out.read()) if direction == "recv" for m in messages(data)
                        if struct.unpack_from("<H", m, 4)[0] > CTRL and struct.unpack_from("<I", m, 8)[0] == 0]
                if news:
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for child in children(p.pid):
                os.kill(child, signal.SIGTERM)
    show(name, what, news[0])


def main():
    write(f"{BUS}/new_device", "1 1")
    if not os.path.exists("/sys/kernel/debug/netdevsim"):
        subprocess.run(["mount", "-t", "debugfs", "none", "/sys/kernel/debug"], check=False)
    write(f"{BUS}/devices/netdevsim1/sriov_numvfs", "3")
    subprocess.run(["udevadm", "settle", "--timeout=30"], check=False)
    version = subprocess.run([DEVLINK, "-V"], capture_output=True, text=True, check=True).stdout.split()[-1]
    print(f"""/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Made by tests/lab/capture-devlink.py: what devlink of {version} said to Linux {os.uname().release}
 * with netdevsim, three VFs, and with portsim, two; and what that answered, as strace dumped it: whole
 * netlink messages, several one after another. netdevsim has no attributes of functions: what is said of them
 * is refused. portsim has them all. */""")
    capture("eswitch_legacy", ESWITCH_GET, "dev", "eswitch", "show", DEVICE)
    capture("eswitch_set", ESWITCH_SET, "dev", "eswitch", "set", DEVICE, "mode", "switchdev")
    capture("eswitch_switchdev", ESWITCH_GET, "dev", "eswitch", "show", DEVICE)
    subprocess.run(["udevadm", "settle", "--timeout=30"], check=False)
    capture("ports", PORT_GET, "port", "show", DEVICE)
    port = next(struct.unpack_from("<I", m[m.index(b"\x08\x00\x03\x00") + 4:])[0] for m in talk(PORT_GET, "port", "show", DEVICE)[1]
                if b"\x06\x00\x80\x00\x01\x00" in m)  # DEVLINK_ATTR_PORT_INDEX of the one with DEVLINK_ATTR_PORT_PCI_VF_NUMBER 1
    name = f"{DEVICE}/{port}"
    print(f"\n/* of VF 1 */\n#define CAPTURED_PORT {port}U")
    capture("port", PORT_GET, "port", "show", name)
    capture("function_address", PORT_SET, "port", "function", "set", name, "hw_addr", "02:00:00:00:00:05")
    capture("function_queues", PORT_SET, "port", "function", "set", name, "max_io_eqs", "32")
    capture("function_inactive", PORT_SET, "port", "function", "set", name, "state", "inactive")
    capture("function_all", PORT_SET, "port", "function", "set", name, "hw_addr", "02:00:00:00:00:05", "state", "active",
            "max_io_eqs", "32")
    capture("rate_none", RATE_GET, "port", "function", "rate", "show", name)
    capture("rate_set", RATE_SET, "port", "function", "rate", "set", name, "tx_share", "10mbit", "tx_max", "2500mbit")
    capture("rate", RATE_GET, "port", "function", "rate", "show", name)
    capture("rate_too_high", RATE_SET, "port", "function", "rate", "set", name, "tx_share", "0", "tx_max", "25000mbit")
    capture_news("news_rate", "devlink monitor, when a rate is set",
                 lambda: subprocess.run([DEVLINK, "port", "function", "rate", "set", name, "tx_max", "100mbit"], check=True))
    capture_news("news_mode", "devlink monitor, when the mode becomes legacy",
                 lambda: subprocess.run([DEVLINK, "dev", "eswitch", "set", DEVICE, "mode", "legacy"], check=True))
    name = f"{PORTS}/2"
    capture("portsim_before", PORT_GET, "port", "show", name)
    capture("portsim_all", PORT_SET, "port", "function", "set", name, "hw_addr", "02:00:00:00:00:05", "state", "active",
            "max_io_eqs", "32")
    capture("portsim_after", PORT_GET, "port", "show", name)
    capture("portsim_too_many", PORT_SET, "port", "function", "set", name, "max_io_eqs", "65")
    capture("portsim_ports", PORT_GET, "port", "show", PORTS)
    capture_news("news_function", "devlink monitor, when event queues of a function are set",
                 lambda: subprocess.run([DEVLINK, "port", "function", "set", name, "max_io_eqs", "16"], check=True))
    write(f"{BUS}/del_device", "1")


if __name__ == "__main__":
    main()
