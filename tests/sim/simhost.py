# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the fake tree of a simulated host: PFs behind root ports, drivers, IOMMU groups, VFIO.

simtree.h says what the simulated worker makes of it. VFs are not made here but by writing VF counts, as on a real host.
"""

import contextlib
import fcntl
import json
import os
import shutil

SYS = "sys/bus/pci/devices"
DEPTH = "../../../.."  # from a device's directory to sys/
RELEASE = "6.12.0-sim"


class PF:
    """What a physical function looks like. Everything has a default that passes for an Intel 82576 network card.

    serial (of the VPD), dsn (of the capability, as lspci prints it), mac, link (Mbit/s), slot, subsystem: who it is.
    total_msix: vectors that its driver can give to VFs; vf_msix: what each has at first (0: no MSI-X). With total=0 it is
    no PF but a plain function, see function(). controller: of an NVMe controller, what is not as in controller_state(). eswitch:
    mode of its switch, if it has one. services, vf_services: its, and each VF's, address services, see config_space().
    """

    def __init__(self, address, total=4, driver="igb", vendor=0x8086, device=0x10C9, vf_device=0x10CA,
                 klass=0x020000, numa=0, offset=128, stride=1, netdev=None, vf_driver="igbvf", shared_group=None, vf_group=None,
                 num=0, serial=None, dsn=None, mac=None, link=None, slot=None, subsystem=None, total_msix=None, vf_msix=0,
                 controller=None, eswitch=None, services=None, vf_services=None):
        self.address, self.total, self.driver, self.numa, self.num = address, total, driver, numa, num
        self.vendor, self.device, self.vf_device, self.klass = vendor, device, vf_device, klass
        self.offset, self.stride, self.netdev, self.vf_driver = offset, stride, netdev, vf_driver
        self.shared_group = shared_group  # of the PF and all its VFs
        self.vf_group = vf_group  # of the VFs alone
        self.serial, self.dsn, self.mac, self.link, self.slot = serial, dsn, mac, link, slot
        self.subsystem = subsystem or (vendor, 1)
        self.total_msix, self.vf_msix = total_msix, vf_msix
        self.controller = controller or {}
        self.eswitch = eswitch
        self.services, self.vf_services = services, vf_services

    def vf(self, index):
        """The address of a VF, by the arithmetic of the SR-IOV capability."""
        domain, bus, rest = self.address.split(":")
        dev, fn = rest.split(".")
        rid = (int(bus, 16) << 8) + (int(dev, 16) << 3) + int(fn) + self.offset + self.stride * index
        return f"{domain}:{rid >> 8 & 0xff:02x}:{rid >> 3 & 0x1f:02x}.{rid & 7}"

    @property
    def vfs(self):
        return [self.vf(i) for i in range(self.total)]


def nvme(address, total=4, **more):
    """A PF that is an NVMe controller."""
    return PF(address, total=total, driver="nvme", vendor=0x1B36, device=0x0010, vf_device=0x0010, klass=0x010802,
              offset=1, vf_driver="nvme", **more)


NVME_CLASS = 0x010802


def controller_state(total, serial, **different):
    """An NVMe controller with the controllers of its VFs, see simcontroller.h: it can do everything, has 4 queues and 2
    interrupts for each VF, of which one may have twice as much, and no namespace."""
    return {
        "model": "Simulated NVMe", "serial": serial, "firmware": "1.0", "controller": 0,
        "can": ["virtualize", "namespaces", "format", "crypto"],
        "queues": {"flexible": 4 * total, "primary": 0, "next": 0, "private": 8, "secondary_max": 8, "granularity": 1},
        "interrupts": {"flexible": 2 * total, "primary": 0, "next": 0, "private": 8, "secondary_max": 4, "granularity": 1},
        "capacity": 1 << 40, "namespaces_max": 1024, "critical_warning": 0, "spare": 100, "spare_threshold": 10, "used": 1,
        "temperature": 310, "media_errors": 0, "commands": 0,
        "secondaries": [{"controller": i, "vf": i, "queues": 0, "interrupts": 0, "online": 0} for i in range(1, total + 1)],
        "namespaces": [], "fail": [], **different,
    }


def namespace(nsid, size=1 << 30, shared=False, data="", controllers=()):
    """One of a controller's namespaces; the primary is controller 0, VFs count from 1."""
    return {"nsid": nsid, "block_size": 4096, "size": size, "used": 0, "shared": int(shared), "data": data,
            "controllers": list(controllers)}


