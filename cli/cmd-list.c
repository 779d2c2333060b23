/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl list: one table for each kind of thing. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/times.h"
#include "common/model.h"
#include "common/text.h"

#include <string.h>

/* One kind: which call, which member of the reply, how a row is made of an element. */
struct listing {
        const char *name, *method, *empty;
        const char *const *headers;
        size_t n_headers;
        int (*add)(struct table *t, json_t *v); /* 0 or -EPROTO */
        bool (*is_for)(json_t *rows);           /* NULL: for all; else the next of this name is tried */
};

static const char *none_if(const char *reason) {
        return strcmp(reason, "none") == 0 ? NULL : reason;
}

/* What is out of the ordinary, without blanks: "drained,pending=7". */
static char *pf_state(const struct pf_record *p) {
        char *text = NULL;
        int r = text_append(&text, "%s", p->stuck ? ",stuck" : none_if(p->reason) ? "," : "");

        if (r == 0 && !p->stuck && none_if(p->reason))
                r = text_append(&text, "%s", p->reason);
        if (r == 0 && p->drained)
                r = text_append(&text, ",drained");
        if (r == 0 && p->pending_vfs > 0)
                r = text_append(&text, ",pending=%lld", (long long) p->pending_vfs);
        if (r < 0)
                out_of_memory();
        return text;
}

static int add_pf_row(struct table *t, json_t *v, bool capacity) {
        struct pf_record p = { 0 };
        int r = record_pf(v, &p);

        if (r < 0)
                return r;
        _cleanup_free_ char *state = pf_state(&p);
        table_add(t, p.address);
        table_add(t, p.driver);
        table_add(t, p.netdev);
        table_add(t, p.pool);
        if (p.whole)
                table_add(t, "whole");
        else
                table_addf(t, "%lld/%lld", (long long) p.num_vfs, (long long) p.total_vfs);
        if (p.numa_node < 0)
                table_add(t, NULL);
        else
                table_addf(t, "%lld", (long long) p.numa_node);
        table_add_colour(t, p.stuck || none_if(p.reason) ? COLOUR_BAD : COLOUR_BUSY,
                         state[0] ? state + 1 : NULL);
        table_add(t, p.model);
        if (capacity) {
                table_add(t, p.capacity > 0 ? SIZE_STR(MAX(p.available, (int64_t) 0)) : NULL);
                table_add(t, p.capacity > 0 ? SIZE_STR(p.capacity) : NULL);
        }
        return 0;
}

static int add_pf(struct table *t, json_t *v) {
        return add_pf_row(t, v, false);
}

static int add_pf_capacity(struct table *t, json_t *v) {
        return add_pf_row(t, v, true);
}

/* Of NVMe controllers that tell. */
static bool any_capacity(json_t *rows) {
        json_t *e;
        size_t i;

        json_array_foreach(rows, i, e)
                if (json_integer_value(json_object_get(e, "capacity")) > 0)
                        return true;
        return false;
}

static int add_vf(struct table *t, json_t *v) {
        struct vf_record f = { 0 };
        int r = record_vf(v, &f);

        if (r < 0)
                return r;
        table_add(t, f.address);
        table_add(t, f.pf);
        table_add(t, f.pool);
        if (f.group < 0)
                table_add(t, NULL);
        else
                table_addf(t, "%lld", (long long) f.group);
        table_add(t, f.isolated ? "yes" : "no");
        table_add_colour(t, colour_of_state(f.state), f.state);
        table_add(t, f.tenant);
        table_add(t, f.vm);
        table_add(t, f.lease);
        table_add(t, none_if(f.reason));
        return 0;
}

static void add_lease_state(struct table *t, const struct lease_record *l) {
        table_add_colour(t,
                         l->ending        ? COLOUR_BUSY
                         : l->over_policy ? COLOUR_BAD
                                          : COLOUR_NONE,
                         l->ending        ? "ending"
                         : l->over_policy ? "over-policy"
                                          : "in-use");
}

