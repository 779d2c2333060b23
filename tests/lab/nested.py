# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs that really boot: the lab's own kernel with a shell on the serial line, in a QEMU started through `vfctl run`. The VF is
driven by igbvf or nvme there. The emulated processor has AMD's SVM, so KVM works inside the host; without it a boot takes minutes."""
import contextlib
import lzma
import os
import re
import shutil
import socket
import time

import lab
from lab import VM, run, wait_for

KVM_SECONDS, TCG_SECONDS = 60, 240  # for a boot
PROMPT = "nested-status"

# Commands are read from the serial line: the console of the kernel would mix with answers, so it is quiet.
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
for m in /modules/*.ko; do [ ! -e "$m" ] || insmod "$m"; done
echo "{PROMPT} up"
while read -r line; do
        eval "$line"
        echo "{PROMPT} $?"
done
poweroff -f
"""


def kernel_dir():
    with open("/mnt/lab/settings", encoding="utf-8") as f:
        return os.path.dirname(re.search(r"^LAB_MODULES=(.*)$", f.read(), re.M).group(1))


def has_kvm():
    run("modprobe", "-q", "kvm_amd", check=False)  # built into the other kernel
    if not os.path.exists("/dev/kvm"):
        return False
    os.chmod("/dev/kvm", 0o666)
    return True


def modules():
    """The drivers of VFs and what they need, in the order of loading; nothing of what is built into the kernel."""
    lines = run("modprobe", "--show-depends", "--all", "igbvf", "nvme", check=False).stdout.split("\n")
    return list(dict.fromkeys(line.split()[1] for line in lines if line.startswith("insmod ")))


def initrd(path="/tmp/nested.cpio"):
    """Busybox, the script above and the drivers."""
    tree = "/tmp/nested"
    if os.path.exists(path):
        return path
    for d in ("bin", "proc", "sys", "dev", "modules"):
        os.makedirs(f"{tree}/{d}")
    shutil.copy(shutil.which("busybox"), f"{tree}/bin/busybox")
    with open(f"{tree}/init", "w", encoding="ascii") as f:
        f.write(INIT)
    os.chmod(f"{tree}/init", 0o755)
    for n, module in enumerate(modules()):
        with lzma.open(module) as f, open(f"{tree}/modules/{n:02}.ko", "wb") as out:
            shutil.copyfileobj(f, out)
    run("sh", "-c", f"cd {tree} && find . | cpio -o -H newc --quiet >{path}")
    return path


class NoBoot(Exception):
    """The VM died, or hangs, before its shell is there: KVM on an emulated SVM does that now and then."""


class Nested(VM):
    memory = 256 if lab.KERNEL == "stock" else 128

    def __init__(self, tenant, uid, name, *options, **kw):
        self.serial_path = f"/tmp/{name}.serial"
        self.accel = "kvm" if has_kvm() else "tcg"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.serial_path)
        super().__init__(tenant, uid, name, *options, **kw)
        self.serial = socket.socket(socket.AF_UNIX)
        self.serial.connect(self.serial_path)
        self.serial.settimeout(1)
        self.text = ""

    def machine(self):
        kernel = kernel_dir()
        image = f"{kernel}/vmlinux" if os.path.exists(f"{kernel}/vmlinux") else f"{kernel}/vmlinuz"  # by PVH, if it can
        return ["-M", "q35", "-accel", self.accel, "-cpu", "qemu64,-svm", "-kernel", image, "-initrd", initrd(),
                "-append", "console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable",
                "-serial", f"unix:{self.serial_path},server=on,wait=off"]

    def answer(self, seconds):
        """What the VM says until the prompt, and the status there; None if it says nothing any more."""
        end = time.monotonic() + seconds
        while not (m := re.search(rf"^(.*?){PROMPT} (\w+)\n", self.text, re.S | re.M)):
            if time.monotonic() > end:
                return None
            try:
                data = self.serial.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                return None
            if not data:
                return None
            self.text += data.decode(errors="replace").replace("\r", "")
        self.text = self.text[m.end():]
        return m.group(1), m.group(2)

    def sh(self, command, seconds=60):
        """Runs a command in the VM; its output."""
        self.serial.sendall(command.encode() + b"\n")
        answer = self.answer(seconds)
        assert answer and answer[1] == "0", f"{self.name}: {command}: {answer or self.text[-2000:]}"
        return answer[0].strip()


def boot(tenant, uid, name, *options, tries=3, **kw):
    for n in range(tries):
        vm = Nested(tenant, uid, f"{name}{n or ''}", *options, **kw)
        if vm.answer(KVM_SECONDS if vm.accel == "kvm" else TCG_SECONDS):
            return vm
        print(f"  {vm.name} does not come up (try {n + 1} of {tries}): {vm.text[-500:]}", flush=True)
        vm.end()
        wait_for(lambda v=vm: lab.vf(v.address)["state"] == "ready", 30, "its VF is back")
    raise NoBoot(name)
