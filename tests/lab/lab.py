# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's tests share. Runs inside the virtual host as root, on the installed system."""
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback

KERNEL = os.environ.get("VFCTL_LAB_KERNEL", "stock")
RED, BLUE, STRANGER = 3001, 3002, 3003
SYS = "/sys/bus/pci/devices"
NETLINK_ROUTE = 0
CONTROL = "/run/vfctld/control"

POLICY = {
    "version": 1,
    "pools": {
        "net": {"class": "network", "functions": [{"driver": "igb"}], "vfs": "max", "placement": "spread"},
        "disk": {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": 4},
    },
    "tenants": {
        "red": {"users": ["red"], "memlock": "256M", "pools": {"net": {"quota": 2}, "disk": {"quota": 1}}},
        "blue": {"users": ["blue"], "memlock": "256M", "pools": {"net": {"quota": 2}}},
    },
}


def wait_for(condition, seconds=30, what="condition"):
    """Calls condition until it gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def run(*argv, uid=None, check=True, timeout=60, **kw):
    """A command's result; as another user, without supplementary groups, if uid is given."""
    if uid is not None:
        kw |= {"user": uid, "group": uid, "extra_groups": []}
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **kw)
    if check and r.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r


def vfctl(*argv, uid=None, check=True):
    return run("vfctl", *argv, uid=uid, check=check)


def listing(what, uid=None, **filters):
    options = [x for k, v in filters.items() for x in (f"--{k}", v)]
    return json.loads(vfctl("list", what, *options, "--json", uid=uid).stdout)[what]


def vf(address):
    return next(v for v in listing("vfs") if v["address"] == address)


def write_policy(policy):
    os.makedirs("/etc/vfctl", exist_ok=True)
    with open("/etc/vfctl/policy.json", "w", encoding="utf-8") as f:
        f.write(policy if isinstance(policy, str) else json.dumps(policy, indent=2))


def stacks():
    """Where the daemon and its workers are in the kernel: what a hang looks like."""
    out = []
    for pid in run("pgrep", "vfctld", check=False).stdout.split():
        for name in ("cmdline", "wchan", "syscall", "stack"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", encoding="utf-8") as f:
                out.append(f"{pid} {name}: {f.read()}".replace("\0", " "))
    return "\n".join(out)


def systemctl(verb, unit="vfctld", seconds=80):
    """Starts or restarts a unit; if that takes too long, says where everybody hangs."""
    job = subprocess.Popen(["systemctl", verb, unit])
    try:
        status = job.wait(seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"systemctl {verb} {unit} takes more than {seconds} s\n{stacks()}") from None
    assert status == 0, f"systemctl {verb} {unit}: status {status}"


def start(policy=None):
    write_policy(POLICY if policy is None else policy)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "vfctld-worker.socket")
    systemctl("start")


def force_fence(backend):
    """The daemon's fences from its next start on."""
    os.makedirs("/run/systemd/system/vfctld.service.d", exist_ok=True)
    with open("/run/systemd/system/vfctld.service.d/fence.conf", "w", encoding="ascii") as f:
        f.write(f"[Service]\nExecStart=\nExecStart=/usr/sbin/vfctld --fence {backend}\n")
    run("systemctl", "daemon-reload")


def fence_backend():
    return json.loads(vfctl("status", "--json").stdout)["status"]["fence_backend"]


def journal():
    return run("journalctl", "--no-pager", "-o", "cat", "-u", "vfctld", "-u", "vfctld-worker@*").stdout


def main_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "vfctld").stdout)


