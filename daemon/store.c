/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases and quarantines in files. */

#include "daemon/store.h"
#include "common/json.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/attributes-json.h"
#include "daemon/disk.h"

#include <errno.h>
#include <string.h>

#define LEASES       "run/vfctld/leases"
#define QUARANTINE   "var/lib/vfctld/quarantine"
#define RESERVATIONS "var/lib/vfctld/reservations"
#define DRAINED      "var/lib/vfctld/drained"
#define DISKS        DISKS_DIR
#define PENDING      "run/vfctld/pending"
#define BASELINE     "run/vfctld/baseline"
#define FILE_MAX     (64U * 1024U)

static int put_json(int root_fd, const char *dir, const char *name, json_t *j_taken) {
        _cleanup_json_ json_t *j = j_taken;
        _cleanup_free_ char *text = j ? json_text(j) : NULL;

        return text ? root_replace(root_fd, dir, name, text, strlen(text), 0600) : -ENOMEM;
}

static void lease_file(const struct lease *l, char name[32]) {
        snprintf(name, 32, "%s.json", l->id);
}

/* A lease or a reservation: who has, or is promised, which VFs. */
static json_t *holding_to_json(const struct lease *l) {
        json_t *vfs = json_array(), *pools = json_array();

        for (size_t i = 0; i < l->n_pools; i++)
                json_array_append_new(pools, json_string(l->pools[i]));
        for (size_t i = 0; i < l->n_vfs; i++)
                json_array_append_new(vfs, json_pack("{s:s,s:s,s:i,s:o,s:b}", "address",
                                                     ADDRESS_STR(l->vfs[i].address), "pf",
                                                     ADDRESS_STR(l->vfs[i].pf), "pool", (int) l->vfs[i].pool,
                                                     "attributes", attributes_json(&l->vfs[i].attributes),
                                                     "msi_isolated", l->vfs[i].msi_isolated));
        return json_pack("{s:i,s:s,s:s,s:s,s:b,s:I,s:o,s:o}", "version", 2, "tenant", l->tenant, "vm", l->vm,
                         "group", l->group, "apart", l->apart, "created", (json_int_t) l->created_usec,
                         "pools", pools, "vfs", vfs);
}

int store_lease(struct managed_lease *ml) {
        const struct lease *l = &ml->lease;
        json_t *j = holding_to_json(l);
        json_t *rest = json_pack("{s:s,s:I,s:I,s:I,s:s,s:I,s:b,s:b}", "id", l->id, "uid", (json_int_t) l->uid,
                                 "pid", (json_int_t) l->pid, "pid_start", (json_int_t) l->pid_start,
                                 "hand_off", hand_off_to_string(l->hand_off), "expires",
                                 (json_int_t) l->expires_usec, "granted", ml->granted, "ending", l->ending);
        char name[32];

        if (!j || !rest || json_object_update_new(j, rest) < 0) {
                json_decref(j);
                return -ENOMEM;
        }
        lease_file(l, name);
        return put_json(ml->manager->root_fd, LEASES, name, j);
}

void store_lease_remove(struct managed_lease *ml) {
        char name[32];

        lease_file(&ml->lease, name);
        int r = root_unlink(ml->manager->root_fd, LEASES, name);
        if (r < 0 && r != -ENOENT)
                log_warning("cannot remove the file of lease %s: %s", ml->lease.id, errno_text(r));
}

/* Reads one file as an object. NULL: logged. */
static json_t *load_json(int root_fd, const char *dir, const char *name) {
        _cleanup_free_ char *text = NULL;
        struct json_problem problem;
        char path[300];
        json_t *j = NULL;
        size_t size;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        int r = root_read_all(root_fd, path, FILE_MAX, &text, &size);
        if (r < 0) {
                log_error("cannot read /%s: %s", path, errno_text(r));
                return NULL;
        }
        r = json_parse(text, size, 8, &j, &problem);
        if (r < 0) {
                log_error("/%s:%d:%d: %s", path, problem.at.line, problem.at.column,
                          r == -EINVAL ? problem.message : errno_text(r));
                return NULL;
        }
        return j;
}

