# SPDX-License-Identifier: GPL-2.0-or-later
"""vfctl top and the counters of vfctl show: what they print, and how they leave a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import harness
from harness import PF, wait_for
from simhost import nvme
from test_stats import COUNTED, ONE, TWO, StatsTest, nic


class Terminal:
    """vfctl on a terminal of its own."""

    def __init__(self, host, *arguments, rows=24, environment=()):
        self.ours, theirs = pty.openpty()
        self.resize(rows)
        self.before = termios.tcgetattr(theirs)
        self.output = ""
        self.process = subprocess.Popen(
            [f"{harness.binaries()}/vfctl", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "VFCTL_SOCKET": host.socket, "TERM": "xterm", **dict(environment)})
        self.theirs = theirs

    def resize(self, rows, columns=100):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.ours], [], [], 0.02)[0]:
            self.output += os.read(self.ours, 65536).decode()
        return self.output

    def frames(self):
        return self.read().split("\x1b[H\x1b[2J")[1:]

    def type(self, text):
        os.write(self.ours, text.encode())

    def state(self):
        return termios.tcgetattr(self.theirs)

    def end(self):
        """Its exit code, once all it wrote is read."""
        wait_for(lambda: (self.read(), self.process.poll())[1] is not None, what="the end of vfctl")
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


class TopCase(StatsTest):
    def start(self, total=4):
        host = self.nics(nic(ONE, "eth1", total=total))
        self.vfs = host.tree.pfs[ONE].vfs
        self.counted = 0
        return host

    def advance(self, host):
        """Lets VF 1 receive and VF 2 send more from now on; VF 3 is not told about."""
        self.counted += 1
        n = self.counted
        host.count(ONE, {0: [n] * 8, 1: [n * 1000, 0, n * 1000000, 0, 0, 0, 0, 0], 2: [0, n, 0, n * 100, 0, 0, 0, n * 50], 3: None})

    def begin(self, host, *arguments):
        """vfctl top as a process whose output is read line by line."""
        process = subprocess.Popen([f"{harness.binaries()}/vfctl", "top", *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, VFCTL_SOCKET=host.socket))
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def terminal(self, host, *arguments, **more):
        terminal = Terminal(host, *arguments, **more)
        self.addCleanup(terminal.close)
        return terminal

    def counted_process(self, host, *arguments):
        """As begin(), with counters that advance once between the two looks."""
        self.advance(host)
        before = len(host.statistics_rounds()) if os.path.exists(host.tree.path("sim/log")) else 0
        process = self.begin(host, *arguments)
        wait_for(lambda: len(host.statistics_rounds()) > before, what="the first look")
        self.advance(host)
        return process


class TopTest(TopCase):
    def test_once(self):
        host = self.start()
        vm = host.vm(vm="web1")
        out, err = self.counted_process(host, "--once", "--sort", "rx").communicate(timeout=harness.DEADLINE)
        rows = [re.split(" {2,}", line.strip()) for line in out.splitlines()]
        self.assertEqual(err, "")
        self.assertEqual(rows[0], ["VF", "PF", "TENANT", "VM", "RX BIT/S", "RX PKT/S", "TX BIT/S", "TX PKT/S", "DROP/S"])
        self.assertEqual([row[0] for row in rows[1:3]], [self.vfs[1], self.vfs[0]])
        self.assertRegex(rows[1][4], r"^[78]\.\dM$")  # 1,000,000 bytes in a little more than a second
        self.assertEqual(rows[4][4:], ["unknown"] * 5)
        self.assertEqual({row[0]: row[2:4] for row in rows}[vm.vfs[0]], ["red", "web1"])

    def test_json(self):
        host = self.start()
        out, _ = self.counted_process(host, "--json", "--count", "2", "--sort", "name").communicate(timeout=harness.DEADLINE)
        first, second = (json.loads(line) for line in out.splitlines())
        self.assertEqual([row["address"] for row in first["rows"]], self.vfs)
        self.assertEqual([row["known"] for row in first["rows"]], ["known"] * 3 + ["unknown"])
        self.assertEqual([row["rates"] is None for row in first["rows"]], [False] * 3 + [True])
        self.assertEqual(first["rows"][3]["counters"], None)
        self.assertEqual(first["rows"][1]["counters"]["rx_bytes"], 2000000)
        self.assertEqual(second["rows"][1]["rates"]["rx_bytes"], 0)
        self.assertGreater(second["time"], first["time"])

    def test_by_tenant(self):
        host = self.start()
        host.vm(vm="web1")
        out, _ = self.counted_process(host, "--json", "--once", "--by", "tenant").communicate(timeout=harness.DEADLINE)
        rows = {row["name"]: row for row in json.loads(out)["rows"]}
        self.assertEqual({name: (row["vfs"], row["unknown"]) for name, row in rows.items()}, {"red": (1, 0), None: (3, 1)})
        self.assertGreater(rows[None]["rates"]["rx_bytes"], 500000)
        self.assertEqual(host.vfctl("top", "--once", "--by", "pf").stdout.splitlines()[1].split()[:3], [ONE, "4", "1"])

    def test_reset_vf_is_no_huge_rate(self):
        host = self.start()
        host.count(ONE, {0: [10 ** 15] * 8, 1: [10 ** 6] * 8})
        process = self.begin(host, "--json", "--count", "2")
        wait_for(host.statistics_rounds, what="the first look")
        host.count(ONE, {0: [5] * 8, 1: [10 ** 6] * 8})
        first, second = (json.loads(line) for line in process.communicate(timeout=harness.DEADLINE)[0].splitlines())
        rates = {row["address"]: row["rates"] for row in first["rows"]}
        self.assertIsNone(rates[self.vfs[0]])
        self.assertEqual(set(rates[self.vfs[1]].values()), {0})
        self.assertEqual({row["address"]: row["rates"] for row in second["rows"]}[self.vfs[0]]["rx_bytes"], 0)

    def test_usage(self):
        host = self.start()
        for arguments in (["x"], ["--sort", "x"], ["--by", "vm"], ["--interval", "0"], ["--interval", "3601"], ["--count", "-1"]):
            r = host.vfctl("top", *arguments)
            self.assertEqual((r.returncode, r.stdout), (64, ""), arguments)
            self.assertTrue(r.stderr)

    def test_signals(self):
        host = self.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.begin(host, "--interval", "3600")
            time.sleep(0.3)
            process.send_signal(number)
            self.assertEqual((process.wait(harness.DEADLINE), process.stderr.read()), (0, ""))
        host.faults("op=statistics hang=1 count=1")
        process = self.begin(host)
        wait_for(host.faults_hit, what="the worker hangs")
        process.send_signal(signal.SIGINT)
        self.assertEqual((process.wait(harness.DEADLINE), process.stderr.read()), (0, ""))
        host.unhang()

    def test_reader_that_does_not_read(self):
        host = self.start(total=200)
        process = self.begin(host, "--json", "--interval", "1")
        time.sleep(2.5)  # the pipe is full by now
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_daemon_that_ends(self):
        host = self.start()
        process = self.begin(host)
        wait_for(host.statistics_rounds, what="the first look")
        host.daemon.stop()
        self.assertEqual(process.wait(harness.DEADLINE), 69)
        host.daemon.start()


class TerminalTest(TopCase):
    def test_live(self):
        host = self.start()
        self.advance(host)
        terminal = self.terminal(host, "top", "--no-color")
        wait_for(lambda: len(terminal.frames()) >= 2, what="two frames")
        self.assertNotEqual(terminal.state(), terminal.before)
        self.advance(host)
        wait_for(lambda: re.search(r"\d\.\dM", terminal.frames()[-1]), what="a rate")
        frame = terminal.frames()[-1].splitlines()
        self.assertIn("4 VFs, by vf, sorted by total, every 1 s, q ends", frame[0])
        self.assertTrue(frame[2].startswith(self.vfs[1]), frame)
        terminal.type("xq")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(terminal.state(), terminal.before)
        self.assertTrue(terminal.output.endswith("\x1b[?7h\x1b[?25h"))

    def test_interrupt(self):
        host = self.start()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, None):
            terminal = self.terminal(host, "top", "--interval", "3600")
            wait_for(terminal.frames, what="a frame")
            if number:
                terminal.process.send_signal(number)
            else:
                terminal.type("\x03")
            self.assertEqual(terminal.end(), 0)
            self.assertEqual(terminal.state(), terminal.before)
            self.assertIn("\x1b[?25h", terminal.output)

    def test_resize(self):
        host = self.start(total=100)
        terminal = self.terminal(host, "top", "--interval", "3600", rows=20)
        wait_for(terminal.frames, what="a frame")
        self.assertEqual(len(terminal.frames()[-1].splitlines()), 19)
        terminal.resize(50)
        wait_for(lambda: len(terminal.frames()) == 2, what="another frame")
        self.assertEqual(len(terminal.frames()[-1].splitlines()), 49)
        terminal.resize(2)
        wait_for(lambda: len(terminal.frames()) == 3, what="another frame")
        terminal.type("q")
        self.assertEqual(terminal.end(), 0)

    def test_error_restores_the_terminal(self):
        host = self.start()
        terminal = self.terminal(host, "top")
        wait_for(terminal.frames, what="a frame")
        host.daemon.stop()
        self.assertEqual(terminal.end(), 69)
        self.assertEqual(terminal.state(), terminal.before)
        self.assertIn("vfctld closed the connection", terminal.output)
        host.daemon.start()

    def test_count_and_poor_terminals(self):
        host = self.start()
        terminal = self.terminal(host, "top", "--count", "1")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(len(terminal.frames()), 2)
        terminal = self.terminal(host, "top", "--once", environment={"TERM": "dumb"})
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn("\x1b", terminal.output)


class ShowTest(StatsTest):
    def test_show(self):
        policy = harness.default_policy()
        policy["pools"].update(COUNTED)
        host = self.host([nic(ONE, "eth1", driver="igb"), nic(TWO, "eth2"), nvme("0000:09:00.0"), PF("0000:0d:00.0")], policy)
        host.wait_all_ready(16)
        one, two = host.tree.pfs[ONE], host.tree.pfs[TWO]
        host.count(TWO, {0: [1, 2, 3, 4, 5, 6, 7, 8], 1: None})
        shown = host.vfctl("show", two.vf(0)).stdout
        self.assertIn("\n  received:  1 packets, 3 bytes, 6 multicast, 5 broadcast, 7 dropped\n"
                      "  sent:      2 packets, 4 bytes, 8 dropped\n", shown)
        self.assertIn("\n  traffic:   unknown\n", host.vfctl("show", two.vf(1)).stdout)
        self.assertIn("\n  traffic:   -\n", host.vfctl("show", one.vf(0)).stdout)
        for address in (host.tree.pfs["0000:09:00.0"].vf(0), host.tree.pfs["0000:0d:00.0"].vf(0)):
            self.assertNotRegex(host.vfctl("show", address).stdout, "traffic|received|sent")
        shown = host.vfctl("show", TWO).stdout
        self.assertEqual((shown.count("  received:"), shown.count("  traffic:   unknown")), (3, 1))
        shown = json.loads(host.vfctl("show", two.vf(0), "--json").stdout)
        self.assertEqual(shown["statistics"][0]["counters"]["rx_bytes"], 3)

    def test_show_lease(self):
        host = self.nics()
        vm = host.vm(vm="web1", count=2)
        self.assertEqual(host.vfctl("show", vm.lease["id"]).stdout.count("  received:  0 packets"), 2)
