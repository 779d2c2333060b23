#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NVMe VFs through leases, on a real kernel and the emulated controller: resources, disks, data that end with the lease. Wants
`--nvme-vfs 4 --nvme-queues 4 --nvme-namespaces 3`: besides namespace 1, which all controllers share, 2 to 4 with a file each behind them."""
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import struct
import time

import lab
import nvmevf
from attack import DATA, DATA_PAGE, HAND_OFFS, OTHER_PAGE, QUEUES, Owner, pf, total_vfs
from lab import BLUE, RED, listing, run, vf, vfctl, wait_for
from nvmevf import PAGE

IO_PAGE, IO_QUEUES = 8, 0x600000
BLOCK = 512


def policy(**disk):
    pool = {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": "max"} | disk
    grant = {"disk": {"quota": 64}}
    return {"version": 1, "pools": {"disk": pool},
            "tenants": {"red": {"users": ["red"], "memlock": "256M", "pools": grant},
                        "blue": {"users": ["blue"], "memlock": "256M", "pools": grant}}}


def all_ready():
    r = vfctl("list", "vfs", "--json", check=False)  # the daemon may be on its way
    return r.returncode == 0 and [v["state"] for v in json.loads(r.stdout)["vfs"]] == ["ready"] * total_vfs()


def use(**disk):
    lab.write_policy(policy(**disk))
    vfctl("reload")
    wait_for(all_ready, 60, "all VFs ready")


def device():
    return os.open("/dev/" + os.listdir(f"/sys/bus/pci/devices/{pf()}/nvme")[0], os.O_RDWR)


def secondaries():
    fd = device()
    try:
        return nvmevf.secondaries(fd)
    finally:
        os.close(fd)


class Disk:
    """A tenant with a disk, on its own VF."""

    def __init__(self, tenant, uid, hand_off, vm=None):
        self.owner = Owner(uid, tenant, hand_off, vm=vm or f"{tenant}-vm")
        self.address = self.owner.address
        o = self.owner
        o.do("start", iova=QUEUES)
        o.do("map", page=DATA_PAGE, pages=2, iova=DATA)
        self.nsids = o.do("namespaces", prp=DATA, page=DATA_PAGE)
        if self.nsids:
            o.do("start_io", iova=IO_QUEUES, page=IO_PAGE)

    def write(self, text, block=0):
        self.owner.memory.put(DATA_PAGE, text.encode().ljust(BLOCK, b"\0"))
        assert self.owner.do("write_block", nsid=self.nsids[0], prp=DATA, block=block) == 0

    def read(self, block=0, nsid=None):
        """A block's text, or the status of the command that failed."""
        self.owner.memory.put(OTHER_PAGE, b"\xaa" * PAGE)
        status = self.owner.do("read_block", nsid=nsid or self.nsids[0], prp=DATA + PAGE, block=block)
        return status or self.owner.memory.page(OTHER_PAGE)[:BLOCK].rstrip(b"\0").decode(errors="replace")

    def end(self):
        self.owner.kill()
        wait_for(lambda: vf(self.address)["state"] in ("ready", "quarantined"), 60, f"{self.address} is done with")


def test_enabled_online_and_ready():
    lab.start(policy())
    wait_for(all_ready, 120, "all VFs ready")
    known = secondaries()
    assert all(known[n][1] for n in range(1, total_vfs() + 1)), known
    print(f"  {total_vfs()} VFs are online: no command by hand", flush=True)


def amounts():
    """Number of a VF to its controller's queues and interrupts."""
    shown = json.loads(vfctl("show", pf(), "--json").stdout)["controllers"][0]["secondaries"]
    return {n: (s["queues"], s["interrupts"]) for n, s in enumerate(shown, 1)}