static bool parse_vf(const json_t *j, const struct lease *l, struct leased_vf *v) {
        const char *address, *pf, *bad;
        int64_t pool;
        json_t *attributes;
        const struct json_field fields[] = {
                { "address", JSON_KIND_STRING, true, &address },
                { "pf", JSON_KIND_STRING, true, &pf },
                { "pool", JSON_KIND_INT, true, &pool },
                { "attributes", JSON_KIND_OBJECT, true, &attributes },
                { "msi_isolated", JSON_KIND_BOOL, false, &v->msi_isolated },
        };

        if (!json_is_object(j) || json_dispatch((json_t *) j, fields, ARRAY_SIZE(fields), &bad) < 0)
                return false;
        if (pool < 0 || (uint64_t) pool >= l->n_pools || address_parse(address, &v->address) < 0 ||
            address_parse(pf, &v->pf) < 0)
                return false;
        v->pool = (uint8_t) pool;
        return attributes_from_json(attributes, &v->attributes, &bad) >= 0;
}

static bool parse_holdings(const json_t *pools, const json_t *vfs, struct lease *l) {
        size_t i;
        json_t *v;

        if (json_array_size(vfs) > ACQUIRE_COUNT_MAX || json_array_size(pools) > WANTS_MAX)
                return false;
        json_array_foreach(pools, i, v) {
                if (!json_is_string(v) || !text_copy(l->pools[i], sizeof(l->pools[i]), json_string_value(v)))
                        return false;
                l->n_pools++;
        }
        json_array_foreach(vfs, i, v) {
                if (!parse_vf(v, l, &l->vfs[i]))
                        return false;
                l->n_vfs++;
        }
        return true;
}

/* What leases and reservations share; the rest is in `fields`. */
static bool parse_holding(json_t *j, const struct json_field *rest, size_t n_rest, struct lease *l) {
        const char *tenant, *vm, *group, *bad;
        int64_t version, created;
        json_t *pools, *vfs;
        struct json_field fields[20] = {
                { "version", JSON_KIND_INT, true, &version }, { "tenant", JSON_KIND_STRING, true, &tenant },
                { "vm", JSON_KIND_STRING, true, &vm },        { "group", JSON_KIND_STRING, true, &group },
                { "apart", JSON_KIND_BOOL, true, &l->apart }, { "created", JSON_KIND_INT, true, &created },
                { "pools", JSON_KIND_ARRAY, true, &pools },   { "vfs", JSON_KIND_ARRAY, true, &vfs },
        };

        for (size_t i = 0; i < n_rest; i++)
                fields[8 + i] = rest[i];
        if (!json_is_object(j) || json_dispatch(j, fields, 8 + n_rest, &bad) < 0 || version != 2)
                return false;
        l->created_usec = (uint64_t) created;
        return text_copy(l->tenant, sizeof(l->tenant), tenant) && text_copy(l->vm, sizeof(l->vm), vm) &&
               text_copy(l->group, sizeof(l->group), group) && parse_holdings(pools, vfs, l);
}

static bool parse_lease(json_t *j, struct lease *l, bool *granted) {
        const char *id, *hand_off;
        int64_t uid, pid, pid_start, expires;
        const struct json_field fields[] = {
                { "id", JSON_KIND_STRING, true, &id },
                { "uid", JSON_KIND_INT, true, &uid },
                { "pid", JSON_KIND_INT, true, &pid },
                { "pid_start", JSON_KIND_INT, true, &pid_start },
                { "hand_off", JSON_KIND_STRING, true, &hand_off },
                { "expires", JSON_KIND_INT, true, &expires },
                { "granted", JSON_KIND_BOOL, true, granted },
                { "ending", JSON_KIND_BOOL, true, &l->ending },
        };

        if (!parse_holding(j, fields, ARRAY_SIZE(fields), l))
                return false;
        l->uid = (uid_t) uid;
        l->pid = (pid_t) pid;
        l->pid_start = (uint64_t) pid_start;
        l->expires_usec = (uint64_t) expires;
        l->hand_off = hand_off_from_string(hand_off);
        return l->hand_off != _HAND_OFF_MAX && text_copy(l->id, sizeof(l->id), id);
}

