# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what it refuses, what it asks for, what it prints. Most of it against a stand-in for the daemon whose
every word is held against the interface description; the rest against the daemon."""

import collections.abc
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import idl
from harness import PF, SimTest, wait_for
from simhost import nvme
from varlink import MANAGER, VarlinkError

ONE, TWO = "0000:01:00.0", "0000:05:00.0"
LEASE, OTHER = "6d0f2a1b9c3e4875", "00000000000000ff"
ACQUIRE = ["acquire", "--tenant", "red", "--vm", "web1"]
USAGE, UNAVAILABLE, TEMPFAIL, NOPERM = 64, 69, 75, 77

with open(os.path.join(harness.HERE, "..", "..", "daemon", "io.vfctl.Manager.varlink"), encoding="utf-8") as idl_file:
    INTERFACE = idl.Interface(idl_file.read())


def value_of(kind):
    """A value of a type: nothing, as far as that goes."""
    if isinstance(kind, dict):
        return {name: value_of(member) for name, member in kind.items()}
    if isinstance(kind, tuple):
        return {"?": None, "[]": [], "[string]": {}}[kind[0]]
    return value_of(INTERFACE.types[kind]) if kind in INTERFACE.types else {"int": 0, "string": "", "bool": False}[kind]


def make(kind, /, **members):
    value = value_of(kind)
    assert set(members) <= set(value), members
    value.update(members)
    INTERFACE.check(kind, value, kind)
    return value


def leased(address, pf=ONE, pool="net", **attributes):
    return make("LeasedVF", address=address, pf=pf, pool=pool, attributes=make("Attributes", **attributes))


def lease(ident=LEASE, devices=(), **more):
    devices = list(devices) or [leased("0000:01:10.0")]
    return make("Lease", **{"id": ident, "tenant": "red", "vm": "web1", "group": "web1", "hand_off": "node", "created": 1,
                            "pools": sorted({d["pool"] for d in devices}), "vfs": [d["address"] for d in devices],
                            "devices": devices, **more})


def refused(reason, **more):
    return VarlinkError(MANAGER + "Refused", {"reason": reason, "message": "no", "hint": "wait", **more})


class Stub(threading.Thread):
    """Listens as the daemon does. answers: method -> reply, list of replies, error, or what a function makes of the
    parameters."""

    def __init__(self):
        super().__init__(daemon=True)
        self.dir = tempfile.mkdtemp(prefix="vfcli-")
        os.chmod(self.dir, 0o755)
        self.path = os.path.join(self.dir, "control")
        self.answers, self.calls, self.wrong = {}, [], []
        self.events = queue.Queue()
        self.gone = threading.Event()  # a client left in the middle of a call
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o777)
        self.sock.listen(16)
        self.start()

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)  # accept() ends, before another socket gets this number
        self.join(harness.DEADLINE)
        self.sock.close()
        shutil.rmtree(self.dir)

    def run(self):
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            buffer = b""
            while True:
                while b"\0" in buffer:
                    text, buffer = buffer.split(b"\0", 1)
                    try:
                        self._answer(connection, json.loads(text))
                    except OSError:
                        self.gone.set()
                        return
                    except Exception as e:  # pylint: disable=broad-except
                        self.wrong.append(repr(e))
                        return
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data

    def _answer(self, connection, call):
        method, parameters = call["method"].removeprefix(MANAGER), call.get("parameters") or {}
        INTERFACE.check(INTERFACE.methods[method][0], parameters, method)
        self.calls.append((method, parameters))
        answer = self.answers[method]
        if callable(answer):
            answer = answer(parameters)
        if method == "Monitor":
            answer = self._events(connection)
        replies = answer if isinstance(answer, (list, collections.abc.Iterator)) else [answer]
        for n, reply in enumerate(replies):
            if isinstance(reply, VarlinkError):
                message = {"error": MANAGER + reply.name, "parameters": reply.parameters}
            else:
                INTERFACE.check(INTERFACE.methods[method][1], reply, method)
                message = {"parameters": reply}
                if call.get("more") and (not isinstance(replies, list) or n + 1 < len(replies)):
                    message["continues"] = True
            connection.sendall(json.dumps(message).encode() + b"\0")

    def _events(self, connection):
        while True:
            yield {"event": self.events.get()}

    def event(self, kind, **more):
        self.events.put(make("Event", kind=kind, time=1, **more))


class CliTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.stub = Stub()
        self.addCleanup(self.stub.close)
        self.addCleanup(lambda: self.assertEqual(self.stub.wrong, []))
        self.environment = dict(os.environ, VFCTL_SOCKET=self.stub.path, TZ="UTC", LC_ALL="C.UTF-8")

    def start(self, *arguments):
        return subprocess.Popen([f"{harness.binaries()}/vfctl", *arguments], env=self.environment, cwd="/", text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def vfctl(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=harness.DEADLINE)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def out(self, *arguments, code=0):
        """What it prints, if it ends as it should and complains of nothing."""
        r = self.vfctl(*arguments)
        self.assertEqual((r.returncode, r.stderr), (code, ""))
        return r.stdout

    def called(self, method):
        return [parameters for name, parameters in self.stub.calls if name == method]


class UsageTest(CliTest):
    def test_wrong_command_lines_ask_nothing(self):
        net = [*ACQUIRE, "--pool", "net"]
        for words, arguments in {
                "needs --tenant": ["acquire", "--pool", "net", "--vm", "x"],
                "needs --vm": ["acquire", "--pool", "net", "--tenant", "red"],
                "needs --pool": ACQUIRE,
                "no name": [*ACQUIRE, "--pool", "n/t"],
                "no number of VFs": [*ACQUIRE, "--pool", "net:0"],
                "there is no 'qos'": [*ACQUIRE, "--pool", "net,qos=1"],
                "no VLAN": [*net, "--vlan", "4095"],
                "no MAC": [*net, "--mac", "02:52"],
                "one MAC": [*net, "--count", "2", "--mac", "02:52:44:00:00:01"],
                "no rate": [*net, "--max-tx-mbps", "fast"],
                "above the greatest": [*net, "--min-tx-mbps", "2", "--max-tx-mbps", "1"],
                "--count is for one --pool": [*net, "--pool", "disk", "--count", "2"],
                "without a number": [*ACQUIRE, "--pool", "net:2", "--count", "2"],
                "--pool net,vlan=5": [*net, "--pool", "disk", "--vlan", "5"],
                "given twice": [*ACQUIRE, "--pool", "net,vlan=1", "--vlan", "1"],
                "from 1 to 32": [*net, "--count", "33"],
                "33 VFs at once": [*ACQUIRE, "--pool", "net:32", "--pool", "disk"],
                "more than 8 times": [*ACQUIRE, *["--pool", "net"] * 9],
                "contradict": [*net, "--affinity", "--anti-affinity"],
                "no node": [*net, "--numa-node", "-1"],
                "no number of seconds (0 to 86400)": [*net, "--wait=86401"],
                "'' is no number of seconds": [*net, "--wait="],
                "write --wait=5": [*net, "--wait", "5"],
                "takes options only": [*net, "--wait", "disk"],
                "--keep takes no value": [*net, "--keep=1"],
                "'w b' is no name": [*net, "--group", "w b"],
                "there is no option --anti-afinity, did you mean --anti-affinity?": [*net, "--anti-afinity"],
                "needs a VMM": ["run", "--tenant", "red", "--vm", "x", "--pool", "net"],
                "reserve: needs --pool": ["reserve", "--tenant", "red", "--vm", "x"],
                "there is no option --wait": ["reserve", "--tenant", "red", "--vm", "x", "--pool", "net", "--wait"],
                "unreserve: needs --vm": ["unreserve", "--tenant", "red"],
                "renew: needs a lease": ["renew"],
                "drain: needs the address": ["drain"],
                "'web1' is not an address": ["drain", "web1"],
                "undrain: needs the address": ["undrain", ONE, TWO],
                "did you mean 'reservations'": ["list", "reservation"],
                "did you mean 'undrain'": ["undrian", ONE],
                "apply: takes no arguments": ["apply", "now"],
                "'check' or 'explain'": ["policy"],
                "'explain' needs --tenant": ["policy", "explain"],
                "'explain' needs --pool": ["policy", "explain", "--tenant", "red"],
                "go with 'explain' only": ["policy", "check", "--tenant", "red"],
                "goes with 'check' only": ["policy", "explain", "--strict"]}.items():
            with self.subTest(words):
                r = self.vfctl(*arguments)
                self.assertEqual((r.returncode, r.stdout), (USAGE, ""))
                self.assertIn(words, r.stderr)
                self.assertIn("--help", r.stderr)
        self.assertEqual(self.stub.calls, [])

    def test_no_daemon(self):
        self.environment["VFCTL_SOCKET"] = "/nonexistent/control"
        for arguments in (["list", "reservations"], ["drain", ONE, "--wait"], ["renew", LEASE],
                          ["policy", "explain", "--tenant", "red", "--pool", "net"]):
            self.assertEqual(self.vfctl(*arguments).returncode, UNAVAILABLE)


class RequestTest(CliTest):
    def answer(self, parameters):
        """A lease as it was asked for."""
        wants = parameters.get("wants") or [{"pool": parameters["pool"], "count": parameters.get("count", 1)}]
        pools = [want["pool"] for want in wants for _ in range(want.get("count", 1))]
        got = [leased(f"0000:01:10.{n}", pool=pool, mac=f"02:52:44:00:00:0{n}") for n, pool in enumerate(pools)]
        return {"lease": lease(devices=got),
                "devices": [make("Device", address=d["address"], group=20, node="/dev/vfio/20") for d in got]}

    def asked(self, *arguments):
        """What Acquire was called with, apart from what every call has."""
        self.stub.answers["Acquire"] = self.answer
        self.out(*ACQUIRE, *arguments)
        asked = self.called("Acquire")[-1]
        for key, value in {"tenant": "red", "vm": "web1", "hand_off": "node", "lifetime": "kept"}.items():
            self.assertEqual(asked.pop(key), value)
        return asked

    def test_what_is_asked_for(self):
        self.assertEqual(self.asked("--pool", "net"), {"pool": "net", "count": 1})
        self.assertEqual(self.asked("--pool", "net", "--count", "3"), {"pool": "net", "count": 3})
        short = {"pool": "net", "count": 1, "vlan": 100, "mac": "02:52:44:00:00:01", "min_tx_mbps": 100, "max_tx_mbps": 1000}
        self.assertEqual(self.asked("--pool", "net:1,vlan=100,mac=02:52:44:00:00:01,min-tx=100,max-tx=1000"), short)
        self.assertEqual(self.asked("--pool=net", "--vlan=100", "--mac=02:52:44:00:00:01", "--min-tx-mbps=100",
                                    "--max-tx-mbps=1000"), short)
        self.assertEqual(self.asked("--pool", "net:2,vlan=0", "--pool", "disk", "--pool", "net,vlan=7"),
                         {"wants": [{"pool": "net", "count": 2, "vlan": 0}, {"pool": "disk", "count": 1},
                                    {"pool": "net", "count": 1, "vlan": 7}]})
        self.assertEqual(self.asked("--pool", "net", "--group", "web", "--anti-affinity", "--numa-node", "1", "--keep"),
                         {"pool": "net", "count": 1, "group": "web", "anti_affinity": True, "numa_node": 1, "keep": True})
        self.assertEqual(self.asked("--pool", "net", "--affinity"), {"pool": "net", "count": 1, "affinity": True})

    def test_waiting(self):
        net = {"pool": "net", "count": 1}
        self.assertEqual(self.asked("--wait", "--pool", "net"), {**net, "wait": 60})
        self.assertEqual(self.asked("--wait=5", "--pool", "net"), {**net, "wait": 5})
        self.assertEqual(self.asked("--wait=0", "--pool", "net"), {**net, "wait": 0})
        slow = self.answer

        def later(parameters):
            time.sleep(2)
            return slow(parameters)
        self.answer = later
        self.assertEqual(self.asked("--wait", "--pool", "net"), {**net, "wait": 60})

    def test_ctrl_c_leaves_the_line(self):
        waiting, done = threading.Event(), threading.Event()

        def answer(_):
            waiting.set()
            done.wait(harness.DEADLINE)
            return refused("quota")
        self.stub.answers["Acquire"] = answer
        process = self.start(*ACQUIRE, "--pool", "net", "--wait=600")
        self.assertTrue(waiting.wait(harness.DEADLINE))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, -signal.SIGINT)
        done.set()
        self.assertTrue(self.stub.gone.wait(harness.DEADLINE))

    def test_answer(self):
        self.stub.answers["Acquire"] = self.answer
        shown = self.out(*ACQUIRE, "--pool", "net:2", "--pool", "disk")
        self.assertRegex(shown, rf"lease {LEASE}\n")
        self.assertEqual([line.split()[:5] for line in shown.splitlines()[2:5]],
                         [[f"0000:01:10.{n}", "20", "/dev/vfio/20", pool, f"02:52:44:00:00:0{n}"]
                          for n, pool in enumerate(("net", "net", "disk"))])
        shown = json.loads(self.out(*ACQUIRE, "--pool", "net:2", "--json"))
        self.assertEqual(shown, self.answer({"pool": "net", "count": 2}))

    def test_answers_that_do_not_fit(self):
        good = self.answer({"pool": "net"})
        for words, answer in (("number of devices", {**good, "devices": good["devices"] * 2}),
                              ("number of devices", {**good, "devices": []}),
                              ("no node", {**good, "devices": [{**good["devices"][0], "node": None}]}),
                              ("nothing of one of its devices", {**good, "lease": {**good["lease"], "devices": []}})):
            with self.subTest(words):
                self.stub.answers["Acquire"] = answer
                r = self.vfctl(*ACQUIRE, "--pool", "net")
                self.assertEqual(r.returncode, 1)
                self.assertIn(words, r.stderr)
                self.assertIn(f"vfctl release {LEASE}", r.stderr)

    def test_refusals(self):
        for reason, code in (("quota", TEMPFAIL), ("in-line", TEMPFAIL), ("waited", TEMPFAIL), ("no-such-pool", NOPERM),
                             ("a-newer-one", NOPERM)):
            self.stub.answers["Acquire"] = refused(reason)
            r = self.vfctl(*ACQUIRE, "--pool", "net")
            self.assertEqual((r.returncode, r.stdout), (code, ""))
            self.assertEqual(r.stderr, f"vfctl: refused: no ({reason})\n  hint: wait\n")

    def test_run_passes_on_what_it_got(self):
        self.stub.answers["Acquire"] = self.answer
        shown = self.out("run", "--tenant", "red", "--vm", "web1", "--pool", "net:2", "--pool", "disk", "--hand-off", "node",
                         "--wait=9", "--", "env")
        got = dict(line.split("=", 1) for line in shown.splitlines() if line.startswith("VFCTL_"))
        self.assertEqual((got["VFCTL_LEASE"], got["VFCTL_POOLS"]), (LEASE, "net net disk"))
        self.assertEqual(got["VFCTL_ADDRESSES"], "0000:01:10.0 0000:01:10.1 0000:01:10.2")
        asked = self.called("Acquire")[0]
        self.assertEqual((asked["wait"], asked["lifetime"], len(asked["wants"])), (9, "process", 2))


class ReservationTest(CliTest):
    def test_reserve(self):
        made = make("Reservation", tenant="red", vm="db1", pools=["net"], created=1,
                    devices=[leased("0000:01:10.0", mac="02:52:44:00:00:01", vlan=100, vlan_qos=3, max_tx_mbps=1000,
                                    spoof_check=True, trust=False)])
        self.stub.answers["Reserve"] = {"reservation": made}
        shown = self.out("reserve", "--tenant", "red", "--vm", "db1", "--pool", "net,vlan=100", "--affinity")
        self.assertEqual(self.called("Reserve"), [{"tenant": "red", "vm": "db1", "affinity": True,
                                                   "wants": [{"pool": "net", "count": 1, "vlan": 100}]}])
        self.assertEqual(re.sub(" +", " ", shown),
                         "reserved for VM db1 of tenant red\nADDRESS PF POOL ATTRIBUTES\n"
                         f"0000:01:10.0 {ONE} net mac 02:52:44:00:00:01, vlan 100, priority 3, at most 1000 Mbit/s, "
                         "spoof check on, trust off\n")
        self.stub.answers["ListReservations"] = {"reservations": [made]}
        self.assertEqual(self.out("list", "reservations", "--no-legend").split()[:5],
                         ["red", "db1", "net", "0000:01:10.0", "-"])
        self.stub.answers["ListReservations"]["reservations"].append(dict(made, over_policy="no-such-pool"))
        self.assertEqual([line.split()[5] for line in self.out("list", "reservations", "--no-legend").splitlines()],
                         ["kept", "over-policy"])

    def test_unreserve(self):
        self.stub.answers["Unreserve"] = {}
        self.assertEqual(self.out("unreserve", "--tenant", "red", "--vm", "db1"), "")
        self.assertEqual(self.called("Unreserve"), [{"tenant": "red", "vm": "db1"}])

    def test_renew(self):
        def answer(parameters):
            if parameters["lease"] == OTHER:
                return refused("no-such-lease")
            return {"lease": lease(expires=3600 * 1000000)}
        self.stub.answers["Renew"] = answer
        r = self.vfctl("renew", OTHER, LEASE)
        self.assertEqual((r.returncode, r.stdout), (NOPERM, f"lease {LEASE} lasts until 1970-01-01 01:00:00\n"))
        self.assertIn(f"lease {OTHER} was not renewed", r.stderr)


PFS = [make("PF", address=ONE, driver="igb", netdev="ens1", pool="net", num_vfs=8, total_vfs=8, numa_node=0),
       make("PF", address=TWO, driver="nvme", pool="disk", num_vfs=2, total_vfs=4, numa_node=-1)]
VFS = [make("VF", address="0000:05:00.1", pf=TWO, pool="disk", state="unbound", reason="none", group=4)]


def step(kind, address, because, **more):
    return make("Step", kind=kind, address=address, because=because, **{"reason": "none", **more})


STEPS = [step("autoprobe", ONE, "host drivers would take the new VFs"),
         step("resize", ONE, "pool net wants 7 VFs", **{"from": 8, "to": 7}, destructive=True, pending=True, reason="leased",
              hits=[f"red/web1 ({LEASE})"]),
         step("enable", TWO, "pool disk wants all VFs", **{"from": 0, "to": 4}),
         step("bind", "0000:05:00.1", "VFIO needs a driver of its own", destructive=True, blocked=True, reason="stuck"),
         step("teleport", "0000:05:00.1", "a newer daemon says so")]
PLAN = f"""\
PF {ONE}  igb, ens1, pool net
    ~   keep host drivers off new VFs of {ONE}
        because host drivers would take the new VFs
  ! -/+ destroy the 8 VFs of {ONE} and enable 7
        because pool net wants 7 VFs
        hits red/web1 ({LEASE})
        pending: done by itself when the last lease of the PF ends; 'vfctl drain' keeps new ones away

