#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job on a real kernel, in order: each test builds on the state that the one before left."""
import contextlib
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time

import lab
from lab import BLUE, EBUSY, RED, STRANGER, SYS, VM, Refused, Varlink, listing, lost_messages, run, vf, vfctl, wait_for

IOMMUFD = lab.KERNEL == "iommufd"
vms = {}


def ready(address):
    return vf(address)["state"] == "ready"


def test_service_brings_all_vfs_up():
    lab.start()
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 120, "all VFs ready")
    vfs = listing("vfs")
    assert len(vfs) == 7 + 7 + 4, vfs
    assert {v["state"] for v in vfs} == {"ready"}, vfs
    assert len({v["group"] for v in vfs}) == len(vfs), "two VFs share a group"
    for v in vfs:
        members = os.listdir(f"/sys/kernel/iommu_groups/{v['group']}/devices")
        assert members == [v["address"]], members
        assert os.path.basename(os.readlink(f"{SYS}/{v['address']}/driver")) == "vfio-pci"
        assert v["isolated"]
    for pf in listing("pfs"):
        with open(f"{SYS}/{pf['address']}/sriov_drivers_autoprobe", encoding="ascii") as f:
            assert f.read().strip() == "0"


def test_daemon_has_no_privilege():
    status = open(f"/proc/{lab.main_pid()}/status", encoding="ascii").read()
    assert "CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status, status
    assert "NoNewPrivs:\t1" in status
    assert run("stat", "-c", "%U", f"/proc/{lab.main_pid()}").stdout.strip() == "vfctl"


def test_fenced_vfs_cannot_be_opened():
    for v in listing("vfs"):
        assert lab.open_error(f"/dev/vfio/{v['group']}") == EBUSY, v
    assert run("cat", "/dev/vfio/vfio", uid=RED, check=False).returncode != 0
    r = subprocess.run(["head", "-c0", f"/dev/vfio/{listing('vfs')[0]['group']}"], user=RED, group=RED, extra_groups=[],
                       capture_output=True, text=True)
    assert "Permission denied" in r.stderr, r.stderr


def test_worker_socket_is_for_the_daemon_alone():
    for uid in (RED, STRANGER):
        r = run("/usr/bin/python3", "-c", "import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
                "s.connect('/run/vfctld/worker')", uid=uid, check=False)
        assert "PermissionError" in r.stderr, r


def test_two_tenants_run_vms():
    vms["web1"] = VM("red", RED, "web1")
    vms["db1"] = VM("blue", BLUE, "db1")
    assert vms["web1"].address != vms["db1"].address
    for vm in vms.values():
        assert vm.pci() == [(0x8086, 0x10ca)], vm.pci()
        assert vm.qmp("query-status")["status"] == "running"
        assert vf(vm.address)["state"] == "leased"
        assert vm.lease["hand_off"] == ("fd" if IOMMUFD else "node")
        assert vm.lease["pid"] == vm.pid


def test_page_tables_differ():
    tables = {lab.page_table(vm.address) for vm in vms.values()} | {lab.page_table(v["address"]) for v in listing("vfs")}
    assert None not in tables
    assert len(tables) == len(listing("vfs")), tables


def test_memlock_is_raised_for_the_vm_only():
    limits = resource.prlimit(vms["web1"].pid, resource.RLIMIT_MEMLOCK)
    assert limits[0] == 256 << 20, limits
    with open("/proc/self/limits", encoding="ascii") as f:
        assert str(256 << 20) not in next(l for l in f if l.startswith("Max locked memory"))


def refusal(uid, *argv):
    r = vfctl("run", *argv, uid=uid, check=False)
    assert r.returncode != 0
    return r.returncode, r.stderr


def test_refusals():
    before = listing("leases")
    code, text = refusal(RED, "--tenant", "red", "--pool", "net", "--vm", "x", "--count", "2", "--", "true")
    assert code == 75 and "quota 2, in use 1: web1" in text, text
    code, text = refusal(RED, "--tenant", "blue", "--pool", "net", "--vm", "x", "--", "true")
    assert code == 77 and "not-your-tenant" in text, text
    code, text = refusal(RED, "--tenant", "green", "--pool", "net", "--vm", "x", "--", "true")
    assert code == 77 and "not-your-tenant" in text, "an unknown tenant must look like a foreign one"
    code, text = refusal(STRANGER, "--tenant", "red", "--pool", "net", "--vm", "x", "--", "true")
    assert code == 77 and "not allowed" in text and "red" not in text, text
    code, text = refusal(BLUE, "--tenant", "blue", "--pool", "disk", "--vm", "x", "--", "true")
    assert code == 77 and "no-such-pool" in text, text
    code, text = refusal(RED, "--tenant", "red", "--pool", "net", "--vm", "x", "--memory", "1G", "--", "true")
    need = (1 << 30) + (64 << 20)
    assert code == 77 and "memlock" in text and str(need) in text, text
    assert listing("leases") == before