static void load_lease(struct manager *m, const char *name) {
        _cleanup_json_ json_t *j = load_json(m->root_fd, LEASES, name);
        struct lease l = { 0 };
        bool granted = false;

        if (!j)
                return;
        if (!parse_lease(j, &l, &granted) || strncmp(name, l.id, strlen(l.id)) != 0) {
                log_error("/" LEASES "/%s is not a lease of this version; it is ignored", name);
                return;
        }
        int r = lease_adopt(m, &l, granted);
        if (r < 0)
                log_error("cannot take over lease %s: %s", l.id, errno_text(r));
}

/* As they were made: a directory has an order of its own, and who is over a quota follows from who came
 * first. */
static int compare_age(const void *a, const void *b) {
        const struct lease *x = *(struct lease *const *) a, *y = *(struct lease *const *) b;

        if (x->created_usec != y->created_usec)
                return x->created_usec < y->created_usec ? -1 : 1;
        int c = strcmp(x->id, y->id); /* reservations have none */
        if (c == 0)
                c = strcmp(x->tenant, y->tenant);
        return c != 0 ? c : strcmp(x->vm, y->vm);
}

static void sort_by_age(struct lease **leases, size_t n) {
        if (n > 0)
                qsort(leases, n, sizeof(struct lease *), compare_age);
}

int store_load_leases(struct manager *m) {
        _cleanup_closedir_ DIR *d = root_opendir(m->root_fd, LEASES);
        struct dirent *e;

        if (!d)
                return -errno;
        while ((e = readdir(d))) {
                size_t n = strlen(e->d_name);

                if (e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".json") == 0)
                        load_lease(m, e->d_name);
        }
        sort_by_age(m->leases, m->n_leases);
        return 0;
}

/* No name of a tenant or VM has '@' in it. */
static void reservation_file(const struct lease *l, char name[2 * NAME_MAX_LEN + 8]) {
        snprintf(name, 2 * NAME_MAX_LEN + 8, "%s@%s.json", l->tenant, l->vm);
}

int store_reservation(struct manager *m, const struct lease *promise) {
        char name[2 * NAME_MAX_LEN + 8];

        reservation_file(promise, name);
        return put_json(m->root_fd, RESERVATIONS, name, holding_to_json(promise));
}

int store_reservation_remove(struct manager *m, const struct lease *promise) {
        char name[2 * NAME_MAX_LEN + 8];

        reservation_file(promise, name);
        int r = root_unlink(m->root_fd, RESERVATIONS, name);
        return r == -ENOENT ? 0 : r;
}

int store_load_reservations(struct manager *m, int (*adopt)(struct manager *m, const struct lease *promise)) {
        _cleanup_closedir_ DIR *d = root_opendir(m->root_fd, RESERVATIONS);
        struct dirent *e;

        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d))) {
                size_t n = strlen(e->d_name);
                char name[2 * NAME_MAX_LEN + 8];
                struct lease l = { 0 };

                if (e->d_name[0] == '.' || n <= 5 || strcmp(e->d_name + n - 5, ".json") != 0)
                        continue;
                _cleanup_json_ json_t *j = load_json(m->root_fd, RESERVATIONS, e->d_name);
                if (!j)
                        continue;
                bool good = parse_holding(j, NULL, 0, &l) && name_is_valid(l.tenant) && name_is_valid(l.vm);
                if (good)
                        reservation_file(&l, name);
                if (!good || strcmp(name, e->d_name) != 0) {
                        log_error("/" RESERVATIONS "/%s is not a reservation of this version; it is ignored",
                                  e->d_name);
                        continue;
                }
                int r = adopt(m, &l);
                if (r < 0)
                        return r;
        }
        sort_by_age(m->promises, m->n_promises);
        return 0;
}