def test_different_resources():
    """An even share by itself; what the pool says; what somebody did otherwise by hand is put right; what is too much is refused
    before the device sees it."""
    assert set(amounts().values()) == {(4, 2)}, amounts()
    use(queues=3, interrupts=1)
    wait_for(lambda: set(amounts().values()) == {(3, 1)}, 60, "as the pool says")
    fd, (controller, _) = device(), secondaries()[1]
    for act, resource, amount in ((7, 0, 0), (8, 1, 1), (8, 0, 1)):  # offline; one interrupt; one queue: too few to work
        nvmevf.admin(fd, 0x1C, act | resource << 8 | controller << 16, amount)
    os.close(fd)
    assert amounts()[1] == (1, 1)
    use(queues=2, interrupts=2)
    wait_for(lambda: set(amounts().values()) == {(2, 2)}, 60, "as the pool says now")
    lab.write_policy(policy(queues=5))
    vfctl("reload")
    wait_for(lambda: {v["reason"] for v in listing("vfs")} == {"nvme-resources"}, 60, "more than one VF can have")
    use()
    wait_for(lambda: set(amounts().values()) == {(4, 2)}, 60, "even shares again")


def attach(nsid, controller, select=0):
    """Namespace Attachment by hand, as with nvme-cli; select 1 detaches."""
    data, fd = (ctypes.c_ubyte * PAGE)(), device()
    struct.pack_into("<HH", data, 0, 1, controller)
    c = struct.pack("<BBHIIIQQII6III", 0x15, 0, 0, nsid, 0, 0, 0, ctypes.addressof(data), 0, PAGE, select, 0, 0, 0, 0, 0, 10000, 0)
    status = fcntl.ioctl(fd, 0xC0484E41, bytearray(c))
    os.close(fd)
    assert status == 0, f"{status:#x}"


def test_no_disk_unless_the_policy_says_so():
    """Whatever somebody attached to the controller of an idle VF is detached before it is ready."""
    lab.systemctl("stop")
    for controller, _ in secondaries().values():
        attach(4, controller)
    lab.systemctl("start")
    wait_for(all_ready, 60, "all VFs ready")
    red = Disk("red", RED, HAND_OFFS[0])
    assert red.nsids == [], red.nsids
    red.end()


def test_backing_file():
    """What is written is in the file behind that namespace, and only there; when the lease is over it is nowhere."""
    use(namespaces=[2, 3])
    red = Disk("red", RED, HAND_OFFS[0])
    red.write("needle in the haystack", block=5)
    files = {n: f"/mnt/lab/disk-0-{n}.img" for n in (2, 3, 4)}

    def where():
        return [n for n, path in files.items() if b"needle in the haystack" in open(path, "rb").read()]

    wait_for(lambda: where() == red.nsids, 30, f"the text in the file of {red.nsids}, not in {where()}")
    with open(files[red.nsids[0]], "rb") as f:
        assert f.read().find(b"needle") == 5 * BLOCK
    red.end()
    wait_for(lambda: where() == [], 30, "the text in no file")


def test_a_disk_of_the_list():
    use(namespaces=[2, 3])
    for hand_off in HAND_OFFS:
        red, blue = Disk("red", RED, hand_off), Disk("blue", BLUE, hand_off)
        assert (red.nsids, blue.nsids) == ([2], [3]), (red.nsids, blue.nsids)
        red.write("red's secret")
        blue.write("blue's")
        assert (red.read(), blue.read()) == ("red's secret", "blue's")
        assert isinstance(red.read(nsid=3), int) and isinstance(blue.read(nsid=2), int), "the other's disk"
        red.end()
        again = Disk("blue", BLUE, hand_off, vm="second")
        assert again.nsids == [2] and again.read() == "", again.read()
        again.end()
        blue.end()


def test_killed_in_mid_write():
    red = Disk("red", RED, HAND_OFFS[0])
    red.owner.memory.put(DATA_PAGE, b"red's secret".ljust(BLOCK, b"!"))
    red.owner.do("flood_disk", nsid=red.nsids[0], prp=DATA)
    red.end()
    blue = Disk("blue", BLUE, HAND_OFFS[0])
    assert blue.nsids == red.nsids
    found = {block: blue.read(block) for block in range(64)}
    assert not any("secret" in str(text) for text in found.values()), found
    blue.end()


