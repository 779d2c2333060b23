/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger of disks in files, by PF and VF, and by namespace. */

#include "daemon/disk.h"
#include "common/text.h"
#include "daemon/nvme.h"
#include "daemon/pf.h"
#include "daemon/store.h"

#include <errno.h>
#include <search.h>
#include <string.h>

void disk_key(const char *serial, struct address pf, char key[DISK_KEY_MAX]) {
        if (!serial[0]) {
                snprintf(key, DISK_KEY_MAX, "at-%s", ADDRESS_STR(pf));
                return;
        }
        text_copy(key, DISK_KEY_MAX, serial);
        for (char *c = key; *c; c++)
                if (!strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", *c))
                        *c = '_';
}

static void key_of(const struct managed_pf *p, char key[DISK_KEY_MAX]) {
        disk_key(p->nvme.primary.serial, p->pf.address, key);
}

static bool is_of(const struct disk *d, const struct managed_pf *p) {
        char key[DISK_KEY_MAX];

        key_of(p, key);
        return p->nvme_known && strcmp(d->key, key) == 0;
}

/* By namespace; then by anything, since several may be about to be made. */
static int compare_namespace(const void *a, const void *b) {
        const struct disk *x = a, *y = b;
        int c = strcmp(x->key, y->key);

        return c ? c : x->nsid < y->nsid ? -1 : x->nsid > y->nsid;
}

static int compare(const void *a, const void *b) {
        int c = compare_namespace(a, b);

        return c ? c : a < b ? -1 : a > b;
}

static struct disk *find(struct manager *m, const char *key, uint32_t nsid) {
        struct disk like = { .nsid = nsid };

        text_copy(like.key, sizeof(like.key), key);
        struct disk **hit = tfind(&like, &m->disk_index, compare_namespace);
        return hit ? *hit : NULL;
}

struct disk *disk_of(const struct managed_pf *p, uint32_t nsid) {
        char key[DISK_KEY_MAX];

        key_of(p, key);
        return find(p->manager, key, nsid);
}

static void disk_free(struct manager *m, struct disk *d) {
        if (!d)
                return;
        tdelete(d, &m->disk_index, compare);
        free(d->before);
        free(d->unreadable);
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

/* Takes its lists with it. */
static int adopt(struct manager *m, const struct disk *facts) {
        struct disk *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = *facts;
        if (!tsearch(d, &m->disk_index, compare)) {
                free(d);
                return -ENOMEM;
        }
        push(&m->disks, d);
        return 0;
}

int disks_load(struct manager *m) {
        return store_load_disks(m, adopt);
}

void disks_free(struct manager *m) {
        while (m->disks) {
                struct disk *d = m->disks;

                m->disks = d->next;
                disk_free(m, d);
        }
}

/* The PF that is where it was has the first word, for as long as it has not said that it is another. A card
 * that is somewhere else now is known by its key. */
static struct managed_pf *find_home(struct manager *m, const struct disk *d) {
        struct pf *there = inventory_find_pf(&m->inventory, d->pf);

        if (there && nvme_is(there) && (!managed_pf(there)->nvme_known || is_of(d, managed_pf(there))))
                return managed_pf(there);
        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                if (nvme_is(m->inventory.pfs[i]) && is_of(d, managed_pf(m->inventory.pfs[i])))
                        return managed_pf(m->inventory.pfs[i]);
        return NULL;
}

/* At the end: a worker may be at the first one of the VF. */
static void give_home(struct managed_pf *p, struct disk *d) {
        struct managed_vf *of = manager_find_vf(p->manager, d->vf);
        struct disk **list = !d->kept && of && of->vf.pf == &p->pf ? &of->disks : &p->disks;

        while (*list)
                list = &(*list)->next;
        *list = d;
        d->next = NULL;
}

void disks_claim(struct manager *m) {
        for (struct disk **i = &m->disks; *i;) {
                struct disk *d = *i;
                struct managed_pf *home = d->unreadable ? NULL : find_home(m, d);

                if (home && home->nvme_known) {
                        *i = d->next;
                        give_home(home, d);
                } else {
                        if (home && home->pf.pool < 0) /* else it is asked anyway */
                                nvme_read(home);
                        i = &d->next;
                }
        }
}

struct disk *disks_next(struct managed_vf *v) {
        struct managed_pf *p = managed_pf(v->vf.pf);

        for (struct disk *d = p->disks, *next; d; d = next) {
                const struct managed_vf *of = manager_find_vf(v->manager, d->vf);

                next = d->next;
                if (d->kept || (of != v && of && of->vf.pf == v->vf.pf))
                        continue; /* nothing is to be done, or that one will see to it */
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

/* All ports of a card have one disk less, or one more. */
static void count_again(struct managed_vf *v) {
        struct manager *m = v->manager;
        char key[DISK_KEY_MAX], other[DISK_KEY_MAX];

        key_of(managed_pf(v->vf.pf), key);
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct managed_pf *p = managed_pf(m->inventory.pfs[i]);

                key_of(p, other);
                if (p->nvme_known && strcmp(key, other) == 0)
                        nvme_count_disks(p);
        }
}

static int copy(const struct disk *facts, struct disk **ret) {
        _cleanup_free_ uint32_t *before = calloc(facts->n_before + 1, sizeof(*before));
        struct disk *d = malloc(sizeof(*d));

        if (!d || !before) {
                free(d);
                return -ENOMEM;
        }
        for (size_t i = 0; i < facts->n_before; i++)
                before[i] = facts->before[i];
        *d = *facts;
        d->before = TAKE_PTR(before);
        disk_key(d->serial, d->pf, d->key);
        *ret = d;
        return 0;
}

int disk_add(struct managed_vf *v, const struct disk *facts, struct disk **ret) {
        struct manager *m = v->manager;
        struct disk *d;

        int r = copy(facts, &d);
        if (r < 0)
                return r;
        if (d->nsid > 0 && find(m, d->key, d->nsid))
                r = -EEXIST;
        else if (!tsearch(d, &m->disk_index, compare))
                r = -ENOMEM;
        else
                r = store_disk(m, d);
        if (r < 0) {
                disk_free(m, d);
                return r;
        }
        push(&v->disks, d);
        count_again(v);
        *ret = d;
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
        disk_free(v->manager, d);
        count_again(v);
}

/* If that is not written down, it is found out anew after a restart. */
void disk_keep(struct managed_vf *v, struct disk *d) {
        take_out(&v->disks, d);
        d->kept = true;
        d->made = false;
        push(&managed_pf(v->vf.pf)->disks, d);
        int r = store_disk(v->manager, d);
        if (r < 0)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "that namespace %u is kept could not be written down: %s", d->nsid, errno_text(r));
        count_again(v);
}

int disk_take_kept(struct managed_vf *v, struct disk *d, const char *vm, enum erase_rule erase) {
        struct managed_pf *p = managed_pf(v->vf.pf);
        struct disk taken = *d;

        taken.kept = false;
        taken.erase = erase;
        taken.vf = v->vf.address;
        taken.pf = p->pf.address;
        text_copy(taken.vm, sizeof(taken.vm), vm);
        int r = store_disk(v->manager, &taken);
        if (r < 0)
                return r;
        take_out(&p->disks, d);
        taken.next = NULL;
        *d = taken;
        push(&v->disks, d);
        count_again(v);
        return 0;
}
