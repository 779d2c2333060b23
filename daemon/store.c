/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases and quarantines in files. */

#include "daemon/store.h"
#include "common/json.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <string.h>

#define LEASES     "run/vfctld/leases"
#define QUARANTINE "var/lib/vfctld/quarantine"
#define FILE_MAX   (64U * 1024U)

static int put_json(int root_fd, const char *dir, const char *name, json_t *j_taken) {
        _cleanup_json_ json_t *j = j_taken;
        _cleanup_free_ char *text = j ? json_text(j) : NULL;

        return text ? root_replace(root_fd, dir, name, text, strlen(text), 0600) : -ENOMEM;
}

static void lease_file(const struct lease *l, char name[32]) {
        snprintf(name, 32, "%s.json", l->id);
}

int store_lease(struct managed_lease *ml) {
        const struct lease *l = &ml->lease;
        json_t *vfs = json_array();
        char name[32];

        for (size_t i = 0; i < l->n_vfs; i++)
                json_array_append_new(vfs, json_string(ADDRESS_STR(l->vfs[i])));
        lease_file(l, name);
        return put_json(ml->manager->root_fd, LEASES, name,
                        json_pack("{s:i,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:I,s:b,s:b,s:o}", "version", 1, "id",
                                  l->id, "tenant", l->tenant, "pool", l->pool, "vm", l->vm, "uid",
                                  (json_int_t) l->uid, "pid", (json_int_t) l->pid, "pid_start",
                                  (json_int_t) l->pid_start, "hand_off", hand_off_to_string(l->hand_off),
                                  "created", (json_int_t) l->created_usec, "granted", ml->granted, "ending",
                                  l->ending, "vfs", vfs));
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

static bool parse_vfs(json_t *vfs, struct lease *l) {
        size_t i;
        json_t *v;

        if (json_array_size(vfs) > ACQUIRE_COUNT_MAX)
                return false;
        json_array_foreach(vfs, i, v) {
                if (!json_is_string(v) || address_parse(json_string_value(v), &l->vfs[i]) < 0)
                        return false;
                l->n_vfs++;
        }
        return true;
}

static bool parse_lease(json_t *j, struct lease *l, bool *granted) {
        const char *id, *tenant, *pool, *vm, *hand_off, *bad;
        int64_t version, uid, pid, pid_start, created;
        json_t *vfs;
        const struct json_field fields[] = {
                { "version", JSON_KIND_INT, true, &version },
                { "id", JSON_KIND_STRING, true, &id },
                { "tenant", JSON_KIND_STRING, true, &tenant },
                { "pool", JSON_KIND_STRING, true, &pool },
                { "vm", JSON_KIND_STRING, true, &vm },
                { "uid", JSON_KIND_INT, true, &uid },
                { "pid", JSON_KIND_INT, true, &pid },
                { "pid_start", JSON_KIND_INT, true, &pid_start },
                { "hand_off", JSON_KIND_STRING, true, &hand_off },
                { "created", JSON_KIND_INT, true, &created },
                { "granted", JSON_KIND_BOOL, true, granted },
                { "ending", JSON_KIND_BOOL, true, &l->ending },
                { "vfs", JSON_KIND_ARRAY, true, &vfs },
        };

        if (!json_is_object(j) || json_dispatch(j, fields, ARRAY_SIZE(fields), &bad) < 0 || version != 1)
                return false;
        l->uid = (uid_t) uid;
        l->pid = (pid_t) pid;
        l->pid_start = (uint64_t) pid_start;
        l->created_usec = (uint64_t) created;
        l->hand_off = hand_off_from_string(hand_off);
        return l->hand_off != _HAND_OFF_MAX && text_copy(l->id, sizeof(l->id), id) &&
               text_copy(l->tenant, sizeof(l->tenant), tenant) && text_copy(l->pool, sizeof(l->pool), pool) &&
               text_copy(l->vm, sizeof(l->vm), vm) && parse_vfs(vfs, l);
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
