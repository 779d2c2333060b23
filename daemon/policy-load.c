/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy files. */

#include "daemon/policy-load.h"
#include "common/log.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#define FILE_PATH "etc/vfctl/policy.json"
#define DIR_PATH  "etc/vfctl/policy.d"

struct sources {
        struct policy_source items[POLICY_FILES_MAX + 1]; /* policy.json and policy.d */
        size_t n;
};

static void sources_free(struct sources *s) {
        for (size_t i = 0; i < s->n; i++) {
                free((char *) s->items[i].file);
                free((char *) s->items[i].text);
        }
        free(s);
}
DEFINE_CLEANUP(struct sources *, sources_free)

static int add_error(struct policy_errors *errors, const char *file, const char *message) {
        struct policy_error *p = reallocarray(errors->items, errors->n + 1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        errors->items = p;
        p[errors->n] = (struct policy_error){ .file = strdup(file),
                                              .path = strdup(""),
                                              .message = strdup(message) };
        if (!p[errors->n].file || !p[errors->n].path || !p[errors->n].message)
                return -ENOMEM;
        errors->n++;
        return 0;
}

static int add_file(int root_fd, const char *path, struct sources *s, struct policy_errors *errors) {
        _cleanup_free_ char *text = NULL, *shown = NULL;
        size_t size = 0;

        if (asprintf(&shown, "/%s", path) < 0)
                return -ENOMEM;
        int r = root_read_all(root_fd, path, POLICY_FILE_MAX, &text, &size);
        if (r < 0)
                return add_error(errors, shown, errno_text(r));
        s->items[s->n++] = (struct policy_source){ TAKE_PTR(shown), TAKE_PTR(text), size };
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool is_policy(const struct dirent *e) {
        size_t len = strlen(e->d_name);

        return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".json") == 0;
}

/* The names of the policy files, at most POLICY_FILES_MAX; one file too many is an error, not left out. */
static int list_dir(DIR *d, char *names[], size_t *n, struct policy_errors *errors) {
        struct dirent *e;

        while ((e = readdir(d))) {
                if (!is_policy(e))
                        continue;
                if (*n == POLICY_FILES_MAX)
                        return add_error(errors, "/" DIR_PATH, "too many files, more than vfctld reads");
                names[*n] = strdup(e->d_name);
                if (!names[*n])
                        return -ENOMEM;
                (*n)++;
        }
        return 0;
}

static int add_dir(int root_fd, struct sources *s, struct policy_errors *errors) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, DIR_PATH);
        char *names[POLICY_FILES_MAX];
        size_t n = 0, n_errors = errors->n;

        if (!d)
                return errno == ENOENT ? 0 : add_error(errors, "/" DIR_PATH, errno_text(-errno));
        int r = list_dir(d, names, &n, errors);
        bool listed = r >= 0 && errors->n == n_errors;
        qsort(names, n, sizeof(*names), compare_names);
        for (size_t i = 0; i < n; i++) {
                char path[300];

                snprintf(path, sizeof(path), DIR_PATH "/%s", names[i]);
                if (listed && r >= 0)
                        r = add_file(root_fd, path, s, errors);
                free(names[i]);
        }
        return r;
}

static void resolve(struct principal *p, size_t n, bool group, const char *tenant) {
        for (size_t i = 0; i < n; i++) {
                if (!p[i].name)
                        continue;
                struct group *g = group ? getgrnam(p[i].name) : NULL;
                struct passwd *u = group ? NULL : getpwnam(p[i].name);

                p[i].resolved = g || u;
                p[i].id = g ? g->gr_gid : u ? u->pw_uid : 0;
                if (!p[i].resolved)
                        log_warning("tenant %s names the unknown %s \"%s\": it matches nobody until the policy is read "
                                    "again",
                                    tenant, group ? "group" : "user", p[i].name);
        }
}

void policy_find_drivers(int root_fd, struct policy *policy) {
        FOREACH_ARRAY(p, policy->pools, policy->n_pools) {
                bool missing = p->driver && !root_exists(root_fd, "sys/bus/pci/drivers/%s", p->driver);

                if (missing && !p->driver_missing)
                        log_warning("pool %s wants the driver %s, which is not loaded; its VFs keep the one that they have",
                                    p->name, p->driver);
                p->driver_missing = missing;
        }
}

int policy_load(int root_fd, struct policy **ret, struct policy_errors *errors) {
        _cleanup_(sources_freep) struct sources *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        int r = 0;
        if (root_exists(root_fd, FILE_PATH))
                r = add_file(root_fd, FILE_PATH, s, errors);
        if (r >= 0)
                r = add_dir(root_fd, s, errors);
        if (r >= 0 && s->n == 0 && errors->n == 0)
                r = add_error(errors, "/" FILE_PATH,
                              "there is no policy; write one as vfctl-policy(5) shows");
        if (r < 0)
                return r;
        if (errors->n > 0)
                return -EINVAL;
        struct policy *p = NULL;
        r = policy_parse(s->items, s->n, &p, errors);
        if (r < 0)
                return r;
        FOREACH_ARRAY(t, p->tenants, p->n_tenants) {
                resolve(t->users, t->n_users, false, t->name);
                resolve(t->groups, t->n_groups, true, t->name);
        }
        policy_find_drivers(root_fd, p);
        *ret = p;
        return 0;
}