def test_quarantine_keeps_the_disk_too():
    red = Disk("red", RED, HAND_OFFS[0])
    red.write("red's secret")
    vfctl("quarantine", red.address, "--reason", "a look at it")
    red.end()
    assert vf(red.address)["state"] == "quarantined"
    vfctl("clear", red.address, "--reason", "looked")
    wait_for(all_ready, 60, "all VFs ready")
    blue = Disk("blue", BLUE, HAND_OFFS[0])
    assert blue.read() == "", blue.read()
    blue.end()


def test_daemon_killed_while_a_disk_is_leased():
    red = Disk("red", RED, HAND_OFFS[0])
    red.write("red's secret")
    run("systemctl", "kill", "-s", "KILL", "vfctld")
    red.owner.kill()
    wait_for(all_ready, 90, "the daemon is back and all VFs are ready")
    blue = Disk("blue", BLUE, HAND_OFFS[0])
    assert (blue.nsids, blue.read()) == (red.nsids, ""), (blue.nsids, blue.read())
    blue.end()


def test_reset_of_the_primary():
    """All secondaries go offline; nobody gets one that is."""
    name = os.listdir(f"/sys/bus/pci/devices/{pf()}/nvme")[0]
    with open(f"/sys/class/nvme/{name}/reset_controller", "w", encoding="ascii") as f:
        f.write("1")
    red = Disk("red", RED, HAND_OFFS[0])
    assert red.nsids == [2], red.nsids
    red.write("after the reset")
    assert red.read() == "after the reset"
    red.end()


def sysfs(name, value, address=None):
    with open(f"/sys/bus/pci/devices/{address or pf()}/{name}", "w", encoding="ascii") as f:
        f.write(value)


def plan(kind):
    return [s for s in json.loads(vfctl("plan", "--json", check=False).stdout)["steps"] if s["kind"] == kind]


def test_disk_of_the_host():
    """No VFs for a PF whose disk is swapped on, unless the policy says so; never a reset of its controller."""
    lab.systemctl("stop")
    sysfs("sriov_numvfs", "0")
    attach(4, 0)
    wait_for(lambda: os.path.exists("/dev/nvme0n1") or os.path.exists("/dev/nvme0n4"), 30, "the host sees namespace 4")
    disk = "/dev/" + next(n for n in os.listdir("/sys/block") if n.startswith("nvme"))
    run("mkswap", disk)
    run("swapon", disk)
    try:
        lab.write_policy(policy(namespaces=[2, 3], host_queues=0))
        lab.systemctl("start")
        wait_for(lambda: [s["reason"] for s in plan("enable")] == ["host-disk"], 60, "VFs are refused")
        assert listing("vfs") == []
        use(namespaces=[2, 3], host_disk="allow", host_queues=0)
        assert all_ready()
    finally:
        run("swapoff", disk)
        attach(4, 0, select=1)


