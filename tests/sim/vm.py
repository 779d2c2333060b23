# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that behaves like a VMM: acquires VFs, binds and holds their devices, uses them, ends or is killed.

vm.py SOCKET ROOT: commands are JSON lines on standard input, answers JSON lines on standard output. End of input
ends it.
"""

import fcntl
import json
import os
import sys

from varlink import Varlink, VarlinkError


class Machine:
    def __init__(self, socket_path, root):
        self.path, self.root = socket_path, root
        self.link = None
        self.devices = []
        self.fds = []

    def call(self, method, parameters):
        """Any method."""
        self.link = self.link or Varlink(self.path)
        try:
            return {"reply": self.link.call(method, **parameters)}
        except VarlinkError as e:
            return {"error": e.name, "parameters": e.parameters}

    def acquire(self, parameters):
        """Acquires; keeps the descriptors."""
        result = self.call("Acquire", parameters)
        if "reply" in result:
            self.devices += result["reply"]["devices"]
            self.fds += self.link.take_fds()
            result["fds"] = len(self.fds)
        return result

    def inherit(self):
        """Takes over what 'vfctl run' passed on."""
        fds = [int(fd) for fd in os.environ["VFCTL_DEVICE_FDS"].split()]
        for address in os.environ["VFCTL_ADDRESSES"].split():
            group = os.path.basename(os.readlink(f"{self.root}/sys/bus/pci/devices/{address}/iommu_group"))
            device = {"address": address, "node": f"/dev/vfio/{group}"}
            if fds:
                device["device_fd"] = len(self.fds)
                self.fds.append(fds.pop(0))
            self.devices.append(device)
        return {"vfs": [d["address"] for d in self.devices], "lease": os.environ["VFCTL_LEASE"],
                "iommufds": len(os.environ["VFCTL_IOMMUFD_FDS"].split())}

    def claim(self, address, node):
        """Pretends that a device is its own."""
        self.devices.append({"address": address, "node": node})
        return {}

    def bind(self):
        """What BIND_IOMMUFD or the open of the group is on a real host; says which devices are its own now."""
        bound, opened = [], {}  # a group is opened once, for all its devices
        for device in self.devices:
            if device.get("device_fd") is None:
                if device["node"] not in opened:
                    opened[device["node"]] = len(self.fds)
                    self.fds.append(os.open(self.root + device["node"], os.O_RDWR))
                device["device_fd"] = opened[device["node"]]
            fd = self.fds[device["device_fd"]]
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                bound.append(device["address"])
            except BlockingIOError:
                pass
        return {"bound": bound}

    def unbind(self):
        """Keeps the descriptors open, but drives nothing."""
        for fd in self.fds:
            fcntl.flock(fd, fcntl.LOCK_UN)
        return {}

    def write(self, text):
        for device in self.devices:
            with open(f"{self.root}/sim/vf/{device['address']}", "w", opener=lambda p, f: os.open(p, f, 0o666)) as f:
                f.write(text)
        return {}

    def read(self):
        """What is in the devices: the secrets of the last owner, if they were not scrubbed."""
        found = []
        for device in self.devices:
            path = f"{self.root}/sim/vf/{device['address']}"
            found.append(open(path).read() if os.path.exists(path) else "")
        return {"found": found}

    def drop(self):
        """Closes every device."""
        for fd in self.fds:
            os.close(fd)
        self.fds, self.devices = [], []
        return {}

    def disconnect(self):
        if self.link:
            self.link.close()
        self.link = None
        return {}


def main():
    os.umask(0)
    machine = Machine(sys.argv[1], sys.argv[2])
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(machine, command.pop("do"))(**command)
        except Exception as e:  # the test shall see it, whatever it is
            answer = {"exception": repr(e)}
        print(json.dumps(answer), flush=True)


main()
