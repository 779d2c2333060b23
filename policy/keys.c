/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which keys the objects of a policy file have, in the order in which messages name them. */

#include "policy/keys.h"
#include "common/macro.h"

static const char *const file_keys[] = { "version", "pools", "defaults", "tenants", "faults" };
static const char *const pool_keys[] = {
        "class",         "functions",       "vfs",        "placement",  "numa",
        "anti_affinity", "assign",          "msix",       "driver",     "accept",
        "drift",         "eswitch",         "max_io_eqs", "queues",     "interrupts",
        "host_queues",   "host_interrupts", "host_disk",  "namespaces", "erase"
};
static const char *const disk_keys[] = { "size" };
static const char *const selector_keys[] = { "address",          "vendor", "device", "subsystem_vendor",
                                             "subsystem_device", "driver", "netdev", "mac",
                                             "numa_node",        "slot",   "serial" };
static const char *const defaults_keys[] = { "memlock", "quota", "max_lease", "pools" };
static const char *const tenant_keys[] = { "users", "groups", "memlock", "quota", "max_lease", "pools" };
static const char *const grant_keys[_GRANT_KEY_MAX] = {
#define X(code, name) [GRANT_##code] = name,
        GRANT_KEYS(X)
#undef X
};
static const char *const faults_keys[] = { "dma", "streams" };
static const char *const rule_keys[] = { "limit", "seconds", "action" };

#define KEYS(k) .keys = (k), .n_keys = ARRAY_SIZE(k)

const struct object_keys object_keys[_OBJECT_MAX] = {
        [OBJECT_FILE] = { "file", KEYS(file_keys) },
        [OBJECT_POOL] = { "pool", KEYS(pool_keys) },
        [OBJECT_DISK] = { "disk", KEYS(disk_keys) },
        [OBJECT_SELECTOR] = { "selector", KEYS(selector_keys) },
        [OBJECT_DEFAULTS] = { "defaults", KEYS(defaults_keys) },
        [OBJECT_TENANT] = { "tenant", KEYS(tenant_keys) },
        [OBJECT_DEFAULT_GRANT] = { "default_grant", grant_keys, GRANT_MACS, &grant_keys[GRANT_MACS], 1,
                                   "cannot be inherited: two tenants would have the same addresses" },
        [OBJECT_GRANT] = { "grant", KEYS(grant_keys) },
        [OBJECT_FAULTS] = { "faults", KEYS(faults_keys) },
        [OBJECT_FAULT_RULE] = { "fault_rule", KEYS(rule_keys) },
};
