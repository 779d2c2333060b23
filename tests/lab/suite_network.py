#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What VFs are told, seen in what their owners get and send; what igb refuses; what happens to a PF meanwhile. In order: each
test builds on the state that the one before left."""
import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import threading

import lab
import wire
from lab import BLUE, NETLINK_ROUTE, RED, SYS, listing, lost_messages, run, vf, vfctl, wait_for
from wire import BROADCAST, Guest, Wire, netdev, told, vlan_of

NET, OTHER = "0000:01:00.0", "0000:02:00.0"
VFS = 4
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
POLICY = {
    "version": 1,
    "pools": {"net": {"class": "network", "functions": [{"address": NET}], "vfs": VFS}},
    "defaults": {"memlock": "128M"},
    "tenants": {
        "red": {"users": ["red"], "pools": {"net": {"quota": 4, "vlans": [100, 200], "macs": "02:52:44:00:00:00/40"}}},
        "blue": {"users": ["blue"], "pools": {"net": {"quota": 4, "vlans": [200], "macs": "02:42:4c:00:00:00/40"}}},
    },
}
POLICY["tenants"]["bare"] = {"users": ["red"], "pools": {"net": {"quota": VFS}}}  # its VFs are told nothing
POLICY["tenants"]["rated"] = {"users": ["red"], "pools": {"net": {"quota": 1, "vlans": [100], "macs": "02:00:00:00:0f:00/40",
                                                                 "max_tx_mbps": 100}}}
# All that igb can be told of a VF, beyond MAC and VLAN
POLICY["tenants"]["able"] = {"users": ["red"], "pools": {"net": {"quota": 2, "vlans": [100], "macs": "02:00:00:00:0e:00/40",
                                                                "max_tx_mbps": 100, "trust": True, "spoof_check": False}}}
# What igb does not do (drivers/net/ethernet/intel/igb/igb_main.c: igb_netdev_ops, igb_ndo_set_vf_vlan, igb_ndo_set_vf_bw), as a
# policy and as iproute2 says it, and the kernel's answer; common/net-driver.c has it as a table
REFUSED = {"link": ({"link_state": "enable"}, "state enable", "Operation not supported"),
           "rate": ({"min_tx_mbps": 10}, "min_tx_rate 10 max_tx_rate 10", "Invalid argument"),
           "stag": ({"vlan_protocol": "802.1ad"}, "vlan 100 proto 802.1ad", "Protocol not supported"),
           "rss": ({"rss_query": True}, "query_rss on", "Operation not supported")}
for n, (tenant, (extra, _, _)) in enumerate(REFUSED.items()):
    grant = {"quota": 1, "vlans": [100], "macs": f"02:00:00:00:0{n}:00/40"}
    POLICY["tenants"][tenant] = {"users": ["red"], "pools": {"net": grant | extra}}
guests = {}


def settled():
    states = [v["state"] for v in listing("vfs", pf=NET)]
    return states == ["ready"] * VFS


def is_plain(index):
    now = told(NET)[index]
    return (vlan_of(now) == 0 and not now["address"].startswith("02:") and now["spoofchk"] and not now["trust"] and
            now["rate"] == {"max_tx": 0, "min_tx": 0} and now["link_state"] == "auto")


def acquire(*argv, tenant="red", check=True):
    r = vfctl("acquire", "--tenant", tenant, "--vm", "x", "--user", "red", "--json", *argv, check=check)
    return json.loads(r.stdout)["lease"] if check else r


def release(lease):
    vfctl("release", lease["id"])
    wait_for(settled, 30, "all back")


def test_start():
    for pf in (NET, OTHER):
        run("ip", "link", "set", "dev", netdev(pf), "up")
    lab.start(POLICY)
    for pf in (NET, OTHER):
        wire.up(pf)
    wait_for(settled, 60, "all VFs ready")
    assert all(is_plain(n) for n in range(VFS)), told(NET)
    guests["wire"] = Wire(OTHER)


def test_guests_have_the_macs_of_the_policy():
    for name, tenant, uid, vlan in (("a", "red", RED, 100), ("b", "red", RED, None), ("c", "blue", BLUE, 200),
                                    ("d", "red", RED, 200)):
        g = guests[name] = Guest(tenant, uid, name, vlan)
        assert g.do("start") == g.mac, (name, g.mac)
        assert g.mac.startswith("02:42:4c:00:00:" if tenant == "blue" else "02:52:44:00:00:"), g.mac
        now = told(NET)[g.index]
        assert (now["address"], vlan_of(now), now["spoofchk"], now["trust"]) == (g.mac, vlan or 100, True, False), now
        print(f"  {name}: {tenant}, {g.address}, MAC {g.mac}, VLAN {vlan_of(now)}", flush=True)
    assert len({g.mac for n, g in guests.items() if n != "wire"}) == 4


def test_who_hears_whom():
    a, b, c, d, w = (guests[n] for n in "a b c d wire".split())
    a.send(b.mac, "a to b")
    b.send(a.mac, "b to a")
    a.send(BROADCAST, "a to all")
    a.send(c.mac, "a to c")                      # another VLAN
    a.send(BROADCAST, "a with a tag", tag=200)   # a tag of its own does not replace the card's
    c.send(a.mac, "c to a")
    c.send(b.mac, "c to b")
    c.send(BROADCAST, "c to all")
    c.send(d.mac, "c to d")
    d.send(c.mac, "d to c")
    d.send(BROADCAST, "d to all")
    w.send(a.mac, "w to a on 200", 200)
    w.send(c.mac, "w to c on 100", 100)
    w.send(a.mac, "w to a untagged")
    w.send(BROADCAST, "w to all untagged")
    w.send(b.mac, "w to b on 100", 100)
    # the last word of each VLAN: who has heard it has heard everything that it will ever hear
    for vlan in (100, 200):
        w.send(BROADCAST, f"end {vlan}", vlan)
    for g, vlan in ((a, 100), (b, 100), (c, 200), (d, 200)):
        wait_for(lambda g=g, v=vlan: (w.mac, f"end {v}") in g.heard(), 10, f"{g.name} hears the wire: {g.log}")
    wait_for(lambda: (200, d.mac, "d to all") in w.heard(), 10, "the wire hears d")
    print("\n".join(f"  {g.name}: {g.heard()}" for g in (a, b, c, d)), f"\n  wire: {w.heard()}", flush=True)
    assert [t for _, t in a.log] == ["b to a", "end 100"]
    assert [t for _, t in b.log if "tag" not in t] == ["a to b", "a to all", "w to b on 100", "end 100"]
    assert [t for _, t in c.log] == ["d to c", "d to all", "end 200"]
    assert [t for _, t in d.log] == ["c to all", "c to d", "end 200"]
    assert {s for s, _ in b.log} == {a.mac, w.mac} and {s for s, _ in d.log} == {c.mac, w.mac}, "as sent: the policy's MACs"
    assert {(v, s) for v, s, _ in w.log} == {(100, a.mac), (200, c.mac), (200, d.mac)}, w.log


def test_guests_cannot_change_what_they_were_told():
    """The messages of igbvf for another MAC and another VLAN; the PF's driver holds to what it was told."""
    a, before = guests["a"], told(NET)
    other = wire.mac_bytes(guests["c"].mac)
    words = int.from_bytes(other[:4], "little"), int.from_bytes(other[4:], "little")
    assert a.do("ask", words=[3]), "E1000_VF_SET_MULTICAST, none: the driver listens and grants what is harmless"
    assert not a.do("ask", words=[2, *words]), "E1000_VF_SET_MAC_ADDR"
    assert not a.do("ask", words=[4 | 1 << 16, 200]), "E1000_VF_SET_VLAN, add"
    assert told(NET) == before


