# SPDX-License-Identifier: GPL-2.0-or-later
"""The random operations. Each draws from the chances that it is given and from what the model says there is, nothing else."""

import os
import random
import time

from harness import DEADLINE, VarlinkError, wait_for
from randmodel import PASSING, Broken, must
from randrun import FAULTS, Run, readable, spawn


class Operations(Run):
    def operation(self, n):
        c = random.Random(f"{self.seed}/{n}")
        [name] = c.choices(list(self.shape.weights), list(self.shape.weights.values()))
        self.last = name
        getattr(self, name)(c)
        self.rest()
        if n % self.shape.every == self.shape.every - 1:
            self.check(full=n % (10 * self.shape.every) == 10 * self.shape.every - 1)

    def living(self):
        return sorted((x for x in self.model.leases.values() if x.begun and not x.ending), key=lambda x: x.order)

    # leases

    def acquire(self, c):
        r = self.request(c)
        r.keep = c.random() < 0.04
        process = spawn() if c.random() < 0.08 else None
        owner = {"pid": process.pid, "hand_off": "node"} if process else \
            {"lifetime": "kept", "hand_off": "fd" if c.random() < 0.15 else "node"}
        reply = self.ask(r, "Acquire", keep=r.keep, **owner)
        if reply:
            self.take_events()
            self.given(r, reply, self.host.admin_link, process)
        elif process:
            process.kill()
            process.wait()

    def end(self, lease, cause):
        lease.cause = cause
        for fd in self.fds.pop(lease.id, ()):
            os.close(fd)

    def release(self, c):
        if living := self.living():
            lease = c.choice(living)
            self.end(lease, "release")
            self.host.call("Release", lease=lease.id)

    def die(self, c):
        """The owner of a lease is killed."""
        if owned := [x for x in self.living() if x.process]:
            lease = c.choice(owned)
            lease.cause = "die"
            lease.process.kill()
            self.until(lambda: lease.ending, "the end of a lease whose owner was killed")

    def hold(self, c):
        """A lease ends, and its owner keeps its descriptors."""
        if holders := [x for x in self.living() if self.fds.get(x.id)]:
            lease = c.choice(holders)
            lease.cause = "hold"
            self.held |= set(lease.vfs)
            self.host.call("Release", lease=lease.id)

    def let_go(self, c):
        for lease in [x for x in self.model.leases.values() if x.cause == "hold"]:
            self.held -= set(lease.vfs)
            self.end(lease, "hold")
            return

    def reserve(self, c):
        r = self.request(c)
        if r.key in self.model.promises:
            try:
                self.host.call("Reserve", **r.parameters())
            except VarlinkError as e:
                must(e.reason in ("reservation-exists", "no-such-tenant"), "a second promise:", r, e)
                return
            raise Broken(f"a second promise: {r}")
        reply = self.ask(r, "Reserve")
        if reply:
            promise = self.model.promise(reply["reservation"], r)
            promise.apart = self.model.is_apart(r)
            self.model.check_quota(r.tenant, None, {p for p, *_ in r.wants})
            self.model.check_rates(promise.vfs, None)

    def unreserve(self, c):
        if self.model.promises:
            key = c.choice(sorted(self.model.promises))
            self.host.call("Unreserve", tenant=key[0], vm=key[1])
            self.model.drop_promise(key)

    def burst(self, c):
        """Requests side by side, whose order nobody knows."""
        flying = self.send_burst(c)
        for link, r, lease in flying:
            try:
                reply = link.reply()
            except VarlinkError as e:
                must(r and (e.reason in PASSING or e.reason == self.model.answer(r)[0] or self.model.faults), "refused:", r, e)
            else:
                if r:
                    self.take_events()
                    self.given(r, reply, link)
            link.close()

    def send_burst(self, c):
        flying, living = [], self.living()
        for _ in range(c.randint(2, 6)):
            link = self.host.connect()
            if living and c.random() < 0.4:
                lease = living.pop(c.randrange(len(living)))
                self.end(lease, "release")
                link.send("Release", {"lease": lease.id})
                flying.append((link, None, lease))
            else:
                r = self.request(c)
                link.send("Acquire", {**r.parameters(), "lifetime": "kept", "hand_off": "node"})
                flying.append((link, r, None))
        return flying

    # the line

    def wait(self, c):
        if len(self.model.line) >= 5:
            return
        m, r, link = self.model, self.request(c), self.host.connect()
        reason, behind, exact, armed = m.answer(r)[0], m.must_stand_behind(r), self.is_exact(), m.faults
        never = m.answer(r, ever=True)[0]
        link.call("org.varlink.service.GetInfo")  # it is accepted: from now on calls are read in their order
        link.send("Acquire", {**r.parameters(), "lifetime": "kept", "hand_off": "node", "wait": 3600})
        may_wait = behind is not False or reason in PASSING
        if not readable(link, 0 if may_wait else 10):
            self.drain()
            self.drain()
        if not readable(link) and m.busy - self.held - self.hanging:
            self.until(lambda: readable(link) or not m.busy - self.held - self.hanging, "an answer")
            self.drain()
        if not readable(link):
            must(may_wait and not never or not exact, "waits, and cannot:", reason, never, r)
            m.line.append(r)
            self.waiters.append(link)
            return
        try:
            reply = link.reply()
        except VarlinkError as e:
            if may_wait and never:
                must(e.reason in (never, reason), "refused for another reason than", never, r, e)
            else:
                self.refused(r, e, reason, behind, exact, armed)
                must(not exact or e.reason not in PASSING, "refused, and might have waited:", r, e)
            link.close()
            return
        must(not reason and not behind or not exact, "given, although refused for", reason, r)
        self.drain()
        self.given(r, reply, link)

    def give_up(self, c):
        if self.waiters:
            link = c.choice(self.waiters)
            self.leave_line(link)
            link.close()

    # PFs and VFs

    def drain_pf(self, c):
        plugged = [a for a in self.pfs if a not in self.model.unplugged]
        drained = [a for a in plugged if a in self.model.drained]
        if drained and c.random() < 0.7:
            self.host.call("Undrain", address=c.choice(drained))
        elif plugged:
            self.host.call("Drain", address=c.choice(plugged))

    def quarantine(self, c):
        idle = c.random() < 0.7
        vfs = sorted(a for a, v in self.model.vfs.items() if v.state == ("ready" if idle else "leased") and a not in self.model.condemned)
        if vfs:
            address = c.choice(vfs)
            self.model.condemned.add(address)
            self.host.call("Quarantine", address=address, reason="by chance")

    def clear(self, c):
        vfs = sorted(a for a in self.model.condemned if a in self.model.vfs and a not in self.hanging)
        if vfs:
            address = c.choice(vfs)
            self.model.condemned.discard(address)
            self.host.call("Clear", address=address, reason="by chance")

    def unplug(self, c):
        pfs = [a for a in self.pfs if a not in self.model.unplugged and not any(self.model.pf_of[v] == a for v in self.hanging)]
        if pfs and len(self.model.unplugged) < 2:
            pf = c.choice(pfs)
            self.model.unplugged.add(pf)
            for ident in self.model.holders(pf):
                lease = self.model.leases[ident]
                lease.cause = lease.cause or "unplugged"
            self.held -= set(self.pfs[pf].vfs)
            self.pending.pop(pf, None)
            self.host.tree.remove(pf)
            self.host.call("Rescan")
            self.until(lambda: not self.model.of_pf(pf), "the end of an unplugged PF")
            for lease in self.model.leases.values():
                if lease.cause == "unplugged" and not lease.ending:
                    lease.cause = ""

    def plug(self, c):
        if self.model.unplugged:
            pf = c.choice(sorted(self.model.unplugged))
            self.host.tree.add(self.pfs[pf])
            self.model.unplugged.discard(pf)
            self.host.call("Rescan")
            self.wait_for_count(pf)

    def wait_for_count(self, pf):
        count = self.policies.wanted(pf, self.shape.vfs)
        self.until(lambda: len(self.model.of_pf(pf)) == count, f"{count} VFs of {pf}")

    # policy and plan

    def reload(self, c):
        self.model.next_policy = self.policies.changed(c)
        self.host.write_policy(self.policies.now)
        self.pending = {pf: n for pf, n in self.pending.items() if n == self.policies.wanted(pf, self.shape.vfs)}
        self.host.call("Reload")
        self.rest()
        self.check(full=False, judged=True)

    def plan(self, c):
        """Only what destroys something is left to be done, of those PFs that have another number of VFs."""
        steps = self.host.call("Plan")["steps"]
        m, stuck = self.model, {self.model.pf_of[a] for a in self.hanging}
        wrong = {pf for pf in self.pfs if pf not in m.unplugged and len(m.of_pf(pf)) != self.policies.wanted(pf, self.shape.vfs)}
        steps = [s for s in steps if s["address"] not in stuck]
        must({s["address"] for s in steps} == wrong - stuck, "plans", steps, "and not", wrong)
        for s in steps:
            holders = m.holders(s["address"])
            promised = any(m.pf_of[a] == s["address"] and m.is_open(a) for a in m.promised)
            must(s["destructive"], "not done by itself:", s)
            must(s["blocked"] == bool(holders) or promised and s["to"] < s["from"], "blocked or not:", s, holders)
            hit = {h.rsplit("(", 1)[1].rstrip(")") for h in s["hits"]}
            must(hit - {"reserved"} == holders, "hits others than", holders, s)
        return steps

    def apply(self, c):
        destructive, later = c.random() < 0.7, c.random() < 0.5
        link = self.host.connect()
        for reply in link.call_more("Apply", destructive=destructive, later=later):
            step = reply["step"]
            if step and reply["outcome"] == "pending":
                self.pending[step["address"]] = step["to"]
            elif step and step["destructive"] and reply["outcome"] == "done":
                must(not self.model.holders(step["address"]), "was done to a PF with leases:", step)
        link.close()
        if destructive and not later:
            self.pending = {}
        self.rest()
        for s in self.plan(c):
            must(s["blocked"] or not destructive, "is planned after it was applied:", s)

    # what goes wrong

    def fault(self, c):
        self.model.faults = True
        self.host.faults(f"{c.choice(FAULTS)} count=1 after={c.randint(0, 5)}")

    def hang(self, c):
        """A worker hangs in a reset."""
        living = [x for x in self.living() if not self.model.condemned & set(x.vfs)]
        if self.hanging or not living:
            return
        lease = c.choice(living)
        self.model.faults = True
        self.host.faults("op=scrub hang=1 count=1")
        before = len(self.host.faults_hit())
        vfs = set(lease.vfs)
        self.end(lease, "release")
        self.host.call("Release", lease=lease.id)
        wait_for(lambda: len(self.host.faults_hit()) > before, what="the hang")
        self.hanging = {self.host.faults_hit()[-1][1]}
        must(self.hanging <= vfs, "another VF hangs:", self.hanging, vfs)
        if c.random() < 0.4:
            [address] = self.hanging
            self.until(lambda: self.model.vfs[address].state == "stuck", "the daemon's patience with a worker that hangs")

    def unhang(self, c=None):
        if self.hanging:
            self.host.unhang()
            self.until(lambda: not self.model.busy & self.hanging, "the end of a hang")
            self.hanging = set()
            os.unlink(self.host.tree.path("sim/unhang"))

    def restart(self, c):
        self.go_down(c, self.host.daemon.stop, [])

    def crash(self, c):
        flying = self.send_burst(c) if c.random() < 0.7 else []
        time.sleep(c.choice((0, 0.003, 0.03)))  # before, among, or after the requests
        self.go_down(c, self.host.daemon.kill9, flying)

    def go_down(self, c, how, flying):
        """The daemon ends, and some of those that own leases meanwhile; what was promised or given is still so."""
        m = self.model
        m.flying = [r for _, r, _ in flying if r]
        how()
        self.closed()
        for link in (*(x for x, *_ in flying), *self.waiters):
            link.close()
        self.waiters, m.line = [], []
        self.host.admin_link = None
        for lease in self.living():
            if lease.process and c.random() < 0.3:
                lease.cause = "die"
                lease.process.kill()
                lease.process.wait()
        if self.hanging:
            self.hanging = set()
            self.host.unhang()
        self.host.daemon.start(wait=False)
        self.host.daemon.wait_ready(4 * DEADLINE)
        self.resync()
        if os.path.exists(self.host.tree.path("sim/unhang")):
            os.unlink(self.host.tree.path("sim/unhang"))