static void quarantine_file(struct address a, char name[32]) {
        snprintf(name, 32, "%s.json", ADDRESS_STR(a));
}

void store_quarantine(struct managed_vf *v, enum reason reason, const char *detail) {
        char name[32];

        quarantine_file(v->vf.address, name);
        int r = put_json(v->manager->root_fd, QUARANTINE, name,
                         json_pack("{s:i,s:s,s:s,s:o}", "version", 1, "address", ADDRESS_STR(v->vf.address),
                                   "reason", reason_name(reason), "detail", json_text_value(detail)));
        if (r <
            0) /* it stays quarantined while this daemon runs; a restart scrubs it before anybody gets it */
                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "its quarantine could not be written down: %s", errno_text(r));
}

void store_unquarantine(struct managed_vf *v) {
        char name[32];

        quarantine_file(v->vf.address, name);
        int r = root_unlink(v->manager->root_fd, QUARANTINE, name);
        if (r < 0 && r != -ENOENT)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "its quarantine file could not be removed: %s", errno_text(r));
}

bool store_is_quarantined(struct manager *m, struct address a, enum reason *ret_reason, char *ret_detail,
                          size_t size) {
        const char *reason = NULL, *detail = "", *address, *bad;
        int64_t version;
        char name[32];

        quarantine_file(a, name);
        if (!root_exists(m->root_fd, QUARANTINE "/%s", name))
                return false;
        _cleanup_json_ json_t *j = load_json(m->root_fd, QUARANTINE, name);
        const struct json_field fields[] = {
                { "version", JSON_KIND_INT, true, &version },
                { "address", JSON_KIND_STRING, true, &address },
                { "reason", JSON_KIND_STRING, true, &reason },
                { "detail", JSON_KIND_STRING, false, &detail },
        };
        if (!j || json_dispatch(j, fields, ARRAY_SIZE(fields), &bad) < 0)
                reason = "admin"; /* unreadable, but somebody meant it */
        *ret_reason = reason_from_name(reason);
        if (*ret_reason == REASON_NONE)
                *ret_reason = REASON_ADMIN;
        text_copy(ret_detail, size, detail);
        return true;
}

/* One small fact about a PF in a file of its own; NULL: no file. */
static void pf_file(struct manager *m, const char *dir, const struct pf *pf, json_t *j_taken) {
        char name[32];

        quarantine_file(pf->address, name);
        int r = j_taken ? put_json(m->root_fd, dir, name, j_taken) : root_unlink(m->root_fd, dir, name);
        if (r < 0 && r != -ENOENT)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &pf->address }),
                         "/%s could not be written: %s", dir, errno_text(r));
}

static json_t *load_pf_file(struct manager *m, const char *dir, const struct pf *pf) {
        char name[32];

        quarantine_file(pf->address, name);
        return root_exists(m->root_fd, "%s/%s", dir, name) ? load_json(m->root_fd, dir, name) : NULL;
}

void store_drained(struct managed_pf *p) {
        pf_file(p->manager, DRAINED, &p->pf,
                p->pf.drained ? json_pack("{s:i,s:o}", "version", 1, "reason",
                                          json_text_value(p->drain_reason))
                              : NULL);
}

void store_pending(struct managed_pf *p) {
        pf_file(p->manager, PENDING, &p->pf,
                p->pf.pending_vfs ? json_pack("{s:i,s:i}", "version", 1, "vfs", (int) p->pf.pending_vfs)
                                  : NULL);
}