def test_link_down_and_up():
    """The PF's driver keeps what VFs were told, and tells new ones also while it is down."""
    before = told(NET)
    run("ip", "link", "set", "dev", netdev(NET), "down")
    assert told(NET) == before
    guests.pop("d").close()
    wait_for(lambda: [v["state"] for v in listing("vfs", pf=NET)].count("ready") == 1, 30, "d is back")
    lease = acquire("--pool", "net,vlan=200")
    now = told(NET)[vf(lease["vfs"][0])["index"]]
    assert (now["address"], vlan_of(now)) == (lease["devices"][0]["attributes"]["mac"], 200), now
    wire.up(NET)
    assert told(NET) == before | {now["vf"]: now}
    vfctl("release", lease["id"])
    a, b = guests["a"], guests["b"]
    for g in (a, b):
        assert g.do("start") == g.mac
    a.send(b.mac, "again")
    wait_for(lambda: (a.mac, "again") in b.heard(), 10, "a reaches b again")


def test_nothing_is_left_when_all_have_ended():
    w, macs = guests["wire"], [guests[n].mac for n in "abc"]
    for n in "abc":
        guests.pop(n).close()
    wait_for(settled, 30, "all back")
    assert all(is_plain(n) for n in range(VFS)), told(NET)
    told_nothing = [Guest("bare", RED, n, None) for n in "efgh"]
    for g in told_nothing:
        assert g.do("start") not in macs
    for g in told_nothing:
        g.close()
    wait_for(settled, 30, "all back")
    last = {n: Guest("blue", BLUE, n, 200) for n in "efgh"}
    for g in last.values():
        assert g.do("start") == g.mac
    for mac in macs[:2]:
        for vlan in (100, 200, None):
            w.send(mac, "to red", vlan)
    w.send(BROADCAST, "end", 200)
    for g in last.values():
        wait_for(lambda g=g: (w.mac, "end") in g.heard(), 10, "the next owner hears the wire")
        assert g.log == [(w.mac, "end")], g.log
        g.close()
    wait_for(settled, 30, "all back")


