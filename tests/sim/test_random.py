# SPDX-License-Identifier: GPL-2.0-or-later
"""A large host for a long time: 16 PFs with 256 VFs each, 1,000 tenants, 20,000 operations by chance, workers that fail.

A model in this file, written from the policy alone, judges every answer. VFSIM_SEED and VFSIM_OPERATIONS choose another run.
"""

import os
import random

import harness
from harness import PF, SimTest, VarlinkError, wait_for

PFS = [f"0000:{0x10 + 4 * n:02x}:00.0" for n in range(16)]
TENANTS = [f"t{n}" for n in range(1000)]
OPERATIONS = int(os.environ.get("VFSIM_OPERATIONS", "20000"))
SEED = int(os.environ.get("VFSIM_SEED", "1"))
FAULTS = ("op=scrub error=EIO count=1 after={after}", "op=fence error=EIO count=1 after={after}",
          "op=grant error=EIO count=1 after={after}", "op=attributes error=EIO count=1 after={after}",
          "op=attributes value=2 error=EIO count=1 after={after}", "op=scrub exit=before count=1 after={after}",
          "op=grant exit=after count=1 after={after}", "op=evidence short=1 count=1 after={after}")


class Model:
    """Who may have what, and who has it."""

    def __init__(self, chance):
        self.chance = chance
        self.quota = {t: {p: chance.randint(1, 6) for p in ("a", "b")} for t in TENANTS}
        self.total = {t: chance.randint(2, 9) for t in TENANTS}
        self.leases = {}
        self.promises = {}
        self.drained = set()

    def policy(self):
        tenants = {}
        for n, t in enumerate(TENANTS):
            tenants[t] = {"users": [10000 + n], "quota": self.total[t], "pools": {
                p: {"quota": q, "macs": f"02:{10 if p == 'a' else 11}:{n >> 8:02x}:{n & 255:02x}:00:00/32"}
                for p, q in self.quota[t].items()}}
        pool = {"class": "network", "vfs": "max"}
        return {"version": 1, "tenants": tenants, "pools": {
            "a": {**pool, "functions": [{"address": a} for a in PFS[:8]], "placement": "spread"},
            "b": {**pool, "functions": [{"address": a} for a in PFS[8:]], "placement": "least-loaded"}}}

    def held(self, tenant, pool=None):
        return sum(1 for lease in self.leases.values() if lease["tenant"] == tenant
                   for d in lease["devices"] if pool in (None, d["pool"]))

    def promised(self, tenant, pool, but):
        """VFs promised to other VMs of the tenant that those do not have now."""
        have = {d["address"] for lease in self.leases.values() for d in lease["devices"]}
        return sum(1 for (t, vm), devices in self.promises.items() if t == tenant and vm != but
                   for d in devices if pool in (None, d["pool"]) and d["address"] not in have)


