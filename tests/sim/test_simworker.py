# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulated worker by itself: it must behave as a kernel does, or the other tests prove nothing."""

import array
import fcntl
import os
import re
import socket
import struct
import subprocess
import time

import harness
from harness import PF, SimTest, wait_for
from simhost import Tree, function

HEADERS = os.path.join(harness.HERE, "..", "..")
REQUEST = struct.Struct("=IIQIBBBx4Q64s")
IDENTITY = struct.Struct("=64s24s6s2xII")
WHOLE = 0x57484F4C
REPLY = struct.Struct("=IiQII17Q256s160s")


def listed(header, macro):
    """Names of an X list in a C header, in order."""
    with open(os.path.join(HEADERS, header)) as f:
        text = f.read().split(f"#define {macro}(X)")[1].split("\n\n")[0]
    return re.findall(r'X\((?:\w+), "([\w-]+)"', text)


with open(os.path.join(HEADERS, "daemon/worker-protocol.h")) as header_file:
    VERSION = int(re.search(r"WORKER_PROTOCOL_VERSION (\d+)U", header_file.read())[1])
OPS = listed("daemon/worker-protocol.h", "WORKER_OPS")
REASONS = ["none"] + listed("common/reason.h", "REASONS")


class Worker:
    def __init__(self, root):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)
        self.process = subprocess.Popen([f"{harness.binaries()}/worker/simworker", "--root", root], stdin=theirs)
        theirs.close()
        self.id = 0

    def send(self, op, address="0000:00:00.0", *values, text="", fds=()):
        domain, bus, rest = address.split(":")
        device, function = rest.split(".")
        self.id += 1
        data = REQUEST.pack(VERSION, OPS.index(op), self.id, int(domain, 16), int(bus, 16), int(device, 16), int(function),
                            *(list(values) + [0] * 4)[:4], text.encode())
        self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def receive(self):
        data, fds, *_ = socket.recv_fds(self.sock, 4096, 4)
        if not data:
            raise EOFError
        version, error, ident, reason, n_fds, *rest = REPLY.unpack(data)
        assert (version, ident, n_fds) == (VERSION, self.id, len(fds))
        return os.strerror(-error) if error else "", REASONS[reason], rest[:17], rest[17], fds

    def do(self, *arguments, **named):
        """Error text, reason, first value, descriptors."""
        self.send(*arguments, **named)
        error, reason, values, _, fds = self.receive()
        return error, reason, values[0], fds

    def close(self):
        self.sock.close()
        return self.process.wait(20)


