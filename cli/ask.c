/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the options that say which VFs are wanted. */

#include "cli/ask.h"
#include "common/text.h"

#include <string.h>

size_t ask_options(struct ask *a, struct option ret[ASK_OPTIONS]) {
        const struct option options[ASK_OPTIONS] = {
                { "tenant", 0, "TENANT", "whose VFs they are", OPTION_TEXT, &a->tenant },
                { "vm", 0, "VM", "name of the VM", OPTION_TEXT, &a->vm },
                { "pool", 0, "POOL[:N][,K=V]", "VFs of a pool; K: vlan, mac, min-tx, max-tx", OPTION_LIST,
                  &a->pools },
                { "count", 0, "N", "VFs of the only pool (1)", OPTION_NUMBER, &a->count },
                { "mac", 0, "MAC", "address of the only VF", OPTION_TEXT, &a->mac },
                { "vlan", 0, "ID", "VLAN of the VFs of the only pool", OPTION_TEXT, &a->vlan },
                { "min-tx-mbps", 0, "MBPS", "least rate of each VF, Mbit/s", OPTION_TEXT, &a->min_tx },
                { "max-tx-mbps", 0, "MBPS", "greatest rate of each VF, Mbit/s", OPTION_TEXT, &a->max_tx },
                { "group", 0, "NAME", "VMs placed with respect to each other", OPTION_TEXT, &a->group },
                { "anti-affinity", 0, NULL, "every VF of the group on a PF of its own", OPTION_FLAG,
                  &a->apart },
                { "affinity", 0, NULL, "VFs of one pool and group on one PF", OPTION_FLAG, &a->together },
                { "numa-node", 0, "N", "node that the VM runs on", OPTION_TEXT, &a->numa },
        };

        memcpy(ret, options, sizeof(options));
        return ASK_OPTIONS;
}

static int check_names(const struct verb *verb, const struct ask *a) {
        const struct {
                const char *option, *value;
                bool needed;
        } names[] = { { "tenant", a->tenant, true }, { "vm", a->vm, true }, { "group", a->group, false } };

        FOREACH_ARRAY(n, names, ARRAY_SIZE(names)) {
                if (!n->value && n->needed)
                        return usage_error(verb, "needs --%s", n->option);
                if (n->value && !name_is_valid(n->value))
                        return usage_error(verb,
                                           "--%s: '%s' is no name (1 to %d letters, digits, '.', '_', '-')",
                                           n->option, n->value, NAME_MAX_LEN);
        }
        return 0;
}

/* --count and the choices that stand for suffixes of the only pool. */
static int check_short_options(const struct verb *verb, struct ask *a) {
        const struct {
                const char *option, *key, *value;
        } choices[] = { { "mac", "mac", a->mac },
                        { "vlan", "vlan", a->vlan },
                        { "min-tx-mbps", "min-tx", a->min_tx },
                        { "max-tx-mbps", "max-tx", a->max_tx } };
        char problem[WANT_PROBLEM_MAX];

        if (a->count > 0 && (a->n_wants > 1 || a->wants[0].count > 0))
                return usage_error(verb, "--count is for one --pool without a number of its own");
        if (a->count > ACQUIRE_COUNT_MAX)
                return usage_error(verb, "--count must be from 1 to %u", ACQUIRE_COUNT_MAX);
        if (a->count > 0)
                a->wants[0].count = (unsigned) a->count;
        FOREACH_ARRAY(c, choices, ARRAY_SIZE(choices)) {
                if (!c->value)
                        continue;
                if (a->n_wants > 1)
                        return usage_error(verb, "--%s is for one --pool, write it as in --pool %s,%s=%s",
                                           c->option, a->wants[0].pool, c->key, c->value);
                if (want_set(a->wants, c->key, c->value, problem) < 0)
                        return usage_error(verb, "--%s: %s", c->option, problem);
        }
        return want_check(a->wants, problem) < 0 ? usage_error(verb, "%s", problem) : 0;
}

static int check_wants(const struct verb *verb, struct ask *a) {
        char problem[WANT_PROBLEM_MAX];

        a->n_wants = 0;
        for (size_t i = 0; i < a->pools.n; i++)
                if (want_parse(a->pools.items[i], a->wants + a->n_wants++, problem) < 0)
                        return usage_error(verb, "--pool: %s", problem);
        if (a->n_wants == 0)
                return usage_error(verb, "needs --pool");
        int r = check_short_options(verb, a);
        if (r != 0)
                return r;
        a->total = 0;
        for (size_t i = 0; i < a->n_wants; i++) {
                a->wants[i].count = MAX(a->wants[i].count, 1U);
                a->total += a->wants[i].count;
        }
        return a->total > ACQUIRE_COUNT_MAX ? usage_error(verb, "%u VFs at once are too many, at most %u go",
                                                          a->total, ACQUIRE_COUNT_MAX)
                                            : 0;
}

int ask_check(const struct verb *verb, struct ask *a) {
        uint64_t node = 0;
        int r = check_names(verb, a);

        if (r != 0 || (r = check_wants(verb, a)) != 0)
                return r;
        if (a->apart && a->together)
                return usage_error(verb, "--affinity and --anti-affinity contradict each other");
        if (a->numa && (parse_u64(a->numa, 10, &node) < 0 || node > INT32_MAX))
                return usage_error(verb, "--numa-node: '%s' is no node", a->numa);
        a->numa_node = a->numa ? (int64_t) node : -1;
        return 0;
}

static void put_want(const struct pool_want *w, json_t *o) {
        const struct vf_attributes *c = &w->chosen;

        put_text(o, "pool", w->pool);
        put_int(o, "count", w->count);
        put_text(o, "mac", c->set & ATTR_MAC ? MAC_STR(c->mac) : NULL);
        put_int(o, "vlan", c->set & ATTR_VLAN ? c->vlan : -1);
        put_int(o, "min_tx_mbps", c->set & ATTR_MIN_TX ? (int64_t) c->min_tx_mbps : -1);
        put_int(o, "max_tx_mbps", c->set & ATTR_MAX_TX ? (int64_t) c->max_tx_mbps : -1);
}

void ask_put(const struct ask *a, bool short_form, json_t *parameters) {
        put_text(parameters, "tenant", a->tenant);
        put_text(parameters, "vm", a->vm);
        if (short_form && a->n_wants == 1)
                put_want(a->wants, parameters);
        else {
                json_t *wants = put_array(parameters, "wants");

                for (size_t i = 0; i < a->n_wants; i++)
                        put_want(a->wants + i, append_object(wants));
        }
        put_text(parameters, "group", a->group);
        put_flag(parameters, "anti_affinity", a->apart);
        put_flag(parameters, "affinity", a->together);
        put_int(parameters, "numa_node", a->numa_node);
}