class RandomTest(SimTest):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.model = Model(self.chance)
        print(f"VFSIM_SEED={SEED} VFSIM_OPERATIONS={OPERATIONS}", flush=True)

    def given(self, lease, what):
        """A lease that was given: right pool, nobody else's VF, no MAC twice, within the quotas."""
        m = self.model
        mine = {d["address"] for d in lease["devices"]}
        macs = {d["attributes"]["mac"] for d in lease["devices"]}
        self.assertEqual((len(mine), len(macs)), (len(lease["devices"]),) * 2, what)
        self.assertFalse(mine & self.taken, what)
        self.assertFalse(macs & self.macs, what)
        for (tenant, vm), devices in m.promises.items():
            if (tenant, vm) != (lease["tenant"], lease["vm"]):
                self.assertFalse(mine & {d["address"] for d in devices}, what)
        for d in lease["devices"]:
            self.assertEqual(d["pool"], "a" if d["pf"] in PFS[:8] else "b", what)
            self.assertNotIn(d["pf"], m.drained, what)
        if lease["anti_affinity"]:
            self.assertEqual(len({d["pf"] for d in lease["devices"]}), len(lease["devices"]), what)
        self.taken |= mine
        self.macs |= macs
        m.leases[lease["id"]] = lease
        for pool in ("a", "b"):
            self.assertLessEqual(m.held(lease["tenant"], pool), m.quota[lease["tenant"]][pool], what)
        self.assertLessEqual(m.held(lease["tenant"]), m.total[lease["tenant"]], what)

    def kept(self, host, lease, before, what):
        """The promise that a lease was joined to: all it has, nothing new beside, and no fewer VFs of any pool than before."""
        [now] = [r["devices"] for r in host.call("ListReservations")["reservations"]
                 if (r["tenant"], r["vm"]) == (lease["tenant"], lease["vm"])]
        has, had, mine = ({d["address"] for d in devices} for devices in (now, before, lease["devices"]))
        self.assertTrue(mine <= has <= mine | had, what)
        for pool in ("a", "b"):
            count = [sum(d["pool"] == pool for d in devices) for devices in (now, before, lease["devices"])]
            self.assertGreaterEqual(count[0], max(count[1:]), what)
        return now

    def acquire(self, host):
        m, c = self.model, self.chance
        tenant, vm = c.choice(TENANTS[:200] if c.random() < 0.5 else TENANTS), f"vm{c.randint(1, 3)}"
        wants = [{"pool": p, "count": c.randint(1, 3)} for p in c.sample(("a", "b"), c.choice((1, 1, 1, 2)))]
        more = {"anti_affinity": True} if c.random() < 0.1 else {"affinity": True} if c.random() < 0.05 else {}
        keep = c.random() < 0.02
        what = (tenant, vm, wants, more, keep)
        try:
            lease = host.call("Acquire", tenant=tenant, vm=vm, wants=wants, lifetime="kept", hand_off="node",
                              keep=keep, **more)["lease"]
        except VarlinkError as e:
            reason = e.parameters.get("reason")
            if reason == "quota":
                self.assertTrue(any(m.held(tenant, w["pool"]) + m.promised(tenant, w["pool"], vm) + w["count"] >
                                    m.quota[tenant][w["pool"]] for w in wants) or self.ending, what)
            elif reason == "total-quota":
                self.assertTrue(m.held(tenant) + m.promised(tenant, None, vm) + sum(w["count"] for w in wants) >
                                m.total[tenant] or self.ending, what)
            else:  # a fault that was injected, or a group that is kept apart
                self.assertIn(reason, ("pool-empty", "anti-affinity", "affinity", "handoff-failed", "attributes-failed",
                                       "no-worker", "not-isolated", "gone", "fence-failed", "owner-gone"), (what, e.parameters))
            return
        self.given(lease, what)
        if keep:
            m.promises[tenant, vm] = self.kept(host, lease, m.promises.get((tenant, vm), []), what)

    def release(self, host):
        if self.model.leases:
            lease = self.model.leases.pop(self.chance.choice(list(self.model.leases)))
            host.call("Release", lease=lease["id"])
            self.taken -= {d["address"] for d in lease["devices"]}
            self.macs -= {d["attributes"]["mac"] for d in lease["devices"]}
            self.ending = True

    def reserve(self, host):
        m, tenant, vm = self.model, self.chance.choice(TENANTS), f"vm{self.chance.randint(1, 3)}"
        try:
            r = host.call("Reserve", tenant=tenant, vm=vm, wants=[{"pool": "a"}])["reservation"]
        except VarlinkError as e:
            self.assertIn(e.parameters["reason"], ("reservation-exists", "quota", "total-quota", "pool-empty"))
            return
        self.assertNotIn(r["devices"][0]["address"], self.taken)
        m.promises[tenant, vm] = r["devices"]

    def unreserve(self, host):
        if self.model.promises:
            tenant, vm = self.chance.choice(list(self.model.promises))
            host.call("Unreserve", tenant=tenant, vm=vm)
            del self.model.promises[tenant, vm]

    def drain(self, host):
        pf = self.chance.choice(PFS)
        host.call("Undrain" if pf in self.model.drained else "Drain", address=pf)
        self.model.drained ^= {pf}

    def quarantine(self, host):
        pf = host.tree.pfs[self.chance.choice(PFS)]
        address = pf.vfs[self.chance.randrange(pf.total)]
        if address not in self.taken:
            host.call("Quarantine", address=address, reason="by chance")
            self.quarantined.append(address)

    def clear(self, host):
        if self.quarantined:
            try:
                host.call("Clear", address=self.quarantined.pop(), reason="a test")
            except VarlinkError as e:  # a fault may have come in between
                self.assertEqual(e.parameters["reason"], "no-such-device")

    def reload(self, host):
        host.write_policy(self.model.policy())
        host.call("Reload")

    def plan(self, host):
        for step in host.call("Plan")["steps"]:
            self.assertFalse(step["destructive"] and not step["blocked"], step)

    def fault(self, host):
        host.faults(self.chance.choice(FAULTS).format(after=self.chance.randint(0, 5)))

    def check_all(self, host):
        """Everything against the model."""
        m = self.model
        kept = {(r["tenant"], r["vm"]): r["devices"] for r in host.call("ListReservations")["reservations"]}
        self.assertEqual({k: {d["address"] for d in v} for k, v in kept.items()},
                         {k: {d["address"] for d in v} for k, v in m.promises.items()})
        leases = {x["id"]: x for x in host.call("ListLeases")["leases"] if not x["ending"]}
        self.assertEqual(set(leases), set(m.leases))
        vfs = {v["address"]: v for v in host.call("ListVFs")["vfs"]}
        self.assertEqual(len(vfs), 16 * 256)
        for lease in leases.values():
            for address in lease["vfs"]:
                self.assertEqual((vfs[address]["state"], vfs[address]["lease"]), ("leased", lease["id"]))
        for address, v in vfs.items():
            if v["state"] == "ready":
                self.assertIsNone(v["lease"])
                self.assertNotIn(address, self.taken)

    def test_long_and_wide(self):
        self.taken, self.macs, self.quarantined, self.ending = set(), set(), [], False
        host = self.host([PF(a, total=256, offset=256, netdev=f"eth{n}") for n, a in enumerate(PFS)],
                         policy=self.model.policy(), start=False)
        host.daemon.start()
        host.wait_all_ready(16 * 256)
        operations = ((self.acquire, 50), (self.release, 38), (self.reserve, 2), (self.unreserve, 2), (self.drain, 1),
                      (self.quarantine, 2), (self.clear, 2), (self.reload, 0.1), (self.plan, 0.3), (self.fault, 2))
        actions, weights = zip(*operations)
        for n in range(OPERATIONS):
            self.chance.choices(actions, weights)[0](host)
            if n % 2000 == 1999:
                self.check_all(host)
        host.faults()
        wait_for(lambda: {v["state"] for v in host.call("ListVFs")["vfs"]} <= {"ready", "leased", "quarantined"}, 60)
        self.check_all(host)
        host.check_invariants()