void store_load_pf(struct managed_pf *p) {
        _cleanup_json_ json_t *drained = load_pf_file(p->manager, DRAINED, &p->pf);
        _cleanup_json_ json_t *pending = load_pf_file(p->manager, PENDING, &p->pf);

        if (drained) {
                const char *reason = json_string_value(json_object_get(drained, "reason"));

                p->pf.drained = true;
                text_copy(p->drain_reason, sizeof(p->drain_reason), reason ? reason : "");
        }
        json_int_t vfs = json_integer_value(json_object_get(pending, "vfs"));
        if (vfs > 0 && vfs <= VFS_PER_PF_MAX)
                p->pf.pending_vfs = (unsigned) vfs;
}

void store_baseline(struct managed_vf *v) {
        char name[32];

        quarantine_file(v->vf.address, name);
        int r = put_json(v->manager->root_fd, BASELINE, name, attributes_json(&v->baseline));
        if (r < 0) /* after a restart it gets what a VF has that nobody ever told anything */
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &v->vf.address }),
                         "its baseline could not be written down: %s", errno_text(r));
}

void store_baseline_remove(struct managed_vf *v) {
        char name[32];

        quarantine_file(v->vf.address, name);
        (void) root_unlink(v->manager->root_fd, BASELINE, name); /* the next one of this address is new */
}

void store_load_baseline(struct managed_vf *v) {
        const char *bad;
        char name[32];

        quarantine_file(v->vf.address, name);
        if (!root_exists(v->manager->root_fd, BASELINE "/%s", name))
                return;
        _cleanup_json_ json_t *j = load_json(v->manager->root_fd, BASELINE, name);
        v->baseline_known = j && attributes_from_json(j, &v->baseline, &bad) >= 0;
}

#define DISK_FILE_MAX 96

static void disk_file(const struct disk *d, char name[DISK_FILE_MAX]) {
        if (d->nsid)
                snprintf(name, DISK_FILE_MAX, "%s-%u.json", d->key, d->nsid);
        else
                snprintf(name, DISK_FILE_MAX, "%s-new-%s.json", d->key, ADDRESS_STR(d->vf));
}

int store_disk(struct manager *m, const struct disk *d) {
        char name[DISK_FILE_MAX];
        json_t *before = json_array();

        for (size_t i = 0; i < d->n_before; i++)
                json_array_append_new(before, json_integer(d->before[i]));
        disk_file(d, name);
        return put_json(m->root_fd, DISKS, name,
                        json_pack("{s:i,s:s,s:s,s:o,s:I,s:I,s:b,s:s,s:s,s:s,s:o,s:b}", "version", 2, "vf",
                                  ADDRESS_STR(d->vf), "pf", ADDRESS_STR(d->pf), "serial",
                                  json_text_value(d->serial), "nsid", (json_int_t) d->nsid, "size",
                                  (json_int_t) d->size, "made", d->made, "erase",
                                  erase_rule_to_string(d->erase), "tenant", d->tenant, "vm", d->vm, "before",
                                  before, "kept", d->kept));
}

int store_disk_remove(struct manager *m, const struct disk *d) {
        char name[DISK_FILE_MAX];

        disk_file(d, name);
        int r = root_unlink(m->root_fd, DISKS, name);
        return r == -ENOENT ? 0 : r;
}

static bool parse_before(const json_t *before, struct disk *d) {
        size_t i;
        json_t *v;

        d->before = calloc(json_array_size(before) + 1, sizeof(*d->before));
        json_array_foreach(before, i, v) {
                if (!d->before || !json_is_integer(v) || json_integer_value(v) < 1 ||
                    json_integer_value(v) > UINT32_MAX)
                        return false;
                d->before[d->n_before++] = (uint32_t) json_integer_value(v);
        }
        return d->before;
}

