#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The real worker on a real kernel: every operation once, and what must be refused.

Runs in the virtual host (tests/lab/run --bare or with systemd), as root: worker-smoke.py WORKER
"""

import array
import errno
import fcntl
import glob
import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import time
import unittest

import nvmevf

SYS = "/sys/bus/pci/devices"
HERE = os.path.dirname(os.path.abspath(__file__))
PROTOCOL = os.path.join(HERE, "../../daemon/worker-protocol.h")
REASONS = os.path.join(HERE, "../../common/reason.h")
ADDRESS, REQUEST, REPLY = "IBBBx", "@IIQIBBBx4Q64s", "@IiQII17Q256s160s"
GROUP, IOMMUFD = 1, 2
WORKER = ""


def codes(path, start):
    """The names of an X-macro list, in order."""
    text = open(path).read()
    text = text[text.index(start):]
    body = text[:re.search(r"[^\\]\n", text).start() + 1]
    return re.findall(r"\bX\((\w+),", body)


OPS = {name: i for i, name in enumerate(codes(PROTOCOL, "#define WORKER_OPS(X)"))}
REASON = {i + 1: name for i, name in enumerate(codes(REASONS, "#define REASONS(X)"))}
VERSION = int(re.search(r"WORKER_PROTOCOL_VERSION (\d+)U", open(PROTOCOL).read()).group(1))


class Reply:
    def __init__(self, data, fds):
        f = struct.unpack(REPLY, data)
        self.version, self.error, self.id, reason, self.n_fds = f[:5]
        self.reason = REASON.get(reason, "")
        self.value = f[5:22]
        self.data = f[22]
        self.detail = f[23].split(b"\0")[0].decode()
        self.fds = fds

    def __repr__(self):
        return f"error {self.error} reason {self.reason!r} detail {self.detail!r}"

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Worker:
    def __init__(self, *arguments):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([WORKER, *arguments], stdin=theirs)
        theirs.close()
        self.last = 0

    def send(self, op, address="0000:00:00.0", *values, text="", fds=()):
        domain, bus, rest = address.split(":")
        device, function = rest.split(".")
        self.last += 1
        values = list(values) + [0] * (4 - len(values))
        request = struct.pack(REQUEST, VERSION, OPS[op], self.last, int(domain, 16), int(bus, 16), int(device, 16),
                              int(function, 16), *values, text.encode())
        socket.send_fds(self.sock, [request], list(fds))

    def answer(self, timeout=30):
        if not select.select([self.sock], [], [], timeout)[0]:
            raise TimeoutError
        data, fds, _, _ = socket.recv_fds(self.sock, struct.calcsize(REPLY) + 1, 4)
        reply = Reply(data, fds)
        assert reply.id == self.last and reply.n_fds == len(fds)
        return reply

    def ask(self, op, *arguments, **more):
        self.send(op, *arguments, **more)
        return self.answer()

    def close(self):
        self.sock.close()
        return self.process.wait(10)


def read(*path):
    with open(os.path.join(SYS, *path)) as f:
        return f.read().strip()


def driver(address):
    try:
        return os.path.basename(os.readlink(f"{SYS}/{address}/driver"))
    except FileNotFoundError:
        return ""


def group(address):
    return os.path.basename(os.readlink(f"{SYS}/{address}/iommu_group"))


def pfs(name):
    return sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(f"{SYS}/*/sriov_totalvfs")
                  if driver(os.path.basename(os.path.dirname(p))) == name)


def cdev(address):
    found = glob.glob(f"{SYS}/{address}/vfio-dev/vfio*/dev")
    return "/dev/vfio/devices/" + os.path.basename(os.path.dirname(found[0])) if found else ""


class Smoke(unittest.TestCase):
    """One PF of each kind; backends as this kernel has them."""

    @classmethod
    def setUpClass(cls):
        for module in ("igb", "nvme", "vfio-pci", "vfio_iommu_type1"):
            subprocess.run(["modprobe", "-q", module], check=False)
        deadline = time.monotonic() + 20
        while not (pfs("igb") and pfs("nvme")) and time.monotonic() < deadline:
            time.sleep(0.1)
        cls.w = Worker()
        cls.pf = pfs("igb")[0]
        cls.backends = ([GROUP] if os.path.exists("/dev/vfio/vfio") else []) + \
            ([IOMMUFD] if os.path.exists("/dev/iommu") else [])
        print("backends", cls.backends, "kernel", os.uname().release, flush=True)
        # before management: only autoprobe is allowed
        early = cls.w.ask("NUMVFS", cls.pf, 4)
        assert early.error == -1, early
        for pf in (cls.pf, pfs("nvme")[0]):
            r = cls.w.ask("AUTOPROBE", pf, 0)
            assert r.error == 0, r
            t = time.monotonic()
            r = cls.w.ask("NUMVFS", pf, 4)
            assert r.error == 0 and r.value[0] == 4, r
            print("numvfs 4 on", pf, f"{(time.monotonic() - t) * 1000:.0f} ms", flush=True)
        cls.vfs = [os.path.basename(os.readlink(f"{SYS}/{pf}/virtfn{i}"))
                   for pf in (cls.pf, pfs("nvme")[0]) for i in range(4)]
        for vf in cls.vfs:
            deadline = time.monotonic() + 20
            while driver(vf) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert driver(vf) == ""
            r = cls.w.ask("BIND", vf, text="vfio-pci")
            while r.error == -errno.EAGAIN and time.monotonic() < deadline:  # the host's driver is being loaded just now
                r = cls.w.ask("BIND", vf, text="vfio-pci")
            assert r.error == 0, r
        assert all(driver(vf) == "vfio-pci" for vf in cls.vfs)

    @classmethod
    def tearDownClass(cls):
        for pf in (cls.pf, pfs("nvme")[0]):
            r = cls.w.ask("NUMVFS", pf, 0)
            assert r.error == 0 and r.value[0] == 0, r
        assert cls.w.close() == 0

    def ok(self, reply):
        self.assertEqual(reply.error, 0, reply)
        return reply

    def refused(self, reply, error, reason=""):
        self.assertEqual((-reply.error, reply.reason), (error, reason), reply)
        self.assertNotEqual(reply.detail, "")
        self.assertEqual(reply.fds, [])
        print("refused:", reply, flush=True)

    def test_ping(self):
        self.ok(self.w.ask("PING"))

    def test_numvfs_reasons(self):
        self.refused(self.w.ask("NUMVFS", self.pf, 2), 16, "NUMVFS_BUSY")
        self.refused(self.w.ask("NUMVFS", self.pf, 60000), 34, "NUMVFS_RANGE")
        self.assertEqual(self.ok(self.w.ask("NUMVFS", self.pf, 4)).value[0], 4)

    def test_refusals(self):
        bridge = os.path.basename(os.path.dirname(os.path.realpath(f"{SYS}/{self.pf}")))
        self.refused(self.w.ask("UNBIND", self.pf), 1)
        self.refused(self.w.ask("UNBIND", bridge), 1)
        self.refused(self.w.ask("NUMVFS", self.vfs[0], 0), 1)
        self.refused(self.w.ask("BIND", self.vfs[0], text="igbvf"), 1)
        self.refused(self.w.ask("UNBIND", "0000:77:00.0"), 19)
        self.refused(self.w.ask("AUTOPROBE", bridge, 0), 1)
        # a PF given back: its VFs are out of reach
        self.ok(self.w.ask("AUTOPROBE", self.pf, 1))
        self.refused(self.w.ask("UNBIND", self.vfs[0]), 1, "NOT_MANAGED")
        self.ok(self.w.ask("AUTOPROBE", self.pf, 0))

    def test_bind_again_and_missing_driver(self):
        self.ok(self.w.ask("BIND", self.vfs[1], text="vfio-pci"))
        self.ok(self.w.ask("UNBIND", self.vfs[1]))
        self.assertEqual(driver(self.vfs[1]), "")
        self.assertEqual(read(self.vfs[1], "driver_override"), "vfio-pci")
        self.ok(self.w.ask("UNBIND", self.vfs[1]))
        self.refused(self.w.ask("BIND", self.vfs[1], text="nosuch_vfio_pci"), 2, "PROBE_FAILED")
        self.ok(self.w.ask("BIND", self.vfs[1], text="vfio-pci"))
        self.assertEqual(driver(self.vfs[1]), "vfio-pci")

    def test_config(self):
        bridge = os.path.basename(os.path.dirname(os.path.realpath(f"{SYS}/{self.pf}")))
        for address in (self.pf, self.vfs[0], bridge):
            with open(f"{SYS}/{address}/config", "rb") as f:
                whole = f.read()
            for offset in (0, 0x100, 3840):
                reply = self.ok(self.w.ask("CONFIG", address, offset))
                self.assertEqual(reply.value[0], 256)
                self.assertEqual(reply.data, whole[offset:offset + 256])
        self.refused(self.w.ask("CONFIG", self.pf, 3841), 22)

    def node(self, vf, backend):
        return f"/dev/vfio/{group(vf)}" if backend == GROUP else cdev(vf)

    def fence(self, vf, backend):
        t = time.monotonic()
        reply = self.ok(self.w.ask("FENCE", vf, backend))
        print("fence", vf, {GROUP: "group", IOMMUFD: "iommufd"}[backend],
              f"{(time.monotonic() - t) * 1000:.2f} ms", flush=True)
        self.assertEqual(len(reply.fds), 1)
        self.assertEqual(os.fstat(reply.fds[0]).st_rdev, os.stat(self.node(vf, backend)).st_rdev)
        return reply

    def test_fence_is_exclusive(self):
        for backend in self.backends:
            for vf in (self.vfs[0], self.vfs[4]):
                held = self.fence(vf, backend)
                for other in self.backends:
                    twice = backend == other == IOMMUFD  # the one case that the kernel answers with EINVAL
                    self.refused(self.w.ask("FENCE", vf, other), 22 if twice else 16, "HELD")
                if backend == GROUP:
                    with self.assertRaises(OSError):
                        os.open(self.node(vf, backend), os.O_RDWR)
                held.close()
                self.fence(vf, backend).close()

    def set_bus_master(self, vf):
        with open(f"{SYS}/{vf}/config", "r+b", buffering=0) as f:
            f.seek(4)
            command = int.from_bytes(f.read(2), "little") | 4
            f.seek(4)
            f.write(command.to_bytes(2, "little"))
            f.seek(4)
            return int.from_bytes(f.read(2), "little") & 4

    def test_scrub(self):
        for backend in self.backends:
            for vf in (self.vfs[0], self.vfs[4]):
                held = self.fence(vf, backend)
                if backend == GROUP:
                    self.assertEqual(self.set_bus_master(vf), 4)
                t = time.monotonic()
                self.ok(self.w.ask("SCRUB", vf, backend, fds=held.fds))
                print("scrub", vf, f"{(time.monotonic() - t) * 1000:.0f} ms", flush=True)
                with open(f"{SYS}/{vf}/config", "rb") as f:
                    self.assertEqual(f.read(6)[4] & 4, 0)
                # the fence still stands, and is no other VF's
                self.assertEqual(self.w.ask("FENCE", vf, backend).reason, "HELD")
                self.refused(self.w.ask("SCRUB", self.vfs[2], backend, fds=held.fds), 9)
                self.refused(self.w.ask("SCRUB", vf, backend), 9)
                held.close()
        self.ok(self.w.ask("PING"))

    def test_scrub_notices_bus_master(self):
        """Under a device node's fence the kernel's own reset keeps the command register: it must be seen."""
        if IOMMUFD not in self.backends:
            self.skipTest("no iommufd")
        held = self.fence(self.vfs[3], IOMMUFD)
        self.set_bus_master(self.vfs[3])
        reply = self.w.ask("SCRUB", self.vfs[3], IOMMUFD, fds=held.fds)
        held.close()
        self.refused(reply, 5, "RESET_FAILED")

    def test_holders(self):
        vf = self.vfs[1]
        for backend in self.backends:
            self.assertEqual(self.ok(self.w.ask("HOLDERS", vf)).value[0], 0)
            child = subprocess.Popen(["sleep", "100"], stdin=open(self.node(vf, backend), "r+b", buffering=0))
            try:
                reply = self.ok(self.w.ask("HOLDERS", vf))
                self.assertEqual((reply.value[0], reply.value[1]), (1, child.pid))
                self.assertEqual(self.ok(self.w.ask("HOLDERS", self.vfs[2])).value[0], 0)
            finally:
                child.kill()
                child.wait()

    def amounts(self, pf):
        """Number of a VF to its controller's queues, interrupts and whether it is online, as the device itself says."""
        fd = os.open("/dev/" + os.listdir(f"{SYS}/{pf}/nvme")[0], os.O_RDWR)
        try:
            return nvmevf.amounts(fd)
        finally:
            os.close(fd)

    def test_each_nvme_vf_has_its_own_resources(self):
        pf, vfs = pfs("nvme")[0], self.vfs[4:]
        wanted = {1: (2, 1), 2: (4, 2), 3: (3, 1), 4: (4, 1)}
        for n, (queues, interrupts) in wanted.items():
            reply = self.ok(self.w.ask("NVME_ONLINE", vfs[n - 1], queues, interrupts))
            self.assertEqual(reply.value[:2], (queues, interrupts))
        self.assertEqual({n: a for n, a in self.amounts(pf).items() if n in wanted}, {n: (*w, True) for n, w in wanted.items()})
        for queues, interrupts in ((5, 1), (1, 1), (2, 3)):  # nothing of that reaches the device, or it would be offline
            self.refused(self.w.ask("NVME_ONLINE", vfs[0], queues, interrupts), errno.ENOSPC, "NVME_RESOURCES")
            self.assertEqual(self.amounts(pf)[1], (2, 1, True))
        self.ok(self.w.ask("NVME_OFFLINE", vfs[1]))
        self.assertEqual(self.amounts(pf)[2], (0, 0, False))
        self.assertEqual(self.ok(self.w.ask("NVME_ONLINE", vfs[1])).value[:2], (4, 2))  # an even share of 4
        for op, values in (("NVME_ERASE", (0xFFFFFFFF, 0)), ("NVME_ATTACH", (0xFFFFFFFF, 1)), ("NVME_ERASE", (0, 0)),
                           ("NVME_ERASE", (1, 9)), ("NVME_CREATE", (0,))):
            self.refused(self.w.ask(op, vfs[0], *values), errno.EINVAL)
        self.refused(self.w.ask("NVME_ERASE", vfs[0], 77, 0), errno.ENOENT, "NO_NAMESPACE")
        self.refused(self.w.ask("NVME_CREATE", vfs[0], 1 << 20), errno.EIO, "NAMESPACE")  # the emulated one cannot
        self.assertIn("Invalid Namespace or Format", self.w.ask("NVME_CREATE", vfs[0], 1 << 20).detail)
        for vf in vfs:
            self.ok(self.w.ask("NVME_OFFLINE", vf))

    def flexible(self, pf):
        fd = os.open("/dev/" + os.listdir(f"{SYS}/{pf}/nvme")[0], os.O_RDWR)
        try:
            return nvmevf.flexible(fd)
        finally:
            os.close(fd)

    def test_the_primary_gives_what_it_holds(self):
        pf = pfs("nvme")[0]
        self.ok(self.w.ask("NUMVFS", pf, 0))
        fd = os.open("/dev/" + os.listdir(f"{SYS}/{pf}/nvme")[0], os.O_RDWR)
        for kind, amount in ((0, 6), (1, 3)):
            nvmevf.admin(fd, 0x1C, 1 | kind << 8, amount)
        os.close(fd)
        with open(f"{SYS}/{pf}/reset", "w") as f:
            f.write("1")
        deadline = time.monotonic() + 30
        while read(pf, "nvme", os.listdir(f"{SYS}/{pf}/nvme")[0], "state") != "live" and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.flexible(pf), (6, 3))
        self.ok(self.w.ask("NUMVFS", pf, 4))
        self.refused(self.w.ask("NVME_PRIMARY", pf, 2, 1), errno.EIO, "NVME_FAILED")  # VFs would not survive what this one wants
        self.ok(self.w.ask("NUMVFS", pf, 0))
        self.ok(self.w.ask("NVME_PRIMARY", pf, 2, 1))
        self.assertEqual(self.flexible(pf), (2, 1))
        self.ok(self.w.ask("NVME_PRIMARY", pf, 0, 0))
        self.assertEqual(self.flexible(pf), (0, 0))
        self.ok(self.w.ask("NUMVFS", pf, 4))
        for vf in self.vfs[4:]:
            self.ok(self.w.ask("BIND", vf, text="vfio-pci"))

    def test_holders_leave_the_daemon_out(self):
        backend = self.backends[0]
        held = self.fence(self.vfs[1], backend)
        self.assertEqual(self.ok(self.w.ask("HOLDERS", self.vfs[1])).value[0], 0)
        held.close()

    def test_open(self):
        vf = self.vfs[5]
        reply = self.w.ask("OPEN", vf)
        if IOMMUFD not in self.backends:
            self.refused(reply, 95, "NO_FD_HANDOFF")
            return
        self.assertEqual(len(self.ok(reply).fds), 2)
        iommufd, device = reply.fds
        option = bytearray(struct.pack("@IIHHIQ", 24, 0, 1, 0, 0, 0))
        fcntl.ioctl(iommufd, 0x3B87, option)
        self.assertEqual(struct.unpack("@IIHHIQ", option)[5], 1)
        bind = bytearray(struct.pack("@IIiI", 16, 0, iommufd, 0))
        fcntl.ioctl(device, 0x3B00 + 118, bind)  # both were unbound, so this works
        ioas = bytearray(struct.pack("@III", 12, 0, 0))
        fcntl.ioctl(iommufd, 0x3B81, ioas)
        attach = bytearray(struct.pack("@III", 12, 0, struct.unpack("@III", ioas)[2]))
        fcntl.ioctl(device, 0x3B00 + 119, attach)
        self.assertEqual(self.w.ask("FENCE", vf, IOMMUFD).reason, "HELD")
        if GROUP in self.backends:
            self.assertEqual(self.w.ask("FENCE", vf, GROUP).reason, "HELD")
        reply.close()
        self.fence(vf, self.backends[0]).close()

    def test_renew_makes_old_descriptors_worthless(self):
        vf = self.vfs[6]
        if IOMMUFD not in self.backends:
            self.ok(self.w.ask("RENEW", vf, text="vfio-pci"))
            self.assertEqual(driver(vf), "vfio-pci")
            return
        fd = os.open(cdev(vf), os.O_RDWR)
        self.w.send("RENEW", vf, text="vfio-pci")
        with self.assertRaises(TimeoutError):  # waits for the descriptor
            self.w.answer(1.5)
        # meanwhile another worker and the facts of the VF stay within reach
        other = Worker()
        self.ok(other.ask("PING"))
        self.assertEqual(other.close(), 0)
        os.close(fd)
        self.ok(self.w.answer())
        self.assertEqual(driver(vf), "vfio-pci")

    def test_grant_and_revoke(self):
        vf = self.vfs[2]
        node = f"/dev/vfio/{group(vf)}"
        if GROUP not in self.backends:
            self.skipTest("no group nodes")
        self.ok(self.w.ask("GRANT", vf, 3001, 3002))
        st = os.stat(node)
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (3001, 3002, 0o600))
        code = f"import os\nos.setgid(3002); os.setuid(3001)\nos.open({node!r}, os.O_RDWR)"
        self.assertEqual(subprocess.run([sys.executable, "-c", code]).returncode, 0)
        code = code.replace("3001", "3003")
        self.assertNotEqual(subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode, 0)
        self.ok(self.w.ask("REVOKE", vf))
        st = os.stat(node)
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (0, 0, 0o600))
        self.ok(self.w.ask("UNBIND", vf))
        self.assertFalse(os.path.exists(node))
        self.ok(self.w.ask("REVOKE", vf))
        self.refused(self.w.ask("GRANT", vf, 3001, 3001), 2, "NO_NODE_HANDOFF")
        self.ok(self.w.ask("BIND", vf, text="vfio-pci"))

    def test_memlock(self):
        child = subprocess.Popen(["sleep", "100"], preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_MEMLOCK, (65536, 131072)))
        try:
            with open(f"/proc/{child.pid}/stat") as f:
                start = int(f.read().rpartition(")")[2].split()[19])
            self.refused(self.w.ask("MEMLOCK", "0000:00:00.0", child.pid, start + 1, 1 << 30), 3)
            self.ok(self.w.ask("MEMLOCK", "0000:00:00.0", child.pid, start, 100000))
            self.assertEqual(resource.prlimit(child.pid, resource.RLIMIT_MEMLOCK), (100000, 131072))
            self.ok(self.w.ask("MEMLOCK", "0000:00:00.0", child.pid, start, 4 << 30))
            self.assertEqual(resource.prlimit(child.pid, resource.RLIMIT_MEMLOCK), (4 << 30, 4 << 30))
        finally:
            child.kill()
            child.wait()

    def test_group_type(self):
        vf = self.vfs[7]
        kind = f"/sys/kernel/iommu_groups/{group(vf)}/type"
        with open(kind) as f:
            before = f.read().strip()
        print("default domain", before, flush=True)
        self.ok(self.w.ask("GROUP_TYPE", vf, text="DMA"))
        with open(kind) as f:
            self.assertTrue(f.read().startswith("DMA"))
        self.refused(self.w.ask("GROUP_TYPE", vf, text="identity"), 1)

    def test_numvfs_zero_while_fenced(self):
        """A group fence does not hold up the end of the VFs."""
        if self.backends[0] != GROUP:
            self.skipTest("no group nodes")
        pf = pfs("igb")[1]
        self.ok(self.w.ask("AUTOPROBE", pf, 0))
        self.assertEqual(self.ok(self.w.ask("NUMVFS", pf, 2)).value[0], 2)
        vf = os.path.basename(os.readlink(f"{SYS}/{pf}/virtfn0"))
        self.ok(self.w.ask("BIND", vf, text="vfio-pci"))
        held = self.fence(vf, GROUP)
        self.assertEqual(self.ok(self.w.ask("NUMVFS", pf, 0)).value[0], 0)
        self.refused(self.w.ask("UNBIND", vf), 19)
        held.close()

    def test_bad_requests_end_the_connection(self):
        w = Worker()
        w.sock.send(b"short")
        self.assertEqual(w.sock.recv(4096), b"")
        self.assertNotEqual(w.close(), 0)
        w = Worker()
        fds = array.array("i", [0, 0, 0])
        w.sock.sendmsg([bytes(struct.calcsize(REQUEST))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        self.assertEqual(w.sock.recv(4096), b"")
        self.assertNotEqual(w.close(), 0)

    def test_strangers_are_refused(self):
        code = f"""
import os, socket, subprocess, sys
os.setgid(3003); os.setuid(3003)
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
print(b.fileno(), flush=True)
sys.stdin.read()
"""
        # the socket is a stranger's, the worker is root's: as systemd would start it
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        number = int(child.stdout.readline())
        pidfd = os.pidfd_open(child.pid)
        import ctypes
        fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, number, 0)  # pidfd_getfd
        self.assertGreaterEqual(fd, 0)
        done = subprocess.run([WORKER], stdin=fd, stderr=subprocess.PIPE, text=True, timeout=10)
        os.close(fd)
        child.communicate("")
        self.assertEqual(done.returncode, 1)
        self.assertIn("uid 3003", done.stderr)


if __name__ == "__main__":
    WORKER = os.path.realpath(sys.argv.pop(1))
    assert struct.calcsize(REQUEST) == 120 and struct.calcsize(REPLY) == 576, \
        (struct.calcsize(REQUEST), struct.calcsize(REPLY))
    result = unittest.main(verbosity=2, exit=False).result
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)
