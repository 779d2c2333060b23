/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks a valid policy over for what is hardly meant. */

#include "cli/policy-warnings.h"
#include "cli/table.h"
#include "common/text.h"

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>

_printf_(4, 5) static void warn(struct policy_warnings *w, const char *kind, const char *name,
                                const char *format, ...) {
        struct policy_warning *items = reallocarray(w->items, w->n + 1, sizeof(*items));
        struct policy_warning *new = items ? items + w->n : NULL;
        va_list ap;

        if (!new)
                out_of_memory();
        w->items = items;
        va_start(ap, format);
        if (asprintf(&new->path, "/%s/%s", kind, name) < 0 || vasprintf(&new->message, format, ap) < 0)
                out_of_memory();
        va_end(ap);
        w->n++;
}

static bool anybody_has(const struct policy *p, size_t pool) {
        for (size_t i = 0; i < p->n_tenants; i++)
                if (tenant_find_grant(p->tenants + i, pool))
                        return true;
        return false;
}

static void warn_pool(struct policy_warnings *w, const struct policy *p, size_t index) {
        const struct pool *pool = p->pools + index;
        _cleanup_free_ char *accepted = NULL;

        if (!anybody_has(p, index))
                warn(w, "pools", pool->name, "no tenant may use this pool, so its VFs lie idle");
        for (unsigned f = 0; f < _FINDING_MAX; f++)
                if ((pool->accept & FINDING_BIT(f)) && text_append(&accepted, "%s%s", accepted ? ", " : "",
                                                                   finding_name((enum finding_code) f)) < 0)
                        out_of_memory();
        if (accepted)
                warn(w, "pools", pool->name, "it leases VFs whose isolation is not shown (accept: %s)",
                     accepted);
}

/* A name that this machine does not know matches nobody: most often a typing error. */
static void warn_principals(struct policy_warnings *w, const struct tenant *t) {
        const struct principal *users = t->users, *groups = t->groups;

        FOREACH_ARRAY(u, users, t->n_users)
                if (u->name && !getpwnam(u->name))
                        warn(w, "tenants", t->name, "this machine has no user '%s'", u->name);
        FOREACH_ARRAY(g, groups, t->n_groups)
                if (g->name && !getgrnam(g->name))
                        warn(w, "tenants", t->name, "this machine has no group '%s'", g->name);
        if (t->n_users + t->n_groups == 0)
                warn(w, "tenants", t->name,
                     "it has neither users nor groups, so only administrators lease for it");
}

static void warn_tenant(struct policy_warnings *w, const struct policy *p, const struct tenant *t) {
        const struct grant *grants = t->grants;

        warn_principals(w, t);
        if (t->n_grants == 0)
                warn(w, "tenants", t->name, "it may use no pool");
        if (t->quota == 0)
                warn(w, "tenants", t->name, "its quota over all pools is 0, so it gets nothing");
        FOREACH_ARRAY(g, grants, t->n_grants)
                if (g->quota == 0)
                        warn(w, "tenants", t->name, "its quota of pool %s is 0, so it gets nothing of it",
                             p->pools[g->pool].name);
}

void policy_warn(const struct policy *p, struct policy_warnings *ret) {
        for (size_t i = 0; i < p->n_pools; i++)
                warn_pool(ret, p, i);
        for (size_t i = 0; i < p->n_tenants; i++)
                warn_tenant(ret, p, p->tenants + i);
}

void policy_warnings_done(struct policy_warnings *w) {
        const struct policy_warning *items = w->items;

        FOREACH_ARRAY(i, items, w->n) {
                free(i->path);
                free(i->message);
        }
        free(w->items);
}
