/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools of a policy file: selectors, and how VFs are handed out. */

#include "policy/parse.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

static void parse_selector(struct context *c, const char *path, json_t *v, struct selector *s) {
        int64_t node = -2;

        *s = (struct selector){
                .vendor = -1, .device = -1, .subsystem_vendor = -1, .subsystem_device = -1, .numa_node = -2
        };
        if (!value_object(c, path, v, OBJECT_SELECTOR))
                return;
        if (json_object_size(v) == 0)
                error_at(c, path, false,
                         "found an empty object, which would select every function; expected at least one key, "
                         "or { \"address\": \"*\" } for all functions");
        value_glob(c, path, v, "address", &s->address);
        value_hex16(c, path, v, "vendor", &s->vendor);
        value_hex16(c, path, v, "device", &s->device);
        value_hex16(c, path, v, "subsystem_vendor", &s->subsystem_vendor);
        value_hex16(c, path, v, "subsystem_device", &s->subsystem_device);
        value_text(c, path, v, "driver", DRIVER_MAX - 1, "/", &s->driver);
        value_text(c, path, v, "netdev", IFNAME_MAX - 1, "/", &s->netdev);
        s->has_mac = value_mac(c, path, v, "mac", &s->mac);
        if (value_int(c, path, v, "numa_node", -1, INT32_MAX, &node))
                s->numa_node = (int) node;
        value_text(c, path, v, "slot", SLOT_MAX - 1, "/", &s->slot);
        value_text(c, path, v, "serial", SERIAL_MAX - 1, "", &s->serial);
}

static void parse_functions(struct context *c, const char *pool_path, json_t *pool, struct pool *p) {
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        json_t *v = value_required(c, pool_path, pool, "functions", "an array of selectors"), *i;
        size_t n;

        if (!v)
                return;
        path_join(path, pool_path, "functions");
        if (!json_is_array(v) || json_array_size(v) == 0) {
                error_at(c, path, false, "found %s; expected an array with at least one selector", FOUND(v));
                return;
        }
        p->functions = calloc(json_array_size(v), sizeof(*p->functions));
        if (!p->functions) {
                c->no_memory = true;
                return;
        }
        json_array_foreach(v, n, i) {
                path_index(item, path, n);
                parse_selector(c, item, i, &p->functions[p->n_functions++]);
        }
}

static void parse_vfs(struct context *c, const char *path, json_t *pool, struct vf_count *ret) {
        json_t *v = value_required(c, path, pool, "vfs",
                                   "\"max\", a number of VFs per function, or a share like \"50%\"");
        uint32_t percent;
        char expected[80];

        if (!v)
                return;
        if (json_is_string(v) && strcmp(json_string_value(v), "max") == 0)
                *ret = (struct vf_count){ COUNT_MAX, 0 };
        else if (text_percent(v, &percent))
                *ret = (struct vf_count){ COUNT_PERCENT, percent };
        else if (json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= VFS_PER_PF_MAX)
                *ret = (struct vf_count){ COUNT_NUMBER, (uint32_t) json_integer_value(v) };
        else {
                snprintf(expected, sizeof(expected),
                         "\"max\", a number from 1 to %u, or \"1%%\" to \"100%%\"", VFS_PER_PF_MAX);
                value_refuse(c, path, "vfs", v, expected);
        }
}

/* VFs and their vectors are of no meaning where whole functions are handed out. */
static void refuse_beside(struct context *c, const char *path, json_t *pool, const char *key,
                          const char *pool_is, const char *beside) {
        char member[PATH_MAX_LEN];

        if (!json_object_get(pool, key))
                return;
        path_join(member, path, key);
        error_at(c, member, true, "found \"%s\" in a pool of %s; expected no such key beside %s", key,
                 pool_is, beside);
}

static void refuse_for_functions(struct context *c, const char *path, json_t *pool, const char *key) {
        refuse_beside(c, path, pool, key, "whole functions", "\"assign\": \"function\"");
}

/* The names of VFIO drivers are all alike, and a pool that binds another driver by mistake would give VFs to
 * the host. */