class Commands:
    """Admin commands that change something, as the kernel's driver sends them; ends the daemon at one of them."""

    EVENT = "/sys/kernel/tracing/events/nvme/nvme_setup_cmd/enable"

    def __init__(self):
        if not os.path.exists(self.EVENT):
            run("mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing", check=False)
        with open(self.EVENT, "w", encoding="ascii") as f:
            f.write("1")
        self.pipe = os.open("/sys/kernel/tracing/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        self.text = b""

    def seen(self):
        """How many since the last time."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.pipe, 65536):
                self.text += data
        *lines, self.text = self.text.split(b"\n")
        return sum(1 for line in lines if any(verb in line for verb in (b"virtual_mgmt", b"ns_attach", b"format_nvm")))

    def kill_at(self, n, until):
        """True if the daemon was killed before the condition came true."""
        end, count = time.monotonic() + 60, 0
        while time.monotonic() < end:
            count += self.seen()
            if count >= n:
                pid = lab.main_pid()
                assert pid > 1, "the daemon is gone by itself"
                os.kill(pid, signal.SIGKILL)
                return True
            if until():
                return False
        raise AssertionError(f"neither {n} commands nor the end")

    def close(self):
        with open(self.EVENT, "w", encoding="ascii") as f:
            f.write("0")
        os.close(self.pipe)


def test_daemon_killed_at_each_command():
    """From the end of a lease until its VF is ready again; nothing of it is left, whenever that was."""
    use(namespaces=[2, 3])
    commands, n = Commands(), 0
    try:
        while True:
            n += 1
            red = Disk("red", RED, HAND_OFFS[0])
            red.write("red's secret")
            commands.seen()
            red.owner.kill()
            killed = commands.kill_at(n, lambda a=red.address: not killed_or_waiting(a))
            wait_for(all_ready, 90, "all VFs are ready again")
            assert os.listdir("/var/lib/vfctld/disks") == []
            assert not any(b"red's secret" in open(f"/mnt/lab/disk-0-{i}.img", "rb").read() for i in (2, 3, 4))
            run("systemctl", "reset-failed", "vfctld", check=False)
            if not killed:
                break
    finally:
        commands.close()
    print(f"  killed at each of {n - 1} commands", flush=True)
    assert n > 6, n


def killed_or_waiting(address):
    r = vfctl("list", "vfs", "--json", check=False)
    return r.returncode != 0 or next(v["state"] for v in json.loads(r.stdout)["vfs"] if v["address"] == address) != "ready"


def test_unplugged_in_mid_sequence():
    """The card goes while its VFs are brought up, and comes back: its namespaces are what they were."""
    use(namespaces=[2, 3])
    red = Disk("red", RED, HAND_OFFS[0])
    red.write("red's secret")
    lab.run("systemctl", "kill", "-s", "KILL", "vfctld")
    red.owner.kill()
    for delay in (0.0, 0.3, 1.0):
        wait_for(lambda: vfctl("status", check=False).returncode in (0, 1), 60, "the daemon is there")
        time.sleep(delay)
        address = pf()
        # with its port, as pciehp takes a card out: VFs first. The removal of the PF alone leaves its VFs behind, since the
        # nvme driver does not end SR-IOV (drivers/nvme/host/pci.c:nvme_remove), and the kernel dies of the next rescan.
        sysfs("remove", "1", os.path.basename(os.path.dirname(os.path.realpath(f"/sys/bus/pci/devices/{address}"))))
        with open("/sys/bus/pci/rescan", "w", encoding="ascii") as f:
            f.write("1")
        wait_for(lambda a=address: os.path.exists(f"/sys/bus/pci/devices/{a}/nvme"), 30, "the card is back")
    wait_for(all_ready, 90, "all VFs are ready again")
    assert os.listdir("/var/lib/vfctld/disks") == []
    blue = Disk("blue", BLUE, HAND_OFFS[0])
    assert blue.read() == "", blue.read()
    blue.end()


def test_a_new_disk_is_refused_clearly():
    """The emulated controller has no Namespace Management."""
    use(namespaces={"size": "8M"})
    try:
        Owner(RED, "red", HAND_OFFS[0], vm="new")
    except AssertionError as e:
        assert "namespace" in str(e), e
        print(f"  {str(e)[:160]}", flush=True)
    else:
        raise AssertionError("a disk was made after all: this test has to become another one")
    wait_for(all_ready, 60, "all VFs ready")


def test_shown():
    shown = vfctl("show", pf()).stdout
    print("\n".join("  " + line for line in shown.splitlines()[:40]), flush=True)
    for word in ("namespace", "queues", "temperature"):
        assert word in shown.lower(), shown


def test_stop_and_nothing_left():
    use(namespaces=[2, 3])
    assert os.listdir("/var/lib/vfctld/disks") == []


if __name__ == "__main__":
    lab.main([t for n, t in list(globals().items()) if n.startswith("test_")])