static bool parse_disk(json_t *j, struct disk *d) {
        const char *vf, *pf, *serial, *erase, *tenant, *vm, *bad;
        int64_t version, nsid, size;
        json_t *before;
        const struct json_field fields[] = {
                { "version", JSON_KIND_INT, true, &version },  { "vf", JSON_KIND_STRING, true, &vf },
                { "pf", JSON_KIND_STRING, true, &pf },         { "serial", JSON_KIND_STRING, true, &serial },
                { "nsid", JSON_KIND_INT, true, &nsid },        { "erase", JSON_KIND_STRING, true, &erase },
                { "tenant", JSON_KIND_STRING, true, &tenant }, { "vm", JSON_KIND_STRING, true, &vm },
                { "before", JSON_KIND_ARRAY, true, &before },  { "made", JSON_KIND_BOOL, true, &d->made },
                { "size", JSON_KIND_INT, true, &size },        { "kept", JSON_KIND_BOOL, false, &d->kept },
        };

        if (!json_is_object(j) || json_dispatch(j, fields, ARRAY_SIZE(fields), &bad) < 0 || version != 2 ||
            nsid < 0 || nsid > UINT32_MAX || size < 0)
                return false;
        d->nsid = (uint32_t) nsid;
        d->size = (uint64_t) size;
        for (d->erase = 0; d->erase < _ERASE_RULE_MAX; d->erase++)
                if (strcmp(erase_rule_to_string(d->erase), erase) == 0)
                        break;
        return d->erase < _ERASE_RULE_MAX && address_parse(vf, &d->vf) >= 0 &&
               address_parse(pf, &d->pf) >= 0 && text_copy(d->serial, sizeof(d->serial), serial) &&
               text_copy(d->tenant, sizeof(d->tenant), tenant) && text_copy(d->vm, sizeof(d->vm), vm) &&
               parse_before(before, d);
}

/* What the name of a file says: whose namespace its record is about. False: none. */
static bool parse_disk_file(const char *name, struct disk *d) {
        const char *dash = strrchr(name, '-');
        char number[16] = "", rest[8] = "";
        uint64_t nsid;

        if (!dash || dash - name >= DISK_KEY_MAX || sscanf(dash + 1, "%10[0-9]%7s", number, rest) != 2 ||
            strcmp(rest, ".json") != 0 || parse_u64(number, 10, &nsid) < 0 || nsid < 1 || nsid > UINT32_MAX)
                return false;
        memcpy(d->key, name, (size_t) (dash - name));
        d->nsid = (uint32_t) nsid;
        return true;
}

/* The namespace of a record that makes no sense has somebody's data all the same. One that was about to be
 * made has none yet. */
static int load_unreadable(struct manager *m, const char *name,
                           int (*adopt)(struct manager *m, const struct disk *d)) {
        struct disk d = { 0 };

        if (!parse_disk_file(name, &d)) {
                log_error("/" DISKS "/%s cannot be understood and names no namespace; it is ignored", name);
                return 0;
        }
        log_error("/" DISKS "/%s is no record of this version, or cannot be read: %s", name,
                  reason_sentence(REASON_DISK_RECORD));
        d.unreadable = strdup(name);
        int r = d.unreadable ? adopt(m, &d) : -ENOMEM;
        if (r < 0)
                free(d.unreadable);
        return r;
}

static int load_disk(struct manager *m, const char *name,
                     int (*adopt)(struct manager *m, const struct disk *d)) {
        _cleanup_json_ json_t *j = load_json(m->root_fd, DISKS, name);
        char expected[DISK_FILE_MAX] = "";
        struct disk d = { 0 };
        int r;

        if (j && parse_disk(j, &d)) {
                disk_key(d.serial, d.pf, d.key);
                disk_file(&d, expected);
        }
        if (strcmp(name, expected) != 0) {
                free(d.before);
                return load_unreadable(m, name, adopt);
        }
        r = adopt(m, &d);
        if (r < 0)
                free(d.before);
        return r;
}

int store_load_disks(struct manager *m, int (*adopt)(struct manager *m, const struct disk *d)) {
        _cleanup_closedir_ DIR *dir = root_opendir(m->root_fd, DISKS);
        struct dirent *e;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && (errno = 0, e = readdir(dir))) {
                size_t n = strlen(e->d_name);

                if (e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".json") == 0)
                        r = load_disk(m, e->d_name, adopt);
        }
        return r < 0 ? r : -errno; /* what cannot be listed may be anything */
}
