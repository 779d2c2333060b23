/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts for the tests of policy/. */

#include "tests/unit/test-policy-host.h"
#include "common/text.h"

#include <inttypes.h>
#include <string.h>

static void *need(void *p) {
        if (!p)
                abort();
        return p;
}

struct policy *policy_of(const char *text) {
        const struct policy_source source = { "policy.json", text, strlen(text) };
        struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        if (policy_parse(&source, 1, &p, &errors) < 0) {
                for (size_t i = 0; i < errors.n; i++)
                        fprintf(stderr, "%d:%d: %s\n", errors.items[i].at.line, errors.items[i].at.column,
                                errors.items[i].message);
                abort();
        }
        return p;
}

void pf_set_vfs(struct pf *pf, unsigned n, enum vf_state state) {
        for (size_t i = 0; i < pf->n_vfs; i++)
                vf_free(pf->vfs[i]);
        free(pf->vfs);
        pf->vfs = need(calloc(n + 1, sizeof(*pf->vfs)));
        pf->n_vfs = pf->num_vfs = n;
        for (unsigned i = 0; i < n; i++) {
                struct vf *vf = pf->vfs[i] = need(calloc(1, sizeof(*vf)));

                vf->pf = pf;
                vf->index = i;
                vf->state = state;
                vf->address = (struct address){ pf->address.domain,
                                                (uint8_t) (pf->address.bus + (i + 8) / 256),
                                                (uint8_t) ((i + 8) / 8 % 32), (uint8_t) (i % 8) };
        }
}

struct pf *host_add_pf(struct host *h, unsigned bus, unsigned total_vfs, unsigned num_vfs) {
        struct pf *pf = need(calloc(1, sizeof(*pf)));

        h->inventory.pfs = need(reallocarray(h->inventory.pfs, h->inventory.n_pfs + 1, sizeof(pf)));
        h->inventory.pfs[h->inventory.n_pfs++] = pf;
        pf->address = (struct address){ 0, (uint8_t) bus, 0, 0 };
        pf->total_vfs = total_vfs;
        pf->class = 0x020000;
        pf->numa_node = -1;
        text_copy(pf->driver, sizeof(pf->driver), "bnxt_en");
        pf_set_vfs(pf, num_vfs, VF_READY);
        return pf;
}

struct lease *host_add_lease(struct host *h, const char *tenant, const char *pool, const char *vm,
                             struct pf *pf, size_t first, size_t n) {
        struct lease *l = need(calloc(1, sizeof(*l)));

        h->leases = need(reallocarray(h->leases, h->n_leases + 1, sizeof(l)));
        snprintf(l->id, sizeof(l->id), "%016zx", h->n_leases + 1);
        h->leases[h->n_leases++] = l;
        text_copy(l->tenant, sizeof(l->tenant), tenant);
        text_copy(l->pools[l->n_pools++], sizeof(l->pools[0]), pool);
        text_copy(l->vm, sizeof(l->vm), vm);
        text_copy(l->group, sizeof(l->group), vm);
        for (size_t i = 0; i < n; i++) {
                struct vf *vf = pf->vfs[first + i];

                l->vfs[l->n_vfs++] = (struct leased_vf){ .address = vf->address, .pf = pf->address };
                vf->state = VF_LEASED;
                memcpy(vf->lease, l->id, sizeof(vf->lease));
        }
        return l;
}

struct lease *host_add_promise(struct host *h, const char *vm, struct pf *pf, size_t first, size_t n) {
        struct lease *l = h->promise = need(calloc(1, sizeof(*l)));

        text_copy(l->tenant, sizeof(l->tenant), "red");
        text_copy(l->vm, sizeof(l->vm), vm);
        for (size_t i = 0; i < n; i++)
                l->vfs[l->n_vfs++] = (struct leased_vf){ .address = pf->vfs[first + i]->address,
                                                         .pf = pf->address };
        return l;
}

struct world host_world(const struct host *h) {
        return (struct world){ .policy = h->policy,
                               .inventory = &h->inventory,
                               .leases = (const struct lease *const *) h->leases,
                               .n_leases = h->n_leases,
                               .promises = (const struct lease *const *) &h->promise,
                               .n_promises = h->promise ? 1 : 0 };
}

void host_done(struct host *h) {
        inventory_done(&h->inventory);
        for (size_t i = 0; i < h->n_leases; i++)
                free(h->leases[i]);
        free(h->leases);
        free(h->promise);
        policy_free(h->policy);
        *h = (struct host){ 0 };
}

struct chance chance_begin(void) {
        const char *text = getenv("SEED");
        struct chance c = { 1 };

        if (text && (parse_u64(text, 10, &c.state) < 0 || c.state == 0))
                abort();
        printf("SEED=%" PRIu64 "\n", c.state);
        c.state *= 0x9e3779b97f4a7c15ULL; /* neighbouring seeds should not look alike */
        c.state += c.state == 0;
        return c;
}

/* xorshift64* */
unsigned chance_below(struct chance *c, unsigned n) {
        c->state ^= c->state >> 12;
        c->state ^= c->state << 25;
        c->state ^= c->state >> 27;
        return (unsigned) ((c->state * 0x2545f4914f6cdd1dULL >> 33) % n);
}