class WorkerTest(SimTest):
    def setUp(self):
        self.dir = None

    def start(self, *pfs, **tree):
        host = self.host(list(pfs) or [PF("0000:01:00.0")], start=False, **tree)
        self.dir, self.the_host = host.dir, host
        worker = Worker(host.dir)
        self.addCleanup(worker.close)
        self.pf = next(iter(host.tree.pfs.values()))
        return worker

    def ready(self, worker, vf):
        """Binds and fences; returns the fence."""
        self.assertEqual(worker.do("bind", vf, text="vfio-pci")[0], "")
        error, _, _, fds = worker.do("fence", vf, 1)
        self.assertEqual(error, "")
        self.addCleanup(lambda: [os.close(fd) for fd in fds if os.path.exists(f"/proc/self/fd/{fd}")])
        return fds[0]

    def test_protocol_layout(self):
        self.assertEqual((REQUEST.size, REPLY.size), (120, 24 + 17 * 8 + 256 + 160))
        self.assertEqual(OPS[:4], ["ping", "autoprobe", "numvfs", "bind"])
        self.assertEqual(self.start().do("ping"), ("", "none", 0, []))

    def test_life_of_a_vf(self):
        worker = self.start()
        tree = self.the_host.tree
        self.assertEqual(worker.do("autoprobe", self.pf.address, 0), ("", "none", 0, []))
        self.assertEqual(worker.do("numvfs", self.pf.address, 4), ("", "none", 4, []))
        vf = self.pf.vf(1)
        self.assertEqual((tree.driver(vf), tree.device(vf, "driver_override"), tree.device(vf, "physfn/device")),
                         ("", "(null)", "0x10c9"))
        fence = self.ready(worker, vf)
        self.assertEqual((tree.driver(vf), tree.device(vf, "driver_override")), ("vfio-pci", "vfio-pci"))
        self.assertEqual(worker.do("fence", vf, 1)[:2], ("Device or resource busy", "held"))
        with open(tree.path("sim/vf", vf), "w") as f:
            f.write("secret")
        self.assertEqual(worker.do("scrub", vf, 1, fds=[fence])[0], "")
        self.assertEqual((self.the_host.resets(vf), tree.read(f"sim/vf/{vf}")), (1, ""))
        os.close(fence)
        self.assertEqual(worker.do("unbind", vf)[0], "")
        self.assertEqual(tree.driver(vf), "")
        self.assertEqual(worker.do("numvfs", self.pf.address, 0), ("", "none", 0, []))
        self.assertEqual(set(os.listdir(tree.path("sys/bus/pci/devices"))), {self.pf.address, tree.port(self.pf)})
        self.assertEqual([n for n in os.listdir(tree.path("dev/vfio")) if n.isdigit()], [])
        self.assertEqual(os.listdir(tree.path("sys/kernel/iommu_groups")), ["99"])

    def test_numvfs_errors_in_the_kernels_order(self):
        worker = self.start(PF("0000:01:00.0"), PF("0000:05:00.0", driver=""))
        one, two = self.the_host.tree.pfs
        self.assertEqual(worker.do("numvfs", one, 1)[0], "Operation not permitted")  # not under management yet
        for pf in (one, two):
            worker.do("autoprobe", pf, 0)
        for pf, count, expected in ((one, 5, ("Numerical result out of range", "numvfs-range", 0)),
                                    (two, 0, ("", "none", 0)),
                                    (two, 2, ("No such file or directory", "numvfs-no-driver", 0)),
                                    (one, 3, ("", "none", 3)), (one, 3, ("", "none", 3)),
                                    (one, 4, ("Device or resource busy", "numvfs-busy", 3)), (one, 0, ("", "none", 0))):
            self.assertEqual(worker.do("numvfs", pf, count)[:3], expected)
        self.assertEqual(worker.do("numvfs", "0000:77:00.0", 1)[0], "No such device")

    def test_fence_follows_the_open_file(self):
        worker = self.start()
        worker.do("autoprobe", self.pf.address, 0)
        worker.do("numvfs", self.pf.address, 2)
        a, b = self.pf.vf(0), self.pf.vf(1)
        fence = self.ready(worker, a)
        other = self.ready(worker, b)
        self.assertEqual(worker.do("scrub", a, 1, fds=[other])[0], "Bad file descriptor")
        self.assertEqual(worker.do("scrub", a, 1)[0], "Bad file descriptor")
        loose = os.open(self.the_host.tree.node(a), os.O_RDWR)
        self.assertEqual(worker.do("scrub", a, 1, fds=[loose])[0], "Bad file descriptor")
        os.close(loose)
        copy = os.dup(fence)
        os.close(fence)
        self.assertEqual(worker.do("fence", a, 1)[1], "held")
        os.close(copy)
        self.assertEqual(worker.do("fence", a, 1)[1], "none")

    def test_isolation(self):
        for tree, op, expected in (({"iommu": False}, "bind", ("No such device or address", "probe-failed")),
                                   ({"msi_isolation": False}, "fence", ("Operation not permitted", "no-msi-isolation")),
                                   ({"iommu": False, "noiommu": True}, "fence", ("Operation not permitted", "noiommu-group"))):
            worker = self.start(**tree)
            worker.do("autoprobe", self.pf.address, 0)
            worker.do("numvfs", self.pf.address, 1)
            answer = worker.do("bind", self.pf.vf(0), text="vfio-pci")
            if op == "fence":
                answer = worker.do("fence", self.pf.vf(0), 1)
            self.assertEqual(answer[:2], expected)

    def test_shared_group_is_not_viable(self):
        worker = self.start(PF("0000:01:00.0", shared_group=7))
        worker.do("autoprobe", self.pf.address, 0)
        worker.do("numvfs", self.pf.address, 2)
        worker.do("bind", self.pf.vf(0), text="vfio-pci")
        self.assertEqual(worker.do("fence", self.pf.vf(0), 1)[:2], ("Operation not permitted", "shared-group"))

    def test_autoprobe_lets_the_host_driver_in(self):
        worker = self.start()
        self.the_host.enable_by_hand(self.pf.address, 1)
        self.assertEqual(self.the_host.tree.driver(self.pf.vf(0)), "igbvf")
        self.assertEqual(worker.do("bind", self.pf.vf(0), text="vfio-pci")[0], "Operation not permitted")
        worker.do("autoprobe", self.pf.address, 0)
        self.assertEqual(worker.do("bind", self.pf.vf(0), text="vfio-pci")[0], "")
        self.assertEqual(self.the_host.tree.driver(self.pf.vf(0)), "vfio-pci")

    def test_refuses_what_the_real_worker_refuses(self):
        worker = self.start()
        worker.do("autoprobe", self.pf.address, 0)
        worker.do("numvfs", self.pf.address, 1)
        vf = self.pf.vf(0)
        for arguments, text in ((("bind", vf), "igbvf"), (("group-type", vf), "identity"), (("autoprobe", vf, 0), ""),
                                (("bind", self.pf.address), "vfio-pci"), (("fence", vf, 3), ""), (("grant", vf, 0, 1 << 40), "")):
            self.assertIn(worker.do(*arguments, text=text)[0], ("Operation not permitted", "Invalid argument"), arguments)

    def test_open_and_holders(self):
        worker = self.start(kernel="cdev")
        worker.do("autoprobe", self.pf.address, 0)
        worker.do("numvfs", self.pf.address, 1)
        vf = self.pf.vf(0)
        worker.do("bind", vf, text="vfio-pci")
        error, _, _, (iommufd, device) = worker.do("open", vf)
        self.assertEqual((error, "memfd:iommufd" in os.readlink(f"/proc/self/fd/{iommufd}")), ("", True))
        self.assertEqual(os.readlink(f"/proc/self/fd/{device}"), self.the_host.tree.node(vf))
        self.assertEqual(worker.do("fence", vf, 2)[1], "held")
        holder = subprocess.Popen(["sleep", "1000"], pass_fds=[device])
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        os.close(device)
        worker.send("holders", vf)
        values = worker.receive()[2]
        self.assertEqual(values[:2], [1, holder.pid])
        fresh = Worker(self.dir)  # unbinding waits for the holder, as the kernel does
        self.addCleanup(fresh.close)
        fresh.send("unbind", vf)
        fresh.sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            fresh.receive()
        holder.kill()
        holder.wait()
        fresh.sock.settimeout(20)
        self.assertEqual(fresh.receive()[0], "")
        self.assertEqual(worker.do("holders", vf)[2], 0)
        os.close(iommufd)

    def test_renew_makes_old_descriptors_worthless(self):
        worker = self.start(kernel="cdev")
        worker.do("autoprobe", self.pf.address, 0)
        worker.do("numvfs", self.pf.address, 1)
        vf = self.pf.vf(0)
        worker.do("bind", vf, text="vfio-pci")
        old = os.open(self.the_host.tree.node(vf), os.O_RDWR)
        fcntl.flock(old, fcntl.LOCK_SH)
        worker.send("renew", vf, text="vfio-pci")
        worker.sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            worker.receive()
        worker.sock.settimeout(20)
        fcntl.flock(old, fcntl.LOCK_UN)
        self.assertEqual(worker.receive()[0], "")
        fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual(worker.do("fence", vf, 2)[0], "")
        os.close(old)

    def test_config_memlock_group_type_grant(self):
        worker = self.start(default_domain="identity")
        tree = self.the_host.tree
        worker.do("autoprobe", self.pf.address, 0)
        worker.do("numvfs", self.pf.address, 1)
        vf = self.pf.vf(0)
        worker.send("config", self.pf.address, 256)
        self.assertEqual(worker.receive()[3][:4], bytes((0x10, 0, 1, 0)))
        self.assertEqual(worker.do("config", vf, 4096)[0], "Invalid argument")
        worker.do("memlock", "0000:00:00.0", 4242, 7, 1 << 30)
        self.assertEqual(tree.read("sim/memlock/4242"), f"7 {1 << 30}")
        self.assertEqual(tree.device(vf, "iommu_group/type"), "identity")
        self.assertEqual(worker.do("group-type", vf, text="DMA")[0], "")
        self.assertEqual(tree.device(vf, "iommu_group/type"), "DMA")
        worker.do("bind", vf, text="vfio-pci")
        self.assertEqual(worker.do("grant", vf, os.getuid(), os.getgid())[0], "")
        self.assertEqual(open(tree.node(vf) + ".owner").read().split()[0], str(os.getuid()))
        self.assertEqual(worker.do("revoke", vf)[0], "")
        self.assertEqual(open(tree.node(vf) + ".owner").read().split()[0], "0")

    def identify(self, worker, address):
        worker.send("identify", address)
        error, _, _, data, _ = worker.receive()
        self.assertEqual(error, "")
        serial, dsn, mac, link, msix = IDENTITY.unpack(data[:IDENTITY.size])
        return serial.rstrip(b"\0").decode(), dsn.rstrip(b"\0").decode(), mac.hex(":"), link, msix

    def test_identify(self):
        dsn = "00-1b-21-ff-ff-64-8c-12"
        worker = self.start(PF("0000:01:00.0", serial="A-17", dsn=dsn, netdev="ens1", mac="00:1b:21:64:8c:12", link=10000,
                               total_msix=64), function("0000:04:00.0", serial="disk 9", dsn=dsn), PF("0000:05:00.0"))
        self.assertEqual(self.identify(worker, "0000:01:00.0"), ("A-17", dsn, "00:1b:21:64:8c:12", 10000, 64))
        self.assertEqual(self.identify(worker, "0000:04:00.0"), ("disk 9", dsn, "00:00:00:00:00:00", 0, 0))
        self.assertEqual(self.identify(worker, "0000:05:00.0"), ("", "", "00:00:00:00:00:00", 0, 0))
        self.assertEqual(worker.do("identify", "0000:77:00.0")[0], "No such device")

    def vectors(self, vf):
        return int.from_bytes(self.the_host.tree.read_bytes(f"sys/bus/pci/devices/{vf}/config")[0xE2:0xE4], "little") + 1

    def test_vectors_of_a_vf(self):
        worker = self.start(PF("0000:01:00.0", total_msix=32, vf_msix=4), PF("0000:05:00.0", vf_msix=4))
        other = self.the_host.tree.pfs["0000:05:00.0"]
        for pf in (self.pf, other):
            worker.do("autoprobe", pf.address, 0)
            worker.do("numvfs", pf.address, 2)
        a, b = self.pf.vfs[:2]
        self.assertEqual(worker.do("bind", a, 4, text="vfio-pci")[:2], ("", "none"))
        self.assertEqual(worker.do("bind", a, 8, text="vfio-pci")[:2], ("", "none"))
        self.assertEqual((self.vectors(a), self.vectors(b), self.the_host.tree.driver(a)), (8, 4, "vfio-pci"))
        self.assertEqual(worker.do("bind", b, 33, text="vfio-pci")[:2], ("No space left on device", "msix-failed"))
        self.assertEqual(self.the_host.tree.driver(b), "")
        self.assertEqual(worker.do("bind", b, 0, text="vfio-pci")[:2], ("", "none"))
        self.assertEqual(self.vectors(b), 4)
        self.assertEqual(worker.do("bind", other.vf(0), 8, text="vfio-pci")[:2], ("Operation not supported", "msix-failed"))
        self.assertEqual(worker.do("bind", other.vf(0), 4, text="vfio-pci")[:2], ("", "none"))

    def test_best_driver(self):
        worker = self.start(PF("0000:01:00.0"), PF("0000:05:00.0", vendor=0x15B3, vf_device=0x101E))
        tree = self.the_host.tree
        plain, special = tree.pfs["0000:01:00.0"], tree.pfs["0000:05:00.0"]
        for pf in (plain, special):
            worker.do("autoprobe", pf.address, 0)
            worker.do("numvfs", pf.address, 1)
        self.assertEqual(worker.do("bind", special.vf(0))[0], "")
        self.assertEqual(tree.driver(special.vf(0)), "vfio-pci")
        tree.variant("v*d*sv*sd*bc*sc*i*", "vfio_pci", loaded=False)
        tree.variant("v000015B3d0000101Esv*sd*bc*sc*i*", "mlx5_vfio_pci", loaded=False)
        self.assertEqual(worker.do("bind", special.vf(0))[:2], ("Resource temporarily unavailable", "probe-failed"))
        os.mkdir(tree.path("sys/bus/pci/drivers/mlx5_vfio_pci"))
        for pf, driver in ((special, "mlx5_vfio_pci"), (plain, "vfio-pci")):
            self.assertEqual(worker.do("bind", pf.vf(0))[0], "")
            self.assertEqual(worker.do("renew", pf.vf(0))[0], "")  # the driver it has
            self.assertEqual((tree.driver(pf.vf(0)), tree.device(pf.vf(0), "driver_override")), (driver, driver))

    def test_whole_function(self):
        worker = self.start(function("0000:04:00.0"))
        tree, address, whole = self.the_host.tree, "0000:04:00.0", (0, 0, WHOLE)
        self.assertEqual(worker.do("bind", address)[0], "Operation not permitted")
        self.assertEqual(worker.do("fence", address, 1, *whole)[0], "Operation not permitted")  # the host drives it
        self.assertEqual(worker.do("bind", address, 0, *whole)[:2], ("", "none"))
        self.assertEqual(tree.driver(address), "vfio-pci")
        error, _, _, fds = worker.do("fence", address, 1, *whole)
        self.assertEqual((error, len(fds)), ("", 1))
        with open(tree.path("sim/vf", address), "w") as f:
            f.write("secret")
        self.assertEqual(worker.do("scrub", address, 1, *whole, fds=fds)[0], "")
        self.assertEqual((self.the_host.resets(address), tree.read(f"sim/vf/{address}")), (1, ""))
        os.close(fds[0])
        self.assertEqual(worker.do("renew", address, 0, *whole)[0], "")
        self.assertEqual(worker.do("unbind", address, 0, *whole)[0], "")

    def test_what_the_host_needs_is_not_taken(self):
        worker = self.start(function("0000:04:00.0"), function("0000:05:00.0", driver="igb", klass=0x020000, netdev="ens5"),
                            PF("0000:06:00.0"), function("0000:07:00.0"))
        tree = self.the_host.tree
        tree.disk(tree.pfs["0000:04:00.0"], mounted="/home")
        tree.disk(tree.pfs["0000:07:00.0"], "nvme1n1", holder="dm-0")
        tree.default_route("ens5")
        self.the_host.enable_by_hand("0000:06:00.0", 1)
        for address in tree.pfs:
            for op in ("bind", "unbind"):
                self.assertEqual(worker.do(op, address, 0, 0, 0, WHOLE)[0], "Operation not permitted", (op, address))
        self.assertEqual([tree.driver(a) for a in tree.pfs], ["nvme", "igb", "igb", "nvme"])

    def test_faults(self):
        worker = self.start()
        self.the_host.faults("op=numvfs address=0000:01:* error=ENOMEM reason=numvfs-no-room after=1 count=2",
                             "op=autoprobe value=1 error=EIO late=1")
        worker.do("autoprobe", self.pf.address, 0)
        self.assertEqual(worker.do("autoprobe", self.pf.address, 1)[0], "Input/output error")
        self.assertEqual(self.the_host.tree.device(self.pf.address, "sriov_drivers_autoprobe"), "1")
        worker.do("autoprobe", self.pf.address, 0)
        got = [worker.do("numvfs", self.pf.address, n)[:3] for n in (1, 0, 0, 0)]
        self.assertEqual(got, [("", "none", 1), ("Cannot allocate memory", "numvfs-no-room", 0),
                               ("Cannot allocate memory", "numvfs-no-room", 0), ("", "none", 0)])
        self.assertEqual(self.the_host.faults_hit(), [("autoprobe", self.pf.address)] + [("numvfs", self.pf.address)] * 2)
        self.assertEqual([e for *_, e in self.the_host.operations("numvfs")], ["0", "ENOMEM", "ENOMEM", "0"])
        with open(self.the_host.tree.path("sim/faults")) as f:
            self.assertEqual(f.read().split(), ["op=autoprobe", "value=1", "error=EIO", "late=1"])

    def test_delay_hang_short_badid_exit(self):
        worker = self.start()
        self.the_host.faults("op=ping delay=100 count=1")
        begin = time.monotonic()
        worker.do("ping")
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)
        self.the_host.faults("op=ping hang=1 count=1")
        worker.send("ping")
        worker.sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            worker.receive()
        worker.process.terminate()  # no signal but SIGKILL ends a process in the kernel
        self.the_host.unhang()
        worker.sock.settimeout(20)
        self.assertEqual(worker.receive()[0], "")
        self.the_host.faults("op=ping short=1 count=1")
        worker.send("ping")
        self.assertEqual(len(worker.sock.recv(4096)), REPLY.size // 2)
        self.the_host.faults("op=ping badid=1 count=1")
        worker.send("ping")
        self.assertNotEqual(REPLY.unpack(worker.sock.recv(4096))[2], worker.id)
        self.the_host.faults("op=autoprobe exit=after count=1")
        worker.send("autoprobe", self.pf.address, 0)
        with self.assertRaises(EOFError):
            worker.receive()
        self.assertEqual(self.the_host.tree.device(self.pf.address, "sriov_drivers_autoprobe"), "0")
        self.assertEqual(worker.process.wait(20), 1)

    def test_die_kills_the_parent(self):
        for die, done in (("before", "1"), ("during", "0"), ("after", "0")):
            self.start()
            self.the_host.faults(f"op=autoprobe die={die} count=1")
            parent = subprocess.Popen([harness.PYTHON, "-c", PARENT, f"{harness.binaries()}/worker/simworker", self.dir, str(VERSION)],
                                      **harness.as_user(harness.DAEMON_UID))
            self.assertEqual(parent.wait(20), -9)
            wait_for(lambda: self.the_host.operations() or die == "before")
            self.assertEqual(self.the_host.tree.device(self.pf.address, "sriov_drivers_autoprobe"), done)

    def test_thousands_of_vfs_are_quick(self):
        host = self.host([PF(f"0000:{n * 4 + 1:02x}:00.0", total=256, offset=256) for n in range(4)], start=False)
        begin = time.monotonic()
        result = subprocess.run([f"{harness.binaries()}/worker/simworker", "--root", host.dir, "--floor"], check=True,
                                capture_output=True, text=True)
        self.assertEqual(result.stdout.split()[0], "1024")
        self.assertLess(time.monotonic() - begin, harness.DEADLINE)
        log = host.operations()
        self.assertEqual(len(log), 4 * 2 + 1024 * 2)
        self.assertEqual({error for *_, error in log}, {"0"})


class StoreTest(SimTest):
    """The stand-in for systemd keeps, gives back and forgets descriptors."""

    def test_store(self):
        host = self.host(start=False)
        systemd = host.daemon.systemd
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.connect(systemd.path)
        kept, barrier = os.pipe()
        socket.send_fds(client, [b"FDSTORE=1\nFDNAME=one"], [kept])
        read, write = os.pipe()
        socket.send_fds(client, [b"BARRIER=1"], [write])
        os.close(write)
        self.assertEqual(os.read(read, 1), b"")  # the end of file is the answer
        self.assertEqual({n: len(f) for n, f in systemd.stored().items()}, {"one": 1})
        program = "import os,sys; print(os.environ['LISTEN_FDS'], os.environ['LISTEN_FDNAMES'], " \
                  "int(os.environ['LISTEN_PID']) == os.getpid(), os.fstat(3).st_ino == int(sys.argv[1]))"
        result = subprocess.run([harness.PYTHON, "-S", f"{harness.binaries()}/launch.py",
                                 ",".join(str(f) for f in systemd.stored()["one"]), "one", harness.PYTHON, "-c", program,
                                 str(os.fstat(kept).st_ino)], pass_fds=systemd.stored()["one"], capture_output=True, text=True)
        self.assertEqual(result.stdout.split(), ["1", "one", "True", "True"], result.stderr)
        client.send(b"FDSTOREREMOVE=1\nFDNAME=one")
        wait_for(lambda: not systemd.stored())
        client.send(b"READY=1\nSTATUS=fine")
        self.assertTrue(systemd.ready.wait(5))
        for fd in (kept, barrier, read):
            os.close(fd)


PARENT = """
import socket, struct, subprocess, sys, time
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
worker = subprocess.Popen([sys.argv[1], "--root", sys.argv[2]], stdin=theirs)
theirs.close()
ours.send(struct.pack("=IIQIBBBx4Q64s", int(sys.argv[3]), 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, b""))
time.sleep(30)
"""

assert Tree
