/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger of disks in files, and by PF and VF. */

#include "daemon/disk.h"
#include "common/text.h"
#include "daemon/nvme.h"
#include "daemon/pf.h"
#include "daemon/store.h"

#include <errno.h>
#include <string.h>

static void disk_free(struct disk *d) {
        if (d)
                free(d->before);
        free(d);
}

static void push(struct disk **list, struct disk *d) {
        d->next = *list;
        *list = d;
}

static void take_out(struct disk **list, struct disk *d) {
        for (; *list; list = &(*list)->next)
                if (*list == d) {
                        *list = d->next;
                        d->next = NULL;
                        return;
                }
}

static int adopt(struct manager *m, const struct disk *facts) {
        struct disk *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = *facts;
        push(&m->disks, d);
        return 0;
}

int disks_load(struct manager *m) {
        return store_load_disks(m, adopt);
}

static void free_list(struct disk **list) {
        while (*list) {
                struct disk *d = *list;

                *list = d->next;
                disk_free(d);
        }
}

void disks_free(struct manager *m) {
        free_list(&m->disks);
}

/* A controller without a serial number can only be told by its place. */
static bool is_of(const struct disk *d, const struct managed_pf *p) {
        const char *serial = p->nvme.primary.serial;

        return strcmp(d->serial, serial) == 0 && (serial[0] || address_equal(d->pf, p->pf.address));
}

void disks_claim(struct managed_pf *p) {
        for (struct disk **i = &p->manager->disks; *i;) {
                struct disk *d = *i;

                if (!is_of(d, p)) {
                        i = &d->next;
                        continue;
                }
                *i = d->next;
                push(&p->disks, d);
        }
}

struct disk *disks_next(struct managed_vf *v) {
        struct managed_pf *p = managed_pf(v->vf.pf);

        for (struct disk *d = p->disks, *next; d; d = next) {
                const struct managed_vf *of = manager_find_vf(v->manager, d->vf);

                next = d->next;
                if (of != v && of && of->vf.pf == v->vf.pf)
                        continue; /* that one will see to it */
                take_out(&p->disks, d);
                push(&v->disks, d);
        }
        return v->disks;
}

static void give_back(struct disk **from, struct disk **to) {
        while (*from) {
                struct disk *d = *from;

                *from = d->next;
                push(to, d);
        }
}

void disks_release_vf(struct managed_vf *v) {
        give_back(&v->disks, v->vf.pf ? &managed_pf(v->vf.pf)->disks : &v->manager->disks);
}

void disks_release_pf(struct managed_pf *p) {
        give_back(&p->disks, &p->manager->disks);
}

int disk_add(struct managed_vf *v, const struct disk *facts, struct disk **ret) {
        _cleanup_free_ uint32_t *before = calloc(facts->n_before + 1, sizeof(*before));
        _cleanup_free_ struct disk *d = malloc(sizeof(*d));

        if (!d || !before)
                return -ENOMEM;
        for (size_t i = 0; i < facts->n_before; i++)
                before[i] = facts->before[i];
        int r = store_disk(v->manager, facts);
        if (r < 0)
                return r;
        *d = *facts;
        d->before = TAKE_PTR(before);
        *ret = d;
        push(&v->disks, TAKE_PTR(d));
        nvme_count_disks(managed_pf(v->vf.pf));
        return 0;
}

/* Both records are there for a moment. Whoever finds them after a crash looks for namespaces that no record
 * is about, and erases the one that the other is about. */
int disk_is_made(struct managed_vf *v, struct disk *d, uint32_t nsid) {
        struct disk made = *d, *added;

        made.nsid = nsid;
        made.before = NULL;
        made.n_before = 0;
        int r = disk_add(v, &made, &added);
        if (r >= 0)
                disk_remove(v, d);
        return r;
}

int disk_is_erased(struct managed_vf *v, struct disk *d) {
        d->erase = ERASE_DELETE;
        return store_disk(v->manager, d);
}

void disk_remove(struct managed_vf *v, struct disk *d) {
        take_out(&v->disks, d);
        int r = store_disk_remove(v->manager, d);
        if (r < 0)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "the record of its namespace %u could not be removed: %s", d->nsid, errno_text(r));
        disk_free(d);
        nvme_count_disks(managed_pf(v->vf.pf));
}

static bool list_has(const struct disk *list, uint32_t nsid) {
        for (; list; list = list->next)
                if (list->nsid == nsid)
                        return true;
        return false;
}

bool disks_have(const struct managed_pf *p, uint32_t nsid) {
        for (size_t i = 0; i < p->pf.n_vfs; i++)
                if (list_has(managed_vf(p->pf.vfs[i])->disks, nsid))
                        return true;
        return list_has(p->disks, nsid);
}