def test_vmm_that_cannot_run_takes_no_lease():
    code, _ = refusal(RED, "--tenant", "red", "--pool", "net", "--vm", "x", "--", "/no/such/vmm")
    assert code == 127
    code, _ = refusal(RED, "--tenant", "red", "--pool", "net", "--vm", "x", "--", "/etc/passwd")
    assert code == 126
    assert len(listing("leases")) == 2


def test_tenants_see_only_their_own():
    assert [v["address"] for v in listing("vfs", uid=RED)] == [vms["web1"].address]
    assert [l["vm"] for l in listing("leases", uid=BLUE)] == ["db1"]
    assert [t["name"] for t in listing("tenants", uid=RED)] == ["red"]
    assert vfctl("list", "pfs", uid=RED, check=False).returncode == 77
    assert vfctl("release", vms["db1"].lease["id"], uid=RED, check=False).returncode == 77
    assert vf(vms["db1"].address)["state"] == "leased"


def resets(address):
    """Function level resets so far, as the kernel counts them nowhere: the journal of the daemon has each scrub's end."""
    return lab.journal().count(f"{address}: reclaiming -> ready")


def test_killed_vm_is_reclaimed():
    vm = vms.pop("web1")
    group = vf(vm.address)["group"]
    vm.end(signal.SIGKILL)
    wait_for(lambda: ready(vm.address), 30, "reclaimed")
    assert resets(vm.address) == 1
    assert lab.open_error(f"/dev/vfio/{group}") == EBUSY, "ready but not fenced"
    assert [l["vm"] for l in listing("leases")] == ["db1"]
    st = os.stat(f"/dev/vfio/{group}")
    assert (st.st_uid, st.st_mode & 0o777) == (0, 0o600)


def check_survivor(old_pid):
    vm = vms["db1"]
    assert lab.main_pid() not in (0, old_pid)
    assert [l["id"] for l in listing("leases")] == [vm.lease["id"]]
    assert vf(vm.address)["state"] == "leased"
    assert vm.process.poll() is None and vm.qmp("query-status")["status"] == "running"
    assert vm.pci() == [(0x8086, 0x10ca)]
    others = [v for v in listing("vfs") if v["address"] != vm.address]
    assert {v["state"] for v in others} == {"ready"}, others
    for v in others:
        assert lab.open_error(f"/dev/vfio/{v['group']}") == EBUSY, v


def test_restart_keeps_leases_and_fences():
    old, scrubs = lab.main_pid(), lab.journal().count("-> ready")
    groups = [v["group"] for v in listing("vfs") if v["state"] == "ready"]
    restart = subprocess.Popen(["systemctl", "restart", "vfctld"])
    while restart.poll() is None:  # not for a moment is a fence open
        for group in groups:
            assert lab.open_error(f"/dev/vfio/{group}") == EBUSY
    assert restart.returncode == 0
    check_survivor(old)
    assert lab.journal().count("-> ready") == scrubs, "a kept fence needs no scrub"


def test_crash_keeps_leases_and_fences():
    old = lab.main_pid()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: lab.main_pid() not in (0, old) and vfctl("status", check=False).returncode == 0, 60, "restarted")
    check_survivor(old)


def test_vm_that_dies_while_the_daemon_is_down():
    vm = vms["web2"] = VM("red", RED, "web2")
    run("systemctl", "stop", "vfctld")
    vms.pop("web2").end()
    lab.systemctl("start")
    wait_for(lambda: ready(vm.address), 30, "reclaimed")
    assert [l["vm"] for l in listing("leases")] == ["db1"]


def test_release_while_the_vm_runs():
    vm = VM("red", RED, "web3")
    vfctl("release", vm.lease["id"], uid=RED)
    held = wait_for(lambda: (v := vf(vm.address))["holders"] and v, 20, "holder shown")
    assert held["state"] == "reclaiming" and held["reason"] == "held", held
    assert held["holders"][0]["pid"] == vm.pid, held
    assert "qemu" in held["holders"][0]["command"], held
    vm.end(signal.SIGTERM)
    wait_for(lambda: ready(vm.address), 30, "reclaimed")