PF {TWO}  nvme, pool disk
    +   enable 4 VFs on {TWO} (now 0)
        because pool disk wants all VFs
  ! ~   move from its host driver 0000:05:00.1 to its VFIO driver
        because VFIO needs a driver of its own
        blocked: a kernel operation on this PF does not return (stuck); see the kernel log; a reboot may be needed
    ~   teleport 0000:05:00.1
        because a newer daemon says so

Steps marked with ! are done by 'vfctl apply --destructive' only.
Plan: 11 to make, 3 to change, 8 to destroy, 1 pending, 1 blocked.
"""


class PlanTest(CliTest):
    def setUp(self):
        super().setUp()
        self.stub.answers.update({"ListPFs": {"pfs": PFS}, "ListVFs": {"vfs": VFS}, "Plan": {"steps": STEPS}})

    def test_plan(self):
        self.assertEqual(self.out("plan", code=2), PLAN)

    def test_json_is_the_reply(self):
        self.assertEqual(json.loads(self.out("plan", "--json", code=2)), {"steps": STEPS})
        self.assertEqual([method for method, _ in self.stub.calls], ["Plan"])

    def test_nothing_to_do(self):
        self.stub.answers["Plan"] = {"steps": []}
        self.assertEqual(self.out("plan"), "Nothing to do: the hardware is as the policy says.\n")

    def test_pending_and_blocked(self):
        self.stub.answers["Plan"] = {"steps": [{**STEPS[1], "blocked": True}]}
        self.assertNotIn("blocked", self.out("plan", code=2))
        self.stub.answers["Plan"] = {"steps": [{**STEPS[1], "blocked": True, "reason": "stuck"}]}
        shown = self.out("plan", code=2)
        self.assertIn("blocked: a kernel operation", shown)
        self.assertTrue(shown.endswith(", 1 pending, 1 blocked.\n"), shown)

    def test_one_resize(self):
        self.stub.answers["Plan"] = {"steps": [STEPS[1]]}
        shown = self.out("plan", code=2)
        self.assertEqual(shown.splitlines()[-1], "Plan: 7 to make, 0 to change, 8 to destroy, 1 pending.")
        self.assertNotIn("--destructive", shown)  # nothing more is needed for it

    def apply(self, *replies):
        done, failed, skipped = replies[-1]
        self.stub.answers["Apply"] = [{"step": s, "outcome": o, "error": e, "done": 0, "failed": 0, "skipped": 0}
                                      for s, o, e in replies[:-1]] + [{"done": done, "failed": failed, "skipped": skipped}]

    def test_apply(self):
        self.apply((STEPS[2], "done", None), (STEPS[1], "pending", "leased"), (STEPS[3], "blocked", "stuck"),
                   (STEPS[0], "failed", "no room"), (STEPS[4], "skipped", "not tried"), (1, 2, 1))
        shown = self.out("apply", "--destructive", code=1)
        self.assertEqual(shown.splitlines()[:5],
                         [f"{TWO}  done    enable 4 VFs on {TWO} (now 0)",
                          f"{ONE}  pending destroy the 8 VFs of {ONE} and enable 7: leased",
                          f"{TWO}  blocked move from its host driver 0000:05:00.1 to its VFIO driver: stuck",
                          f"{ONE}  failed  keep host drivers off new VFs of {ONE}: no room",
                          f"{TWO}  skipped teleport 0000:05:00.1: not tried"])
        self.assertIn("\n1 done, 2 failed, 1 skipped, 1 pending\n", shown)
        self.assertIn("done by itself when the last lease", shown)
        self.assertEqual(self.called("Apply"), [{"destructive": True}])

    def test_apply_not_later(self):
        self.apply((0, 0, 0))
        self.assertIn("Nothing was done", self.out("apply", "--no-later"))
        self.assertEqual(self.called("Apply"), [{"destructive": False, "later": False}])


class DrainTest(CliTest):
    """Two leases on the PF, one elsewhere."""

    def setUp(self):
        super().setUp()
        self.leases = [lease(), lease(OTHER, vm="db1", pid=77, devices=[leased("0000:01:10.1")]),
                       lease("f" * 16, devices=[leased("0000:05:00.1", pf=TWO)])]
        self.drained = make("PF", address=ONE, drained=True)
        self.stub.answers.update({"Drain": lambda _: {"leases": self.leases[:2]}, "Monitor": [],
                                  "ListLeases": lambda _: {"leases": self.leases},
                                  "ListPFs": lambda _: {"pfs": [self.drained]}, "Undrain": {}})

    def test_without_waiting(self):
        shown = self.out("drain", ONE, "--reason", "firmware")
        self.assertEqual(self.called("Drain"), [{"address": ONE, "reason": "firmware"}])
        self.assertIn(f"{ONE} is drained, 2 leases hold a VF of it:\n", shown)
        self.assertEqual([line.split()[:4] for line in shown.splitlines()[2:]],
                         [[LEASE, "red", "web1", "kept"], [OTHER, "red", "db1", "77"]])
        self.leases = []
        self.assertEqual(self.out("drain", ONE), f"{ONE} is drained, no lease holds a VF of it.\n")
        self.assertEqual(self.out("undrain", ONE), "")

    def test_waiting_until_the_last_lease_ends(self):
        process = self.start("drain", ONE, "--wait", "--json")
        self.assertEqual(len(json.loads(process.stdout.readline())["leases"]), 2)
        del self.leases[0]
        self.stub.event("lease", lease=LEASE, new="ended")
        self.assertEqual([l["id"] for l in json.loads(process.stdout.readline())["leases"]], [OTHER])
        time.sleep(1.5)  # beyond the one look without an event
        asked = len(self.called("ListLeases"))
        self.stub.event("vf", address="0000:05:00.1", new="ready")
        time.sleep(0.2)
        self.assertEqual(len(self.called("ListLeases")), asked)
        del self.leases[0]
        for _ in range(100):
            self.stub.event("lease", lease=OTHER, new="ended")
        out, err = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual((process.returncode, json.loads(out), err), (0, {"leases": []}, ""))
        self.assertLess(len(self.called("ListLeases")), asked + 50)

    def test_an_end_between_the_calls_is_not_missed(self):
        process = self.start("drain", ONE, "--wait")
        process.stdout.readline()
        self.leases = []
        out, _ = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(out.endswith("no lease holds a VF of it.\n"))

    def test_the_time_is_over(self):
        begin = time.monotonic()
        r = self.vfctl("drain", ONE, "--wait=1")
        self.assertEqual(r.returncode, TEMPFAIL)
        self.assertIn("still hold", r.stderr)
        self.assertIn("undrain", r.stderr)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(self.vfctl("drain", ONE, "--wait=0").returncode, TEMPFAIL)

    def test_somebody_takes_it_back(self):
        process = self.start("drain", ONE, "--wait")
        process.stdout.readline()
        self.drained = make("PF", address=ONE)
        self.stub.event("pf", address=ONE, new="changed")
        _, err = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertIn("not drained any more", err)


class ListTest(CliTest):
    def rows(self, what, method, records):
        self.stub.answers[method] = {what: records}
        shown = self.out("list", what)
        return [re.split(" {2,}", line.strip()) for line in shown.splitlines()]

    def test_leases(self):
        rows = self.rows("leases", "ListLeases", [lease(devices=[leased("0000:01:10.0"), leased("0000:05:00.1", TWO, "disk")]),
                                                  lease(OTHER, over_policy="quota", pid=5)])
        self.assertEqual(rows[0][-2:], ["STATE", "SINCE"])
        self.assertEqual(rows[1][2:5], ["disk,net", "web1", "0000:01:10.0,0000:05:00.1"])
        self.assertEqual((rows[1][8], rows[2][8]), ("in-use", "over-policy"))
        rows = self.rows("leases", "ListLeases", [lease(expires=60 * 1000000), lease(OTHER)])
        self.assertEqual([row[-1] for row in rows], ["EXPIRES", "1970-01-01 00:01:00", "-"])

    def test_pfs(self):
        pf = {"address": ONE, "driver": "igb", "model": "card", "reason": "none"}
        rows = self.rows("pfs", "ListPFs", [make("PF", **pf), make("PF", **pf, drained=True, pending_vfs=7),
                                            make("PF", **{**pf, "reason": "leased"}, pending_vfs=2),
                                            make("PF", **{**pf, "reason": "stuck"}, stuck=True),
                                            make("PF", **pf, whole=True)])
        self.assertEqual([row[6] for row in rows], ["STATE", "-", "drained,pending=7", "leased,pending=2", "stuck", "-"])
        self.assertEqual(rows[-1][4], "whole")

    def test_pools_and_tenants(self):
        rows = self.rows("pools", "ListPools", [make("Pool", name="net", assign="vf", placement="pack", reserved=3, waiting=2)])
        self.assertEqual((rows[0][-2:], rows[1][-2:]), (["RESERVED", "WAITING"], ["3", "2"]))
        rows = self.rows("tenants", "ListTenants", [
            make("Tenant", name="red", max_lease=28800, quota=6, used=3, pools=[make("TenantPool", pool="net", quota=4, used=2)]),
            make("Tenant", name="blue")])
        self.assertEqual(rows[1:], [["red", "-", "8h", "net", "4", "2"], ["red", "-", "8h", "(all)", "6", "3"],
                                    ["blue", "-", "-", "-", "-", "-"]])

    def test_show_pf(self):
        self.stub.answers.update({"ListVFs": {"vfs": []}, "ListPFs": {"pfs": [
            make("PF", address=ONE, reason="none", slot="4", serial="SN1", mac="02:00:00:00:00:09", link_mbps=25000,
                 drained=True, drain_reason="firmware\x1b[31m", pending_vfs=7)]},
            "GetController": VarlinkError("org.varlink.service.MethodNotFound", {"method": "x"})})  # an older daemon
        shown = self.out("show", ONE)
        for line in ("slot:      4", "serial:    SN1", "mac:       02:00:00:00:00:09", "speed:     25000 Mbit/s",
                     r"drained:   no new leases: firmware\x1b[31m", "pending:   7 VFs"):
            self.assertIn(line, shown)

    def test_show_controller(self):
        resources = make("NvmeResources", flexible=16, assigned=8, primary=4, most=8)
        controller = make("NvmeController", address=ONE, model="A drive\x1b[31m", serial="SN1", firmware="1.0", controller=0,
                          queues=resources, interrupts=resources, warnings=["spare"], health_known=True, celsius=41, spare=5, used=99,
                          media_errors=2, capacity=4 << 40, available=1 << 40,
                          secondaries=[make("NvmeSecondary", controller=1, vf="0000:01:10.0", queues=4, interrupts=2, online=True),
                                       make("NvmeSecondary", controller=2, vf=None)],
                          namespaces=[make("NvmeNamespace", nsid=7, size=10 << 30, block_size=4096, controllers=[0, 1],
                                           vf="0000:01:10.0", tenant="red", vm="db1", erase="format")])
        vf = make("VF", address="0000:01:10.0", pf=ONE, state="leased", reason="none", namespaces=[7])
        self.stub.answers.update({"ListVFs": {"vfs": []}, "ListPFs": {"pfs": [make("PF", address=ONE, reason="none")]},
                                  "GetController": {"controller": controller}})
        shown = self.out("show", ONE)
        for line in (r"NVMe:      controller 0, A drive\x1b[31m, serial SN1, firmware 1.0",
                     "health:    warning: spare, spare 5 %, used 99 %, 2 media errors, temperature 41 C",
                     "queues:    16 for VFs: 8 given, 4 the host's, 8 at most for one", "capacity:  4T, 1T in no namespace"):
            self.assertIn(line, shown)
        self.assertRegex(shown, r"1 +0000:01:10.0 +4 +2 +online")
        self.assertRegex(shown, r"7 +10G +4096 +host,1 +0000:01:10.0 +red +db1 +format")
        self.stub.answers.update({"ListVFs": {"vfs": [vf]}, "GetEvidence": {"evidence": make("Evidence", address="0000:01:10.0")},
                                  "GetStatistics": {"statistics": []},
                                  "ListPFs": {"pfs": [make("PF", address=ONE, reason="none", capacity=4 << 40, available=1 << 40)]}})
        self.assertRegex(self.out("list", "pfs"), r"FREE +CAPACITY\n(.*) 1T +4T\n")
        self.stub.answers["GetController"] = {"controller": {**controller, "health_known": False}}
        shown = self.out("show", "0000:01:10.0")
        self.assertIn("NVMe:      controller 1, online, 4 queues, 2 interrupts", shown)
        self.assertIn("disks:     namespace 7", shown)

    def test_show_evidence(self):
        """The path as a tree with each port's ACS bits as lspci writes them; findings, the accepted one marked."""
        four = ["source-validation", "request-redirect", "completion-redirect", "upstream-forwarding"]
        vf = "0000:04:10.0"
        path = [make("Hop", address="0000:00:02.0", kind="root port", readable=True, acs_capable=[*four, "direct-translated"],
                     acs_enabled=four),
                make("Hop", address="0000:02:00.0", kind="upstream port", readable=True),
                make("Hop", address="0000:03:01.0", kind="downstream port", readable=True,
                     acs_capable=["source-validation", "translation-blocking", *four[1:], "egress-control"],
                     acs_enabled=["source-validation", "upstream-forwarding"]),
                make("Hop", address="0000:04:00.0", kind="endpoint", readable=True, ats="off", pri="on", pasid="off",
                     sriov=make("SriovState", enabled=True, num_vfs=7, ari=True)),
                make("Hop", address=vf, kind="unknown")]
        findings = [make("Finding", finding="acs-off", severity="unsafe", at="0000:03:01.0", message="ACS is off", hint="on with it",
                         accepted=True),
                    make("Finding", finding="path-unknown", severity="unsafe", at=vf, message="cannot be read\x1b[1m", hint="wait"),
                    make("Finding", finding="pri", severity="info", at="0000:04:00.0", message="asks", hint="nothing")]
        evidence = make("Evidence", address=vf, verdict="unprotected", path=path, findings=findings,
                        group_members=[vf, "0000:04:10.2"])
        self.stub.answers.update({
            "ListVFs": {"vfs": [make("VF", address=vf, pf="0000:04:00.0", state="bound", reason="not-isolated")]},
            "GetStatistics": {"statistics": []}, "GetEvidence": {"evidence": evidence},
            "GetController": VarlinkError("org.varlink.service.MethodNotFound", {"method": "x"})})
        shown = self.out("show", vf)
        self.assertIn("""\
  verdict:   unprotected, not leased
  in group:  0000:04:10.0 0000:04:10.2
  path:
    0000:00:02.0  root port  ACS SV+ RR+ CR+ UF+ DT-
    `- 0000:02:00.0  upstream port
       `- 0000:03:01.0  downstream port  ACS SV+ TB- RR- CR- UF+ EC-
          `- 0000:04:00.0  endpoint  ATS off  PRI on  PASID off  SR-IOV 7 VFs ARI
             `- 0000:04:10.0  not readable
  findings:
    unsafe, accepted by the policy: acs-off at 0000:03:01.0: ACS is off
      on with it
    unsafe: path-unknown at 0000:04:10.0: cannot be read\\x1b[1m
      wait
    info: pri at 0000:04:00.0: asks
      nothing
""", shown)
        for hop in path:
            hop["sriov"] = None
        path[3].pop("sriov")  # an older daemon
        evidence.update(verdict="shared", leasable=True)
        shown = self.out("show", vf)
        self.assertIn("verdict:   shared, leased all the same", shown)
        self.assertNotIn("SR-IOV", shown.split("path:")[1])
        self.assertEqual(json.loads(self.out("show", vf, "--json"))["evidence"], [evidence])

    def test_show_lease(self):
        got = lease(group="web", anti_affinity=True, expires=60 * 1000000, over_policy="quota",
                    devices=[leased("0000:01:10.0", mac="02:52:44:00:00:01", vlan=0)])
        vf = make("VF", address="0000:01:10.0", pf=ONE, state="leased", reason="none", reserved="red/web1")
        self.stub.answers.update({"ListLeases": {"leases": [got]}, "ListVFs": {"vfs": [vf]},
                                  "GetEvidence": {"evidence": make("Evidence", address="0000:01:10.0")},
                                  "GetStatistics": {"statistics": [make("Statistics", address="0000:01:10.0", known="known",
                                                                        read=1, counters=make("Counters", rx_bytes=7))]}})
        shown = self.out("show", LEASE)
        self.assertIn("received:  0 packets, 7 bytes,", shown)
        self.stub.answers["GetStatistics"] = VarlinkError("org.varlink.service.MethodNotFound", {"method": "x"})
        shown = self.out("show", LEASE)  # an older daemon
        self.assertNotIn("received", shown)
        for line in ("group:     web, every VF on a PF of its own",
                     f"expires:   1970-01-01 00:01:00, unless 'vfctl renew {LEASE}'",
                     "over policy: the tenant's quota", "reserved:  for red/web1",
                     f"VFs:       0000:01:10.0 of PF {ONE}, pool net: mac 02:52:44:00:00:01, untagged"):
            self.assertIn(line, shown)

    def test_status(self):
        self.stub.answers.update({
            "GetStatus": {"status": make("Status", version="1", ready=True, policy_valid=True, pfs=2, leases=3)},
            "ListPFs": {"pfs": [make("PF", drained=True), make("PF")]},
            "ListLeases": {"leases": [lease(over_policy="quota"), lease()]},
            "ListReservations": {"reservations": [make("Reservation", over_policy="quota"), make("Reservation")]}})
        shown = self.out("status")
        self.assertIn("PFs:      2 (1 drained)\n", shown)
        self.assertIn("leases:   3 (1 over policy) (1 reserved over policy)\n", shown)
        self.assertNotIn("faults:", shown)
        self.stub.answers["GetStatus"]["status"]["lost_faults"] = 44
        self.assertIn("faults:   44 messages or more may be missing in the kernel log\n", self.out("status"))
        self.stub.answers["ListPFs"] = VarlinkError("org.varlink.service.PermissionDenied", {})
        self.assertIn("PFs:      2\n", self.out("status"))


