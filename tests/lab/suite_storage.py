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


def where(text):
    """Namespaces in whose files it is."""
    return [n for n in (2, 3, 4) if text.encode() in open(f"/mnt/lab/disk-0-{n}.img", "rb").read()]


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
    wait_for(lambda: where("needle in the haystack") == red.nsids, 30, f"the text in the file of {red.nsids}")
    with open(f"/mnt/lab/disk-0-{red.nsids[0]}.img", "rb") as f:
        assert f.read().find(b"needle") == 5 * BLOCK
    red.end()
    wait_for(lambda: where("needle") == [], 30, "the text in no file")


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
    wait_for(lambda: where("red's secret") == red.nsids, 30, "the device is writing")
    red.end()
    assert where("red's secret") == []
    blue = Disk("blue", BLUE, HAND_OFFS[0])
    assert blue.nsids == red.nsids
    found = {block: blue.read(block) for block in range(64)}
    assert set(found.values()) == {""}, found
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
    reset_primary()
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


def held():
    """Queues and interrupts that the primary holds of those that VFs could have."""
    fd = device()
    try:
        return nvmevf.flexible(fd)
    finally:
        os.close(fd)


def hold(queues, interrupts):
    """Gives them to the primary by hand; that is so from the next reset of its function on (hw/nvme/ctrl.c:nvme_ctrl_reset)."""
    fd = device()
    for resource, amount in ((0, queues), (1, interrupts)):
        nvmevf.admin(fd, 0x1C, 1 | resource << 8, amount)
    os.close(fd)
    sysfs("reset", "1")
    state = f"/sys/class/nvme/{os.listdir(f'/sys/bus/pci/devices/{pf()}/nvme')[0]}/state"
    wait_for(lambda: open(state, encoding="ascii").read().strip() == "live", 30, "the controller is back")
    assert held() == (queues, interrupts)


def reset_primary():
    name = os.listdir(f"/sys/bus/pci/devices/{pf()}/nvme")[0]
    with open(f"/sys/class/nvme/{name}/reset_controller", "w", encoding="ascii") as f:
        f.write("1")


def test_disk_of_the_host():
    """No VFs for a PF whose disk is swapped on, unless the policy says so; never a reset of its controller until the disk is free.
    (How the primary gives what it holds is in worker-smoke.py: the emulated one does so only while it has no VFs.)"""
    lab.systemctl("stop")
    sysfs("sriov_numvfs", "0")
    hold(4, 2)
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
        use(namespaces=[2, 3], host_disk="allow", host_queues=0, host_interrupts=0)
        assert [s["reason"] for s in plan("primary")] == ["host-disk"], plan("primary")
        vfctl("apply", "--destructive", check=False)
        assert held() == (4, 2) and all_ready()
        assert set(amounts().values()) == {(3, 1)}, amounts()
    finally:
        run("swapoff", disk)
        attach(4, 0, select=1)
    vfctl("rescan")
    wait_for(lambda: [s["reason"] for s in plan("primary")] == ["none"], 60, "the disk is free")
    lab.systemctl("stop")
    sysfs("sriov_numvfs", "0")
    hold(0, 0)
    lab.systemctl("start")
    wait_for(lambda: all_ready() and set(amounts().values()) == {(4, 2)}, 90, "all VFs ready, with all that there is")


class Commands:
    """Admin commands that change something, as the kernel's driver sends them; ends the daemon at one of them."""

    EVENT = "/sys/kernel/tracing/events/nvme/nvme_setup_cmd/enable"

    def __init__(self, workers_too=False):
        self.workers_too = workers_too  # else they end what they are at
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
        end, count, quiet = time.monotonic() + 60, 0, time.monotonic()
        while time.monotonic() < end:
            if new := self.seen():
                count, quiet = count + new, time.monotonic()
            if count >= n:
                pid = lab.main_pid()
                assert pid > 1, "the daemon is gone by itself"
                workers = run("pgrep", "-x", "vfctld-worker", check=False).stdout.split()
                for p in (pid, *map(int, workers if self.workers_too else ())):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(p, signal.SIGKILL)
                return True
            # asking takes longer than a command: only when there seems to be none any more
            if time.monotonic() > quiet + 1 and until():
                return False
        raise AssertionError(f"neither {n} commands nor the end")

    def reach(self, n):
        """Waits for the n-th command from now on."""
        count = [0]

        def enough():
            count[0] += self.seen()
            return count[0] >= n
        wait_for(enough, 60, f"{n} commands")

    def close(self):
        with open(self.EVENT, "w", encoding="ascii") as f:
            f.write("0")
        os.close(self.pipe)