def test_kept_lease_by_node():
    r = json.loads(vfctl("acquire", "--tenant", "red", "--pool", "disk", "--vm", "kept", "--user", "red", "--json").stdout)
    node = r["devices"][0]["node"]
    st = os.stat(node)
    assert (st.st_uid, st.st_mode & 0o777) == (RED, 0o600), oct(st.st_mode)
    assert lab.open_error(node) == 0, "granted, but still held by the daemon"
    vfctl("release", r["lease"]["id"])
    wait_for(lambda: ready(r["devices"][0]["address"]), 30, "reclaimed")
    assert os.stat(node).st_uid == 0


def test_client_that_leaves_before_the_answer():
    before = {v["address"] for v in listing("vfs") if v["state"] == "ready"}
    for _ in range(5):
        c = Varlink()
        c.sock.sendall(json.dumps({"method": "io.vfctl.Manager.Acquire", "parameters": {
            "tenant": "red", "pool": "net", "vm": "ghost", "lifetime": "kept"}}).encode() + b"\0")
        c.sock.close()
    wait_for(lambda: {v["address"] for v in listing("vfs") if v["state"] == "ready"} == before, 30, "all back")
    assert [l["vm"] for l in listing("leases")] == ["db1"]


def test_kept_descriptor_is_worthless():
    """An unbound device descriptor that red keeps must not be good for anything once blue has the VF."""
    if not IOMMUFD:
        return
    c = Varlink()
    r = c.call("Acquire", tenant="red", pool="net", vm="thief", lifetime="kept", hand_off="fd")
    address, fds = r["devices"][0]["address"], c.fds
    assert len(fds) == 2
    os.close(fds[1])
    c.call("Release", lease=r["lease"]["id"])
    held = wait_for(lambda: (v := vf(address))["reason"] == "held" and v, 20, "held")
    assert held["holders"][0]["pid"] == os.getpid(), held
    # out of sight of /proc: a descriptor in flight
    a, b = socket.socketpair(socket.AF_UNIX)
    socket.send_fds(a, [b"x"], [fds[0]])
    os.close(fds[0])
    stuck = wait_for(lambda: (v := vf(address))["state"] == "stuck" and v, 40, "stuck")
    assert stuck["reason"] == "stuck"
    # nobody else is hurt: other VFs of the same PF, and other PFs
    other = c.call("Acquire", tenant="red", pool="net", vm="next", lifetime="kept", hand_off="fd")
    for fd in c.fds:
        os.close(fd)
    c.call("Release", lease=other["lease"]["id"])
    wait_for(lambda: ready(other["devices"][0]["address"]), 30, "the neighbour is reclaimed")
    b.close()
    a.close()
    wait_for(lambda: ready(address), 30, "comes back when the descriptor is closed")


def test_broken_policy_changes_nothing():
    before = listing("vfs")
    lab.write_policy('{\n  "version": 1,\n  "pols": {}\n}\n')
    r = vfctl("reload", check=False)
    assert r.returncode == 1 and "policy.json:3:3" in r.stderr and "pools" in r.stderr, r.stderr
    r = run("systemctl", "reload", "vfctld", check=False)
    assert r.returncode == 1, r
    run("systemctl", "is-active", "vfctld")
    r = vfctl("status", check=False)
    assert "policy.json:3:3" in r.stdout, r.stdout
    assert listing("vfs") == before
    lab.write_policy(lab.POLICY)
    run("systemctl", "reload", "vfctld")
    wait_for(lambda: vfctl("status", check=False).returncode == 0, 10, "healthy")


def test_plan_never_hits_a_lease():
    policy = json.loads(json.dumps(lab.POLICY))
    policy["pools"]["net"]["vfs"] = 3
    lab.write_policy(policy)
    vfctl("reload")
    r = vfctl("plan", "--json", check=False)
    steps = json.loads(r.stdout)["steps"]
    busy = vms["db1"].address[:8]
    assert {s["kind"] for s in steps} == {"resize"} and all(s["destructive"] for s in steps), steps
    assert [s["blocked"] for s in steps] == [s["address"].startswith(busy) for s in steps], steps
    assert r.returncode == 2
    assert any("blue/db1" in h for s in steps for h in s["hits"])
    vfctl("apply", "--destructive", check=False)
    counts = {p["address"]: p["num_vfs"] for p in listing("pfs") if p["pool"] == "net"}
    assert sorted(counts.values()) == [3, 7] and counts[busy + "00.0"] == 7, counts
    assert vms["db1"].qmp("query-status")["status"] == "running"
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready", "leased"}, 30, "settled")
    lab.write_policy(lab.POLICY)
    vfctl("reload")
    vfctl("apply", "--destructive")
    wait_for(lambda: len(listing("vfs", state="ready")) == 17, 30, "grown again")


