# SPDX-License-Identifier: GPL-2.0-or-later
"""An NVMe VF driven from user space: through VFIO by its owner, through sysfs by root past all owners, and the PF's
virtualization management. A device that can be told where to read and write: Identify is a DMA write to an address of choice."""
import contextlib
import ctypes
import fcntl
import mmap
import os
import struct
import time

SYS = "/sys/bus/pci/devices"
PAGE = 4096

# include/uapi/linux/vfio.h and iommufd.h: ';' and 100 + n, ';' and 0x80 + n
SET_IOMMU, SET_CONTAINER, GET_DEVICE_FD = 0x3B66, 0x3B68, 0x3B6A
REGION_INFO, SET_IRQS, MAP_DMA = 0x3B6C, 0x3B6E, 0x3B71
BIND_IOMMUFD, ATTACH_PT, IOAS_ALLOC, IOAS_MAP = 0x3B76, 0x3B77, 0x3B81, 0x3B85
CONFIG_REGION, MSIX_IRQ = 7, 2

# NVMe base specification 2.0, figure 35 (properties), and 3.1.3.10 ff.
CC, CSTS, INTMS, AQA, ASQ, ACQ, SQ_TAIL, CQ_HEAD = 0x14, 0x1C, 0x0C, 0x24, 0x28, 0x30, 0x1000, 0x1004
ENABLE = 0x00460001  # 16 byte completions, 64 byte commands, EN
ENTRIES = 64         # of the submission queue: one page
IDENTIFY, SET_FEATURES, GET_FEATURES, ASYNC_EVENT = 0x06, 0x09, 0x0A, 0x0C
CREATE_SQ, CREATE_CQ = 0x01, 0x05
WRITE, READ = 0x01, 0x02  # of the queues for data
TIMESTAMP = 0x0E     # the one feature whose value is read from, and written to, memory


def ioctl(fd, number, fmt, *values):
    data = bytearray(struct.pack(fmt, *values))
    fcntl.ioctl(fd, number, data)
    return struct.unpack(fmt, data)