static int add_lease_row(struct table *t, json_t *v, bool expires) {
        struct lease_record l = { 0 };
        _cleanup_free_ char *vfs = NULL, *pools = NULL;
        int r = record_lease(v, &l);

        if (r < 0 || (r = record_strings(l.vfs, "vfs", ",", &vfs)) < 0 ||
            (r = record_strings(l.pools, "pools", ",", &pools)) < 0)
                return r;
        table_add(t, l.id);
        table_add(t, l.tenant);
        table_add(t, pools);
        table_add(t, l.vm);
        table_add(t, vfs);
        table_add(t, l.hand_off);
        table_addf(t, "%lld", (long long) l.uid);
        if (l.pid > 0)
                table_addf(t, "%lld", (long long) l.pid);
        else
                table_add(t, "kept");
        add_lease_state(t, &l);
        table_add(t, TIME_STR(l.created));
        if (expires)
                table_add(t, TIME_STR(l.expires));
        return 0;
}

static int add_lease(struct table *t, json_t *v) {
        return add_lease_row(t, v, false);
}

static int add_lease_expires(struct table *t, json_t *v) {
        return add_lease_row(t, v, true);
}

static bool any_expires(json_t *leases) {
        json_t *e;
        size_t i;

        json_array_foreach(leases, i, e)
                if (json_integer_value(json_object_get(e, "expires")) > 0)
                        return true;
        return false;
}

static int add_reservation(struct table *t, json_t *v) {
        struct reservation_record n = { 0 };
        _cleanup_free_ char *vfs = NULL;
        json_t *e;
        size_t i;
        int r = record_reservation(v, &n);

        if (r < 0)
                return r;
        json_array_foreach(n.devices, i, e) {
                struct leased_vf_record d = { 0 };

                if ((r = record_leased_vf(e, &d)) < 0)
                        return r;
                if (text_append(&vfs, "%s%s", i > 0 ? "," : "", d.address) < 0)
                        out_of_memory();
        }
        _cleanup_free_ char *pools = NULL;
        if ((r = record_strings(n.pools, "pools", ",", &pools)) < 0)
                return r;
        table_add(t, n.tenant);
        table_add(t, n.vm);
        table_add(t, pools);
        table_add(t, vfs);
        table_add(t, n.lease);
        table_add_colour(t, n.over_policy ? COLOUR_BAD : COLOUR_NONE, n.over_policy ? "over-policy" : "kept");
        table_add(t, TIME_STR(n.created));
        return 0;
}

static int add_pool(struct table *t, json_t *v) {
        struct pool_record p = { 0 };
        int r = record_pool(v, &p);

        if (r < 0)
                return r;
        table_add(t, p.name);
        table_add(t, p.class);
        table_add(t, p.assign);
        table_add(t, p.placement);
        table_addf(t, "%lld", (long long) p.pfs);
        table_addf(t, "%lld", (long long) p.vfs);
        table_addf(t, "%lld", (long long) p.ready);
        table_addf(t, "%lld", (long long) p.leased);
        table_addf(t, "%lld", (long long) p.reserved);
        table_addf(t, "%lld", (long long) p.waiting);
        return 0;
}

/* pool is NULL for a tenant without any. */
static void add_tenant_row(struct table *t, const struct tenant_record *n, const char *pool, int64_t quota,
                           int64_t used) {
        table_add(t, n->name);
        table_add(t, n->memlock > 0 ? SIZE_STR((uint64_t) n->memlock) : NULL);
        table_add(t, DURATION_STR(n->max_lease));
        table_add(t, pool);
        if (pool) {
                table_addf(t, "%lld", (long long) quota);
                table_addf(t, "%lld", (long long) used);
        } else {
                table_add(t, NULL);
                table_add(t, NULL);
        }
}

static int add_tenant(struct table *t, json_t *v) {
        struct tenant_record n = { 0 };
        json_t *e;
        size_t i;
        int r = record_tenant(v, &n);

        if (r < 0)
                return r;
        json_array_foreach(n.pools, i, e) {
                struct tenant_pool_record p = { 0 };

                if ((r = record_tenant_pool(e, &p)) < 0)
                        return r;
                add_tenant_row(t, &n, p.pool, p.quota, p.used);
        }
        if (n.quota > 0)
                add_tenant_row(t, &n, "(all)", n.quota, n.used);
        else if (json_array_size(n.pools) == 0)
                add_tenant_row(t, &n, NULL, 0, 0);
        return 0;
}

static const char *const pf_headers[] = { "ADDRESS", "DRIVER", "NETDEV", "POOL",  ">VFS",
                                          ">NUMA",   "STATE",  "MODEL",  ">FREE", ">CAPACITY" };
static const char *const vf_headers[] = { "ADDRESS", "PF",     "POOL", ">GROUP", "ISOLATED",
                                          "STATE",   "TENANT", "VM",   "LEASE",  "REASON" };
