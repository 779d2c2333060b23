#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An igb VF driven from user space by its owner: the mailbox to the PF's driver, one receive and one transmit queue, whole
frames. Run as a program it stands in for a VMM that `vfctl run` starts, and does what its parent says, a line of JSON at a time.
Registers: 82576 datasheet, 8.26 and 8.27; messages: drivers/net/ethernet/intel/igb/e1000_mbx.h."""
import json
import struct
import sys
import time

import nvmevf
from nvmevf import PAGE, Memory

MAILBOX, BUFFER = 0xC40, 0x800
RESET = 1
SUCCESS = 0x80000000
REQUEST, ACK, OURS, MESSAGE = 1, 2, 4, 0x10
RX, TX = 0x2800, 0x3800                      # + address low, high, length; head, tail, control:
LENGTH, SPLIT, HEAD, TAIL, CONTROL = 0x08, 0x0C, 0x10, 0x18, 0x28
ENABLE = 1 << 25
ONE_BUFFER_OF_2K = 0x02000002                # SRRCTL: advanced descriptors
DATA_DESCRIPTOR = 0x2B300000                 # advanced, data, EOP, FCS, report status
ENTRIES = 64
# the pages of our memory, and where the device sees them
RX_RING, TX_RING, TX_BUFFER, RX_BUFFERS, PAGES = 0, 1, 2, 3, 3 + ENTRIES // 2
IOVA = 0x100000


class NoAnswer(Exception):
    pass


class IgbVf(nvmevf.Vf):
    """What is not NVMe's of the other driver: the hand-offs, config space, registers."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.memory = Memory.create(PAGES)
        self.map(self.memory, 0, PAGES, IOVA)

    def start(self):
        """As igbvf does it when its interface comes up; the MAC that the PF's driver tells, none if it tells none."""
        self.set_config(4, self.config(4, 2) | 6, 2)  # Memory Space, Bus Master
        answer = self.message(RESET)
        assert answer[0] & 0xFF == RESET, f"{answer[0]:#x}"
        for n in range(ENTRIES):
            self.put_buffer(n)
        for ring, page in ((RX, RX_RING), (TX, TX_RING)):
            for register, value in ((CONTROL, 0), (HEAD, 0), (TAIL, 0), (LENGTH, ENTRIES * 16)):
                self.bar.write(ring + register, value)
            self.bar.write64(ring, IOVA + page * PAGE)
        self.bar.write(RX + SPLIT, ONE_BUFFER_OF_2K)
        self.bar.write(RX + CONTROL, ENABLE)
        self.bar.write(TX + CONTROL, ENABLE)
        self.bar.write(RX + TAIL, ENTRIES - 1)
        self.rx = self.tx = 0
        if not answer[0] & SUCCESS:
            return None
        return ":".join(f"{b:02x}" for b in struct.pack("<II", *answer[1:])[:6])

    def message(self, *words, seconds=10.0):
        """One message to the PF's driver, and the first three words of its answer."""
        end = time.monotonic() + seconds
        self.bar.write(MAILBOX, OURS)
        for n, word in enumerate(words):
            self.bar.write(BUFFER + 4 * n, word)
        self.bar.write(MAILBOX, REQUEST)
        while not self.bar.read(MAILBOX) & MESSAGE:
            if time.monotonic() > end:
                raise NoAnswer(f"message {words[0]} to the PF's driver")
            time.sleep(0.001)
        answer = [self.bar.read(BUFFER + 4 * n) for n in range(3)]
        self.bar.write(MAILBOX, ACK)
        return answer

    def ask(self, *words):
        """Whether the PF's driver grants it."""
        answer = self.message(*words)
        assert answer[0] & 0xFF == words[0] & 0xFF, [f"{w:#x}" for w in answer]
        return bool(answer[0] & SUCCESS)

    def put_buffer(self, n):
        at = RX_RING * PAGE + n * 16
        self.memory.bytes[at:at + 16] = struct.pack("<QQ", IOVA + RX_BUFFERS * PAGE + n * 2048, 0)

    def push(self, frame):
        """Gives a frame to the device; where its status will be."""
        self.memory.put(TX_BUFFER, frame)
        at = TX_RING * PAGE + self.tx * 16
        self.memory.bytes[at:at + 16] = struct.pack("<QII", IOVA + TX_BUFFER * PAGE, DATA_DESCRIPTOR | len(frame),
                                                    len(frame) << 14)
        self.tx = (self.tx + 1) % ENTRIES
        self.bar.write(TX + TAIL, self.tx)
        return at + 12

    def send(self, frame):
        at, end = self.push(frame), time.monotonic() + 5
        while not self.memory.bytes[at] & 1:
            if time.monotonic() > end:
                raise NoAnswer("the frame is not sent")
            time.sleep(0.001)

    def received(self):
        """The frames that have come since the last call."""
        frames = []
        while self.memory.bytes[(at := RX_RING * PAGE + self.rx * 16) + 8] & 1:
            length = struct.unpack_from("<H", self.memory.bytes, at + 12)[0]
            start = RX_BUFFERS * PAGE + self.rx * 2048
            frames.append(self.memory.bytes[start:start + length])
            self.put_buffer(self.rx)
            self.bar.write(RX + TAIL, self.rx)
            self.rx = (self.rx + 1) % ENTRIES
        return frames


class Program:
    def __init__(self, vf):
        self.vf = vf

    def start(self):
        return self.vf.start()

    def send(self, frames):
        for frame in frames:
            self.vf.send(bytes.fromhex(frame))

    def push(self, frames):
        for frame in frames:
            self.vf.push(bytes.fromhex(frame))

    def received(self):
        return [f.hex() for f in self.vf.received()]

    def ask(self, words):
        return self.vf.ask(*words)


def main():
    """ADDRESS NODE, or ADDRESS and two file descriptors, of the device and of its iommufd."""
    address, *how = sys.argv[1:]
    vf = IgbVf(address, node=how[0]) if len(how) == 1 else IgbVf(address, device=int(how[0]), iommufd=int(how[1]))
    program = Program(vf)
    print(json.dumps({"ok": address}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"ok": getattr(program, request.pop("do"))(**request)}
        except (OSError, AssertionError, NoAnswer) as e:
            reply = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