def limits(now):
    return now["rate"]["max_tx"], now["rate"]["min_tx"], now["trust"], now["spoofchk"]


def test_what_igb_can():
    """Rate, trust and spoof check as the policy says, and less rate where less is asked for; other VFs have none of it."""
    plain = told(NET)
    leases = [acquire("--pool", pool, tenant="able") for pool in ("net", "net,max-tx=40")]
    first, second = (vf(l["vfs"][0])["index"] for l in leases)
    now = told(NET)
    print(f"  {first}: {now[first]}\n  {second}: {now[second]}", flush=True)
    assert (limits(now[first]), limits(now[second])) == ((100, 0, True, False), (40, 0, True, False))
    for lease, n in zip(leases, (first, second)):
        assert (now[n]["address"], vlan_of(now[n])) == (lease["devices"][0]["attributes"]["mac"], 100), now[n]
    assert all(now[n] == plain[n] for n in now if n not in (first, second)), now
    vfctl("release", leases[0]["id"])
    wait_for(lambda: vf(leases[0]["vfs"][0])["state"] == "ready", 30, "back")
    assert is_plain(first) and told(NET)[second] == now[second]
    r = acquire("--pool", "net,max-tx=101", tenant="able", check=False)
    print(f"  more than it may: status {r.returncode}: {r.stderr.strip()}", flush=True)
    assert r.returncode == 77 and "(rate)" in r.stderr and is_plain(first), r.stderr
    release(leases[1])
    assert told(NET) == plain


def test_trusted_guest_chooses_its_mac():
    """What trust is for; and nothing of it is left for the next owner."""
    with contextlib.closing(Guest("able", RED, "t", None)) as t:
        assert t.do("start") == t.mac
        other = "02:00:00:00:be:ef"
        words = [int.from_bytes(part, "little") for part in (wire.mac_bytes(other)[:4], wire.mac_bytes(other)[4:])]
        assert t.do("ask", words=[2, *words]), "E1000_VF_SET_MAC_ADDR"
        assert told(NET)[t.index]["address"] == other, told(NET)
        assert limits(told(NET)[t.index]) == (100, 0, True, False), told(NET)
    wait_for(settled, 30, "all back")
    assert all(is_plain(n) for n in range(VFS)), told(NET)