def test_daemon_killed_at_each_command():
    """From the end of a lease until its VF is ready again; nothing of it is left, whenever that was. On one kernel workers end what
    they are at, on the other they die too: that makes no difference to the kernel, and both takes minutes."""
    use(namespaces=[2, 3])
    commands, n = Commands(workers_too=lab.KERNEL == "iommufd"), 0
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
            assert where("red's secret") == []
            run("systemctl", "reset-failed", "vfctld", check=False)
            if not killed:
                break
    finally:
        commands.close()
    print(f"  killed at each of {n - 1} commands", flush=True)
    assert n > 6, n


def test_daemon_killed_while_vfs_are_brought_up():
    """Between any two commands of the way from a bare PF to VFs that are online."""
    commands, at = Commands(workers_too=True), []
    try:
        for n in (1, 2, 3, 4, 6, 9):
            lab.systemctl("stop")
            sysfs("sriov_numvfs", "0")
            commands.seen()
            lab.run("systemctl", "start", "--no-block", "vfctld")
            wait_for(lambda: lab.main_pid() > 1, 30, "the daemon runs")
            assert commands.kill_at(n, all_ready), f"it takes fewer than {n} commands"
            at.append(n)
            wait_for(all_ready, 90, "all VFs are ready")
            assert set(amounts().values()) == {(4, 2)}, amounts()
            run("systemctl", "reset-failed", "vfctld", check=False)
    finally:
        commands.close()
    print(f"  killed at the commands {at}", flush=True)


def killed_or_waiting(address):
    r = vfctl("list", "vfs", "--json", check=False)
    return r.returncode != 0 or next(v["state"] for v in json.loads(r.stdout)["vfs"] if v["address"] == address) != "ready"


def test_unplugged_in_mid_sequence():
    """The card goes while its VFs are brought up, and comes back: its namespaces are what they were."""
    use(namespaces=[2, 3])
    red, commands = Disk("red", RED, HAND_OFFS[0]), Commands()
    red.write("red's secret")
    commands.seen()
    red.owner.kill()
    for n in (1, 2, 5):  # of what reclaims the VF, then twice of what brings all of them up
        commands.reach(n)
        address = pf()
        # with its port, as pciehp takes a card out: VFs first. The removal of the PF alone leaves its VFs behind, since the
        # nvme driver does not end SR-IOV (drivers/nvme/host/pci.c:nvme_remove), and the kernel dies of the next rescan.
        sysfs("remove", "1", os.path.basename(os.path.dirname(os.path.realpath(f"/sys/bus/pci/devices/{address}"))))
        with open("/sys/bus/pci/rescan", "w", encoding="ascii") as f:
            f.write("1")
        wait_for(lambda a=address: os.path.exists(f"/sys/bus/pci/devices/{a}/nvme"), 30, "the card is back")
    commands.close()
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
        assert "Invalid Namespace or Format" in str(e) or "Invalid Namespace or Format" in lab.journal(), e
        print(f"  {str(e)[:160]}", flush=True)
    else:
        raise AssertionError("a disk was made after all: this test has to become another one")
    wait_for(all_ready, 60, "all VFs ready")


def test_shown():
    use(namespaces=[2, 3])
    red = Disk("red", RED, HAND_OFFS[0])
    controller = json.loads(vfctl("show", pf(), "--json").stdout)["controllers"][0]
    has = next(n for n in controller["namespaces"] if n["vf"] == red.address)
    assert (has["nsid"], has["tenant"], has["vm"], has["erase"]) == (red.nsids[0], "red", "red-vm", "format"), has
    of = next(s for s in controller["secondaries"] if s["vf"] == red.address)
    assert of["online"] and has["controllers"] == [of["controller"]], (of, has)
    assert controller["health_known"] and controller["celsius"] > 0, controller
    shown, one = vfctl("show", pf()).stdout, vfctl("show", red.address).stdout
    print("\n".join("  " + line for line in shown.splitlines()[:40]), flush=True)
    for word in ("namespace", "queues", "temperature"):
        assert word in shown.lower(), shown
    assert f"controller {of['controller']}, online, {of['queues']} queues, {of['interrupts']} interrupts" in one, one
    assert f"namespace {red.nsids[0]}" in one, one
    red.end()


def test_stop_and_nothing_left():
    use(namespaces=[2, 3])
    assert os.listdir("/var/lib/vfctld/disks") == []


if __name__ == "__main__":
    lab.main([t for n, t in list(globals().items()) if n.startswith("test_")])
