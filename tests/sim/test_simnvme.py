# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulated NVMe controllers by themselves: they must be as strict as real ones, or the other tests prove nothing."""

import os
import struct
import time

from harness import SimTest
from simhost import namespace, nvme
from test_simworker import Worker

ONE = "0000:01:00.0"
RESOURCES = "IIHHHH"
PRIMARY = struct.Struct(f"=IHH{RESOURCES}{RESOURCES}41s21s9sBBBBxH?xQQQIIII")
SECONDARY, NAMESPACE, ATTACHMENT = struct.Struct("=HHHHBxxx"), struct.Struct("=IIQQB7x"), struct.Struct("=IHH")
GIB = 1 << 30
NOT_ATTACHED, STATE, AMOUNT = 0x11A, 0x120, 0x121


def parse(fd):
    """What a memfd of NVME_STATE holds: primary, secondaries, namespaces, attachments."""
    data = os.pread(fd, 1 << 20, 0)
    words = PRIMARY.unpack(data[:PRIMARY.size])
    primary = {"can": words[0], "controller": words[1], "queues": words[3:9], "interrupts": words[9:15],
               **{name: w.rstrip(b"\0").decode() for name, w in zip(("model", "serial", "firmware"), words[15:18])},
               "spare": words[19], "temperature": words[22], "health_known": words[23], "capacity": words[25], "available": words[26]}
    at, lists = PRIMARY.size, []
    for kind, n in zip((SECONDARY, NAMESPACE, ATTACHMENT), words[27:30]):
        lists.append([kind.unpack(data[at + i * kind.size:at + (i + 1) * kind.size]) for i in range(n)])
        at += n * kind.size
    assert at == len(data)
    return (primary, *lists)


