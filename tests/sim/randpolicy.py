# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts and policies for test_random.py."""

from dataclasses import dataclass

from harness import PF

PLACEMENTS = ("pack", "spread", "least-loaded")


@dataclass
class Shape:
    """A host, its tenants, and what happens to it. Pool c has its number of VFs changed, and is the last."""
    pools: dict  # name -> number of PFs
    vfs: int  # of each PF
    tenants: int
    counts: tuple  # of VFs of each PF that the policy may want in pool c
    weights: dict  # of the operations
    link: int = 5000  # Mbit/s
    every: int = 50  # operations between complete checks
    timeout: int = 8  # of workers, seconds; less is too little for a machine that is busy

    def pfs(self):
        return [f"0000:{0x10 + 4 * n:02x}:00.0" for n in range(sum(self.pools.values()))]

    def pf(self, address):
        return PF(address, total=self.vfs, offset=256, driver="ice", netdev=f"eth{address[5:7]}", link=self.link)


class Policies:
    """Policies by chance, each made from the one before."""

    def __init__(self, shape, chance):
        self.shape = shape
        pfs, pools = shape.pfs(), {}
        for name, n in shape.pools.items():
            pools[name] = {"class": "network", "vfs": "max", "functions": [{"address": a} for a in pfs[:n]],
                           "placement": chance.choice(PLACEMENTS)}
            pfs = pfs[n:]
        self.now = {"version": 1, "pools": pools, "tenants": {f"t{n}": self.tenant(n, chance) for n in range(shape.tenants)}}

    def tenant(self, n, c):
        pools = {}
        for i, pool in enumerate(self.shape.pools):
            if c.random() < 0.9:
                grant = pools[pool] = {"quota": c.randint(1, 6), "macs": f"02:{i:02x}:{n >> 8:02x}:{n & 255:02x}:00:00/32"}
                if c.random() < 0.15:
                    grant["pf_share"] = f"{c.choice((10, 25, 50))}%"
                if c.random() < 0.3:
                    grant["min_tx_mbps"] = c.choice((100, 1000, 2500))
        return {"users": [10000 + n], "pools": pools, **({"quota": c.randint(2, 9)} if c.random() < 0.5 else {})}

    def changed(self, c):
        """Some tenants have other quotas or are gone, and a pool is another."""
        tenants, pools = dict(self.now["tenants"]), {name: dict(pool) for name, pool in self.now["pools"].items()}
        for n in c.sample(range(self.shape.tenants), min(self.shape.tenants, c.choice((1, 3, 30)))):
            tenants[f"t{n}"] = self.tenant(n, c)
            if c.random() < 0.1:
                del tenants[f"t{n}"]
        pool = pools[c.choice(list(pools))]
        pool["placement"] = c.choice(PLACEMENTS)
        if c.random() < 0.3:
            pool["anti_affinity"] = not pool.get("anti_affinity", False)
        if c.random() < 0.4:
            pools["c"]["vfs"] = c.choice(self.shape.counts)
        self.now = {"version": 1, "pools": pools, "tenants": tenants}
        return self.now

    def wanted(self, pf, most):
        """VFs that the policy wants of a PF."""
        [count] = [p["vfs"] for p in self.now["pools"].values() if {"address": pf} in p["functions"]]
        return most if count == "max" else min(count, most)
