# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts a program with inherited descriptors as systemd passes them: launch.py "7,9" "name1:name2" PROGRAM ARGS…

The descriptors become 3, 4, …; LISTEN_PID is this process, which becomes the program.
"""

import fcntl
import os
import sys

fds = [int(fd) for fd in sys.argv[1].split(",")]
above = 3 + 2 * len(fds) + max(fds)
moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, above) for fd in fds]
for at, fd in enumerate(moved, 3):
    os.dup2(fd, at, inheritable=True)
os.closerange(3 + len(fds), above + 2 * len(fds) + 64)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2], LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