class SimNvmeTest(SimTest):
    def start(self, vfs=2, pf=None, **controller):
        """A worker, with VFs enabled."""
        self.pf = pf or nvme(ONE, controller=controller)
        self.host_ = self.host([self.pf], start=False)
        self.tree, self.dir = self.host_.tree, self.host_.dir
        worker = self.worker()
        worker.do("autoprobe", ONE, 0)
        self.assertEqual(worker.do("numvfs", ONE, vfs)[2], vfs)
        return worker

    def worker(self):
        worker = Worker(self.dir)
        self.addCleanup(worker.close)
        return worker

    def state(self, worker):
        error, _, _, fds = worker.do("nvme-state", ONE)
        self.assertEqual((error, len(fds)), ("", 1))
        try:
            return parse(fds[0])
        finally:
            os.close(fds[0])

    def secondary(self, vf):
        """queues, interrupts, online."""
        with self.tree.controller(ONE) as state:
            one = state["secondaries"][vf - 1]
            return one["queues"], one["interrupts"], one["online"]

    def online(self, worker, vf, queues=0, interrupts=0):
        worker.send("nvme-online", self.pf.vf(vf - 1), queues, interrupts)
        error, reason, values, _, _ = worker.receive()
        return error, reason, values[:2]

    def by_hand(self, verb, **arguments):
        return self.host_.command_by_hand(ONE, verb, **arguments)

    def ok(self, answer):
        self.assertEqual(answer[:2], ("", "none"))
        return answer[2]

    def test_layout(self):
        self.assertEqual((PRIMARY.size, SECONDARY.size, NAMESPACE.size, ATTACHMENT.size), (160, 12, 32, 8))

    def test_state_of_a_fresh_controller(self):
        worker = self.start(vfs=0, model="Disk X", serial="S1", temperature=300)
        primary, secondaries, namespaces, attachments = self.state(worker)
        self.assertEqual(primary, {"can": 15, "controller": 0, "queues": (16, 0, 0, 8, 8, 1), "interrupts": (8, 0, 0, 8, 4, 1),
                                   "model": "Disk X", "serial": "S1", "firmware": "1.0", "spare": 100, "temperature": 300, "health_known": True,
                                   "capacity": 1 << 40, "available": 1 << 40})
        self.assertEqual((secondaries, namespaces, attachments), ([(i, i, 0, 0, 0) for i in (1, 2, 3, 4)], [], []))

    def test_online_and_offline(self):
        worker = self.start(vfs=4)
        self.assertEqual(self.online(worker, 1), ("", "none", [4, 2]))
        self.assertEqual(self.online(worker, 2, 5, 1), ("", "none", [5, 1]))
        self.assertEqual([self.secondary(n) for n in (1, 2, 3)], [(4, 2, 1), (5, 1, 1), (0, 0, 0)])
        primary, secondaries, *_ = self.state(worker)
        self.assertEqual((primary["queues"][:2], primary["interrupts"][:2]), ((16, 9), (8, 3)))
        self.assertEqual(secondaries[:2], [(1, 1, 4, 2, 1), (2, 2, 5, 1, 1)])
        self.assertEqual(self.online(worker, 2, 3, 2), ("", "none", [3, 2]))  # once more, with others
        before = self.tree.commands(ONE)
        self.assertEqual(self.online(worker, 2, 3, 2), ("", "none", [3, 2]))
        self.assertEqual(self.tree.commands(ONE), before)  # as it is told to be
        self.assertEqual(self.secondary(2), (3, 2, 1))
        self.ok(worker.do("nvme-offline", self.pf.vf(0)))
        self.ok(worker.do("nvme-offline", self.pf.vf(0)))
        self.assertEqual([self.secondary(n) for n in (1, 2)], [(0, 0, 0), (3, 2, 1)])
        self.ok(worker.do("numvfs", ONE, 0))
        self.assertEqual(self.secondary(2), (0, 0, 0))

    def test_amounts_never_reach_the_device(self):
        worker = self.start(vfs=4)
        self.online(worker, 1, 8, 4)
        before = self.tree.commands(ONE)
        for queues, interrupts in ((1, 1), (9, 1), (2, 5), (0xFFFF, 1)):
            self.assertEqual(self.online(worker, 2, queues, interrupts)[:2], ("No space left on device", "nvme-resources"))
        self.assertEqual(self.tree.commands(ONE), before)
        self.assertEqual(self.online(worker, 2, 8, 1)[0], "")
        self.assertEqual(self.online(worker, 3, 2, 1)[:2], ("No space left on device", "nvme-resources"))

    def test_even_share_of_as_many_as_there_are(self):
        for vfs, share in ((1, [8, 4]), (3, [5, 2]), (4, [4, 2])):
            worker = self.start(vfs=vfs)
            for n in range(vfs):
                self.assertEqual(self.online(worker, n + 1), ("", "none", share))

    def test_127_vfs(self):
        worker = self.start(vfs=127, pf=nvme(ONE, total=127))
        for n in range(127):
            self.assertEqual(self.online(worker, n + 1), ("", "none", [4, 2]))
        self.assertEqual({s[2:] for s in self.state(worker)[1]}, {(4, 2, 1)})

    def test_rules_of_the_device(self):
        self.start(vfs=2)
        for verb, arguments, expected in (
                ("online", {"controller": 1}, (STATE, 0)), ("online", {"controller": 9}, (0x11F, 0)),
                ("assign-vq", {"controller": 1, "value": 9}, (AMOUNT, 0)), ("assign-vq", {"controller": 1, "value": 8}, (0, 8)),
                ("online", {"controller": 1}, (STATE, 0)), ("assign-vi", {"controller": 1, "value": 1}, (0, 1)),
                ("online", {"controller": 1}, (0, 0)), ("assign-vi", {"controller": 1, "value": 1}, (STATE, 0)),
                ("assign-vq", {"controller": 2, "value": 8}, (0, 8)), ("assign-vq", {"controller": 3, "value": 1}, (AMOUNT, 0)),
                ("primary-vq", {"value": 1}, (AMOUNT, 0)), ("assign-vq", {"controller": 2, "value": 1}, (0, 1)),
                ("assign-vi", {"controller": 2, "value": 1}, (0, 1)), ("online", {"controller": 2}, (STATE, 0)),
                ("assign-vq", {"controller": 3, "value": 2}, (0, 2)), ("assign-vi", {"controller": 3, "value": 1}, (0, 1)),
                ("online", {"controller": 3}, (STATE, 0)),  # its VF is not enabled
                ("primary-vq", {"controller": 1, "value": 1}, (0x11F, 0)), ("primary-vq", {"value": 5}, (0, 0)),
                ("attach", {"controller": 1, "nsid": 1}, (0x0B, 0)), ("create", {}, (0x02, 0)),
                ("create", {"value": 2 << 40}, (0x115, 0)), ("create", {"value": GIB}, (0, 1)),
                ("attach", {"controller": 77, "nsid": 1}, (0x11C, 0)), ("attach", {"controller": 1, "nsid": 1}, (0, 0)),
                ("attach", {"controller": 1, "nsid": 1}, (0x118, 0)), ("attach", {"controller": 2, "nsid": 1}, (0x119, 0)),
                ("format", {"nsid": 1}, (0x02, 0)), ("detach", {"controller": 2, "nsid": 1}, (NOT_ATTACHED, 0)),
                ("detach", {"controller": 1, "nsid": 1}, (0, 0)), ("attach", {"nsid": 1}, (0, 0)),
                ("format", {"nsid": 1}, (0, 0)), ("delete", {"nsid": 1}, (0, 0)), ("delete", {"nsid": 1}, (0x0B, 0))):
            self.assertEqual(self.by_hand(verb, **arguments), expected, (verb, arguments))

    def test_primary_gives_resources_away_at_its_reset(self):
        worker = self.start(vfs=2, queues={"flexible": 16, "primary": 12, "next": 12, "private": 2, "secondary_max": 8})
        self.assertEqual(self.online(worker, 1), ("", "none", [2, 4]))
        self.assertEqual(self.by_hand("primary-vq", value=0), (0, 0))
        self.assertEqual(self.state(worker)[0]["queues"][:3], (16, 2, 12))
        self.ok(worker.do("nvme-primary", ONE, 4, 0))
        self.assertEqual(self.state(worker)[0]["queues"][:3], (16, 0, 4))
        self.assertEqual(self.secondary(1), (0, 0, 0))
        self.assertEqual(self.online(worker, 1), ("", "none", [6, 4]))

    def test_primary_that_wants_a_reset_of_the_function(self):
        held = {"flexible": 16, "primary": 12, "next": 12, "private": 2, "secondary_max": 8}
        worker = self.start(vfs=2, queues=held, stubborn=True)
        self.assertEqual(worker.do("nvme-primary", ONE, 4, 0)[:2], ("Input/output error", "nvme-failed"))
        self.assertEqual(self.tree.commands(ONE, "reset-function"), [])  # its VFs would not survive that
        self.assertEqual(worker.do("numvfs", ONE, 0)[0], "")
        self.ok(worker.do("nvme-primary", ONE, 4, 0))
        self.assertEqual(self.state(worker)[0]["queues"][:3], (16, 0, 4))
        with self.tree.controller(ONE) as state:
            state["fail"] = [{"command": "reset-function", "ignore": True}, {"command": "reset", "ignore": True}]
        self.assertEqual(worker.do("nvme-primary", ONE, 0, 0)[:2], ("Input/output error", "nvme-failed"))

    def test_disk_of_the_host(self):
        worker = self.start()
        self.tree.disk(self.pf, mounted="/")
        self.assertEqual(worker.do("nvme-primary", ONE, 0, 0)[:2], ("Operation not permitted", "host-disk"))
        self.assertEqual(self.state(worker)[0]["can"] & 0x20, 0x20)
        self.assertEqual(self.tree.commands(ONE), [])

    def test_life_of_a_namespace(self):
        worker = self.start()
        vf, other = self.pf.vf(0), self.pf.vf(1)
        self.online(worker, 1)
        self.online(worker, 2)
        nsid = self.ok(worker.do("nvme-create", vf, 10 * GIB))
        self.assertEqual((nsid, self.tree.disks(ONE, 1)), (1, {}))
        self.ok(worker.do("nvme-attach", vf, nsid, 1))
        self.ok(worker.do("nvme-attach", vf, nsid, 1))  # it has it
        self.tree.write_disk(ONE, 1, nsid, "secret")
        self.assertEqual((self.tree.disks(ONE, 1), self.tree.disks(ONE, 2)), ({1: "secret"}, {}))
        with self.assertRaises(LookupError):
            self.tree.write_disk(ONE, 2, nsid, "mine")
        self.assertEqual(self.state(worker)[2:], ([(1, 4096, 10 * GIB, 0, 0)], [(1, 1, 0)]))
        self.assertEqual(worker.do("nvme-attach", other, nsid, 1)[:2], ("Device or resource busy", "namespace"))
        self.assertEqual(worker.do("nvme-attach", other, nsid)[:2], ("Input/output error", "namespace"))  # private
        self.assertEqual(worker.do("nvme-erase", other, nsid, 0)[:2], ("Device or resource busy", "erase-failed"))
        self.ok(worker.do("nvme-offline", vf))
        self.assertEqual(self.tree.disks(ONE, 1), {})  # attached, and of no use
        self.assertEqual(self.ok(worker.do("nvme-detach", vf, 0)), 1)
        self.assertEqual(self.ok(worker.do("nvme-detach", vf, 0)), 0)
        self.ok(worker.do("nvme-attach", other, nsid, 1))
        self.assertEqual(self.tree.disks(ONE, 2), {1: "secret"})  # nobody erased it
        self.ok(worker.do("nvme-erase", other, nsid, 0))
        self.assertEqual(self.state(worker)[2:], ([], []))
        self.assertEqual(worker.do("nvme-erase", other, nsid, 0)[:2], ("No such file or directory", "no-namespace"))
        self.assertEqual(self.ok(worker.do("nvme-create", other, GIB)), 1)
        self.ok(worker.do("nvme-attach", other, 1, 1))
        self.assertEqual(self.tree.disks(ONE, 2), {1: ""})

    def test_space_and_numbers_end(self):
        worker = self.start(capacity=10 * GIB, namespaces_max=2)
        vf = self.pf.vf(0)
        self.assertEqual(worker.do("nvme-create", vf, 11 * GIB)[:2], ("No space left on device", "namespaces-used-up"))
        self.ok(worker.do("nvme-create", vf, 4 * GIB))
        self.assertEqual(self.state(worker)[0]["available"], 6 * GIB)
        self.assertEqual(self.ok(worker.do("nvme-create", vf, GIB)), 2)
        before = self.tree.commands(ONE)
        self.assertEqual(worker.do("nvme-create", vf, GIB)[:2], ("No space left on device", "namespaces-used-up"))
        self.assertEqual(self.tree.commands(ONE), before)  # not even asked
        self.ok(worker.do("nvme-erase", vf, 1, 0))
        self.assertEqual(self.ok(worker.do("nvme-create", vf, GIB)), 1)

    def test_format(self):
        for how in (1, 2):
            worker = self.start(namespaces=[namespace(3, data="secret", controllers=[1]), namespace(5, data="other")])
            self.online(worker, 1)
            self.ok(worker.do("nvme-erase", self.pf.vf(0), 3, how))
            self.ok(worker.do("nvme-attach", self.pf.vf(0), 3, 1))
            self.assertEqual(self.tree.disks(ONE, 1), {3: ""})
            with self.tree.controller(ONE) as state:
                self.assertEqual(state["namespaces"][1]["data"], "other")
        worker = self.start(formats_all=True, namespaces=[namespace(3, data="secret"), namespace(5, data="other")])
        self.assertEqual(worker.do("nvme-erase", self.pf.vf(0), 3, 1)[:2], ("Device or resource busy", "erase-failed"))

    def test_interrupted_format(self):
        """It may end with the namespace attached to the primary, whence the next try takes it; but never from the host."""
        for at in range(1, 8):
            worker = self.start(namespaces=[namespace(3, data="secret", controllers=[1])])
            with open(self.tree.path("sim/exit_at_command"), "w") as f:
                f.write(f"{at}\n")
            try:
                self.ok(worker.do("nvme-erase", self.pf.vf(0), 3, 1))
                break
            except (EOFError, ConnectionResetError):
                self.ok(self.worker().do("nvme-erase", self.pf.vf(0), 3, 1))
            with self.tree.controller(ONE) as state:
                self.assertEqual([(n["data"], n["controllers"]) for n in state["namespaces"]], [("", [])], at)
        self.assertEqual(at, 6)
        for controllers in ([0], [0, 1]):
            worker = self.start(namespaces=[namespace(3, shared=True, data="host's", controllers=controllers)])
            self.tree.disk(self.pf, name="nvme0n3", mounted="/srv", nsid=3)
            for how in range(3):
                self.assertEqual(worker.do("nvme-erase", self.pf.vf(0), 3, how)[:2], ("Device or resource busy", "erase-failed"))
            self.assertEqual((self.tree.commands(ONE), self.state(worker)[0]["can"] & 0x20), ([], 0x20))

    def test_shared_namespaces(self):
        worker = self.start(vfs=0, attach_new=True, forgets=True, namespaces=[namespace(1, shared=True), namespace(2)])
        worker.do("numvfs", ONE, 2)
        self.assertEqual(self.state(worker)[3], [(1, 1, 0), (1, 2, 0)])
        self.assertEqual(worker.do("nvme-attach", self.pf.vf(0), 1, 1)[:2], ("Device or resource busy", "namespace"))
        self.ok(worker.do("nvme-attach", self.pf.vf(0), 1))
        worker.do("numvfs", ONE, 0)
        self.assertEqual(self.state(worker)[3], [])

    def test_attachments_outlive_vfs(self):
        worker = self.start(namespaces=[namespace(1, data="secret", controllers=[1])])
        self.online(worker, 1)
        for count in (0, 2):
            self.ok(worker.do("numvfs", ONE, count)[:2] + (count,))
        self.online(worker, 1)
        self.assertEqual(self.tree.disks(ONE, 1), {1: "secret"})

    def test_devices_that_cannot(self):
        worker = self.start(can=["format"])
        vf = self.pf.vf(0)
        self.assertEqual(self.state(worker)[1], [])
        for op, values in (("nvme-online", ()), ("nvme-online", (2, 1)), ("nvme-offline", ())):  # online whoever asks
            self.ok(worker.do(op, vf, *values))
        self.assertEqual((self.tree.commands(ONE), self.secondary(1), self.secondary(3)), ([], (0, 0, 1), (0, 0, 0)))
        self.assertEqual(worker.do("nvme-attach", vf, 1)[:2], ("Operation not supported", "namespace"))
        self.assertEqual(worker.do("nvme-detach", vf, 0)[:2], ("Operation not supported", "namespace"))  # who knows of what
        for can, op, values, reason in ((["virtualize"], "nvme-create", (GIB,), "namespace"),
                                        (["virtualize"], "nvme-detach", (0,), "namespace"),
                                        (["virtualize"], "nvme-erase", (1, 0), "erase-failed"),
                                        (["virtualize", "namespaces"], "nvme-erase", (1, 1), "erase-failed"),
                                        (["virtualize", "namespaces", "format"], "nvme-erase", (1, 2), "erase-failed")):
            worker = self.start(can=can, namespaces=[namespace(1)])
            self.assertEqual(worker.do(op, self.pf.vf(0), *values)[:2], ("Operation not supported", reason))
        self.start(can=[], namespaces=[namespace(1)])
        for verb in ("online", "offline", "assign-vq", "primary-vi", "create", "delete", "attach", "format"):
            self.assertEqual(self.by_hand(verb, nsid=1, controller=1, value=1)[0], 0x01, verb)

    def test_scrub_leaves_it_online(self):
        worker = self.start(namespaces=[namespace(1, data="secret", controllers=[1])])
        vf = self.pf.vf(0)
        self.online(worker, 1)
        worker.do("bind", vf, text="vfio-pci")
        _, _, _, fds = worker.do("fence", vf, 1)
        self.ok(worker.do("scrub", vf, 1, fds=fds))
        os.close(fds[0])
        self.assertEqual((self.host_.resets(vf), self.secondary(1), self.tree.disks(ONE, 1)), (1, (8, 4, 1), {1: "secret"}))

    def test_commands_fail(self):
        for verb, more in (("offline", {}), ("assign-vi", {}), ("assign-vq", {}), ("online", {}), ("online", {"ignore": True}),
                           ("assign-vq", {"grant": 3}), ("identify", {}), ("identify", {"after": 1})):
            failure = {"command": verb, "count": 1, **({} if {"ignore", "grant"} & set(more) else {"status": 0x06}), **more}
            worker = self.start()
            self.assertEqual(self.online(worker, 1, 2, 1)[0], "")
            with self.tree.controller(ONE) as state:
                state["fail"] = [failure]
            self.assertEqual(self.online(worker, 1)[:2], ("Input/output error", "nvme-failed"), failure)
            self.assertEqual(self.online(worker, 1)[:2], ("", "none"))
            self.assertEqual(self.secondary(1), (8, 4, 1))
        worker = self.start(fail=[{"command": "online", "controller": 2, "status": 0x120}])
        self.assertEqual([self.online(worker, n)[1] for n in (1, 2, 2)], ["none", "nvme-failed", "nvme-failed"])
        worker.send("nvme-online", self.pf.vf(1))
        detail = worker.sock.recv(4096)[-160:].rstrip(b"\0").decode()
        self.assertEqual(detail, "switching on controller 2: Invalid Secondary Controller State (0x120)")

    def test_pages_fail(self):
        """What cannot be read is not known: neither that nobody has a namespace, nor that the controller is well."""
        for failure, works in (({"command": "read", "value": 0x12, "status": 0x02}, False),
                               ({"command": "read", "value": 0x11, "status": 0x06}, False),
                               ({"command": "read", "value": 0x15, "status": 0x06}, False),
                               ({"command": "read", "value": 0x14, "status": 0x06}, False),
                               ({"command": "read", "value": 0x10, "status": 0x06}, False), ({"command": "health", "status": 0x02}, True)):
            worker = self.start(namespaces=[namespace(1, controllers=[1])], fail=[failure])
            error, reason, _, fds = worker.do("nvme-state", ONE)
            self.assertEqual((error, reason), ("", "none") if works else ("Input/output error", "nvme-failed"), failure)
            if works:
                primary = parse(fds[0])[0]
                self.assertEqual((primary["health_known"], primary["spare"], primary["temperature"]), (False, 0, 0))
                os.close(fds[0])

    def test_deleted_while_it_is_read(self):
        worker = self.start(namespaces=[namespace(1, controllers=[1]), namespace(2), namespace(3, controllers=[2])],
                            fail=[{"command": "read", "value": 0x12, "nsid": 2, "hang": True, "count": 1}])
        worker.send("nvme-state", ONE)
        worker.sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            worker.receive()
        self.assertEqual(self.by_hand("delete", nsid=2), (0, 0))
        self.host_.unhang()
        worker.sock.settimeout(20)
        error, *_, fds = worker.receive()
        self.assertEqual(error, "")
        _, _, namespaces, attachments = parse(fds[0])
        os.close(fds[0])
        self.assertEqual(([n[0] for n in namespaces], attachments), ([1, 3], [(1, 1, 0), (3, 2, 0)]))

    def test_lists_of_several_pages(self):
        many = [namespace(n, shared=True, controllers=[0, 1]) for n in range(1, 1500)]
        worker = self.start(vfs=200, pf=nvme(ONE, total=200, controller={"namespaces": many, "namespaces_max": 4096}))
        _, secondaries, namespaces, attachments = self.state(worker)
        self.assertEqual([s[0] for s in secondaries], list(range(1, 201)))
        self.assertEqual([n[0] for n in namespaces], list(range(1, 1500)))
        self.assertEqual(len(attachments), 2 * 1499)

    def test_commands_take_their_time(self):
        worker = self.start(fail=[{"command": "online", "delay": 100, "count": 1}])
        begin = time.monotonic()
        self.assertEqual(self.online(worker, 1)[0], "")
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)
        worker = self.start(fail=[{"command": "assign-vq", "hang": True}])
        worker.send("nvme-online", self.pf.vf(0))
        worker.sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            worker.receive()
        self.assertEqual(self.secondary(1)[1:], (4, 0))  # others can look at it meanwhile
        self.host_.unhang()
        worker.sock.settimeout(20)
        self.assertEqual(worker.receive()[0], "")

    def test_dies_between_any_two_commands(self):
        """Of an online operation; another worker then begins anew and succeeds."""
        seen = []
        for n in range(1, 8):
            worker = self.start()
            self.online(worker, 2)
            self.online(worker, 1, 2, 1)
            with open(self.tree.path("sim/exit_at_command"), "w") as f:
                f.write(f"{n}\n")
            try:
                self.online(worker, 1)
                break
            except (EOFError, ConnectionResetError):
                seen.append((len(self.tree.commands(ONE)) - 6, self.secondary(1)))
            self.assertEqual(self.online(self.worker(), 1), ("", "none", [8, 4]))
            self.assertEqual(self.secondary(1), (8, 4, 1))
        self.assertEqual(seen, [(0, (2, 1, 1)), (0, (2, 1, 1)), (1, (0, 0, 0)), (2, (0, 4, 0)), (3, (8, 4, 0)), (4, (8, 4, 1))])

    def test_wrong_replies(self):
        worker = self.start(namespaces=[namespace(1)])
        for wrong, fits in (("unsealed", True), ("none", None), ("short", False), ("long", False), ("order", True),
                            ("flags", True), ("name", True), ("nsid", True), ("ghost", True), ("pipe", None), ("", True)):
            with self.tree.controller(ONE) as state:
                state["wrong"] = wrong
            error, _, _, fds = worker.do("nvme-state", ONE)
            self.assertEqual((error, len(fds)), ("", int(wrong != "none")))
            if fits is not None:
                words = PRIMARY.unpack(os.pread(fds[0], PRIMARY.size, 0))
                size = PRIMARY.size + words[27] * SECONDARY.size + words[28] * NAMESPACE.size + words[29] * ATTACHMENT.size
                self.assertEqual(size == os.fstat(fds[0]).st_size, fits, wrong)
            for fd in fds:
                os.close(fd)
        self.host_.faults("op=nvme-create reply=77")
        self.assertEqual(self.ok(worker.do("nvme-create", self.pf.vf(0), GIB)), 77)

    def test_unplugged_and_back(self):
        worker = self.start(namespaces=[namespace(1, data="secret", controllers=[1])])
        self.online(worker, 1)
        self.tree.remove(ONE)
        self.assertEqual(worker.do("nvme-state", ONE)[0], "No such device")
        self.assertEqual(self.by_hand("identify")[0] < 0, True)
        self.tree.add(self.pf)
        worker.do("autoprobe", ONE, 0)
        worker.do("numvfs", ONE, 2)
        self.assertEqual((self.secondary(1), self.tree.disks(ONE, 1)), ((0, 0, 0), {}))
        self.online(worker, 1)
        self.assertEqual(self.tree.disks(ONE, 1), {1: "secret"})
        self.tree.remove(ONE)
        self.tree.add(nvme(ONE, serial="another"))
        self.assertEqual(self.state(worker)[2], [])

    def test_pf_without_its_driver(self):
        worker = self.start(vfs=0)
        os.unlink(self.tree.path("sys/bus/pci/devices", ONE, "driver"))
        self.assertEqual(worker.do("nvme-state", ONE)[:2], ("No such device", "nvme-failed"))
