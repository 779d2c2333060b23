#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes from Acquire to the VF in hand, and from Release until it is ready again, on a running vfctld.

acquire.py [--socket PATH] [--rounds N] [--hand-off auto|fd|node] TENANT POOL
"""

import argparse
import json
import os
import socket
import stat
import sys
import time


class Link:
    """One Varlink connection; the descriptors of the last call's reply are in fds."""

    def __init__(self, path="/run/vfctld/control"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.buffer, self.fds = b"", []

    def send(self, method, parameters, **flags):
        message = {"method": f"io.vfctl.Manager.{method}", "parameters": parameters, **flags}
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def receive(self):
        while b"\0" not in self.buffer:
            chunk, fds, _, _ = socket.recv_fds(self.socket, 1 << 16, 64)
            if not chunk:
                raise ConnectionError("the daemon closed the connection")
            self.buffer += chunk
            self.fds += fds
        message, self.buffer = self.buffer.split(b"\0", 1)
        reply = json.loads(message)
        if "error" in reply:
            raise RuntimeError(f"{reply['error']} {reply.get('parameters', {})}")
        return reply["parameters"]

    def call(self, method, **parameters):
        self.fds = []
        self.send(method, parameters)
        return self.receive()


def check_hand_off(reply, fds):
    """The VF must really be in hand: its descriptors, or a node that is the lease's user's."""
    lease, device = reply["lease"], reply["devices"][0]
    if lease["hand_off"] == "fd":
        numbers = {os.readlink(f"/proc/self/fd/{fds[device[name]]}").rsplit("/", 1)[0] for name in ("device_fd", "iommufd_fd")}
        assert len(fds) == 2 and numbers == {"/dev/vfio/devices", "/dev"}, (fds, numbers)
    else:
        node = os.stat(device["node"])
        assert stat.S_ISCHR(node.st_mode) and node.st_uid == lease["uid"] and node.st_mode & 0o777 == 0o600, node


def wait_ready(monitor, address):
    """Until the event that says so: asking again and again would take the daemon's time."""
    while True:
        event = monitor.receive()["event"]
        if event["kind"] == "vf" and event["address"] == address:
            if event["new"] == "ready":
                return
            if event["new"] in ("quarantined", "stuck"):
                raise RuntimeError(f"{address} does not come back: {event}")


def measure(path, tenant, pool, rounds, hand_off="auto"):
    """Seconds of each acquire and of each return, and the hand-off that was used."""
    acquired, returned, used = [], [], ""
    link, monitor = Link(path), Link(path)
    monitor.send("Monitor", {}, more=True)
    for n in range(rounds):
        begin = time.monotonic()
        reply = link.call("Acquire", tenant=tenant, pool=pool, vm=f"bench{n}", lifetime="kept", hand_off=hand_off)
        acquired.append(time.monotonic() - begin)
        fds, lease = link.fds, reply["lease"]
        used = lease["hand_off"]
        check_hand_off(reply, fds)
        for fd in fds:
            os.close(fd)
        begin = time.monotonic()
        link.call("Release", lease=lease["id"])
        wait_ready(monitor, lease["vfs"][0])
        returned.append(time.monotonic() - begin)
    return acquired, returned, used


def summary(seconds):
    """Median, 90th percentile, maximum, in milliseconds."""
    s = sorted(seconds)
    return [x * 1e3 for x in (s[len(s) // 2], s[min(len(s) - 1, len(s) * 9 // 10)], s[-1])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--socket", default="/run/vfctld/control")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--hand-off", choices=["auto", "fd", "node"], default="auto")
    parser.add_argument("tenant")
    parser.add_argument("pool")
    a = parser.parse_args()
    acquired, returned, used = measure(a.socket, a.tenant, a.pool, max(a.rounds, 1), a.hand_off)
    for name, times in ((f"acquire ({used})", acquired), ("release to ready again", returned)):
        print("{:<24} median {:8.2f} ms   p90 {:8.2f} ms   max {:8.2f} ms".format(name, *summary(times)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