def function(address, driver="nvme", vendor=0x1B36, device=0x0010, klass=0x010802, **more):
    """A function without SR-IOV, which a pool may hand out as a whole; an NVMe controller if nothing else is said."""
    return PF(address, total=0, driver=driver, vendor=vendor, device=device, klass=klass, **more)


def put(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)


def link(root, target, path):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def put16(config, at, value):
    config[at:at + 2] = value.to_bytes(2, "little")


SERVICES = {"ats": (0x0F, 6, 0x8000), "pri": (0x13, 4, 1), "pasid": (0x1B, 6, 1)}  # capability, its control, enable


def config_space(vendor, device, klass, total=0, offset=0, stride=0, vf_device=0, msix=0, dsn=None, services=None):
    """4 KiB of configuration space: header, PCIe with FLR, MSI-X, for a PF the SR-IOV capability, serial number, services:
    name -> whether it is on."""
    c = bytearray(4096)
    extended = []  # (id, 16-bit words by their place)
    put16(c, 0, vendor)
    put16(c, 2, device)
    c[6] = 0x10  # has capabilities
    c[9:12] = klass.to_bytes(3, "little")
    c[0x34] = 0xA0
    c[0xA0:0xA4] = bytes((0x10, 0xE0 if msix else 0, 2, 0))  # PCI Express endpoint
    c[0xA4:0xA8] = (1 << 28).to_bytes(4, "little")  # function level reset
    if msix:
        c[0xE0:0xE4] = bytes((0x11, 0)) + (msix - 1).to_bytes(2, "little")
    if total:
        extended.append((0x10, {0x0C: total, 0x0E: total, 0x14: offset, 0x16: stride, 0x1A: vf_device}))
    if dsn:
        number = bytes.fromhex(dsn.replace("-", ""))[::-1]
        extended.append((0x03, {4 + n: int.from_bytes(number[n:n + 2], "little") for n in range(0, 8, 2)}))
    for name, on in (services or {}).items():
        ident, control, enable = SERVICES[name]
        extended.append((ident, {control: enable if on else 0}))
    for n, (ident, words) in enumerate(extended):
        at = 0x100 + 0x60 * n
        put16(c, at, ident)
        put16(c, at + 2, 1 | (at + 0x60 if n + 1 < len(extended) else 0) << 4)  # version 1, the next
        for place, value in words.items():
            put16(c, at + place, value)
    return bytes(c)


def vital_product_data(serial):
    """The VPD of a card: its name, its serial number, a checksum over all of it."""
    def field(keyword, value):
        return keyword + bytes([len(value)]) + value

    def resource(tag, length, value):
        return bytes([tag]) + length.to_bytes(2, "little") + value

    body = field(b"PN", b"SIM-1") + field(b"SN", serial.encode()) + b"RV\x01"
    data = resource(0x82, 9, b"Simulated") + resource(0x90, len(body) + 1, body)
    return data + bytes([-sum(data) & 0xFF]) + b"\x78"


def root_port(acs=0x1F, acs_control=0x1D):
    """4 KiB of a root port: PCIe, and ACS with source validation, redirects and upstream forwarding on."""
    c = bytearray(config_space(0x1B36, 0x000C, 0x060400))
    c[0x0E] = 1  # a bridge
    c[0xA2] = 0x42  # PCIe capability version 2, root port
    if acs:
        c[0x100:0x104] = (0x1000D).to_bytes(4, "little")
        c[0x104:0x106], c[0x106:0x108] = acs.to_bytes(2, "little"), acs_control.to_bytes(2, "little")
    return bytes(c)