static const char *const lease_headers[] = { "LEASE", "TENANT", "POOL",  "VM",    "VFS",    "HAND-OFF",
                                             ">UID",  ">PID",   "STATE", "SINCE", "EXPIRES" };
static const char *const reservation_headers[] = { "TENANT", "VM", "POOL", "VFS", "LEASE", "STATE", "SINCE" };
static const char *const pool_headers[] = { "POOL", "CLASS",  "ASSIGN",  "PLACEMENT", ">PFS",
                                            ">VFS", ">READY", ">LEASED", ">RESERVED", ">WAITING" };
static const char *const tenant_headers[] = { "TENANT", ">MEMLOCK", ">MAX-LEASE", "POOL", ">QUOTA", ">USED" };

#define HEADERS(h) h, ARRAY_SIZE(h)
static const struct listing listings[] = {
        { "pfs", "ListPFs", "No PFs.", HEADERS(pf_headers), add_pf_capacity, any_capacity },
        { "pfs", "ListPFs", "No PFs.", pf_headers, ARRAY_SIZE(pf_headers) - 2, add_pf },
        { "vfs", "ListVFs", "No VFs.", HEADERS(vf_headers), add_vf },
        { "leases", "ListLeases", "No leases.", HEADERS(lease_headers), add_lease_expires, any_expires },
        { "leases", "ListLeases", "No leases.", lease_headers, ARRAY_SIZE(lease_headers) - 1, add_lease },
        { "reservations", "ListReservations", "No reservations.", HEADERS(reservation_headers),
          add_reservation },
        { "pools", "ListPools", "No pools.", HEADERS(pool_headers), add_pool },
        { "tenants", "ListTenants", "No tenants.", HEADERS(tenant_headers), add_tenant },
};

static const struct listing *listing_find(const char *name) {
        FOREACH_ARRAY(l, listings, ARRAY_SIZE(listings))
                if (strcmp(l->name, name) == 0)
                        return l;
        return NULL;
}

static int unknown_listing(const struct verb *verb, const char *name) {
        const char *names[ARRAY_SIZE(listings)];

        for (size_t i = 0; i < ARRAY_SIZE(listings); i++)
                names[i] = listings[i].name;
        const char *near = nearest_word(name, names, ARRAY_SIZE(names));
        return usage_error(verb, "cannot list '%s'%s%s%s", name, near ? ", did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
}

static int list(struct cli *cli, const struct listing *l, json_t *filters_taken) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL, *filters = filters_taken;
        json_t *rows, *e;
        size_t i;
        int r = client_open(&c, cli);

        if (r != 0 || (r = client_call(&c, l->method, TAKE_PTR(filters), &reply)) != 0)
                return r;
        if (record_array(reply, l->name, &rows) < 0)
                return EXIT_FAILED;
        while (l->is_for && !l->is_for(rows))
                l++;
        _cleanup_table_ struct table *t = table_new(l->headers, l->n_headers);
        json_array_foreach(rows, i, e)
                if (l->add(t, e) < 0)
                        return EXIT_FAILED;
        if (cli->json)
                print_json(reply);
        else
                table_print(t, !cli->no_legend, l->empty);
        return 0;
}

int verb_list(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        const char *pf = NULL, *pool = NULL, *state = NULL;
        const struct option options[] = {
                { "pf", 0, "ADDRESS", "vfs: only those of this PF", OPTION_TEXT, &pf },
                { "pool", 0, "POOL", "vfs: only those of this pool", OPTION_TEXT, &pool },
                { "state", 0, "STATE", "vfs: only those in this state", OPTION_TEXT, &state },
        };
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 2)
                return usage_error(verb, "takes one argument");
        const struct listing *l = listing_find(argc > 1 ? argv[1] : "vfs");
        if (!l)
                return unknown_listing(verb, argv[1]);
        bool filtered = pf || pool || state;
        if (filtered && strcmp(l->name, "vfs") != 0)
                return usage_error(verb, "--pf, --pool and --state go with 'vfs' only");
        if (state && vf_state_from_string(state) == _VF_STATE_MAX)
                return usage_error(verb, "there is no state '%s'", state);
        if (!filtered)
                return list(cli, l, NULL);
        json_t *filters = new_object();
        put_text(filters, "pf", pf);
        put_text(filters, "pool", pool);
        put_text(filters, "state", state);
        return list(cli, l, filters);
}
