# SPDX-License-Identifier: GPL-2.0-or-later
"""Random operations on a simulated host, each judged by the model of randmodel.py.

Operation n of a seed draws all its chances from Random("seed/n"), so that others can be left out of a history without
changing it: so a failing one is cut down.
"""

import os
import random
import select
import subprocess
import time

from harness import DEADLINE, Host, VarlinkError, wait_for
from randmodel import FAULTY, PASSING, Model, Request, must
from randpolicy import Policies
from varlink import Closed

FAULTS = ("op=scrub error=EIO", "op=fence error=EIO", "op=grant error=EIO", "op=attributes error=EIO", "op=attributes value=2 error=EIO",
          "op=scrub exit=before", "op=grant exit=after", "op=evidence short=1", "op=revoke exit=before", "op=open error=EIO")


def readable(link, seconds=0):
    if b"\0" in link.buffer:
        return True
    poll = select.poll()  # select() takes no descriptors above 1023
    poll.register(link.sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Run:
    def __init__(self, shape, seed):
        self.shape, self.seed = shape, seed
        self.policies = Policies(shape, random.Random(f"{seed}/policy"))
        self.pfs = {a: shape.pf(a) for a in shape.pfs()}
        self.model = Model({a: pf.vfs for a, pf in self.pfs.items()}, shape.link)
        self.waiters = []  # a connection for each request in model.line
        self.fds = {}  # lease -> descriptors of its owner
        self.held = set()  # VFs whose owner does not close them
        self.hanging = set()  # VFs that a worker hangs on
        self.pending = {}  # PF -> VFs that it gets when its last lease ends
        self.host = Host(list(self.pfs.values()), self.policies.now,
                         ("--worker-timeout", str(shape.timeout), "--log-level", "info"))
        self.model.enter_policy(self.policies.now)

    def start(self):
        self.host.daemon.start(wait=False)
        self.host.daemon.wait_ready(4 * DEADLINE)
        self.resync()

    def close(self):
        for lease in self.model.leases.values():
            if lease.process:
                lease.process.kill()
                lease.process.wait()
        for fds in self.fds.values():
            for fd in fds:
                os.close(fd)
        self.host.close()

    # what the daemon tells

    def take_events(self):
        n = 0
        while readable(self.monitor):
            self.model.on_event(self.monitor.receive()["parameters"]["event"])
            n += 1
        for a in self.model.gone:  # with a VF goes what its owner left in it
            if os.path.exists(path := self.host.tree.path("sim/vf", a)):
                os.unlink(path)
        self.model.gone.clear()
        return n > 0

    def drain(self):
        """All events until now, but for those that leave right after the answer. True if there were any."""
        self.host.call("org.varlink.service.GetInfo")
        return self.take_events()

    def until(self, condition, what):
        """Takes events until a condition holds."""
        def holds():
            self.drain()
            return condition()
        wait_for(holds, what=what)

    def moving(self):
        """What is to come to rest by itself."""
        m = self.model
        resized = {pf for pf, n in self.pending.items() if not m.holders(pf) and len(m.of_pf(pf)) != n}
        return (m.busy - self.held - self.hanging) | resized

    def rest(self):
        """Waits until nothing is under way, and looks at what that has changed."""
        end, quiet = time.monotonic() + 2 * DEADLINE, 0
        while quiet < 2:
            if self.moving():
                must(time.monotonic() < end, "not at rest:", *((a, self.model.vfs.get(a)) for a in self.moving()))
                readable(self.monitor, 0.05)
                self.take_events()
                quiet = 0
            else:
                quiet = 0 if self.drain() else quiet + 1
        m = self.model
        self.pending = {pf: n for pf, n in self.pending.items() if len(m.of_pf(pf)) != n}
        for a in m.readied:
            must(a not in m.vfs or m.vfs[a].state != "ready" or self.host.fenced(a), "ready and not fenced:", a)
        m.readied.clear()
        self.look_at_line()
        m.faults = m.faults and (self.is_armed() or bool(self.hanging))

    def is_armed(self):
        return os.path.exists(self.host.tree.path("sim/faults"))

    def is_exact(self):
        """Nothing is going to change by itself."""
        return all(a not in self.model.vfs or self.model.vfs[a].state == "stuck" for a in self.hanging)

    def resync(self):
        """After a start: from what is there."""
        m, excused = self.model, self.held | self.hanging
        self.monitor = self.host.connect()
        self.monitor.send("Monitor", {}, more=True)
        resting = {"ready", "leased", "quarantined"}
        wanted = sum(self.policies.wanted(pf, self.shape.vfs) for pf in self.pfs if pf not in m.unplugged) if not m.vfs else 0

        def at_rest():
            while readable(self.monitor):  # or it is too much to be kept for us
                self.monitor.receive()
            vfs = {v["address"]: v for v in self.host.call("ListVFs")["vfs"]}
            return len(vfs) >= wanted and all(v["state"] in resting or a in excused for a, v in vfs.items()) and [vfs]
        [vfs] = wait_for(at_rest, 4 * DEADLINE, "rest after a start")
        behind = True  # what did not fit into the socket comes only when there is room
        while behind:
            for _ in range(2):
                self.host.call("org.varlink.service.GetInfo")
            behind = readable(self.monitor)
            while readable(self.monitor):
                self.monitor.receive()
        drained = {pf["address"] for pf in self.host.call("ListPFs")["pfs"] if pf["drained"]}
        m.adopt(vfs, self.host.call("ListLeases")["leases"], self.host.call("ListReservations")["reservations"], drained)
        m.flying.clear()
        self.check()

    # requests

    def ask(self, r, method, **more):
        """A request whose answer the model knows. Returns the reply, or None if it was refused."""
        m = self.model
        reason, vfs = m.answer(r)
        apart = m.is_apart(r)
        behind, exact, armed = m.must_stand_behind(r), self.is_exact(), m.faults
        try:
            reply = self.host.call(method, **r.parameters(), **more)
        except VarlinkError as e:
            self.rest()
            self.refused(r, e, reason, behind if method == "Acquire" or not reason else None, exact, armed)
            return None
        must(not exact or not reason and not behind, "given, although refused for", reason or "in-line", r, reply)
        told = reply.get("lease") or reply["reservation"]
        must(not exact or [d["address"] for d in told["devices"]] == vfs, "other VFs than expected:", vfs, r, reply)
        must(not exact or told.get("anti_affinity", apart) == apart, "anti-affinity of the group was forgotten, or made up:", r, reply)
        return reply

    def refused(self, r, e, reason, behind, exact, armed):
        got = e.reason
        what = ("refused for", got, "and not", reason or "at all", r, e)
        if got == "in-line":
            must(behind is not False and (not reason or reason in PASSING), *what)
        elif armed and got in FAULTY:
            must(not reason or not exact, *what)
        elif exact:
            must(got == reason and (not behind or got not in PASSING), *what)
        else:
            must(got == reason or got in PASSING, *what)

    def given(self, r, reply, link, process=None):
        """A lease that began: its owner uses it."""
        lease = self.model.granted(r, reply)
        lease.process = process
        self.fds[lease.id] = link.take_fds()
        for a in lease.vfs:
            path = self.host.tree.path("sim/vf", a)
            if os.path.exists(path):
                with open(path) as f:
                    must(not f.read(), "what the last owner left is there:", a, lease)
            with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o666)) as f:
                f.write(lease.id)
        if r.keep:
            self.kept(lease)
        return lease

    def kept(self, lease):
        """The promise that a lease was joined to: all it has, nothing new beside, and no fewer VFs of any pool than before."""
        old = self.model.promises.get((lease.tenant, lease.vm))
        [told] = [x for x in self.host.call("ListReservations")["reservations"] if (x["tenant"], x["vm"]) == (lease.tenant, lease.vm)]
        new = self.model.promise(told)
        new.group, new.apart = lease.group, new.apart or lease.apart
        before = old.vfs if old else {}
        must(set(lease.vfs) <= set(new.vfs) <= set(lease.vfs) | set(before), "a promise of other VFs than kept:", new, lease, old)
        for pool in self.shape.pools:
            count = [sum(s.pool == pool for s in vfs.values()) for vfs in (new.vfs, before, lease.vfs)]
            must(count[0] >= max(count[1:]), "fewer VFs are promised than before:", new, lease, old)

    def look_at_line(self):
        """Who waits must have a reason to; who does not any more was served or told why."""
        m = self.model
        for link, r in list(zip(self.waiters, m.line)):
            if readable(link):
                self.leave_line(link)
                try:
                    reply = link.reply()
                except VarlinkError as e:
                    must(e.reason not in PASSING or e.reason == "limit", "in line, and refused:", r, e)
                    must(e.reason == m.answer(r)[0] or m.faults and e.reason in FAULTY, "refused for another reason:", r, e)
                    link.close()
                else:
                    self.given(r, reply, link)
        for n, r in enumerate(m.line):
            if self.is_exact() and m.must_stand_behind(r, m.line[:n]) is False:
                must(m.answer(r)[0], "waits in line for nothing:", r)

    def leave_line(self, link):
        n = self.waiters.index(link)
        del self.waiters[n], self.model.line[n]

    # complete checks

    def check(self, full=True, judged=False):
        """Everything that the daemon says against the model. judged: the policy has just been read."""
        m = self.model
        over = m.over()
        told = {x["id"]: x for x in self.host.call("ListLeases")["leases"]}
        must(set(told) == set(m.leases), "other leases:", set(told) ^ set(m.leases))
        macs = set()
        for ident, x in told.items():
            lease = m.leases[ident]
            must((x["tenant"], x["vm"], x["group"], x["anti_affinity"], x["ending"], x["vfs"]) ==
                 (lease.tenant, lease.vm, lease.group, lease.apart, lease.ending, list(lease.vfs)), "another lease:", x, lease)
            must(lease.ending or x["over_policy"] == over[ident], "over policy for another reason than", over.get(ident), x)
            mine = {d["attributes"]["mac"] for d in x["devices"]}
            must(not mine & macs and len(mine) == len(x["vfs"]), "a MAC is there twice:", x)
            macs |= mine
        self.check_promises(over if judged else None)
        self.check_states(full)
        for pf in self.pfs:
            rates = sum(s.rate for x in m.leases.values() for s in x.vfs.values() if s.pf == pf)
            must(rates <= m.link, "more is guaranteed than the link of", pf, "has:", rates)

    def check_promises(self, over):
        m = self.model
        told = {(x["tenant"], x["vm"]): x for x in self.host.call("ListReservations")["reservations"]}
        must(set(told) == set(m.promises), "other promises:", set(told) ^ set(m.promises))
        for key, x in told.items():
            must({d["address"] for d in x["devices"]} == set(m.promises[key].vfs), "another promise:", x, m.promises[key])
            must(not over or x["over_policy"] == over[key], "over policy for another reason than", over and over[key], x)

    def check_states(self, full):
        m = self.model
        for state in (None,) if full else ("leased", "quarantined", "reclaiming", "stuck"):
            told = {v["address"]: v for v in self.host.call("ListVFs", **({"state": state} if state else {}))["vfs"]}
            must(set(told) == {a for a, v in m.vfs.items() if state in (None, v.state)} or not self.is_exact(), "other VFs", state)
            for a, v in told.items():
                vf = m.vfs[a]
                must(v["state"] == vf.state or not self.is_exact(), "another state:", v, vf)
                must((v["lease"] or "") == vf.lease, "another lease:", v, vf)
                must(v["reserved"] == ("/".join(m.promised[a]) if a in m.promised else None), "another promise:", v)
                must((v["condemned"] or v["state"] == "quarantined") == (a in m.condemned) or m.faults, "out of use or not:", v)
        if not full and self.is_exact():
            states = {}
            for vf in m.vfs.values():
                states[vf.state] = states.get(vf.state, 0) + 1
            told = {state: n for state, n in self.host.call("GetStatus")["status"]["vf_states"].items() if n}
            must(told == states, "other counts of states:", told, states)

    def finish(self):
        """Lets go of everything, and all is as it was in the beginning, or quarantined."""
        for lease in self.model.leases.values():
            lease.cause = "the end"
        self.host.faults()
        self.host.unhang()
        for fds in self.fds.values():
            for fd in fds:
                os.close(fd)
        self.fds, self.held, self.hanging = {}, set(), set()
        for link in self.waiters:
            link.close()
        self.waiters, self.model.line = [], []
        for ident in [x.id for x in self.model.leases.values() if not x.ending]:
            self.host.call("Release", lease=ident)
        self.rest()
        self.check()
        must(not self.model.leases, "leases do not end:", self.model.leases)
        must("not allowed" not in self.host.daemon.log(), "an event that its state does not allow")

    def closed(self):
        """Everything that came before the daemon ended."""
        try:
            while readable(self.monitor, 0.2):
                self.model.on_event(self.monitor.receive()["parameters"]["event"])
        except (Closed, OSError):
            pass
        self.monitor.close()

    def request(self, c):
        """What somebody may ask for."""
        tenant = f"t{c.randrange(min(40, self.shape.tenants) if c.random() < 0.6 else self.shape.tenants)}"
        if self.model.promises and c.random() < 0.1:
            tenant, vm = c.choice(sorted(self.model.promises))
        else:
            vm = f"vm{c.randint(1, 3)}"
        pools = c.sample(list(self.shape.pools), c.choice((1, 1, 1, 2)))
        kind = c.random()
        return Request(tenant, vm, [(p, c.choice((1, 1, 1, 2, 3)), c.choice((0, 50, 500, 3000)) if c.random() < 0.15 else None)
                                    for p in pools],
                       group=c.choice(("", "", "g1")), apart=kind < 0.15, together=kind > 0.9)


def spawn():
    """A process that may own a lease."""
    return subprocess.Popen(["sleep", "100000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