def function_files(vendor, device, klass, numa, subsystem):
    return {
        "modalias": f"pci:v{vendor:08X}d{device:08X}sv{subsystem[0]:08X}sd{subsystem[1]:08X}"
                    f"bc{klass >> 16:02X}sc{klass >> 8 & 255:02X}i{klass & 255:02X}\n",
        "vendor": f"0x{vendor:04x}\n", "device": f"0x{device:04x}\n", "class": f"0x{klass:06x}\n",
        "subsystem_vendor": f"0x{subsystem[0]:04x}\n", "subsystem_device": f"0x{subsystem[1]:04x}\n", "revision": "0x01\n", "irq": "0\n",
        "numa_node": f"{numa}\n", "reset_method": "flr\n", "enable": "0\n",
        "resource": "0x0000000000000000 0x0000000000000000 0x0000000000000000\n" * 13,
    }


class Tree:
    """The tree of one host below one directory.

    kernel: "group" (VFIO groups and containers only, as Debian's), "both", or "cdev" (device nodes only).
    default_domain: "DMA" or "identity". iommu, msi_isolation, unsafe_interrupts, noiommu: what the platform has.
    """

    def __init__(self, root, pfs, kernel="both", default_domain="DMA", iommu=True, msi_isolation=True,
                 unsafe_interrupts=False, noiommu=False):
        self.root = root
        self.pfs = {}
        self.groups = 0
        self.iommu = iommu
        for d in ("sys/bus/pci/devices", "sys/bus/pci/drivers/vfio-pci", "sys/kernel/iommu_groups", "sys/class/iommu",
                  "sys/module/vfio_pci/parameters", "dev/vfio", "proc", "etc/vfctl/policy.d", "run/vfctld/leases",
                  "run/vfctld/pending", "run/vfctld/baseline", "var/lib/vfctld/quarantine", "var/lib/vfctld/reservations", "var/lib/vfctld/drained", "var/lib/vfctld/disks", "sys/class/block",
                  "sys/class/net", "sim/kernel", "sim/pf", "sim/resets", "sim/vf", "sim/memlock", "sim/attributes"):
            os.makedirs(os.path.join(root, d), exist_ok=True)
        for d in ("sim", "sim/resets", "sim/vf", "sim/memlock", "sim/attributes"):
            os.chmod(os.path.join(root, d), 0o777)
        put(root, "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro intel_iommu=on\n")
        put(root, "proc/sys/kernel/random/boot_id", "5f0e0a30-61b3-4a1b-8f4e-1c1d8a8d0b11\n")
        put(root, "proc/sys/kernel/osrelease", f"{RELEASE}\n")
        put(root, "proc/1/mountinfo", "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n")
        put(root, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
        put(root, "proc/1/net/route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n")
        chars = [f"240 {n}\n" for n, k in (("vfio", ("group", "both")), ("vfio-dev", ("cdev", "both"))) if kernel in k]
        put(root, "proc/devices", "Character devices:\n  1 mem\n" + "".join(chars) + "\nBlock devices:\n  8 sd\n")
        put(root, "sys/bus/pci/drivers_probe", "")
        put(root, "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
        put(root, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n" if noiommu else "N\n")
        unsafe = "Y\n" if unsafe_interrupts else "N\n"
        if kernel in ("group", "both"):
            put(root, "dev/vfio/vfio", "")
            put(root, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", unsafe)
        else:
            self.trait("no_group")
        if kernel in ("cdev", "both"):
            os.makedirs(os.path.join(root, "dev/vfio/devices"))
            put(root, "dev/iommu", "")
            put(root, "sys/module/iommufd/parameters/allow_unsafe_interrupts", unsafe)
            self.trait("cdev")
        os.mkfifo(os.path.join(root, "dev/kmsg"))
        os.chmod(os.path.join(root, "dev/kmsg"), 0o666)
        self.kmsg = os.open(os.path.join(root, "dev/kmsg"), os.O_RDWR | os.O_NONBLOCK)  # stays: no reader sees an end
        fcntl.fcntl(self.kmsg, fcntl.F_SETFL, fcntl.fcntl(self.kmsg, fcntl.F_GETFL) | os.O_DIRECT)
        self.kmsg_seq = 1000
        put(root, "sim/kernel/default_domain", default_domain + "\n")
        for name, wanted in (("no_iommu", not iommu), ("no_msi_isolation", not msi_isolation), ("noiommu", noiommu)):
            if wanted:
                self.trait(name)
        if iommu:
            put(root, "sys/class/iommu/dmar0/intel-iommu/version", "1:0\n")
        for pf in pfs:
            self.add(pf)

    def kernel_says(self, text, usec, facility=0, level=3, device=None):
        """One record in the kernel log, as /dev/kmsg shows it. A write is a packet, a packet is a record."""
        dictionary = f" SUBSYSTEM=pci\n DEVICE=+pci:{device}\n" if device else ""
        os.write(self.kmsg, f"{facility * 8 + level},{self.kmsg_seq},{usec},-;{text}\n".encode() + dictionary.encode())
        self.kmsg_seq += 1

    def unsafe_interrupts(self, text):
        """As with a write to the modules' switch: "Y" or "N"."""
        for module in ("vfio_iommu_type1", "iommufd"):
            if os.path.exists(self.path("sys/module", module)):
                put(self.root, f"sys/module/{module}/parameters/allow_unsafe_interrupts", text + "\n")

    def trait(self, name):
        put(self.root, f"sim/kernel/{name}", "")

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def read_bytes(self, path):
        with open(self.path(path), "rb") as f:
            return f.read()

    def read(self, path):
        with open(self.path(path)) as f:
            return f.read().strip()

    def device(self, address, name):
        """One attribute of a device, as it is now."""
        return self.read(f"{SYS}/{address}/{name}")

    def driver(self, address):
        try:
            return os.path.basename(os.readlink(self.path(SYS, address, "driver")))
        except FileNotFoundError:
            return ""

    def group(self, address):
        return int(os.path.basename(os.readlink(self.path(SYS, address, "iommu_group"))))

    def node(self, address):
        """The file that stands for the VFIO node of a VF."""
        group = self.group(address)
        if os.path.exists(self.path("sim/kernel/no_group")):
            return self.path(f"dev/vfio/devices/vfio{group + 5000}")
        return self.path(f"dev/vfio/{group}")

    def _real_dir(self, pf):
        domain, bus = pf.address.split(":")[:2]
        return f"devices/pci{domain}:00/{domain}:00:{int(bus, 16) % 31 + 1:02x}.0/{pf.address}"

    def port(self, pf, **acs):
        """The root port above a PF; returns its address."""
        real = os.path.dirname(self._real_dir(pf))
        address = os.path.basename(real)
        put(self.root, f"sys/{real}/config", root_port(**acs))
        put(self.root, f"sys/{real}/class", "0x060400\n")
        if not os.path.lexists(self.path(SYS, address)):
            link(self.root, f"../../../{real}", f"{SYS}/{address}")
        return address

    def variant(self, pattern, module, loaded=True):
        """A vendor's variant of vfio-pci: for which devices ("v000015B3d*sv*sd*bc*sc*i*"), and whether it is loaded."""
        path = self.path("lib/modules", RELEASE, "modules.alias")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a") as f:
            f.write(f"alias vfio_pci:{pattern} {module}\n")
        if loaded:
            os.makedirs(self.path("sys/bus/pci/drivers", module), exist_ok=True)

    def disk(self, pf, name="nvme0n1", mounted=None, holder=None, nsid=None):
        """A block device below a function, perhaps mounted somewhere, or part of a holder such as dm-0."""
        number = f"259:{len(os.listdir(self.path('sys/class/block')))}"
        real = f"{self._real_dir(pf)}/nvme/nvme0/{name}"
        put(self.root, f"sys/{real}/dev", number + "\n")
        if nsid:
            put(self.root, f"sys/{real}/nsid", f"{nsid}\n")
        os.makedirs(self.path("sys", real, "holders"))
        link(self.root, f"../../{real}", f"sys/class/block/{name}")
        put(self.root, f"dev/{name}", "")
        if holder:
            link(self.root, f"../../{holder}", f"sys/{real}/holders/{holder}")
        if mounted:
            with open(self.path("proc/1/mountinfo"), "a") as f:
                f.write(f"40 22 {number} / {mounted} rw - ext4 /dev/{name} rw\n")

    def default_route(self, netdev):
        with open(self.path("proc/1/net/route"), "a") as f:
            f.write(f"{netdev}\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n")

    def _interface(self, pf, real):
        for name, text in (("ifindex", "7"), ("address", pf.mac or "00:00:00:00:00:00"), ("addr_assign_type", "0"),
                           ("speed", pf.link or -1)):
            put(self.root, f"sys/{real}/net/{pf.netdev}/{name}", f"{text}\n")
        link(self.root, f"../../{real}/net/{pf.netdev}", f"sys/class/net/{pf.netdev}")

    def _identity(self, pf, real):
        if pf.serial:
            put(self.root, f"sys/{real}/vpd", vital_product_data(pf.serial))
        if pf.slot:
            put(self.root, f"sys/bus/pci/slots/{pf.slot}/address", pf.address.split(".")[0] + "\n")
        if pf.netdev:
            self._interface(pf, real)

    def add(self, pf):
        """Plugs a PF or another function in."""
        root, real = self.root, self._real_dir(pf)
        self.port(pf)
        files = function_files(pf.vendor, pf.device, pf.klass, pf.numa, pf.subsystem)
        files.update({
            "driver_override": "(null)\n",
            "config": config_space(pf.vendor, pf.device, pf.klass, pf.total, pf.offset, pf.stride, pf.vf_device, dsn=pf.dsn,
                                   services=pf.services),
            "uevent": f"PCI_CLASS={pf.klass:X}\nPCI_ID={pf.vendor:04X}:{pf.device:04X}\nPCI_SLOT_NAME={pf.address}\n",
        })
        for name, text in files.items():
            put(root, f"sys/{real}/{name}", text)
        link(root, f"{DEPTH}/bus/pci", f"sys/{real}/subsystem")
        link(root, f"../../../{real}", f"{SYS}/{pf.address}")
        if pf.driver:
            os.makedirs(self.path("sys/bus/pci/drivers", pf.driver), exist_ok=True)
            link(root, f"{DEPTH}/bus/pci/drivers/{pf.driver}", f"sys/{real}/driver")
        self._identity(pf, real)
        os.makedirs(self.path("sim/pf", pf.address), exist_ok=True)
        if pf.total:
            self._sriov(pf, real)
        os.chmod(self.path("sim/pf", pf.address), 0o777)
        if self.iommu:
            self._pf_group(pf, real)
        self.groups += 1 + pf.total
        self.pfs[pf.address] = pf

    def _sriov(self, pf, real):
        """What makes a PF of it, and what its VFs will look like."""
        for name, text in {
            "sriov_totalvfs": f"{pf.total}\n", "sriov_numvfs": "0\n", "sriov_drivers_autoprobe": "1\n",
            "sriov_offset": f"{pf.offset}\n", "sriov_stride": f"{pf.stride}\n", "sriov_vf_device": f"{pf.vf_device:x}\n",
            "sriov_vf_total_msix": f"{pf.total_msix or 0}\n",
        }.items():
            put(self.root, f"sys/{real}/{name}", text)
        vf_files = function_files(pf.vendor, pf.vf_device, pf.klass, pf.numa, pf.subsystem)
        vf_files["config"] = config_space(0xFFFF, 0xFFFF, pf.klass, msix=pf.vf_msix, services=pf.vf_services)
        for name, text in vf_files.items():
            put(self.root, f"sim/pf/{pf.address}/vf/{name}", text)
        put(self.root, f"sim/pf/{pf.address}/group_base", f"{100 + self.groups}\n")
        put(self.root, f"sim/pf/{pf.address}/vf_driver", pf.vf_driver + "\n")
        if pf.eswitch:
            put(self.root, f"sim/pf/{pf.address}/eswitch", pf.eswitch + "\n")
        if pf.klass == NVME_CLASS:
            self._plug_controller(pf)

    def _plug_controller(self, pf):
        """A card that was here before still has its namespaces, and nothing else."""
        fresh = controller_state(pf.total, **{"serial": pf.serial or f"SIM{pf.address[5:]}", **pf.controller})
        path = f"sim/pf/{pf.address}/nvme"
        with contextlib.suppress(FileNotFoundError):
            before = json.loads(self.read(path))
            if before["serial"] == fresh["serial"]:
                fresh["namespaces"] = before["namespaces"]
        put(self.root, path, json.dumps(fresh))
        os.chmod(self.path(path), 0o666)

    @contextlib.contextmanager
    def controller(self, pf):
        """An NVMe controller's state, to be read and changed, see simcontroller.h."""
        path = self.path("sim/pf", pf, "nvme")
        with open(path + ".lock", "w") as lock:
            with contextlib.suppress(PermissionError):
                os.chmod(lock.name, 0o666)
            fcntl.flock(lock, fcntl.LOCK_EX)
            with open(path) as f:
                before = f.read()
            state = json.loads(before)
            yield state
            if json.dumps(state) == before:
                return
            with open(path + ".new", "w") as f:
                json.dump(state, f)
            os.chmod(path + ".new", 0o666)
            os.rename(path + ".new", path)

    def disks(self, pf, vf):
        """What the owner of a VF (from 1) can read: namespace -> data. Nothing while its controller is offline."""
        with self.controller(pf) as state:
            of = next(s for s in state["secondaries"] if s["vf"] == vf)
            return {n["nsid"]: n["data"] for n in state["namespaces"] if of["online"] and of["controller"] in n["controllers"]}

    def write_disk(self, pf, vf, nsid, text):
        """What the owner of a VF (from 1) does with its disk."""
        if nsid not in self.disks(pf, vf):
            raise LookupError(f"VF {vf} has no namespace {nsid}")
        with self.controller(pf) as state:
            for n in state["namespaces"]:
                if n["nsid"] == nsid:
                    n["data"] = text

    def commands(self, pf, *verbs):
        """The admin commands of a controller so far: (verb, controller, namespace, value, status); Identify left out unless
        it is asked for."""
        try:
            lines = self.read(f"sim/pf/{pf}/nvme.log").split("\n")
        except FileNotFoundError:
            return []
        words = [line.split() for line in lines]
        return [(w[0], int(w[1]), int(w[2]), int(w[3]), int(w[4], 16)) for w in words
                if (w[0] in verbs if verbs else w[0] != "identify")]

    def _pf_group(self, pf, real):
        number = pf.shared_group if pf.shared_group is not None else 99 - len(self.pfs)
        shared = pf.shared_group if pf.shared_group is not None else pf.vf_group
        if shared is not None:
            put(self.root, f"sim/pf/{pf.address}/shared_group", f"{shared}\n")
        group = f"sys/kernel/iommu_groups/{number}"
        put(self.root, f"{group}/type", "DMA\n")
        put(self.root, f"{group}/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n")
        link(self.root, f"../../../../{real}", f"{group}/devices/{pf.address}")
        link(self.root, f"{DEPTH}/kernel/iommu_groups/{number}", f"sys/{real}/iommu_group")

    def remove(self, address):
        """Pulls a PF out, as a surprise removal does: its VFs vanish whoever holds them."""
        pf = self.pfs.pop(address)
        real = self._real_dir(pf)
        for class_dir in ("sys/class/net", "sys/class/block"):
            for name in os.listdir(self.path(class_dir)):
                if f"/{address}/" in os.readlink(self.path(class_dir, name)):
                    os.unlink(self.path(class_dir, name))
        for name in os.listdir(self.path("sys", real)):
            if name.startswith("virtfn"):
                self._forget(os.path.basename(os.readlink(self.path("sys", real, name))))
        self._forget(address)

    def _forget(self, address):
        path = self.path(SYS, address)
        group, driver = None, self.driver(address)
        if os.path.lexists(os.path.join(path, "iommu_group")):
            group = self.group(address)
        real = os.path.realpath(path)
        os.unlink(path)
        shutil.rmtree(real)
        if driver and os.path.lexists(self.path("sys/bus/pci/drivers", driver, address)):
            os.unlink(self.path("sys/bus/pci/drivers", driver, address))
        if group is None:
            return
        os.unlink(self.path("sys/kernel/iommu_groups", str(group), "devices", address))
        if not os.listdir(self.path("sys/kernel/iommu_groups", str(group), "devices")):
            shutil.rmtree(self.path("sys/kernel/iommu_groups", str(group)))
            for node in (f"dev/vfio/{group}", f"dev/vfio/{group}.owner", f"dev/vfio/devices/vfio{group + 5000}"):
                if os.path.lexists(self.path(node)):
                    os.unlink(self.path(node))