def test_vf_unbound_behind_our_back_is_noticed():
    address = next(v["address"] for v in listing("vfs") if v["state"] == "ready")
    with open("/sys/bus/pci/drivers/vfio-pci/unbind", "w", encoding="ascii") as f:
        f.write(address)
    wait_for(lambda: ready(address) and os.path.exists(f"{SYS}/{address}/driver"), 30, "bound and fenced again")
    assert lab.open_error(f"/dev/vfio/{vf(address)['group']}") == EBUSY


def test_driver_taken_away_and_given_back_at_once():
    """When the daemon looks, the VF has its driver as before, but its fence has lost the group."""
    address, pid = next(v["address"] for v in listing("vfs") if v["state"] == "ready"), lab.main_pid()
    blind = lab.KERNEL == "stock"  # with iommufd the kernel waits until the daemon has let go
    if blind:
        os.kill(pid, signal.SIGSTOP)
    try:
        for verb in ("unbind", "bind"):
            with contextlib.suppress(OSError), open(f"/sys/bus/pci/drivers/vfio-pci/{verb}", "w", encoding="ascii") as f:
                f.write(address)
        node = f"/dev/vfio/{os.path.basename(os.readlink(f'{SYS}/{address}/iommu_group'))}"
        assert not blind or lab.open_error(node) == 0, "it is fenced all the same"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: ready(address) and lab.open_error(node) == EBUSY, 30, "fenced again")


def test_lost_events_are_made_good():
    pid = lab.main_pid()
    address = next(v["address"] for v in listing("vfs") if v["state"] == "ready")
    assert lost_messages(pid) and not any(lost_messages(pid)), lost_messages(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        def flood():
            run("udevadm", "trigger", "--action=change", "--subsystem-match=pci")
            return any(lost_messages(pid))
        wait_for(flood, 60, "a full socket")
        before = lost_messages(pid)
        with open("/sys/bus/pci/drivers/vfio-pci/unbind", "w", encoding="ascii") as f:
            f.write(address)
        wait_for(lambda: lost_messages(pid) > before, 30, "the event of the unbound VF is lost")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: os.path.exists(f"{SYS}/{address}/driver") and ready(address), 30, "bound and fenced again")
    assert "device events were lost" in lab.journal()


def unplug_and_back(pf):
    """A PF leaves while its VFs are fenced, and comes back: nothing waits for anybody, no other PF notices."""
    others = [v["address"] for v in listing("vfs") if v["pf"] != pf]
    mine = [v["address"] for v in listing("vfs") if v["pf"] == pf]
    assert mine and not any(v["lease"] for v in listing("vfs") if v["pf"] == pf)
    run("sh", "-c", f"echo 1 > {SYS}/{pf}/remove", timeout=30)
    wait_for(lambda: pf not in {p["address"] for p in listing("pfs")}, 30, "the PF is gone")
    assert [v["address"] for v in listing("vfs")] == others
    wait_for(lambda: not [f for f in fds_kept() if any(a in f for a in mine)], 30, "no fence of it is kept")
    run("sh", "-c", "echo 1 > /sys/bus/pci/rescan", timeout=30)
    wait_for(lambda: all(a in {v["address"] for v in listing("vfs", state="ready")} for a in mine), 60, "its VFs are back")


def fds_kept():
    """What systemd keeps for the daemon, by name."""
    return run("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
               "DumpUnitFileDescriptorStore", "s", "vfctld.service", check=False).stdout.split()


def test_pf_unplugged_and_back():
    unplug_and_back(next(p["address"] for p in listing("pfs") if p["pool"] == "net"
                         and not any(v["lease"] for v in listing("vfs") if v["pf"] == p["address"])))


def aer_count(address, name, key):
    with open(f"{SYS}/{address}/aer_dev_{name}", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(f"TOTAL_ERR_{key} "))


def inject_error(address, uncorrectable=0, correctable=0):
    """A PCIe error, put in by the kernel's own injector (drivers/pci/pcie/aer_inject.c)."""
    bus, rest = address.split(":")[1:]
    with open("/dev/aer_inject", "wb", buffering=0) as f:
        f.write(struct.pack("=3BxII4II", int(bus, 16), int(rest[:2], 16), int(rest[3]), uncorrectable, correctable, 0, 0, 0, 0, 0))