class PolicyFileTest(CliTest):
    def setUp(self):
        super().setUp()
        self.policy = harness.default_policy()
        del self.policy["tenants"]["blue"]
        self.policy["tenants"]["red"]["users"] = [3001]

    def file(self, policy):
        path = os.path.join(self.stub.dir, "policy.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(policy, f, indent=2)
        return path

    def test_nothing_to_warn_of(self):
        self.assertEqual(self.out("policy", "check", "--strict", self.file(self.policy)),
                         "The policy is valid: 2 pools, 1 tenant.\n")

    def test_warnings(self):
        self.policy["pools"]["idle"] = {"functions": [{"driver": "x"}], "vfs": 1, "accept": ["no-acs"]}
        self.policy["tenants"]["red"]["pools"]["disk"]["quota"] = 0
        self.policy["tenants"]["grey"] = {}
        path = self.file(self.policy)
        shown = self.out("policy", "check", path)
        for words in ("/pools/idle: warning: no tenant may use", "(accept: no-acs)",
                      "/tenants/red: warning: its quota of pool disk is 0", "/tenants/grey: warning: it has neither users nor groups", "/tenants/grey: warning: it may use no pool"):
            self.assertIn(words, shown)
        for line in shown.splitlines()[:-1]:
            self.assertRegex(line, rf"^{re.escape(path)}:[0-9]+:[0-9]+: /")
        self.assertEqual(self.out("policy", "check", "--strict", path, code=3), shown)
        found = json.loads(self.out("policy", "check", "--json", path))
        self.assertEqual((found["valid"], found["errors"], len(found["warnings"])), (True, [], 5))

    def test_errors(self):
        self.policy["pools"]["net"]["vfs"] = "many"
        path = self.file(self.policy)
        shown = self.out("policy", "check", path, code=1)
        self.assertRegex(shown, rf"^{re.escape(path)}:[0-9]+:[0-9]+: /pools/net/vfs: ")
        self.assertFalse(json.loads(self.out("policy", "check", "--json", path, code=1))["valid"])
        self.out("policy", "check", "--strict", path, code=1)

    def test_explain_files(self):
        arguments = ["policy", "explain", "--tenant", "red", "--pool"]
        path = self.file(self.policy)
        shown = self.out(*arguments, "net", path)
        self.assertRegex(shown, r"^RULE +VALUE +WHY\n")
        self.assertRegex(shown, r"(?m)^quota +.*64")
        said = json.loads(self.out(*arguments, "net", "--json", path))
        INTERFACE.check(INTERFACE.methods["Explain"][1], said)
        self.assertEqual(self.vfctl(*arguments, "gpu", path).returncode, NOPERM)
        self.assertEqual(self.stub.calls, [])

    def test_explain_by_the_daemon(self):
        self.stub.answers["Explain"] = {"explanations": [make("Explanation", rule="quota", value="4 VFs", why="2 are in use")]}
        shown = self.out("policy", "explain", "--tenant", "red", "--pool", "net", "--no-legend")
        self.assertEqual(shown, "quota  4 VFs  2 are in use\n")
        self.assertEqual(self.called("Explain"), [{"tenant": "red", "pool": "net"}])


class DaemonTest(SimTest):
    """vfctl and vfctld together."""

    def test_plan_of_a_smaller_number(self):
        host = self.host([PF(ONE)])
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        policy = harness.default_policy()
        policy["pools"]["net"]["vfs"] = 2
        host.write_policy(policy)
        host.call("Reload")
        r = host.vfctl("plan")
        self.assertEqual((r.returncode, r.stderr), (2, ""))
        self.assertIn(f"PF {ONE}  igb", r.stdout)
        self.assertIn(f"  ! -/+ destroy the 4 VFs of {ONE} and enable 2\n        because ", r.stdout)
        self.assertIn(f"        hits red/web1 ({vm.lease['id']})\n", r.stdout)
        self.assertRegex(r.stdout.splitlines()[-1], r"^Plan: 2 to make, 0 to change, 4 to destroy, 0 pending, 1 blocked\.$")

    def test_drain_waits_for_the_vm(self):
        host = self.host([PF(ONE)])
        host.wait_all_ready(4)
        vm = host.vm(vm="web1")
        self.assertEqual(host.vfctl("drain", ONE, "--wait=0").returncode, TEMPFAIL)
        process = subprocess.Popen([f"{harness.binaries()}/vfctl", "drain", ONE, "--wait"], stdout=subprocess.PIPE, text=True,
                                   env=dict(os.environ, VFCTL_SOCKET=host.socket))
        self.assertIn("1 lease holds", process.stdout.readline())
        vm.kill()
        out, _ = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(out.endswith("no lease holds a VF of it.\n"))
        self.assertIn("drained", host.vfctl("list", "pfs").stdout)
        self.assertIn("(1 drained)", host.vfctl("status").stdout)
        self.assertEqual(host.vfctl("undrain", ONE).returncode, 0)
        self.assertNotIn("drained", host.vfctl("list", "pfs").stdout)

    def test_run_with_two_pools_that_waits(self):
        host = self.host([PF(ONE, total=2), nvme(TWO, total=1)], kernel="group")
        host.wait_all_ready(3)
        first = host.vm(vm="web1", hand_off="node")
        vm = harness.VM(host, "red", [f"{harness.binaries()}/vfctl", "run", "--tenant", "red", "--pool", "net:2", "--pool",
                                      "disk", "--vm", "db1", "--wait=60", "--", *host.vm_command()])
        wait_for(lambda: [p["waiting"] for p in host.call("ListPools")["pools"] if p["name"] == "net"] == [1])
        first.kill()
        got = vm.greet().do("inherit")
        self.assertEqual(host.leases()[got["lease"]]["pools"], ["net", "disk"])
        self.assertEqual(len(got["vfs"]), 3)

    def test_ctrl_c_leaves_the_line(self):
        host = self.host([PF(ONE, total=1)])
        host.wait_all_ready(1)
        vm = host.vm(vm="web1")
        process = subprocess.Popen([f"{harness.binaries()}/vfctl", *ACQUIRE, "--pool", "net", "--wait"], stderr=subprocess.PIPE,
                                   env=dict(os.environ, VFCTL_SOCKET=host.socket))

        def waiting(count):
            wait_for(lambda: [p["waiting"] for p in host.call("ListPools")["pools"] if p["name"] == "net"] == [count])
        waiting(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=harness.DEADLINE)
        waiting(0)
        vm.kill()
        host.wait_all_ready(1)
        self.assertEqual(host.vfctl("list", "leases").stdout, "No leases.\n")

    def test_more_vfs_wait_for_the_last_lease(self):
        policy = harness.default_policy()
        policy["pools"]["net"]["vfs"] = 2
        host = self.host([PF(ONE)], policy=policy)
        host.wait_all_ready(2)
        vm = host.vm(vm="web1")
        policy["pools"]["net"]["vfs"] = 3
        host.write_policy(policy)
        host.call("Reload")
        r = host.vfctl("apply", "--destructive", "--no-later")
        self.assertEqual((r.returncode, host.call("ListPFs")["pfs"][0]["pending_vfs"]), (1, 0), r.stdout)
        r = host.vfctl("apply", "--destructive")
        self.assertEqual((r.returncode, r.stderr), (0, ""), r.stdout)
        self.assertRegex(r.stdout, rf"(?m)^{ONE}  pending destroy the 2 VFs of {ONE} and enable 3")
        r = host.vfctl("plan")
        self.assertEqual(r.returncode, 2)
        self.assertIn(f"hits red/web1 ({vm.lease['id']})\n        pending: ", r.stdout)
        self.assertTrue(r.stdout.endswith("Plan: 3 to make, 0 to change, 2 to destroy, 1 pending.\n"), r.stdout)
        self.assertIn("pending=3", host.vfctl("list", "pfs").stdout)
        vm.kill()
        host.wait_all_ready(3)
        self.assertEqual(host.vfctl("plan").returncode, 0)

    def test_reserve_and_explain(self):
        host = self.host([PF(ONE)])
        host.wait_all_ready(4)
        r = host.vfctl("reserve", "--tenant", "red", "--vm", "db1", "--pool", "net:2")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertEqual(host.vfctl("list", "reservations", "--no-legend").stdout.split()[:3], ["red", "db1", "net"])
        self.assertRegex(host.vfctl("policy", "explain", "--tenant", "red", "--pool", "net").stdout, r"(?m)^quota ")
        self.assertEqual(host.vfctl("unreserve", "--tenant", "red", "--vm", "db1").returncode, 0)
        self.assertEqual(host.vfctl("list", "reservations").stdout, "No reservations.\n")


if __name__ == "__main__":
    unittest.main()
