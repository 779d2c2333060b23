# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that misbehave: the daemon stays up, keeps its size, and answers everybody else promptly."""

import os
import random
import socket
import subprocess
import time
import unittest

import harness
from harness import SimTest, Varlink
from varlink import Closed

PROMPT = 2.0 * harness.DEADLINE / 30  # seconds for another client's answer, however bad this one is


class HostileTest(SimTest):
    def hostile(self, **more):
        host = self.host(**more)
        host.wait_all_ready(4)
        self.addCleanup(self.others_are_served, host)
        return host

    def others_are_served(self, host):
        begin = time.monotonic()
        with Varlink(host.socket, harness.DEADLINE) as link:
            self.assertEqual(link.call("GetStatus")["status"]["vf_states"]["ready"], 4)
        self.assertLess(time.monotonic() - begin, PROMPT)
        self.assertTrue(host.daemon.alive())

    def dropped(self, host, data):
        """What is no call ends the connection without an answer, or with an error; nothing else."""
        link = host.connect()
        try:
            link.send_raw(data)
            message = link.receive()
        except (Closed, BrokenPipeError, ConnectionResetError):
            return
        self.assertIn("error", message)

    def test_no_json(self):
        host = self.hostile()
        for data in (b"\0", b"\0\0\0\0", b"garbage\0", b"{\0", b"[]\0", b"null\0", b"1\0", b'"x"\0', b"{}\0",
                     b'{"method":1}\0', b'{"method":null}\0', b'{"method":"a","method":"b"}\0', b"\xff\xfe\x80\0",
                     b'{"method":"io.vfctl.Manager.GetStatus","parameters":[]}\0',
                     b'{"method":"io.vfctl.Manager.GetStatus","parameters":"x"}\0',
                     b'{"method":"io.vfctl.Manager.GetStatus","oneway":"x"}\0',
                     b'{"method":"io.vfctl.Manager.GetStatus","more":1}\0',
                     b'{"method":"io.vfctl.Manager.GetStatus"} trailing\0',
                     b'{"method":"io.vfctl.Manager.GetStatus","unknown":1}\0',
                     b'{"method":"\\u0000"}\0', b'{"method":""}\0', b'{"method":"."}\0',
                     b'{"method":"io.vfctl.Manager.ListVFs","parameters":{"address":"\\ud800"}}\0',
                     b'{"method":"' + b"a." * 30000 + b'"}\0', b"GET / HTTP/1.1\r\n\r\n\0"):
            with self.subTest(data=data[:60]):
                self.dropped(host, data)
                self.others_are_served(host)

    def test_brackets(self):
        host = self.hostile()
        for data in (b"[" * (1 << 20), b'{"a":' * 200000, b"[" * 100000 + b"]" * 100000 + b"\0",
                     b'{"method":"io.vfctl.Manager.GetStatus","parameters":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}\0"):
            with self.subTest(data=data[:30]):
                self.dropped(host, data)
                self.others_are_served(host)

    def test_huge_message(self):
        host = self.hostile()
        memory = host.daemon.memory()
        for n in range(8):
            self.dropped(host, b'{"method":"' + b"x" * (64 << 20 if n == 0 else 1 << 20) + b'"}\0')
        self.check_growth(host, memory, 4096)

    def test_random_bytes(self):
        host = self.hostile()
        source = random.Random(4711)
        for n in range(200):
            link = Varlink(host.socket)
            try:
                link.send_raw(source.randbytes(source.randrange(1, 2000)) + b"\0")
            except (BrokenPipeError, ConnectionResetError):
                pass
            link.close()

    def test_mutated_calls(self):
        host = self.hostile()
        source = random.Random(42)
        good = b'{"method":"io.vfctl.Manager.ListVFs","parameters":{"address":"0000:01:10.0","state":"ready"}}\0'
        for n in range(500):
            data = bytearray(good)
            for _ in range(source.randrange(1, 4)):
                data[source.randrange(len(data))] = source.randrange(256)
            link = Varlink(host.socket)
            try:
                link.send_raw(bytes(data))
            except (BrokenPipeError, ConnectionResetError):
                pass
            link.close()

    def test_half_messages(self):
        host = self.hostile()
        halves = [host.connect() for _ in range(20)]
        for link in halves:
            link.send_raw(b'{"method":"io.vfctl.Manager.GetSta')
        self.others_are_served(host)
        for link in halves:
            link.send_raw(b'tus"}\0')
            self.assertIn("status", link.reply())

    def test_one_byte_at_a_time(self):
        link = self.hostile().connect()
        for byte in b'{"method":"io.vfctl.Manager.GetStatus"}\0':
            link.send_raw(bytes((byte,)))
        self.assertIn("status", link.reply())

    def test_message_ends_with_the_connection(self):
        host = self.hostile()
        for data in (b"", b"{", b'{"method":"io.vfctl.Manager.GetStatus"}', b'{"method":"io.vfctl.Manager.GetStatus"}\0'):
            link = Varlink(host.socket)
            link.send_raw(data)
            link.close()
        link = Varlink(host.socket)
        link.send("GetStatus")
        link.sock.shutdown(socket.SHUT_WR)
        self.assertIn("status", link.reply())
        with self.assertRaises(Closed):
            link.receive()
        link.close()

    def test_a_thousand_connections(self):
        host = self.hostile()
        before = len(host.daemon.fds())
        links = []
        for n in range(1000):
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.setblocking(False)
            try:
                link.connect(host.socket)
            except BlockingIOError:  # the backlog is full
                link.close()
                break
            links.append(link)
        self.assertTrue(host.daemon.alive())
        self.assertLess(len(host.daemon.fds()), before + 2 * 512 + 80)  # a socket and a pidfd each
        # those already connected are served
        links[0].setblocking(True)
        links[0].settimeout(harness.DEADLINE)
        links[0].sendall(b'{"method":"io.vfctl.Manager.GetStatus"}\0')
        self.assertIn(b"status", links[0].recv(65536))
        for link in links:
            link.close()
        self.check_closed(host, before)

    @harness.needs_users
    def test_one_user_cannot_take_all_connections(self):
        host = self.hostile()
        script = ("import socket,sys\n"
                  "all = []\n"
                  "for n in range(600):\n"
                  "    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1]); all.append(s)\n"
                  "print('ok', flush=True); sys.stdin.read()\n")
        flood = harness.VM(host, "stranger", [harness.PYTHON, "-c", script, host.socket])
        try:
            flood.process.stdout.readline()
            self.others_are_served(host)
            blue = host.vm("blue", tenant="blue")
            blue.kill()
            host.wait_all_ready(4)
        finally:
            flood.kill()

    @harness.needs_users
    def test_strangers_cannot_take_all_connections(self):
        """However many users they are; nor can they keep tenants out."""
        host = self.hostile()
        script = ("import socket,sys\n"
                  "all = []\n"
                  "for n in range(64):\n"
                  "    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1]); all.append(s)\n"
                  "print('ok', flush=True); sys.stdin.read()\n")
        flood = [subprocess.Popen([harness.PYTHON, "-c", script, host.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  user=uid, group=uid, extra_groups=[]) for uid in range(61000, 61012)]
        try:
            for process in flood:
                process.stdout.readline()
            self.others_are_served(host)
            blue = host.vm("blue", tenant="blue")
            blue.kill()
            host.wait_all_ready(4)
        finally:
            for process in flood:
                process.communicate()

    def test_slow_reader(self):
        """Asks for ever and never reads: it alone is stopped, and the daemon does not grow without end."""
        host = self.hostile()
        memory = host.daemon.memory()
        slow = host.connect()
        slow.sock.setblocking(False)
        sent = 0
        call = b'{"method":"io.vfctl.Manager.ListVFs"}\0' * 100
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                sent += slow.sock.send(call)
            except BlockingIOError:
                time.sleep(0.01)
            except (BrokenPipeError, ConnectionResetError):
                break
        self.others_are_served(host)
        self.check_growth(host, memory, 16 * 1024)
        self.assertGreater(sent, 0)

    def test_slow_watcher(self):
        host = self.hostile()
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        for n in range(30):
            vm = host.vm(hand_off="node")
            vm.kill()
        host.wait_all_ready(4)
        seen = 0
        while seen < 30:
            event = watch.receive()["parameters"]["event"]
            seen += (event["kind"], event["new"]) == ("lease", "ended")

    def test_watcher_that_does_not_read_loses_its_connection(self):
        """And no event before that, even if it reads again at once."""
        host = self.hostile()
        watch, link, address = host.connect(), host.connect(), host.call("ListPFs")["pfs"][0]["address"]
        watch.send("Monitor", {}, more=True)
        pair = b"".join(b'{"method":"io.vfctl.Manager.%s","parameters":{"address":"%s"}}\0' % (verb, address.encode())
                        for verb in (b"Drain", b"Undrain"))
        for _ in range(70):
            link.send_raw(pair * 100)
            for _ in range(200):
                link.reply()
        told = []
        with self.assertRaises(Closed):
            while True:
                told.append(watch.receive()["parameters"]["event"]["new"])
        self.assertEqual(told, ["drained", "undrained"] * (len(told) // 2) + ["drained"] * (len(told) % 2))

    def test_pipelined_calls(self):
        link = self.hostile().connect()
        calls = 200
        sender = b'{"method":"io.vfctl.Manager.GetStatus"}\0' * calls
        link.sock.setblocking(False)
        got, sent = 0, 0
        end = time.monotonic() + harness.DEADLINE
        received = b""
        while got < calls and time.monotonic() < end:
            try:
                sent += link.sock.send(sender[sent:]) if sent < len(sender) else 0
            except BlockingIOError:
                pass
            try:
                received += link.sock.recv(1 << 20)
            except BlockingIOError:
                time.sleep(0.001)
            got = received.count(b"\0")
        self.assertEqual(got, calls)

    def test_descriptors_that_nobody_asked_for(self):
        host = self.hostile()
        before = len(host.daemon.fds())
        for n in range(50):
            link = host.connect()
            pipe = os.pipe()
            socket.send_fds(link.sock, [b'{"method":"io.vfctl.Manager.GetStatus"}\0'], list(pipe) * 100)
            for fd in pipe:
                os.close(fd)
            try:
                link.reply()
            except (Closed, harness.VarlinkError):
                pass
            link.close()
        self.check_closed(host, before)

    def test_client_that_closes_at_once(self):
        host = self.hostile()
        before = len(host.daemon.fds())
        for n in range(300):
            link = Varlink(host.socket)
            link.send("Acquire", {"tenant": "red", "pool": "net", "vm": f"x{n}", "lifetime": "kept"})
            link.close()
        host.wait_all_ready(4)
        self.assertEqual(host.leases(), {})
        self.check_closed(host, before)
        host.check_invariants()

    def test_apply_and_monitor_of_clients_that_go(self):
        host = self.hostile()
        for method in ("Monitor", "Apply"):
            for n in range(50):
                link = Varlink(host.socket)
                link.send(method, {}, more=True)
                link.close()
        vm = host.vm()
        vm.kill()
        host.wait_all_ready(4)

    def test_path_tricks_in_names(self):
        host = self.hostile()
        for name in ("../../../etc/passwd", "..", "/", "a\u0000b", "%s%n", "$(reboot)", "\u202e", "a" * 100000):
            for field in ("tenant", "pool", "vm"):
                call = {"tenant": "red", "pool": "net", "vm": "x", field: name}
                link = host.connect()
                link.send("Acquire", call)
                try:
                    self.assertIn("error", link.receive())
                except Closed:
                    pass
        self.assertEqual(os.listdir(host.tree.path("run/vfctld/leases")), [])


if __name__ == "__main__":
    unittest.main()
