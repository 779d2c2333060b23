# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulated host as the tests see it: a tree, a daemon, a stand-in for systemd, clients and VMs.

As root the daemon runs as a user of its own without privileges, the simulated worker is root as the real one is (by
a set-uid copy that only the daemon's group can reach), and tenants are separate users. Otherwise everything is one
user, who has to be uid 0 of a user namespace (run.py sees to that), and tests that need several users are skipped.
"""

import array
import atexit
import contextlib
import fcntl
import grp
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from simhost import PF, Tree
from varlink import Varlink, VarlinkError

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 30 * int(os.environ.get("SIM_SLOW", "1"))
DAEMON_UID = 3900
MANY_USERS = os.geteuid() == 0 and open("/proc/self/uid_map").read().split()[2] == "4294967295"
USERS = {"red": 3001, "blue": 3002, "stranger": 3003}
# what the PF's driver has of a VF that nobody was told anything about, in the order of simattributes.h
PLAIN = {"mac": "00:00:00:00:00:00", "vlan": 0, "vlan_qos": 0, "vlan_protocol": 0, "min_tx_mbps": 0, "max_tx_mbps": 0,
         "spoof_check": 1, "trust": 0, "link_state": 0, "rss_query": 0, "max_io_eqs": 8, "function_state": 0}
needs_users = unittest.skipUnless(MANY_USERS, "needs root, to act as several users")


def find_python():
    """An interpreter that every user may start."""
    for path in (sys.executable, "/usr/bin/python3"):
        real = os.path.realpath(path)
        above = [os.path.dirname(real)]
        while above[-1] != "/":
            above.append(os.path.dirname(above[-1]))
        if not MANY_USERS or (os.path.exists(real) and all(os.stat(d).st_mode & 0o001 for d in above)):
            return path
    raise RuntimeError("no Python that every user may start")


PYTHON = find_python()


def wait_for(condition, deadline=None, what="condition"):
    """The first true value of condition(); fails after the deadline (seconds)."""
    end = time.monotonic() + (deadline or DEADLINE)
    pause = 0.002
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline or DEADLINE} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return value


def prepare(build):
    """Copies the programs where every user can start them. Returns the directory."""
    base = tempfile.mkdtemp(prefix="vfsim-bin-")
    os.chmod(base, 0o755)
    for name in ("vm.py", "launch.py", "varlink.py"):
        shutil.copy(os.path.join(HERE, name), base)
    for name in ("daemon/vfctld", "cli/vfctl"):
        if os.path.exists(os.path.join(build, name)):
            shutil.copy(os.path.join(build, name), base)
    os.mkdir(os.path.join(base, "worker"), 0o750)
    worker = shutil.copy(os.path.join(build, "tests/sim/simworker"), os.path.join(base, "worker"))
    if MANY_USERS:
        os.chown(os.path.join(base, "worker"), 0, DAEMON_UID)
        os.chmod(worker, 0o4755)
    return base


def binaries():
    """The directory with the programs, made on first use unless run.py made it."""
    if "SIM_BIN" not in os.environ:
        os.environ["SIM_BIN"] = prepare(os.environ.get("SIM_BUILD", "/tmp/build-sim"))
        atexit.register(shutil.rmtree, os.environ["SIM_BIN"], True)
    return os.environ["SIM_BIN"]


def sanitized():
    """True for a build with AddressSanitizer, whose memory says nothing about the daemon's."""
    with open(f"{binaries()}/vfctld", "rb") as f:
        return b"__asan_init" in f.read()


def uid_of(user):
    """As whom the VMs of a user run."""
    return USERS[user] if MANY_USERS else os.getuid()


def as_user(user):
    """Arguments for Popen() to become a tenant's user."""
    if not MANY_USERS or user == "root":
        return {}
    uid = USERS.get(user, user)
    return {"user": uid, "group": uid, "extra_groups": []}


class Systemd(threading.Thread):
    """The notify socket and the file descriptor store of one service."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.store = {}  # name -> descriptors
        self.ready = threading.Event()
        self.messages = []
        self.lock = threading.Lock()
        self.synced = threading.Semaphore(0)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o777)
        self.start()

    def run(self):
        while True:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(4 * 253), socket.MSG_CMSG_CLOEXEC)
            except OSError:
                return
            fds = array.array("i")
            for level, kind, payload in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(payload[:len(payload) - len(payload) % 4])
            if data == b"QUIT":
                return
            if data.startswith(b"SYNC"):
                self.synced.release()
                continue
            with self.lock:
                self._message(dict(line.partition("=")[::2] for line in data.decode().splitlines()), list(fds))

    def _message(self, fields, fds):
        name = fields.get("FDNAME", "stored")
        if fields.get("FDSTORE") == "1":
            # What sd_notify(3) demands of a name
            if len(name) > 255 or ":" in name or not name.isascii() or not name.isprintable():
                raise ValueError(f"bad FDNAME {name!r}")
            self.store.setdefault(name, []).extend(fds)
            fds = []
        if fields.get("FDSTOREREMOVE") == "1":
            fds += self.store.pop(name, [])
        for fd in fds:  # of a barrier too: closing it is the answer
            os.close(fd)
        if not {"FDSTORE", "FDSTOREREMOVE", "BARRIER"} & set(fields):
            self.messages.append(fields)
        if fields.get("READY") == "1":
            self.ready.set()

    def _send(self, data):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(data, self.path)

    def stored(self):
        """What is in the store, after everything that was sent until now: systemd, too, reads messages before it looks
        after processes that ended."""
        self._send(b"SYNC")
        if not self.synced.acquire(timeout=DEADLINE):
            raise AssertionError("the notify socket is not read")
        with self.lock:
            return {name: list(fds) for name, fds in self.store.items() if name != "kmsg"}

    def forget(self):
        self.stored()
        self._forget()

    def _forget(self):
        with self.lock:
            for fds in self.store.values():
                for fd in fds:
                    os.close(fd)
            self.store = {}

    def close(self):
        with contextlib.suppress(OSError):
            self._send(b"QUIT")
        self.join(5)
        self.sock.close()
        self._forget()


class Daemon:
    """One vfctld process after the other on one host."""

    def __init__(self, host, *options):
        self.host, self.options = host, options
        self.process = None
        self.log_path = host.dir + ".log"
        self.systemd = Systemd(host.tree.path("run/notify"))

    def start(self, wait=True):
        bin_dir = binaries()
        host = self.host
        environment = {k: v for k, v in os.environ.items() if k not in ("JOURNAL_STREAM", "INVOCATION_ID")}
        environment["NOTIFY_SOCKET"] = self.systemd.path
        command = [f"{bin_dir}/vfctld", "--root", host.dir, "--worker-exec", f"{bin_dir}/worker/simworker",
                   "--log-level", "debug", *self.options]
        stored = self.systemd.stored()
        pairs = [(name, fd) for name, fds in stored.items() for fd in fds]
        if pairs:
            command = [PYTHON, "-S", f"{bin_dir}/launch.py", ",".join(str(fd) for _, fd in pairs),
                       ":".join(name for name, _ in pairs), *command]
        self.systemd.ready.clear()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[fd for _, fd in pairs], cwd="/", **as_user(DAEMON_UID))
        if wait:
            self.wait_ready()
        return self

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self, deadline=None):
        wait_for(lambda: self.systemd.ready.is_set() or self.process.poll() is not None, deadline,
                 "READY=1\n" + self.log_tail())
        if self.process.poll() is not None and not self.systemd.ready.is_set():
            raise AssertionError(f"vfctld ended with {self.process.returncode}\n{self.log_tail()}")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def signal(self, number):
        self.process.send_signal(number)

    def kill9(self):
        if self.alive():
            self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it as systemctl does; a clean exit is part of every test."""
        if self.process is None:
            return
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"vfctld does not end\n{self.log_tail()}") from None
        if self.process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"vfctld ended with {self.process.returncode}\n{self.log_tail(80)}")

    def restart(self, wait=True):
        self.stop()
        return self.start(wait)

    def fds(self):
        """Its open descriptors, as what they point to."""
        base = f"/proc/{self.pid}/fd"
        found = []
        for fd in os.listdir(base):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"{base}/{fd}"))
        return found

    def kept_fds(self):
        """Those that do not come and go with connections and workers."""
        return sorted(fd for fd in self.fds() if not fd.startswith("socket:") and fd != "anon_inode:[pidfd]" and
                      not fd.endswith("/dev/kmsg"))

    def reads_kernel_log(self):
        return any(fd.endswith("/dev/kmsg") for fd in self.fds())

    def memory(self):
        """Resident KiB."""
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class VM:
    """A process that does what a VMM does, see vm.py."""

    def __init__(self, host, user="red", command=None):
        self.host = host
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", VFCTL_SOCKET=host.socket)
        self.process = subprocess.Popen(command or host.vm_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment, cwd="/", text=True, **as_user(user))
        host.vms.append(self)
        self.pid = self.process.pid
        self.hello = None

    def greet(self):
        """Waits until it runs. Its own idea of its pid is in self.hello."""
        if self.hello is None:
            self.hello = self._answer()
        return self

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the VM ended with {self.process.wait()}\n{self.host.daemon.log_tail()}")
        return json.loads(line)

    def begin(self, do, **arguments):
        """Sends a command without waiting for its answer."""
        self.greet()
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()

    def do(self, do, **arguments):
        self.begin(do, **arguments)
        return self.end_of()

    def end_of(self):
        """The answer of a begun command."""
        answer = self._answer()
        if "exception" in answer:
            raise AssertionError(answer["exception"])
        return answer

    def acquire(self, tenant="red", pool="net", vm="web1", **more):
        """Acquires and binds. Returns the reply; raises VarlinkError."""
        answer = self.do("acquire", parameters={"tenant": tenant, "pool": pool, "vm": vm, **more})
        if "error" in answer:
            raise VarlinkError(answer["error"], answer["parameters"])
        self.lease = answer["reply"]["lease"]
        self.vfs = self.lease["vfs"]
        bound = self.do("bind")["bound"]
        if bound != self.vfs:
            raise AssertionError(f"leased {self.vfs}, but could bind only {bound}")
        return answer["reply"]

    def call(self, method, **parameters):
        answer = self.do("call", method=method, parameters=parameters)
        if "error" in answer:
            raise VarlinkError(answer["error"], answer["parameters"])
        return answer["reply"]

    def kill(self):
        self.process.kill()
        self.reap()

    def end(self):
        self.process.stdin.close()
        self.reap()

    def reap(self):
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()