def test_what_igb_refuses():
    for tenant, (extra, options, answer) in REFUSED.items():
        before = told(NET)
        r = vfctl("acquire", "--tenant", tenant, "--vm", "x", "--user", "red", "--pool", "net", "--json", check=False)
        print(f"  {extra}: status {r.returncode}: {r.stderr.strip()}", flush=True)
        assert r.returncode != 0 and "(attribute-unsupported)" in r.stderr, r.stderr
        wait_for(settled, 30, "nobody has it")
        assert told(NET) == before and not listing("leases")
        r = run("ip", "link", "set", "dev", netdev(NET), "vf", "0", *options.split(), check=False)
        assert r.returncode != 0 and answer in r.stderr and told(NET) == before, r


def test_drift_is_found_though_the_kernel_could_not_tell():
    """The news of it is lost, with others, because the daemon's socket is full: then it looks at all PFs."""
    with contextlib.closing(Guest("red", RED, "a", 100)) as a:
        before, pid = told(NET), lab.main_pid()
        idle = next(n for n in before if n != a.index)
        os.kill(pid, signal.SIGSTOP)
        try:
            def flood():
                """Of another interface."""
                lines = "".join(f"link set dev lo alias {n}\n" for n in range(200))
                run("ip", "-batch", "-", input=lines)
                return any(lost_messages(pid, NETLINK_ROUTE))
            run("ip", "link", "set", "dev", "lo", "up")
            wait_for(flood, 60, "a full socket")
            lost = lost_messages(pid, NETLINK_ROUTE)
            run("ip", "link", "set", "dev", netdev(NET), "vf", str(a.index), "vlan", "0", "spoofchk", "off")
            run("ip", "link", "set", "dev", netdev(NET), "vf", str(idle), "mac", "02:00:00:00:be:ef")
            assert lost_messages(pid, NETLINK_ROUTE) > lost, "the kernel could tell"
            assert told(NET) != before
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: told(NET) == before, 30, "all is put right")
        wait_for(lambda: not any(v["drift"] for v in listing("vfs")), 30, "nothing is shown any more")
    wait_for(settled, 30, "all back")


def test_switch_that_igb_does_not_have():
    """No VFs rather than VFs in another mode than the policy says."""
    assert {p["eswitch"] for p in listing("pfs") if p["address"] == NET} == {"none"}
    other = {"class": "network", "functions": [{"address": OTHER}], "vfs": 2, "eswitch": "switchdev"}
    lab.write_policy(POLICY | {"pools": POLICY["pools"] | {"other": other}})
    vfctl("reload")
    wait_for(lambda: [s["reason"] for s in json.loads(vfctl("plan", "--json", check=False).stdout)["steps"] if s["kind"] == "eswitch"] ==
             ["eswitch"], 30, "the step is blocked")
    print("\n".join("  " + line for line in vfctl("plan", check=False).stdout.splitlines()), flush=True)
    assert not listing("vfs", pf=OTHER) and settled()
    lab.write_policy(POLICY)
    vfctl("reload")
    assert settled()


def set_up(sock, name, up):
    """Without a program to be started: that may take longer than a link stays away."""
    _, flags = struct.unpack("16sH14x", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH14x", name.encode(), 0)))
    fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), flags & ~IFF_UP | up * IFF_UP))