static bool is_vfio_driver(const char *s) {
        static const char tail[] = "_vfio_pci";
        size_t n = strlen(s);

        if (strcmp(s, "vfio-pci") == 0)
                return true;
        return n >= sizeof(tail) && strcmp(s + n - (sizeof(tail) - 1), tail) == 0 &&
               s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void parse_driver(struct context *c, const char *path, json_t *pool, char **ret) {
        json_t *v = json_object_get(pool, "driver");
        struct nearest near = { json_is_string(v) ? json_string_value(v) : "" };
        char hint[96], expected[192];

        if (!v)
                return;
        if (text_is_plain(v, DRIVER_MAX - 1, "/") && is_vfio_driver(near.given)) {
                *ret = value_copy(c, v);
                return;
        }
        nearest_try(&near, "vfio-pci");
        snprintf(expected, sizeof(expected),
                 "\"vfio-pci\", or a VFIO driver for one kind of device, like \"mlx5_vfio_pci\"%s",
                 nearest_hint(&near, hint));
        value_refuse(c, path, "driver", v, expected);
}

static void parse_finding(struct context *c, const char *path, const json_t *v, finding_set *set) {
        enum finding_code code = json_is_string(v) ? finding_from_name(json_string_value(v)) : _FINDING_MAX;
        struct nearest near = { json_is_string(v) ? json_string_value(v) : "" };
        char names[256] = "", hint[96];
        size_t at = 0;

        if (code != _FINDING_MAX && finding_acceptable(code)) {
                if (*set & FINDING_BIT(code))
                        error_at(c, path, false,
                                 "found %s, which is in the list already; expected each finding once",
                                 FOUND(v));
                *set |= FINDING_BIT(code);
                return;
        }
        for (unsigned i = 0; i < _FINDING_MAX; i++) {
                const char *name = finding_name((enum finding_code) i);

                if (!finding_acceptable((enum finding_code) i))
                        continue;
                at += (size_t) snprintf(names + at, sizeof(names) - at, "%s\"%s\"", at ? ", " : "", name);
                if (code == _FINDING_MAX)
                        nearest_try(&near, name);
        }
        error_at(c, path, false, "found %s%s; expected one of %s%s", FOUND(v),
                 code != _FINDING_MAX ? ", which cannot be accepted" : "", names, nearest_hint(&near, hint));
}

/* Findings that the operator knows and lives with, one by one. */
static void parse_accept(struct context *c, const char *pool_path, json_t *pool, finding_set *set) {
        json_t *v = json_object_get(pool, "accept"), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        size_t n;

        if (!v)
                return;
        path_join(path, pool_path, "accept");
        if (!json_is_array(v)) {
                error_at(c, path, false, "found %s; expected an array of findings", FOUND(v));
                return;
        }
        json_array_foreach(v, n, i) {
                path_index(item, path, n);
                parse_finding(c, item, i, set);
        }
}

/* Keys that are one of a few words. The words stand in the order of their enums; the first is the default.
 * True if it is known what the pool hands out. */
static bool parse_words(struct context *c, const char *path, json_t *v, struct pool *p) {
        static const char *const classes[] = { "network", "storage" }; /* "any" is said by silence */
        static const char *const placements[_PLACEMENT_MAX] = { "pack", "spread", "least-loaded" };
        static const char *const numa_rules[_NUMA_RULE_MAX] = { "prefer", "require" };
        static const char *const assigns[_ASSIGN_MAX] = { "vf", "function" };
        static const char *const drifts[_DRIFT_RULE_MAX] = { "restore", "report" };
        static const char *const eswitches[] = { "legacy", "switchdev" }; /* left as it is by silence */

        int class = value_word(c, path, v, "class", classes, ARRAY_SIZE(classes));
        int placement = value_word(c, path, v, "placement", placements, ARRAY_SIZE(placements));
        int numa = value_word(c, path, v, "numa", numa_rules, ARRAY_SIZE(numa_rules));
        int drift = value_word(c, path, v, "drift", drifts, ARRAY_SIZE(drifts));
        int eswitch = value_word(c, path, v, "eswitch", eswitches, ARRAY_SIZE(eswitches));
        int assign = value_word(c, path, v, "assign", assigns, ARRAY_SIZE(assigns));
        p->class = (enum pool_class)(class + 1);
        p->placement = (enum placement) MAX(placement, 0);
        p->numa = (enum numa_rule) MAX(numa, 0);
        p->assign = (enum assign) MAX(assign, 0);
        p->drift = (enum drift_rule) MAX(drift, 0);
        p->eswitch = eswitch < 0 ? ESWITCH_UNKNOWN : (enum eswitch_mode)(ESWITCH_LEGACY + eswitch);
        return assign >= 0 || !json_object_get(v, "assign");
}

/* Only in switchdev mode has a VF a port that can be told. */
static void parse_event_queues(struct context *c, const char *path, json_t *v, struct pool *p) {
        int64_t n = 0;

        value_int(c, path, v, "max_io_eqs", 1, IO_EQS_MAX, &n);
        p->max_io_eqs = (uint32_t) n;
        if (p->class == POOL_CLASS_STORAGE)
                refuse_beside(c, path, v, "max_io_eqs", "storage functions", "\"class\": \"storage\"");
        else if (p->eswitch == ESWITCH_LEGACY)
                refuse_beside(c, path, v, "max_io_eqs", "PFs in legacy mode", "\"eswitch\": \"legacy\"");
}

static void parse_pool(struct context *c, const char *path, json_t *v, struct pool *p) {
        int64_t msix = 0;

        if (!value_object(c, path, v, OBJECT_POOL))
                return;
        bool known = parse_words(c, path, v, p);
        parse_functions(c, path, v, p);
        if (p->assign == ASSIGN_FUNCTION) {
                refuse_for_functions(c, path, v, "vfs");
                refuse_for_functions(c, path, v, "msix");
                refuse_for_functions(c, path, v, "eswitch");
                refuse_for_functions(c, path, v, "max_io_eqs");
        } else if (known) {
                parse_vfs(c, path, v, &p->vfs);
                value_int(c, path, v, "msix", 1, MSIX_MAX, &msix);
                p->msix = (uint32_t) msix;
                parse_event_queues(c, path, v, p);
        }
        if (p->class == POOL_CLASS_STORAGE && p->assign != ASSIGN_FUNCTION)
                refuse_beside(c, path, v, "eswitch", "storage functions", "\"class\": \"storage\"");
        value_bool(c, path, v, "anti_affinity", &p->apart);
        parse_driver(c, path, v, &p->driver);
        parse_accept(c, path, v, &p->accept);
        parse_storage(c, path, v, p);
}

void parse_pool_member(struct context *c, struct draft *d, const char *path, const char *name, json_t *v) {
        struct pool *p = draft_add_pool(c, d, path, name);

        if (p)
                parse_pool(c, path, v, p);
}