def default_policy(pools=None, quota=64, **more):
    """Pool "net" for igb PFs, "disk" for NVMe PFs; red may use both, blue net only."""
    policy = {
        "version": 1,
        "pools": {"net": {"class": "network", "functions": [{"driver": "igb"}], "vfs": "max"},
                  "disk": {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": "max"}},
        "tenants": {"red": {"users": [USERS["red"]], "pools": {"net": {"quota": quota}, "disk": {"quota": quota}}},
                    "blue": {"users": [USERS["blue"]], "pools": {"net": {"quota": quota}}}},
    }
    if pools is not None:
        policy["pools"] = pools
    policy.update(more)
    return policy


class Host:
    """A simulated host; ends everything it started."""

    def __init__(self, pfs=None, policy=None, options=(), **tree):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="vfsim-", dir=base)
        os.chmod(self.dir, 0o755)
        self.vms = []
        self.links = []
        self.admin_link = None
        self.tree = Tree(self.dir, [PF("0000:01:00.0")] if pfs is None else pfs, **tree)
        with open(self.tree.path("sim/fdstore-pid"), "w") as f:
            f.write(f"{os.getpid()}\n")
        self.write_policy(default_policy() if policy is None else policy)
        if MANY_USERS:
            for d in ("run/vfctld", "run/vfctld/leases", "run/vfctld/pending", "run/vfctld/baseline", "var/lib/vfctld", "var/lib/vfctld/quarantine",
                      "var/lib/vfctld/reservations", "var/lib/vfctld/drained", "var/lib/vfctld/disks"):
                os.chown(self.tree.path(d), DAEMON_UID, DAEMON_UID)
        self.daemon = Daemon(self, *options)

    @property
    def socket(self):
        return self.tree.path("run/vfctld/control")

    def vm_command(self):
        return [PYTHON, f"{binaries()}/vm.py", self.socket, self.dir]

    def write_policy(self, policy, name="policy.json"):
        """A dictionary, or a text that need not be JSON."""
        with open(self.tree.path("etc/vfctl", name), "w") as f:
            f.write(policy if isinstance(policy, str) else json.dumps(policy, indent=2))

    # clients

    def connect(self, timeout=None):
        link = Varlink(self.socket, timeout or DEADLINE)
        self.links.append(link)
        return link

    def call(self, method, **parameters):
        """As administrator, on a connection that is kept."""
        if self.admin_link is None:
            self.admin_link = self.connect()
        try:
            return self.admin_link.call(method, **parameters)
        except OSError:
            self.admin_link = None
            raise

    def call_fresh(self, method, **parameters):
        """As administrator, on a connection of its own; for daemons that come and go."""
        with Varlink(self.socket, DEADLINE) as link:
            return link.call(method, **parameters)

    def vm(self, user="red", **acquire):
        """A running VM; with arguments, one that has its VFs."""
        vm = VM(self, user)
        if acquire:
            vm.acquire(**acquire)
        return vm

    def vfctl(self, *arguments, user="root", **more):
        """Runs vfctl to its end."""
        return subprocess.run([f"{binaries()}/vfctl", *arguments], env=dict(os.environ, VFCTL_SOCKET=self.socket),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, cwd="/",
                              **as_user(user), **more)

    # what is

    def status(self):
        return self.call_fresh("GetStatus")["status"]

    def vfs(self, **filters):
        return {vf["address"]: vf for vf in self.call_fresh("ListVFs", **filters)["vfs"]}

    def vf(self, address):
        return self.vfs(address=address)[address]

    def leases(self):
        return {lease["id"]: lease for lease in self.call_fresh("ListLeases")["leases"]}

    def states(self):
        return {address: vf["state"] for address, vf in self.vfs().items()}

    def wait_state(self, address, state, deadline=None):
        """Waits for a VF; returns its record."""
        def there():
            vf = self.vfs().get(address)
            return vf if vf and vf["state"] == state else None
        try:
            return wait_for(there, deadline)
        except AssertionError:
            raise AssertionError(f"{address} does not become {state}: {self.vfs().get(address)}\n"
                                 f"{self.daemon.log_tail()}") from None

    def wait_all_ready(self, count=None, deadline=None):
        """Waits until every VF that the policy wants is ready."""
        count = sum(pf.total for pf in self.tree.pfs.values()) if count is None else count
        try:
            wait_for(lambda: (s := list(self.states().values())) == ["ready"] * count, deadline)
        except AssertionError:
            raise AssertionError(f"not {count} VFs ready: {self.states()}\n{self.daemon.log_tail()}") from None

    def fenced(self, address):
        """True if somebody has the VF, so that it is not in a domain that others share."""
        with open(self.tree.node(address), "r+") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True

    def check_invariants(self):
        """What must hold at any time when nothing is under way."""
        vfs, leases, before = self.vfs(), self.leases(), None
        while leases != before:  # one that ended between the two answers would be in one of them only
            before, vfs, leases = leases, self.vfs(), self.leases()
        owners = {}
        for lease in leases.values():
            for address in lease["vfs"]:
                assert address not in owners, f"{address} is in two leases: {leases}"
                owners[address] = lease["id"]
        for address, vf in vfs.items():
            assert vf["lease"] == owners.get(address), f"{vf} against {leases}"
            assert (vf["state"] in ("leased", "leasing", "reclaiming", "stuck", "absent")) or vf["lease"] is None, vf
            assert vf["state"] != "leased" or vf["lease"] is not None, vf
            assert vf["state"] != "ready" or self.fenced(address), f"{address} is ready and not fenced"
        for pf in self.tree.pfs.values():
            for index in range(int(self.tree.device(pf.address, "sriov_numvfs"))):
                assert pf.vf(index) in vfs, f"{pf.vf(index)} is lost"

    # the simulated worker

    def faults(self, *lines):
        """Replaces the faults, see simfault.h."""
        with open(self.tree.path("sim/faults.lock"), "w") as lock:
            with contextlib.suppress(PermissionError):
                os.chmod(lock.name, 0o666)
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.tree.path("sim/faults")
            if not lines:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                return
            with open(path + ".new", "w") as f:
                f.write("\n".join(lines) + "\n")
            os.chmod(path + ".new", 0o666)
            os.rename(path + ".new", path)

    def enable_by_hand(self, pf, count):
        """Writes a VF count as somebody else than the daemon might."""
        subprocess.run([f"{binaries()}/worker/simworker", "--root", self.dir, "--enable", f"{pf}={count}"], check=True)

    def command_by_hand(self, pf, verb, controller=0, nsid=0, value=0):
        """One admin command to an NVMe controller, as with nvme-cli; returns its status and what it gave."""
        out = subprocess.run([f"{binaries()}/worker/simworker", "--root", self.dir, "--command",
                              f"{pf} {verb} {controller} {nsid} {value}"], check=True, capture_output=True, text=True).stdout
        return tuple(map(int, out.split()))

    def count(self, pf, lines):
        """Sets what the VFs of a PF have counted: index -> counters, in the order of common/stats.h; or None: not told.
        A string instead is as simstats.h says."""
        if not isinstance(lines, str):
            lines = "".join(f"{i} {' '.join(map(str, counters)) if counters else '-'}\n" for i, counters in lines.items())
        path = self.tree.path("sim/pf", pf, "statistics")
        with open(path + ".new", "w") as f:
            f.write(lines)
        os.chmod(path + ".new", 0o666)
        os.rename(path + ".new", path)

    def statistics_rounds(self):
        """PFs that workers were asked about, in order."""
        with open(self.tree.path("sim/log")) as f:
            lines = sorted((line.split() for line in f), key=lambda words: int(words[0]))
        return [w[2] for w in lines if w[1] == "statistics"]

    def unhang(self):
        open(self.tree.path("sim/unhang"), "w").close()

    def operations(self, op=None, address=None, told=False):
        """The record of finished operations with effect: (op, address, value, error) in order; what VFs are told, which is
        gathered as it comes, only if asked for."""
        try:
            with open(self.tree.path("sim/log")) as f:
                lines = sorted((line.split() for line in f), key=lambda words: int(words[0]))
        except FileNotFoundError:
            return []
        return [(w[1], w[2], int(w[3]), w[5]) for w in lines
                if w[1] not in ("!", "ping", "evidence", "listen", "identify", "statistics", "switch") and op in (None, w[1])
                and (told or op or w[1] != "attributes") and address in (None, w[2])]

    def attributes(self, vf):
        """What the PF's driver keeps of a VF: names as in the policy, numbers as in <linux/if_link.h>."""
        try:
            mac, *numbers = self.tree.read(f"sim/attributes/{vf}").split()
        except FileNotFoundError:
            return dict(PLAIN)
        return {"mac": mac, **dict(zip(list(PLAIN)[1:], map(int, numbers)))}

    def set_attributes(self, vf, **changes):
        """As somebody does with 'ip link' behind the daemon's back."""
        words = {**self.attributes(vf), **changes}
        with open(self.tree.path(f"sim/attributes/{vf}"), "w") as f:
            f.write(" ".join(str(w) for w in words.values()) + "\n")

    def driver_cannot(self, pf, *names):
        os.makedirs(self.tree.path(f"sim/pf/{pf}/cannot"), exist_ok=True)
        for name in names:
            with open(self.tree.path(f"sim/pf/{pf}/cannot/{name}"), "w"):
                pass

    def set_link(self, pf, up):
        """The cable of a PF's interface; without a link its driver refuses rates, as igb does."""
        path = self.tree.path(f"sim/pf/{pf}/link_down")
        if up:
            os.unlink(path)
        else:
            open(path, "w").close()

    def faults_hit(self):
        try:
            with open(self.tree.path("sim/log")) as f:
                return [tuple(line.split()[2:4]) for line in f if line.split()[1] == "!"]
        except FileNotFoundError:
            return []

    def resets(self, address):
        try:
            return len(self.tree.read(f"sim/resets/{address}").split())
        except FileNotFoundError:
            return 0

    def close(self):
        for vm in self.vms:
            if vm.process.poll() is None:
                vm.process.kill()
            vm.reap()
        for link in self.links:
            link.close()
        trouble = None
        with contextlib.suppress(FileNotFoundError):
            self.unhang()
        try:
            self.daemon.stop()
        except AssertionError as e:
            trouble = e
        self.daemon.systemd.close()
        log = self.daemon.log() if os.path.exists(self.daemon.log_path) else ""
        shutil.rmtree(self.dir, ignore_errors=True)
        if os.path.isdir(self.dir):  # a worker made a file meanwhile; without sim/ it ends
            time.sleep(0.1)
            shutil.rmtree(self.dir, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.daemon.log_path)
        if re.search(r"(Address|Leak|Undefined)\w*Sanitizer|runtime error:|Assertion .* failed", log):
            raise AssertionError("the daemon's log holds a report:\n" + log[-8000:])
        if trouble:
            raise trouble


class SimTest(unittest.TestCase):
    """A test with hosts of its own."""

    maxDiff = None

    def host(self, *arguments, start=True, **named):
        host = Host(*arguments, **named)
        self.addCleanup(host.close)
        self.addCleanup(self._show_log, host)
        if start:
            host.daemon.start()
        return host

    def _show_log(self, host):
        """For a failed test, what the daemon said."""
        result = self._outcome.result
        if any(case is self or getattr(case, "test_case", None) is self for case, _ in result.failures + result.errors):
            text = host.daemon.log_tail(60) if os.path.exists(host.daemon.log_path) else ""
            print(f"--- log of the daemon\n{text}\n---")

    def refused(self, reason, function, *arguments, **named):
        """The call must be refused for this reason; returns the error."""
        with self.assertRaises(VarlinkError) as caught:
            function(*arguments, **named)
        self.assertEqual((caught.exception.name, caught.exception.reason), ("Refused", reason))
        self.assertTrue(caught.exception.parameters["message"])
        self.assertTrue(caught.exception.parameters["hint"])
        return caught.exception

    def check_growth(self, host, before, kib):
        """The daemon must not have grown by more."""
        if not sanitized():
            self.assertLess(host.daemon.memory(), before + kib)

    def check_closed(self, host, before):
        """As many descriptors as before, give or take what the pool of workers and one connection need."""
        wait_for(lambda: len(host.daemon.fds()) <= before + 18, what=f"{before} descriptors, not {host.daemon.fds()}")

    def fails(self, name, function, *arguments, **named):
        """The call must end with this error; returns it."""
        with self.assertRaises(VarlinkError) as caught:
            function(*arguments, **named)
        self.assertEqual(caught.exception.name, name)
        return caught.exception


def raise_limits():
    """Thousands of fences are thousands of descriptors, here as in systemd."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


raise_limits()
GROUP_VFCTL = next((g.gr_gid for g in grp.getgrall() if g.gr_name == "vfctl"), None)