@contextlib.contextmanager
def monitored():
    """A monitor that listens; gives a function that says what it told so far."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as out, open(out.name, "w", encoding="utf-8") as end:
        def events():
            out.seek(0)
            return [json.loads(line)["event"] for line in out if line.endswith("\n")]
        with subprocess.Popen(["vfctl", "monitor", "--json"], stdout=end) as monitor:
            try:
                wait_for(lambda: vfctl("reload") and events(), 30, "the monitor listens")
                yield events
            finally:
                monitor.terminate()


def test_pcie_errors_are_told():
    """A correctable error."""
    address = next(p["address"] for p in listing("pfs") if p["pool"] == "net")
    before = aer_count(address, "correctable", "COR")
    with monitored() as events:
        def told():
            inject_error(address, correctable=0x40)  # PCI_ERR_COR_BAD_TLP
            return [e for e in events() if (e["kind"], e["new"], e["address"]) == ("aer", "correctable", address)]
        wait_for(told, 30, "the count is seen to rise")  # the first look at a function is only the base
    assert aer_count(address, "correctable", "COR") > before
    wait_for(lambda: "PCIe errors" in lab.journal(), 30, "it is in the journal")


def test_pcie_recovery_is_told():
    """An error that is not fatal: the kernel asks the drivers of the whole link to recover, and says so by uevents."""
    address = next(p["address"] for p in listing("pfs") if p["pool"] == "net"
                   and not any(v["lease"] for v in listing("vfs") if v["pf"] == p["address"]))
    with monitored() as events:
        inject_error(address, uncorrectable=0x4000)  # PCI_ERR_UNC_COMP_TIME
        wait_for(lambda: [e for e in events() if (e["kind"], e["new"], e["address"]) == ("aer", "recovery", address)], 30,
                 "the recovery is told")
    wait_for(lambda: all(v["state"] == "ready" for v in listing("vfs") if v["pf"] == address), 60, "its VFs are still there")


def test_varlink_by_hand():
    r = Varlink()
    r.sock.sendall(b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.vfctl.Manager"}}\0')
    text = json.loads(r.sock.recv(1 << 20)[:-1])["parameters"]["description"]
    with open("/usr/share/vfctl/io.vfctl.Manager.varlink", encoding="utf-8") as f:
        assert text == f.read()
    try:
        Varlink().call("Acquire", tenant="red", pool="net", vm="x", count=0)
    except Refused as e:
        assert (e.error, e.parameters) == ("org.varlink.service.InvalidParameter", {"parameter": "count"})
    else:
        raise AssertionError("count 0 was taken")


def test_forced_iommufd_fence():
    """The other backend: fences by device cdev, as on a kernel without containers."""
    if not IOMMUFD:
        return
    vms.pop("db1").end()
    wait_for(lambda: not listing("leases"), 30, "all back")
    lab.force_fence("iommufd")
    run("systemctl", "stop", "vfctld")
    lab.systemctl("start")
    wait_for(lambda: {v["state"] for v in listing("vfs")} == {"ready"}, 60, "all ready")
    assert lab.fence_backend() == "iommufd"
    for v in listing("vfs"):
        assert lab.open_error(f"/dev/vfio/{v['group']}") == EBUSY, "a bound cdev keeps the group closed"
    assert len({lab.page_table(v["address"]) for v in listing("vfs")}) == len(listing("vfs"))
    vm = VM("red", RED, "web4")
    assert vm.pci() == [(0x8086, 0x10ca)]
    lab.systemctl("restart")
    assert vm.qmp("query-status")["status"] == "running"
    assert len(listing("vfs", state="ready")) == 17
    vm.end()
    wait_for(lambda: ready(vm.address), 30, "reclaimed")
    test_vf_unbound_behind_our_back_is_noticed()  # the kernel asks the fence to let go
    unplug_and_back(next(p["address"] for p in listing("pfs") if p["pool"] == "net"))


def test_nothing_was_logged_as_an_error():
    pid_lines = [l for l in lab.journal().splitlines() if "not allowed" in l or "sanitizer" in l.lower()]
    assert not pid_lines, pid_lines


lab.main([f for n, f in list(globals().items()) if n.startswith("test_") and callable(f)
          and (IOMMUFD or n not in ("test_page_tables_differ", "test_kept_descriptor_is_worthless", "test_forced_iommufd_fence",
                                "test_pcie_errors_are_told", "test_pcie_recovery_is_told"))])
