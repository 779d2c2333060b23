/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Hosts for the tests of policy/: PFs, VFs and leases made by hand or by chance. What fails here ends the
 * program. */

#include "common/macro.h"
#include "common/model.h"
#include "policy/world.h"

struct host {
        struct inventory inventory;
        struct lease **leases;
        size_t n_leases;
        struct lease *promise; /* one at most */
        struct policy *policy;
};

struct policy *policy_of(const char *text);

/* A PF at 0000:NN:00.0 that has all its VFs, in state ready; pool 0. PFs must come in the order of their
 * buses. */
struct pf *host_add_pf(struct host *h, unsigned bus, unsigned total_vfs, unsigned num_vfs);
/* A PF's VFs as they are right after it enabled n of them. */
void pf_set_vfs(struct pf *pf, unsigned n, enum vf_state state);
/* A lease of VFs of one PF, from index `first` on; they become leased. */
struct lease *host_add_lease(struct host *h, const char *tenant, const char *pool, const char *vm,
                             struct pf *pf, size_t first, size_t n);
/* The same, promised: their states stay. */
struct lease *host_add_promise(struct host *h, const char *vm, struct pf *pf, size_t first, size_t n);
struct world host_world(const struct host *h);
void host_done(struct host *h);

/* Numbers by chance, the same for the same seed: the environment's SEED, or 1. */
struct chance {
        uint64_t state;
};
struct chance chance_begin(void);
unsigned chance_below(struct chance *c, unsigned n);
