/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl policy check: the policy's parser on files, without the daemon. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "config.h"
#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

struct sources {
        struct policy_source items[POLICY_FILES_MAX];
        size_t n;
};

static void sources_done(struct sources *s) {
        FOREACH_ARRAY(i, s->items, s->n) {
                free((char *) i->file);
                free((char *) i->text);
        }
}

static int read_failed(const char *path, int r) {
        print_error("cannot read %s: %s", path, errno_text(r));
        return EXIT_FAILED;
}

static int read_all(int fd, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = malloc(POLICY_FILE_MAX + 1U);
        size_t size = 0;
        ssize_t n;

        if (!text)
                out_of_memory();
        while ((n = read(fd, text + size, POLICY_FILE_MAX + 1U - size)) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                size += n > 0 ? (size_t) n : 0;
                if (size > POLICY_FILE_MAX)
                        return -EFBIG;
        }
        *ret = realloc(text, size + 1);
        if (*ret)
                text = NULL;
        *ret_size = size;
        return *ret ? 0 : -ENOMEM;
}

static int add_file(struct sources *s, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = NULL;
        size_t size = 0;
        int r = fd < 0 ? -errno : read_all(fd, &text, &size);

        if (r < 0)
                return read_failed(path, r);
        if (s->n == ARRAY_SIZE(s->items)) {
                free(text);
                print_error("more than %u policy files", POLICY_FILES_MAX);
                return EXIT_FAILED;
        }
        char *file = strdup(path);
        if (!file)
                out_of_memory();
        s->items[s->n++] = (struct policy_source){ file, text, size };
        return 0;
}

static int is_policy_part(const struct dirent *d) {
        size_t n = strlen(d->d_name);

        return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* Joined path of a directory's file; the caller frees. */
static char *path_join(const char *dir, const char *name) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s", dir, name) < 0)
                out_of_memory();
        return path;
}

/* policy.json, then policy.d/ *.json by name: what the daemon reads. */
static int add_directory(struct sources *s, const char *dir) {
        _cleanup_free_ char *main_file = path_join(dir, "policy.json"), *parts = path_join(dir, "policy.d");
        struct dirent **names = NULL;
        size_t before = s->n;
        int r = access(main_file, F_OK) == 0 ? add_file(s, main_file) : 0;

        if (r != 0)
                return r;
        int n = scandir(parts, &names, is_policy_part, by_name);
        if (n < 0 && errno != ENOENT)
                return read_failed(parts, -errno);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = path_join(parts, names[i]->d_name);

                if (r == 0)
                        r = add_file(s, path);
                free(names[i]);
        }
        free(names);
        if (r == 0 && s->n == before) {
                print_error("%s has neither policy.json nor policy.d/*.json", dir);
                return EXIT_FAILED;
        }
        return r;
}

static int add_path(struct sources *s, const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return read_failed(path, -errno);
        return S_ISDIR(st.st_mode) ? add_directory(s, path) : add_file(s, path);
}

static int print_errors(const struct policy_errors *errors) {
        for (size_t i = 0; i < errors->n; i++) {
                const struct policy_error *e = errors->items + i;
                const struct policy_error_record p = { .file = e->file ? e->file : "",
                                                       .path = e->path ? e->path : "",
                                                       .message = e->message,
                                                       .line = e->at.line,
                                                       .column = e->at.column };

                print_policy_error(stdout, "", &p);
        }
        return EXIT_FAILED;
}

static void print_result_json(const struct policy_errors *errors) {
        _cleanup_json_ json_t *o = json_pack("{s:b, s:[]}", "valid", errors->n == 0, "errors");

        if (!o)
                out_of_memory();
        for (size_t i = 0; i < errors->n; i++) {
                const struct policy_error *e = errors->items + i;
                json_t *item = new_object();

                put_text(item, "file", e->file ? e->file : "");
                put_int(item, "line", e->at.line);
                put_int(item, "column", e->at.column);
                put_text(item, "path", e->path ? e->path : "");
                put_text(item, "message", e->message);
                if (json_array_append_new(json_object_get(o, "errors"), item) < 0)
                        out_of_memory();
        }
        print_json(o);
}

/* A name that this machine does not know matches nobody: most often a typing error. */
static void warn_unknown(const struct policy *p) {
        for (size_t i = 0; i < p->n_tenants; i++) {
                const struct tenant *t = p->tenants + i;
                const struct principal *users = t->users, *groups = t->groups;

                FOREACH_ARRAY(u, users, t->n_users)
                        if (u->name && !getpwnam(u->name))
                                print_warning("tenant %s: this machine has no user '%s'", t->name, u->name);
                FOREACH_ARRAY(g, groups, t->n_groups)
                        if (g->name && !getgrnam(g->name))
                                print_warning("tenant %s: this machine has no group '%s'", t->name, g->name);
        }
}

static int check(const struct cli *cli, const struct sources *s) {
        _cleanup_(policy_freep) struct policy *p = NULL;
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        int r = policy_parse(s->items, s->n, &p, &errors);

        if (r == -ENOMEM)
                out_of_memory();
        if (cli->json)
                print_result_json(&errors);
        if (r < 0)
                return cli->json ? EXIT_FAILED : print_errors(&errors);
        warn_unknown(p);
        if (!cli->json)
                printf("The policy is valid: %zu pool%s, %zu tenant%s.\n", p->n_pools,
                       p->n_pools == 1 ? "" : "s", p->n_tenants, p->n_tenants == 1 ? "" : "s");
        return 0;
}

int verb_policy(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_(sources_done) struct sources s = { .n = 0 };
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc < 2 || strcmp(argv[1], "check") != 0)
                return usage_error(verb, "the one thing to do with it is 'check'");
        r = argc == 2 ? add_directory(&s, SYSCONFDIR "/vfctl") : 0;
        for (int i = 2; i < argc && r == 0; i++)
                r = add_path(&s, argv[i]);
        return r != 0 ? r : check(cli, &s);
}