def lost_messages(pid, protocol=None):
    """How many messages the kernel could not put into the netlink sockets of a process (of one protocol), each."""
    inodes = {os.readlink(f.path)[8:-1] for f in os.scandir(f"/proc/{pid}/fd") if os.readlink(f.path).startswith("socket:")}
    with open("/proc/net/netlink", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    return [int(row[8]) for row in rows if row[9] in inodes and protocol in (None, int(row[1]))]


def open_error(path):
    """The errno of opening a file as root, 0 if that worked."""
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError as e:
        return e.errno
    return 0


class Varlink:
    """One connection; keeps the descriptors of the last reply."""

    def __init__(self, uid=None):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.uid = uid
        self.sock.connect(CONTROL)
        self.fds = []

    def call(self, method, **parameters):
        self.sock.sendall(json.dumps({"method": f"io.vfctl.Manager.{method}", "parameters": parameters}).encode() + b"\0")
        data = b""
        self.fds = []
        while not data.endswith(b"\0"):
            chunk, fds, _, _ = socket.recv_fds(self.sock, 65536, 64)
            assert chunk, "the daemon closed the connection"
            data += chunk
            self.fds += fds
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise Refused(reply["error"], reply.get("parameters", {}))
        return reply["parameters"]


class Refused(Exception):
    def __init__(self, error, parameters):
        super().__init__(f"{error} {parameters}")
        self.error, self.parameters = error, parameters


class VM:
    """A QEMU that a tenant starts through `vfctl run`."""

    memory = 64

    def __init__(self, tenant, uid, name, *options, pool="net"):
        self.name, self.qmp_path = name, f"/tmp/{name}.qmp"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.qmp_path)
        self.log = open(f"/tmp/{name}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["vfctl", "run", "--tenant", tenant, "--pool", pool, "--vm", name, *options, "--",
             "qemu-system-x86_64", *self.machine(), "-m", f"{self.memory}M", "-nodefaults", "-display", "none",
             "-qmp", f"unix:{self.qmp_path},server=on,wait=off"],
            user=uid, group=uid, extra_groups=[], stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        wait_for(self.is_up, 90, f"QMP of {name}")
        self.qmp("query-status")  # answered only once the machine is made, with its VF open
        self.lease = next(l for l in listing("leases") if l["vm"] == name)
        self.address = self.lease["vfs"][0]

    def machine(self):
        """What it is made of; no kernel, so it stays in its firmware."""
        return ["-M", "q35", "-accel", "tcg"]

    def is_up(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError(f"{self.name} ended: {self.log.read()}")
        with socket.socket(socket.AF_UNIX) as s:  # it is bound for a moment before it listens
            return s.connect_ex(self.qmp_path) == 0

    def qmp(self, *commands):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(90)
            s.connect(self.qmp_path)
            f = s.makefile("rw")
            f.readline()
            for command in ("qmp_capabilities", *commands):
                f.write(json.dumps({"execute": command}) + "\n")
                f.flush()
                while True:
                    reply = json.loads(f.readline())
                    if "event" not in reply:
                        break
            return reply["return"]

    def pci(self):
        return [(d["id"]["vendor"], d["id"]["device"]) for bus in self.qmp("query-pci") for d in bus["devices"] if d["qdev_id"].startswith("vfctl-vf")]

    def end(self, sig=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.process.wait(30)


def page_table(address):
    """The page table root of a function, as the IOMMU driver shows its context entry (iommufd kernel)."""
    bdf = address.split(":", 1)[1]
    with open("/sys/kernel/debug/iommu/intel/dmar_translation_struct", encoding="utf-8") as f:
        for line in f:
            fields = line.split()
            if fields and fields[0] == bdf:
                return fields[2].split(":")[1]
    return None


def main(tests):
    """Runs functions in order, each a test; the last line sums up."""
    passed = failed = 0
    only = sys.argv[1:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        begun = time.monotonic()
        try:
            test()
        except BaseException:  # a test that hangs is ended by its deadlines; whatever comes is a failure
            failed += 1
            print(f"FAIL {test.__name__} ({time.monotonic() - begun:.1f} s)\n{traceback.format_exc()}", flush=True)
            print(journal()[-int(os.environ.get("LAB_JOURNAL", "3000")):], stacks(), flush=True)
        else:
            passed += 1
            print(f"ok   {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped", flush=True)
    sys.exit(failed > 0)


EBUSY = errno.EBUSY
