# SPDX-License-Identifier: GPL-2.0-or-later
"""A small blocking Varlink client with descriptors and deadlines, and the means to misbehave."""

import array
import json
import os
import socket

MANAGER = "io.vfctl.Manager."


class VarlinkError(Exception):
    """An error reply: name without the interface of vfctl, parameters."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name.removeprefix(MANAGER)
        self.parameters = parameters

    @property
    def reason(self):
        return self.parameters.get("reason")


class Closed(Exception):
    """The other end closed the connection."""


class Varlink:
    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)  # blocking: with a deadline, a full backlog would be an error
        self.sock.settimeout(timeout)
        self.buffer = b""
        self.fds = []  # received, not yet taken

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, method, parameters=None, **flags):
        message = {"method": method if "." in method else MANAGER + method, **flags}
        if parameters is not None:
            message["parameters"] = parameters
        self.send_raw(json.dumps(message).encode() + b"\0")

    def receive(self):
        """The next message, whole, as a dictionary."""
        while b"\0" not in self.buffer:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(4 * 253), socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError as e:
                raise Closed from e
            for level, kind, payload in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    got = array.array("i")
                    got.frombytes(payload[:len(payload) - len(payload) % 4])
                    self.fds += got
            if not data:
                raise Closed
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def reply(self):
        """The parameters of the next reply; raises VarlinkError."""
        message = self.receive()
        if "error" in message:
            raise VarlinkError(message["error"], message.get("parameters", {}))
        return message.get("parameters", {})

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.reply()

    def call_more(self, method, **parameters):
        """All replies of a call with "more"."""
        self.send(method, parameters, more=True)
        while True:
            message = self.receive()
            if "error" in message:
                raise VarlinkError(message["error"], message.get("parameters", {}))
            yield message["parameters"]
            if not message.get("continues"):
                return

    def take_fds(self):
        fds, self.fds = self.fds, []
        return fds