class Memory:
    """Shared memory: its owner's device works on it while a test in another process watches it, and it outlives the owner."""

    def __init__(self, fd):
        self.fd = fd
        self.bytes = mmap.mmap(fd, 0)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes))

    @classmethod
    def create(cls, pages):
        fd = os.memfd_create("memory")
        os.ftruncate(fd, pages * PAGE)
        return cls(fd)

    def page(self, n):
        return self.bytes[n * PAGE:(n + 1) * PAGE]

    def put(self, n, data):
        self.bytes[n * PAGE:n * PAGE + len(data)] = data

    def physical(self, n):
        """Where the page is for a device that nothing translates (Documentation/admin-guide/mm/pagemap.rst); root only."""
        self.bytes[n * PAGE] = self.bytes[n * PAGE]
        with open("/proc/self/pagemap", "rb") as f:
            f.seek((self.address // PAGE + n) * 8)
            entry = int.from_bytes(f.read(8), "little")
        assert entry >> 63 and entry & (1 << 55) - 1, hex(entry)
        return (entry & (1 << 55) - 1) * PAGE


def command(opcode, cid, prp=0, cdw10=0, cdw11=0):
    """NVMe base specification 2.0, figure 88."""
    return struct.pack("<BBHIQQQQ6I", opcode, 0, cid, 0, 0, 0, prp, 0, cdw10, cdw11, 0, 0, 0, 0)


def identify(prp, cid=0):
    return command(IDENTIFY, cid, prp, 1)  # CNS 1: the controller; 4096 bytes with the serial number at 4


class Registers:
    """BAR 0, by accesses of 32 bits."""

    def __init__(self, fd, size, offset):
        self.map = mmap.mmap(fd, size, offset=offset)
        self.size = size

    def read(self, offset):
        return ctypes.c_uint32.from_buffer(self.map, offset).value

    def write(self, offset, value):
        ctypes.c_uint32.from_buffer(self.map, offset).value = value

    def write64(self, offset, value):
        self.write(offset, value & 0xFFFFFFFF)
        self.write(offset + 4, value >> 32)

    def start(self, sq, cq, cq_entries=ENTRIES):
        """Enables the controller with its admin queues at these addresses; false if it does not get ready."""
        self.write(CC, 0)
        self.wait_for_ready(0)
        self.write(AQA, (cq_entries - 1) << 16 | ENTRIES - 1)
        self.write64(ASQ, sq)
        self.write64(ACQ, cq)
        self.write(CC, ENABLE)
        return self.wait_for_ready(1)

    def wait_for_ready(self, ready, seconds=5.0):
        end = time.monotonic() + seconds
        while self.read(CSTS) & 1 != ready:
            if self.read(CSTS) & 2 or time.monotonic() > end:  # CFS: nothing more will come
                return False
        return True


class Vf:
    """A VF in an I/O address space of its own, by either hand-off, with its admin queues."""

    def __init__(self, address, node=None, device=None, iommufd=None):
        self.address = address
        if node:
            self.space, self.ioas = os.open("/dev/vfio/vfio", os.O_RDWR | os.O_CLOEXEC), None
            self.group = os.open(node, os.O_RDWR | os.O_CLOEXEC)
            ioctl(self.group, SET_CONTAINER, "i", self.space)
            fcntl.ioctl(self.space, SET_IOMMU, 3)  # VFIO_TYPE1v2_IOMMU
            self.fd = fcntl.ioctl(self.group, GET_DEVICE_FD, bytearray(address.encode() + b"\0"))
        else:
            self.fd, self.space = device, iommufd
            ioctl(device, BIND_IOMMUFD, "IIiI", 16, 0, iommufd, 0)
            self.ioas = ioctl(iommufd, IOAS_ALLOC, "III", 12, 0, 0)[2]
            ioctl(device, ATTACH_PT, "III", 12, 0, self.ioas)
        self.config_at = ioctl(self.fd, REGION_INFO, "IIIIQQ", 32, 0, CONFIG_REGION, 0, 0, 0)[5]
        size, offset = ioctl(self.fd, REGION_INFO, "IIIIQQ", 32, 0, 0, 0, 0, 0)[4:]
        self.bar = Registers(self.fd, size, offset)
        self.tail = self.head = 0
        self.phase = 1

    def map(self, memory, page, pages, iova, write=True):
        va, length = memory.address + page * PAGE, pages * PAGE
        if self.ioas is None:
            ioctl(self.space, MAP_DMA, "IIQQQ", 32, 3 if write else 1, va, iova, length)
        else:  # FIXED_IOVA, WRITEABLE, READABLE
            ioctl(self.space, IOAS_MAP, "IIIIQQQ", 40, 7 if write else 5, self.ioas, 0, va, length, iova)

    def config(self, offset, size):
        return int.from_bytes(os.pread(self.fd, size, self.config_at + offset), "little")

    def set_config(self, offset, value, size):
        os.pwrite(self.fd, value.to_bytes(size, "little"), self.config_at + offset)

    def start(self, memory, iova, page=0, cq_entries=ENTRIES):
        """A page of the memory and the next, mapped at iova, become the admin queues."""
        self.memory, self.page, self.cq_entries = memory, page, cq_entries
        self.tail, self.head, self.phase = 0, 0, 1
        memory.put(page + 1, bytes(PAGE))
        self.set_config(4, self.config(4, 2) | 6, 2)  # Memory Space, Bus Master
        assert self.bar.start(iova, iova + PAGE, cq_entries), f"{self.address}: CSTS {self.bar.read(CSTS):#x}"

    def submit(self, data):
        at = self.page * PAGE + self.tail * 64
        self.memory.bytes[at:at + 64] = data
        self.tail = (self.tail + 1) % ENTRIES

    def ring(self):
        self.bar.write(SQ_TAIL, self.tail)

    def completion(self, seconds=5.0):
        """The next completion: its first double word and its status."""
        at, end = (self.page + 1) * PAGE + self.head * 16, time.monotonic() + seconds
        while self.memory.bytes[at + 14] & 1 != self.phase:  # first the phase, then the rest, as the device wrote it
            assert time.monotonic() < end, f"{self.address}: no completion, CSTS {self.bar.read(CSTS):#x}"
        result, _, _, status = struct.unpack_from("<IIII", self.memory.bytes, at)
        self.head = (self.head + 1) % self.cq_entries
        self.phase ^= self.head == 0
        self.bar.write(CQ_HEAD, self.head)
        return result, status >> 17

    def do(self, data):
        self.submit(data)
        self.ring()
        return self.completion()

    def namespaces(self, iova, page):
        """Those that are attached to the VF's controller: Identify, CNS 2, by way of a page of the memory."""
        _, status = self.do(command(IDENTIFY, 5, iova, 2))
        assert status == 0, f"{self.address}: Identify: status {status:#x}"
        return [n for n in struct.unpack_from("<1024I", self.memory.page(page)) if n]

    def start_io(self, iova, page):
        """One queue pair for data: two pages of the memory, mapped at iova (NVMe base specification 2.0, 5.4 and 5.5)."""
        self.memory.put(page + 1, bytes(PAGE))
        for opcode, at, word in ((CREATE_CQ, iova + PAGE, 1), (CREATE_SQ, iova, 1 << 16 | 1)):
            _, status = self.do(command(opcode, 6, at, ENTRIES - 1 << 16 | 1, word))
            assert status == 0, f"{self.address}: queue: opcode {opcode:#x} status {status:#x}"
        self.io_page, self.io_tail, self.io_head, self.io_phase = page, 0, 0, 1

    def submit_io(self, opcode, nsid, iova, block, cid=0):
        """One block (NVM command set specification 1.0, 3.2.4 and 3.2.6)."""
        data = bytearray(command(opcode, cid, iova, block, 0))
        struct.pack_into("<I", data, 4, nsid)
        at = self.io_page * PAGE + self.io_tail * 64
        self.memory.bytes[at:at + 64] = bytes(data)
        self.io_tail = (self.io_tail + 1) % ENTRIES
        self.bar.write(SQ_TAIL + 8, self.io_tail)

    def io(self, opcode, nsid, iova, block):
        """The status of a read or a write that was waited for."""
        self.submit_io(opcode, nsid, iova, block)
        at, end = (self.io_page + 1) * PAGE + self.io_head * 16, time.monotonic() + 10
        while self.memory.bytes[at + 14] & 1 != self.io_phase:
            assert time.monotonic() < end, f"{self.address}: no completion, CSTS {self.bar.read(CSTS):#x}"
        status = struct.unpack_from("<IIII", self.memory.bytes, at)[3] >> 17
        self.io_head = (self.io_head + 1) % ENTRIES
        self.io_phase ^= self.io_head == 0
        self.bar.write(CQ_HEAD + 8, self.io_head)
        return status

    def msix(self):
        """Where the interrupt table is in BAR 0, and how many entries it has (PCI Express base specification, 7.7.2)."""
        at = self.config(0x34, 1)
        while self.config(at, 1) != 0x11:
            at = self.config(at + 1, 1)
        assert self.config(at + 4, 4) & 7 == 0, "the table is not in BAR 0"
        return self.config(at + 4, 4), (self.config(at + 2, 2) & 0x7FF) + 1

    def interrupts_to(self, address, value):
        """Turns interrupts on, then writes their vectors past VFIO: the kernel lets owners map the table, because interrupt
        remapping and the IOMMU stand behind it (drivers/vfio/pci/vfio_pci_core.c: msix_mmappable)."""
        table, entries = self.msix()
        self.event = os.eventfd(0)
        # VFIO_IRQ_SET_DATA_EVENTFD | ACTION_TRIGGER
        ioctl(self.fd, SET_IRQS, "IIIIIi", 24, 0x24, MSIX_IRQ, 0, 1, self.event)
        for n in range(entries):
            self.bar.write64(table + 16 * n, address)
            self.bar.write(table + 16 * n + 8, value)
            self.bar.write(table + 16 * n + 12, 0)

    def snapshot(self):
        """Everything that an owner can read: registers, interrupt table (it is in BAR 0 too) and config space."""
        bar = {f"bar {at:#x}": self.bar.read(at) for at in range(0, self.bar.size, 4)}
        return bar | {f"config {at:#x}": self.config(at, 4) for at in range(0, PAGE, 4)}


class Rogue:
    """A VF that does DMA although nobody let it: root works its registers and its Bus Master bit past VFIO, whoever holds it.
    What broken firmware, or a device that ignored its reset, would do."""

    def __init__(self, address):
        self.address = address
        self.config = os.open(f"{SYS}/{address}/config", os.O_RDWR)
        self.awake()
        try:
            with open(f"{SYS}/{address}/resource0", "r+b", buffering=0) as f:
                self.bar = Registers(f.fileno(), os.fstat(f.fileno()).st_size, 0)
        except OSError as e:  # CONFIG_IO_STRICT_DEVMEM: kernel/resource.c:iomem_is_exclusive
            raise AssertionError(f"{e}: the host has to be booted with --append iomem=relaxed") from e

    def awake(self):
        """In D3hot a device does nothing; each binding of vfio-pci lets it sleep again (vfio_pci_core_register_device)."""
        with contextlib.suppress(FileNotFoundError):  # a kernel without CONFIG_PM: nobody sleeps
            with open(f"{SYS}/{self.address}/power/control", "w", encoding="ascii") as f:
                f.write("on")

    def bus_master(self, on):
        """On: with Memory Space, which QEMU wants from a VF that nobody has opened yet; a real VF has no such bit."""
        value = int.from_bytes(os.pread(self.config, 2, 4), "little")
        os.pwrite(self.config, (value | 6 if on else value & ~4).to_bytes(2, "little"), 4)

    def attack(self, sq, cq):
        """Fetches commands from sq, which tell the device where to write, and puts completions into cq."""
        self.awake()
        self.bus_master(True)
        self.bar.start(sq, cq)
        self.bar.write(SQ_TAIL, ENTRIES - 1)

    def quiet(self):
        self.bar.write(CC, 0)
        self.bus_master(False)

    def mark(self):
        """Leaves something that does nothing, and that only a reset of the function takes away."""
        self.awake()
        self.bar.write(INTMS, 0x52)
        return self.marked()

    def marked(self):
        self.awake()
        return self.bar.read(INTMS) == 0x52

    def snapshot(self):
        """What is in the function itself, without the reset that an open would do first."""
        self.awake()
        self.bus_master(True)
        self.bus_master(False)
        config = os.pread(self.config, PAGE, 0)
        bar = {f"bar {at:#x}": self.bar.read(at) for at in range(0, self.bar.size, 4)}
        return bar | {f"config {at:#x}": int.from_bytes(config[at:at + 4], "little") for at in range(0, PAGE, 4)}


# ---- the PF's virtualization management, NVMe base specification 2.0, 5.26 and 8.26

def admin(fd, opcode, cdw10, cdw11=0, buffer=None):
    """struct nvme_passthru_cmd, NVME_IOCTL_ADMIN_CMD (include/uapi/linux/nvme_ioctl.h)."""
    at = ctypes.addressof(buffer) if buffer else 0
    data = bytearray(struct.pack("<BBHIIIQQII6III", opcode, 0, 0, 0, 0, 0, 0, at, 0, len(buffer) if buffer else 0,
                                 cdw10, cdw11, 0, 0, 0, 0, 10000, 0))
    status = fcntl.ioctl(fd, 0xC0484E41, data)
    assert status == 0, f"opcode {opcode:#x} cdw10 {cdw10:#x}: NVMe status {status:#x}"


def secondaries(fd):
    """VF number, counted from 1, to identifier and whether it is online."""
    found, first = {}, 0
    while True:
        buffer = (ctypes.c_ubyte * PAGE)()
        admin(fd, IDENTIFY, 0x15 | first << 16, buffer=buffer)
        for n in range(buffer[0]):
            scid, _, scs, _, vfn = struct.unpack_from("<HHB3sH", buffer, 32 + 32 * n)
            found[vfn] = scid, bool(scs & 1)
            first = scid + 1
        if buffer[0] < 127:
            return found


def amounts(fd):
    """VF number, counted from 1, to its controller's queues and interrupts and whether it is online; of the first 127."""
    buffer = (ctypes.c_ubyte * PAGE)()
    admin(fd, IDENTIFY, 0x15, buffer=buffer)
    entries = [struct.unpack_from("<HHB3sHHH", buffer, 32 + 32 * n) for n in range(buffer[0])]
    return {vfn: (nvq, nvi, bool(scs & 1)) for _, _, scs, _, vfn, nvq, nvi in entries}


def flexible(fd):
    """Of the flexible queues and interrupts: what the primary controller holds (Identify, CNS 14h, figure 283)."""
    buffer = (ctypes.c_ubyte * PAGE)()
    admin(fd, IDENTIFY, 0x14, buffer=buffer)
    return struct.unpack_from("<H", buffer, 32 + 8)[0], struct.unpack_from("<H", buffer, 64 + 8)[0]


def bring_online(pf, vfs):
    """Gives the first VFs of a PF two queues and an interrupt each and turns them on, where nobody has done so yet."""
    fd = os.open("/dev/" + os.listdir(f"{SYS}/{pf}/nvme")[0], os.O_RDWR)
    known = secondaries(fd)
    for vfn in range(1, vfs + 1):
        scid, online = known[vfn]
        if online:
            continue
        for resource, amount in ((0, 2), (1, 1)):  # VQ: admin and one I/O; VI
            admin(fd, 0x1C, 8 | resource << 8 | scid << 16, amount)
        admin(fd, 0x1C, 9 | scid << 16)
    assert all(online for vfn, (_, online) in secondaries(fd).items() if vfn <= vfs)
    os.close(fd)
