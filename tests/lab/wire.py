# SPDX-License-Identifier: GPL-2.0-or-later
"""Tenants' network VFs and the wire behind their PF: who gets which frame. All igb functions of the host hang on one hub, so a
second PF, that has no VFs, hears and says what is on the wire, VLAN tags and all."""
import json
import os
import socket
import struct
import subprocess
import sys

import lab
from lab import SYS, listing, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
BROADCAST = "ff:ff:ff:ff:ff:ff"
TYPE = 0x88B5  # IEEE 802, local experimental: nobody else's
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_AUXDATA, PROMISCUOUS, VLAN_VALID = 263, 1, 8, 1, 0x10


def netdev(pf):
    return os.listdir(f"{SYS}/{pf}/net")[0]


def up(pf):
    run("ip", "link", "set", "dev", netdev(pf), "up")
    wait_for(lambda: open(f"{SYS}/{pf}/net/{netdev(pf)}/carrier", encoding="ascii").read() == "1\n", 20, "link up")


def told(pf, *options, dev=None):
    """What the kernel says that the VFs of a PF were told, by their number."""
    link = json.loads(run("ip", *options, "-d", "-j", "link", "show", "dev", dev or netdev(pf)).stdout)[0]
    return {v["vf"]: v for v in link.get("vfinfo_list", [])}


def vlan_of(vf):
    return vf.get("vlan_list", [{}])[0].get("vlan", 0)


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def frame(to, sender, text, tag=None):
    header = mac_bytes(to) + mac_bytes(sender) + (struct.pack(">HH", 0x8100, tag) if tag is not None else b"")
    return (header + struct.pack(">H", TYPE) + text.encode() + b"\0").ljust(64, b"\0")


def parse(data):
    """(sender, text) of a frame of ours, None of another; what is inside a tag is told with the tag."""
    sender, kind, rest = data[6:12].hex(":"), data[12:14], data[14:]
    if kind == b"\x81\x00":
        inner = parse(data[:12] + rest[2:])
        return inner and (sender, f"{int.from_bytes(rest[:2], 'big') & 0xFFF}|{inner[1]}")
    if int.from_bytes(kind, "big") != TYPE:
        return None
    return sender, rest.split(b"\0")[0].decode()


class Guest:
    """A tenant's process, started through `vfctl run`, that drives its VF (igbvf.py)."""

    def __init__(self, tenant, uid, name, vlan):
        how = ("{device_fd}", "{iommufd_fd}") if lab.KERNEL == "iommufd" else ("{node}",)
        self.name, self.log, self.senders = name, [], set()
        self.process = subprocess.Popen(
            ["vfctl", "run", "--tenant", tenant, "--pool", f"net,vlan={vlan}" if vlan else "net", "--vm", name, "--memory", "1M",
             "--", sys.executable, "-B", f"{HERE}/igbvf.py", "{address}", *how],
            user=uid, group=uid, extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.address = self.answer()
        self.lease = next(l for l in listing("leases") if l["vm"] == name)
        assert self.lease["vfs"] == [self.address]
        self.mac = self.lease["devices"][0]["attributes"]["mac"]
        self.index = lab.vf(self.address)["index"]

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"{self.name} ended: {self.process.wait()}"
        reply = json.loads(line)
        assert "ok" in reply, f"{self.name}: {reply}"
        return reply["ok"]

    def do(self, verb, **arguments):
        self.process.stdin.write(json.dumps({"do": verb} | arguments) + "\n")
        return self.answer()

    def send(self, to, text, **more):
        self.do("send", frames=[frame(to, more.pop("sender", self.mac), text, **more).hex()])

    def heard(self):
        """(sender, text) of all frames so far. The card gives a sender its own broadcasts back: those do not count."""
        frames = [bytes.fromhex(f) for f in self.do("received")]
        self.senders |= {f[6:12].hex(":") for f in frames} - {self.mac}
        self.log += [p for f in frames if (p := parse(f)) and p[0] != self.mac]
        return self.log

    def close(self):
        self.process.kill()
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()


class Wire:
    def __init__(self, pf):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        self.socket.bind((netdev(pf), 0))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                               struct.pack("iHH8s", socket.if_nametoindex(netdev(pf)), PROMISCUOUS, 0, b""))
        self.socket.setblocking(False)
        self.mac = open(f"{SYS}/{pf}/net/{netdev(pf)}/address", encoding="ascii").read().strip()
        self.log, self.senders = [], set()  # these also of frames that are not ours: (VLAN, sender)

    def send(self, to, text, tag=None):
        self.socket.send(frame(to, self.mac, text, tag))

    def heard(self):
        """(VLAN, sender, text) of all frames so far that came from elsewhere."""
        while True:
            try:
                data, control, _, address = self.socket.recvmsg(2048, 256)
            except BlockingIOError:
                return self.log
            # struct tpacket_auxdata (include/uapi/linux/if_packet.h): the card has taken the tag off
            status, _, _, _, _, tci = struct.unpack_from("=IIIHHH", control[0][2])
            if address[2] == socket.PACKET_OUTGOING:
                continue
            vlan = tci & 0xFFF if status & VLAN_VALID else 0
            self.senders.add((vlan, data[6:12].hex(":")))
            if known := parse(data):
                self.log.append((vlan, *known))
