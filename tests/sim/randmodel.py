# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon may do and must answer: a model for test_random.py, written from vfctl-policy(5) and nothing of the daemon.

It follows the daemon's events, which tell in which order things happened, and checks each against what must always hold.
While nothing is under way it says exactly what is answered to a request: these VFs, or this reason. What it only bounds:
 - while VFs are on their way, or a fault is about to hit, an answer may be any that keeps the rules;
 - who stands in line for what nobody of another tenant can give back may be overtaken or not;
 - which MACs of its range a tenant gets, and which of the promises that were kept before are given up for those kept now;
 - whether a promise is over policy, but right after a new policy was read.
"""

from dataclasses import dataclass, field

RESTING = {"ready", "leased", "quarantined"}
IN_USE = {"leasing", "leased", "reclaiming"}
PASSING = {"quota", "total-quota", "pool-empty", "pf-share", "anti-affinity", "affinity", "rate-sum", "in-line", "macs-used-up"}
# what the machine may have said if a fault was about to hit
FAULTY = {"handoff-failed", "attributes-failed", "no-worker", "gone", "fence-failed", "not-isolated", "stuck"}


class Broken(AssertionError):
    """The daemon did what it must never do, or answered what it must not."""


def must(holds, *what):
    if not holds:
        raise Broken(" ".join(map(str, what)))


@dataclass
class Request:
    tenant: str
    vm: str
    wants: list  # (pool, count, minimum rate or None), each pool once
    group: str = ""
    apart: bool = False
    together: bool = False
    keep: bool = False

    def __post_init__(self):
        self.group = self.group or self.vm

    @property
    def key(self):
        return self.tenant, self.vm

    def parameters(self):
        wants = [{"pool": p, "count": n, **({} if m is None else {"min_tx_mbps": m})} for p, n, m in self.wants]
        more = {name: True for name, on in (("anti_affinity", self.apart), ("affinity", self.together)) if on}
        return {"tenant": self.tenant, "vm": self.vm, "group": self.group, "wants": wants, **more}


@dataclass
class VF:
    address: str
    pf: str
    state: str
    lease: str = ""


@dataclass(eq=False)
class Lease:
    id: str
    tenant: str
    vm: str
    order: int
    group: str = ""
    apart: bool = False
    vfs: dict = field(default_factory=dict)  # address -> Share
    ending: bool = False
    begun: bool = False
    known: bool = False  # all of it, from an answer; events tell neither group nor rates
    cause: str = ""  # why it may end
    process: object = None


@dataclass
class Share:
    """One VF of a lease or a promise."""
    pf: str
    pool: str
    rate: int = 0
    mac: str = ""


@dataclass
class Site:
    """A PF as a request sees it."""
    pf: str
    free: list
    own: int
    load: int
    size: int
    link: int
    mine: int
    rate: int
    here: bool

    def part(self):
        return max(self.load * 65536 // self.size if self.size else 0, self.rate * 65536 // self.link)


class Model:
    def __init__(self, places, link):
        self.places = places  # PF -> addresses of all the VFs that it can have
        self.pf_of = {a: pf for pf, vfs in places.items() for a in vfs}
        self.link = link  # Mbit/s of each PF
        self.policy = self.next_policy = None
        self.pool_of = {}
        self.vfs = {}
        self.leases, self.of_tenant = {}, {}
        self.promises = {}  # (tenant, vm) -> promise, in the order they were made
        self.promised = {}  # address -> (tenant, vm)
        self.drained, self.unplugged = set(), set()  # PFs
        self.condemned = set()  # VFs that are out of use, or will be when their owner has given them back
        self.busy = set()  # VFs that are on their way to somewhere
        self.readied = set()  # VFs that came to be ready lately
        self.gone = set()  # VFs that ceased to be lately
        self.line = []  # waiting requests, in order
        self.faults = False  # one was about to hit, lately
        self.flying = []  # requests that were not answered when the daemon was killed
        self.order = 0

    # what the policy says

    def grant(self, tenant, pool):
        return self.policy["tenants"].get(tenant, {}).get("pools", {}).get(pool)

    def enter_policy(self, policy):
        self.policy = policy
        self.pool_of = {f["address"]: name for name, pool in policy["pools"].items() for f in pool["functions"]}

    @staticmethod
    def share_of(grant, size):
        return max(size * int(grant["pf_share"].rstrip("%")) // 100, 1) if "pf_share" in grant else size + 1

    # who has what

    def of_pf(self, pf):
        return [v for a in self.places[pf] if (v := self.vfs.get(a))]

    def is_open(self, address):
        """Of a promised VF: nobody has it now."""
        vf = self.vfs.get(address)
        return not vf or not vf.lease

    def holdings(self, tenant, but=None, pools=None):
        """(group, share) of all VFs that a tenant has or is promised, without what is promised to one VM, of these pools."""
        for lease in self.of_tenant.get(tenant, {}).values():
            yield from ((lease.group, s) for s in lease.vfs.values())
        for key, promise in self.promises.items():
            if key[0] == tenant:
                yield from ((promise.group, s) for a, s in promise.vfs.items()
                            if self.is_open(a) and (key[1] != but or pools and s.pool not in pools))

    def check_quota(self, tenant, vm, what):
        used = {}
        for _, share in self.holdings(tenant, but=vm):
            used[share.pool] = used.get(share.pool, 0) + 1
        for pool, n in used.items():
            grant = self.grant(tenant, pool)
            must(grant and n <= grant["quota"] or pool not in what, "more than the quota of", pool, ":", tenant, n, grant)
        total = self.policy["tenants"].get(tenant, {}).get("quota")
        must(total is None or sum(used.values()) <= total, "more than the quota of all pools:", tenant, used, total)

    def rate_of(self, pf, but=None):
        """Mbit/s that are guaranteed to anybody, without what is promised to one VM."""
        return sum(s.rate for x in self.leases.values() for s in x.vfs.values() if s.pf == pf) + \
            sum(s.rate for key, p in self.promises.items() if key != but for a, s in p.vfs.items() if s.pf == pf and self.is_open(a))

    def check_rates(self, vfs, but):
        """After these were given to a VM. What it was promised may go beyond that, if it was given others instead."""
        for pf in {s.pf for s in vfs.values() if s.rate}:
            have = self.rate_of(pf, but)
            must(have <= self.link, "more is guaranteed than the link of", pf, "has:", have)

    # what happens

    def on_event(self, e):
        if e["kind"] == "vf":
            self.on_vf(e)
        elif e["kind"] == "lease":
            self.on_lease(e)
        elif e["kind"] == "policy":
            must(e["new"] == "loaded", "the policy was refused:", e)
            self.enter_policy(self.next_policy)
        elif e["kind"] == "pf" and e["new"] in ("drained", "undrained"):
            (self.drained.add if e["new"] == "drained" else self.drained.discard)(e["address"])

    def on_vf(self, e):
        address, old, new = e["address"], e["old"], e["new"]
        vf = self.vfs.get(address) or VF(address, self.pf_of[address], "absent")
        must(vf.state == old, "a change of state was not told:", e, "after", vf)
        self.vfs[address] = vf
        vf.state = new
        (self.busy.discard if new in RESTING else self.busy.add)(address)
        if new == old and new != "absent":
            return
        if new == "leasing":
            self.takes(vf, old, e)
        elif new == "leased":
            must(old == "leasing" and vf.lease == e["lease"], "leased to whom it was not chosen for:", e, vf)
        elif new in ("ready", "bound", "quarantined", "absent") and vf.lease:
            lease = self.leases[vf.lease]
            gone = new == "absent" and vf.pf in self.unplugged
            must(lease.ending or gone, "taken from a lease that has not ended:", e, lease)
            del lease.vfs[address]
            vf.lease = ""
        if new == "quarantined":
            must(address in self.condemned or self.faults, "quarantined for nothing:", e)
            self.condemned.add(address)
        if new == "ready":
            must(address not in self.condemned, "ready, although it is taken out of use:", e)
            self.readied.add(address)
        if new == "absent":
            must(vf.pf in self.unplugged or not self.holders(vf.pf), "the VFs of a PF with leases are destroyed:", e)
            self.busy.discard(address)
            self.gone.add(address)
            del self.vfs[address]

    def takes(self, vf, old, e):
        """A VF goes to a lease, with which it begins."""
        must(old == "ready" and not vf.lease and vf.address not in self.condemned, "given although it is not free:", e, vf)
        must(vf.pf not in self.drained, "given from a PF that is drained:", e)
        promise = self.promised.get(vf.address)
        must(promise in (None, (e["tenant"], e["vm"])), "given although it is promised to", promise, e)
        must(self.grant(e["tenant"], self.pool_of.get(vf.pf)), "given to a tenant without a grant for its pool:", e)
        vf.lease = e["lease"]
        lease = self.leases.get(vf.lease) or self.add_lease(vf.lease, e["tenant"], e["vm"])
        pool = self.pool_of[vf.pf]
        lease.vfs[vf.address] = Share(vf.pf, pool)
        self.check_quota(lease.tenant, lease.vm, {pool})

    def add_lease(self, ident, tenant, vm):
        self.order += 1
        lease = self.leases[ident] = Lease(ident, tenant, vm, self.order, group=vm)
        self.of_tenant.setdefault(tenant, {})[ident] = lease
        return lease

    def holders(self, pf):
        return {v.lease for v in self.of_pf(pf) if v.lease}

    def on_lease(self, e):
        lease = self.leases.get(e["lease"])
        must(lease, "an event of a lease that nobody has:", e)
        if e["new"] == "begun":
            lease.begun = True
        elif e["new"] == "ending":
            must(lease.cause or not lease.begun, "a lease ends for nothing:", e, lease)
            lease.ending = True
        elif e["new"] == "ended":
            must(not lease.vfs, "a lease is over that has VFs:", e, lease)
            self.forget(lease)

    def forget(self, lease):
        del self.leases[lease.id], self.of_tenant[lease.tenant][lease.id]
        if lease.process:
            lease.process.kill()
            lease.process.wait()

    def granted(self, request, reply):
        """The answer to a request that was granted."""
        told = reply["lease"]
        lease = self.leases.get(told["id"])
        must(lease, "an answer of a lease without events:", told)
        must((lease.tenant, lease.vm, told["group"]) == (*request.key, request.group), "somebody else's lease:", told)
        lease.group, lease.apart, lease.known = told["group"], told["anti_affinity"], True
        must(lease.apart or not request.apart, "anti-affinity was forgotten:", told)
        must([d["address"] for d in told["devices"]] == told["vfs"], "two lists differ:", told)
        counts = {}
        for d in told["devices"]:
            counts[d["pool"]] = counts.get(d["pool"], 0) + 1
            share = lease.vfs.get(d["address"])
            if share:
                share.rate, share.mac = d["attributes"]["min_tx_mbps"] or 0, d["attributes"]["mac"]
        must(counts == {p: n for p, n, _ in request.wants}, "not what was asked for:", request, told)
        for p, _, rate in request.wants:
            least = rate if rate is not None else (self.grant(request.tenant, p) or {}).get("min_tx_mbps", 0)
            must(all(s.rate == least for s in lease.vfs.values() if s.pool == p), "another rate than asked for:", request, told)
        self.check_places(request, lease)
        self.check_rates(lease.vfs, request.key)
        self.check_macs(lease)
        return lease

    def check_places(self, request, lease):
        pfs = [s.pf for s in lease.vfs.values()]
        if lease.apart:
            group = [s.pf for g, s in self.holdings(request.tenant, but=request.vm) if g == request.group]
            must(all(group.count(pf) == 1 for pf in pfs), "anti-affinity is broken:", request, lease)
        if request.together:
            for pool, *_ in request.wants:
                must(len({s.pf for s in lease.vfs.values() if s.pool == pool}) <= 1, "affinity is broken:", request, lease)

    def check_macs(self, lease):
        macs = {}
        own = self.promises.get((lease.tenant, lease.vm))
        for x in (*self.leases.values(), *self.promises.values()):
            if x not in (lease, own):
                macs.update((s.mac, x) for s in x.vfs.values() if s.mac)
        for s in lease.vfs.values():
            must(s.mac not in macs, "a MAC is given twice:", s, lease, macs.get(s.mac))
            grant = self.grant(lease.tenant, s.pool)
            must(not grant or not s.mac or s.mac.startswith(grant["macs"][:11]), "a MAC outside of the tenant's range:", s, lease)

    def promise(self, told, request=None):
        """What is promised to a VM now."""
        key = told["tenant"], told["vm"]
        old = self.promises.get(key)
        self.order += 1
        new = Lease("", *key, old.order if old else self.order)
        new.group = request.group if request else old.group if old else key[1]
        new.apart = bool(old and old.apart)
        for d in told["devices"]:
            must(self.promised.get(d["address"]) in (None, key), "promised twice:", d, key)
            vf = self.vfs.get(d["address"])
            holder = self.leases[vf.lease] if vf and vf.lease else None
            must(not holder or (holder.tenant, holder.vm) == key or d["address"] in (old.vfs if old else ()),
                 "promised although somebody has it:", d, holder)
            a = d["attributes"]
            new.vfs[d["address"]] = Share(d["pf"], d["pool"], a["min_tx_mbps"] or 0, a["mac"])
        self.drop_promise(key)
        self.promises[key] = new
        self.promises = dict(sorted(self.promises.items(), key=lambda item: item[1].order))
        self.promised.update((a, key) for a in new.vfs)
        return new

    def drop_promise(self, key):
        if key in self.promises:
            for a in self.promises.pop(key).vfs:
                del self.promised[a]

    # after a restart

    def adopt(self, vfs, leases, reservations, drained):
        """What a daemon says that has just come, of what it must not have forgotten."""
        told, ending = ({x["id"]: x for x in leases if x["ending"] == yes} for yes in (False, True))
        for lease in list(self.leases.values()):
            if lease.id in ending:
                must(lease.cause or lease.ending, "a lease ends for nothing:", lease)
                lease.ending, lease.vfs = True, {a: lease.vfs[a] for a in ending[lease.id]["vfs"]}
            elif lease.id in told:
                must(list(lease.vfs) == told[lease.id]["vfs"], "a lease is another after a restart:", lease, told[lease.id])
                must(not lease.ending, "a lease that had ended is back:", lease)
                lease.cause = ""
            else:
                must(lease.cause or lease.ending or not lease.begun, "a lease is lost:", lease)
                for a in lease.vfs:
                    if a in self.vfs:
                        self.vfs[a].lease = ""
                self.forget(lease)
        must(set(self.promises) == {(r["tenant"], r["vm"]) for r in reservations}, "promises are lost or came from nowhere:",
             list(self.promises), reservations)
        must(self.drained - self.unplugged == drained, "other PFs are drained:", drained, self.drained)
        owners = {a: x["id"] for x in leases for a in x["vfs"]}
        for a, vf in vfs.items():
            out = vf["condemned"] or vf["state"] == "quarantined"
            must(out == (a in self.condemned) or self.faults, "another VF is out of use:", vf)
            (self.condemned.add if out else self.condemned.discard)(a)
        self.vfs = {a: VF(a, vf["pf"], vf["state"], owners.get(a, "")) for a, vf in vfs.items()}
        self.busy = {a for a, vf in self.vfs.items() if vf.state not in RESTING}
        for ident in [x for x in told if x not in self.leases or not self.leases[x].known]:
            self.adopt_lease(told[ident])

    def adopt_lease(self, told):
        """One that was asked for when the daemon was killed: all of it is as one of those requests would have been answered."""
        lease = self.leases.get(told["id"]) or self.add_lease(told["id"], told["tenant"], told["vm"])
        for d in told["devices"]:
            must(d["address"] not in self.condemned and self.promised.get(d["address"]) in (None, (lease.tenant, lease.vm)),
                 "given although it was not free:", d, told)
            lease.vfs[d["address"]] = Share(d["pf"], d["pool"])
        lease.begun, failure = True, Broken(f"a lease from nowhere: {told}")
        for request in self.flying:
            try:
                self.granted(request, {"lease": told})
                break
            except Broken as e:
                failure = failure if request.key != (lease.tenant, lease.vm) else e
        else:
            raise failure
        self.check_quota(lease.tenant, lease.vm, set(told["pools"]))

    # what must be answered

    def site(self, pf, r, ever):
        vfs = self.of_pf(pf)
        if ever:
            return Site(pf, [v.address for v in vfs], 0, 0, len(vfs), self.link, 0, 0, False)
        key, own, others, load = r.key, [], [], 0
        for v in vfs:
            promise = self.promised.get(v.address) if not v.lease else None
            if v.state in IN_USE or promise and promise != key:
                load += 1
            elif v.state == "ready" and pf not in self.drained:
                (own if promise else others).append(v.address)
        mine = [(g, s) for g, s in self.holdings(r.tenant, but=r.vm) if s.pf == pf]
        rate = self.rate_of(pf, key)
        return Site(pf, own + others, len(own), load, len(vfs), self.link, len(mine), rate, any(g == r.group for g, _ in mine))

    def is_apart(self, r):
        """Asked for now, or by somebody of the group before."""
        return r.apart or any(x.apart and x.group == r.group for x in self.of_tenant.get(r.tenant, {}).values()) or \
            any(p.apart and p.group == r.group and any(map(self.is_open, p.vfs))
                for k, p in self.promises.items() if k[0] == r.tenant)

    def answer(self, r, ever=False):
        """(reason, VFs) that a request gets while nothing is under way. ever: if everybody had given everything back."""
        tenant = self.policy["tenants"].get(r.tenant)
        if not tenant:
            return "no-such-tenant", []
        if any(p not in tenant["pools"] for p, *_ in r.wants):
            return "no-such-pool", []
        if any(m is not None and m > tenant["pools"][p].get("min_tx_mbps", 0) for p, _, m in r.wants):
            return "rate", []
        used = [] if ever else [s.pool for _, s in self.holdings(r.tenant, r.vm, {p for p, *_ in r.wants})]
        if any(used.count(p) + n > tenant["pools"][p]["quota"] for p, n, _ in r.wants):
            return "quota", []
        if len(used) + sum(n for _, n, _ in r.wants) > tenant.get("quota", 1 << 30):
            return "total-quota", []
        apart, chosen = r.apart if ever else self.is_apart(r), []
        for pool, count, rate in r.wants:
            grant = tenant["pools"][pool]
            reason = self.place(r, pool, count, grant.get("min_tx_mbps", 0) if rate is None else rate,
                                apart or self.policy["pools"][pool].get("anti_affinity"), ever, chosen)
            if reason:
                return reason, []
        return "", chosen

    def place(self, r, pool, count, rate, apart, ever, chosen):
        """Adds the VFs of one pool to chosen. Returns the reason if there are not enough."""
        grant, placement = self.grant(r.tenant, pool), self.policy["pools"][pool].get("placement", "pack")
        sites = [self.site(pf, r, ever) for pf, p in sorted(self.pool_of.items()) if p == pool and pf not in self.unplugged]

        def room(s, rules):
            n = len(s.free)
            if rules >= 1:
                n = min(n, max(self.share_of(grant, s.size) - s.mine, 0))
            if rules >= 2 and apart:
                n = min(n, 0 if s.here else 1)
            if rules >= 3 and rate:
                n = min(n, max(s.link - s.rate, 0) // rate)
            return n

        def take(s):
            chosen.append(s.free.pop(0))
            s.own, s.load, s.mine, s.rate, s.here = max(s.own - 1, 0), s.load + 1, s.mine + 1, s.rate + rate, True

        def rank(s):
            weight = {"spread": s.load, "least-loaded": s.part(), "pack": 0}[placement]
            return s.own == 0, weight, s.pf

        for rules, reason in enumerate(("pool-empty", "pf-share", "anti-affinity")):
            if sum(room(s, rules) for s in sites) < count:
                return reason
        if r.together:
            bound = any(s.here for s in sites)
            fit = [s for s in sites if room(s, 3) >= count and (s.here or not bound)]
            if not fit:
                return "affinity"
            best = min(fit, key=rank)
            for _ in range(count):
                take(best)
            return ""
        for _ in range(count):
            fit = [s for s in sites if room(s, 3) > 0]
            if not fit:
                return "rate-sum"
            take(min(fit, key=rank))
        return ""

    def must_stand_behind(self, r, line=None):
        """Whether others in line go first: True, False, or None if it cannot be told."""
        promise = self.promises.get(r.key)
        ready = [s.pool for a, s in promise.vfs.items() if a in self.vfs and self.vfs[a].state == "ready"] if promise else []
        if promise and all(n <= ready.count(p) for p, n, _ in r.wants):
            return False
        maybe = False
        for w in self.line if line is None else line:
            shared = {p for p, *_ in w.wants} & {p for p, *_ in r.wants}
            if shared and w.tenant == r.tenant:
                return True
            maybe = maybe or shared or w.tenant == r.tenant
        return None if maybe else False

    # over policy

    def over(self):
        """What each lease (by id) and promise (by VM) must be marked with."""
        living = [x for x in sorted(self.leases.values(), key=lambda x: x.order) if not x.ending]
        held = {}
        counts, totals, on_pf, in_group = {}, {}, {}, {}

        def count(of, key):
            of[key] = of.get(key, 0) + 1
            return of[key]

        def judge(x, address, s, counted):
            grant = self.grant(x.tenant, s.pool)
            first = None
            here = s.pf not in self.unplugged
            if counted:
                n, total = count(counts, (x.tenant, s.pool)), count(totals, x.tenant)
                there = count(on_pf, (x.tenant, s.pf))
                group = count(in_group, (x.tenant, s.pf, x.group))
                if grant and n > grant["quota"]:
                    first = "quota"
                elif total > self.policy["tenants"][x.tenant].get("quota", 1 << 30):
                    first = "total-quota"
                elif grant and here and there > self.share_of(grant, len(self.of_pf(s.pf))):
                    first = "pf-share"
                elif grant and here and self.policy["pools"][s.pool].get("anti_affinity") and group > 1:
                    first = "anti-affinity"
            if not grant:
                return "no-such-pool"
            if here and self.pool_of.get(s.pf) != s.pool:
                return "not-managed"
            if not first and x.id and s.rate > grant.get("min_tx_mbps", 0):
                return "rate"
            return first

        for x in (*living, *self.promises.values()):
            if x.tenant not in self.policy["tenants"]:
                reason = "no-such-tenant"
            else:
                reasons = [judge(x, a, s, bool(x.id) or self.is_open(a)) for a, s in x.vfs.items()]
                reason = next(filter(None, reasons), None)
            held[x.id or (x.tenant, x.vm)] = reason
        return held