@contextlib.contextmanager
def without_link():
    """QEMU's PHY finds its link again half a second after the interface went down or up: so it does that over and over."""
    name, over = netdev(NET), threading.Event()

    def go_down_and_up(sock):
        while not over.wait(0.1):
            for up in (False, True):
                set_up(sock, name, up)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        set_up(sock, name, False)
        thread = threading.Thread(target=go_down_and_up, args=(sock,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            wire.up(NET)


def test_rated_lease_ends_without_a_link():
    """igb refuses every rate while its link is down, also to have none: the VF stays where it is, and nobody gets it, until the
    link is back."""
    lease = acquire("--pool", "net", tenant="rated")
    address, index = lease["vfs"][0], vf(lease["vfs"][0])["index"]
    assert told(NET)[index]["rate"]["max_tx"] == 100, told(NET)[index]
    with without_link():
        vfctl("release", lease["id"])
        wait_for(lambda: (v := vf(address))["state"] != "reclaiming" or v["reason"] == "attributes-failed", 30, "it is tried")
        v, now = vf(address), told(NET)[index]
        print(f"  {address}: {v['state']} ({v['message']}), told {now['address']}, {now['rate']}", flush=True)
        assert v["state"] == "reclaiming", v
        assert not now["address"].startswith("02:") and vlan_of(now) == 0 and now["rate"]["max_tx"] == 100, now
    wait_for(settled, 30, "it is made plain, and not quarantined")
    assert is_plain(index)


def shown(pf):
    """The name of the PF's interface, as the daemon knows it."""
    return next(p["netdev"] for p in listing("pfs") if p["address"] == pf)


def rename(pf, name):
    old = netdev(pf)
    run("ip", "link", "set", "dev", old, "down")  # else the kernel refuses
    run("ip", "link", "set", "dev", old, "name", name)


def test_interfaces_that_change_names():
    """What a VF is told goes to its function, whatever the interface is called: here two PFs change names with each other, and
    the daemon has perhaps not seen it yet."""
    rename(NET, "lab0")
    rename(OTHER, "lab1")
    wait_for(lambda: (shown(NET), shown(OTHER)) == ("lab0", "lab1"), 10, "the new names are seen")
    rename(NET, "moving")
    rename(OTHER, "lab0")
    rename(NET, "lab1")
    lease = acquire("--pool", "net,vlan=200")
    now = told(NET)[vf(lease["vfs"][0])["index"]]
    assert (now["address"], vlan_of(now)) == (lease["devices"][0]["attributes"]["mac"], 200), now
    rename(OTHER, "moving")
    rename(NET, "lab0")
    rename(OTHER, "lab1")
    release(lease)
    assert is_plain(now["vf"])
    wait_for(lambda: (shown(NET), shown(OTHER)) == ("lab0", "lab1"), 10, "the new names are seen")
    for pf in (NET, OTHER):
        wire.up(pf)


@contextlib.contextmanager
def interface_away():
    """The PF's interface is in another network namespace, as for a container; gives a look at it there."""
    name = netdev(NET)
    run("ip", "netns", "add", "away")
    run("ip", "link", "set", "dev", name, "netns", "away")
    wait_for(lambda: not shown(NET), 10, "it is seen to be gone")
    try:
        yield lambda: told(NET, "-n", "away", dev=name)
    finally:
        run("ip", "-n", "away", "link", "set", "dev", name, "netns", "1")
        run("ip", "netns", "del", "away")
        wait_for(lambda: shown(NET) == name, 10, "it is seen to be back")
        wire.up(NET)


def test_interface_in_another_namespace():
    """Nobody can be told anything then: nothing is handed out, and it says why."""
    before = told(NET)
    with interface_away() as look:
        r = acquire("--pool", "net,vlan=200", check=False)
        print(f"  status {r.returncode}: {r.stderr.strip()}", flush=True)
        assert r.returncode != 0 and "(attributes-failed)" in r.stderr, r.stderr
        assert "the PF has no network interface" in r.stderr, r.stderr
        assert look() == before and "leased" not in {v["state"] for v in listing("vfs", pf=NET)}
    wait_for(lambda: settled() and not listing("leases"), 30, "nobody has it")
    lease = acquire("--pool", "net,vlan=200")
    assert vlan_of(told(NET)[vf(lease["vfs"][0])["index"]]) == 200
    release(lease)
    assert told(NET) == before


def reset(pf):
    with open(f"{SYS}/{pf}/reset", "w", encoding="ascii") as f:
        f.write("1")


def test_reset_of_the_pf():
    """igb has no reset_prepare() and reset_done(): the card forgets all, the driver does not know until its interface goes down
    or a watchdog bites. What counts: no VF gets out of its VLAN meanwhile or afterwards."""
    with contextlib.ExitStack() as stack:
        whos = (("red", RED, "a", 100), ("red", RED, "b", 100), ("blue", BLUE, "c", 200))
        reset_under(*(stack.enter_context(contextlib.closing(Guest(*who))) for who in whos))
    wait_for(settled, 30, "all back")
    assert all(is_plain(n) for n in range(VFS)), told(NET)


def reset_under(a, b, c):
    w, every = Wire(OTHER), (a, b, c)
    for g in every:
        assert g.do("start") == g.mac
    before = told(NET)
    reset(NET)
    for g in every:
        g.do("push", frames=[wire.frame(BROADCAST, g.mac, "after reset").hex()])
    assert told(NET) == before and [v["state"] for v in listing("vfs", pf=NET)].count("leased") == 3
    run("ip", "link", "set", "dev", netdev(NET), "down")
    wire.up(NET)
    for g in every:
        g.do("push", frames=[wire.frame(BROADCAST, g.mac, "before the guest knows").hex()])
    for g in every:
        assert g.do("start") == g.mac
    a.send(b.mac, "a to b")
    c.send(a.mac, "c to a")
    c.send(BROADCAST, "c to all")
    for vlan in (100, 200):
        w.send(BROADCAST, f"end {vlan}", vlan)
    for g, vlan in ((a, 100), (b, 100), (c, 200)):
        wait_for(lambda g=g, v=vlan: (w.mac, f"end {v}") in g.heard(), 10, f"{g.name} hears the wire: {g.log}")
    wait_for(lambda: (200, c.mac, "c to all") in w.heard(), 10, "the wire hears c")
    print("\n".join(f"  {g.name}: {g.heard()}" for g in every), f"\n  wire: {w.heard()}", flush=True)
    assert {s for s, _ in a.log + b.log} <= {a.mac, b.mac, w.mac} and {s for s, _ in c.log} == {w.mac}
    assert (a.mac, "a to b") in b.log
    assert {(v, s) for v, s, _ in w.log} <= {(100, a.mac), (100, b.mac), (200, c.mac)}, w.log


def test_driver_unbound_and_bound():
    """Its VFs go and come back; what they were told went with them."""
    with open("/sys/bus/pci/drivers/igb/unbind", "w", encoding="ascii") as f:
        f.write(NET)
    wait_for(lambda: not listing("vfs", pf=NET), 20, "the VFs are gone")
    assert next(p["reason"] for p in listing("pfs") if p["address"] == NET) == "numvfs-no-driver"
    r = acquire("--pool", "net", check=False)
    assert r.returncode == 75 and "(pool-empty)" in r.stderr, r.stderr
    with open("/sys/bus/pci/drivers/igb/bind", "w", encoding="ascii") as f:
        f.write(NET)
    wait_for(settled, 60, "all VFs ready again")
    assert all(is_plain(n) for n in range(VFS)), told(NET)
    wire.up(NET)
    release(acquire("--pool", "net"))


def test_lease_that_ends_while_the_interface_is_away():
    """The MAC and the VLAN of red cannot be taken away now: so nobody gets that VF before they are."""
    lease = acquire("--pool", "net,vlan=200")
    address, index = lease["vfs"][0], vf(lease["vfs"][0])["index"]
    with interface_away() as look:
        vfctl("release", lease["id"])
        with contextlib.suppress(AssertionError):
            wait_for(settled, 5)
        bare = vfctl("acquire", "--tenant", "bare", "--vm", "y", "--user", "red", "--pool", f"net:{VFS}", "--json", check=False)
        now, state = look()[index], vf(address)
        print(f"  {address}: {state['state']} ({state['reason']}), tenant {state['tenant']}, told {now['address']}, "
              f"VLAN {vlan_of(now)}; bare: {bare.returncode} {bare.stderr.strip()}", flush=True)
        if bare.returncode == 0:
            vfctl("release", json.loads(bare.stdout)["lease"]["id"])
    assert state["state"] not in ("ready", "leased"), "its next owner has red's MAC and VLAN"
    if vf(address)["state"] == "quarantined":
        vfctl("clear", address, "--reason", "the interface is back")
    wait_for(settled, 60, "all back")
    assert is_plain(index)


if __name__ == "__main__":
    lab.main([t for n, t in list(globals().items()) if n.startswith("test_")])
