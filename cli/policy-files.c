/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads policy files. */

#include "cli/policy-files.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "common/limits.h"
#include "common/log.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void policy_files_done(struct policy_files *f) {
        FOREACH_ARRAY(i, f->items, f->n) {
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

static int add_file(struct policy_files *f, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = NULL;
        size_t size = 0;
        int r = fd < 0 ? -errno : read_all(fd, &text, &size);

        if (r < 0)
                return read_failed(path, r);
        if (f->n == ARRAY_SIZE(f->items)) {
                free(text);
                print_error("more than %u policy files", POLICY_FILES_MAX);
                return EXIT_FAILED;
        }
        char *file = strdup(path);
        if (!file)
                out_of_memory();
        f->items[f->n++] = (struct policy_source){ file, text, size };
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
static int add_directory(struct policy_files *f, const char *dir) {
        _cleanup_free_ char *main_file = path_join(dir, "policy.json"), *parts = path_join(dir, "policy.d");
        struct dirent **names = NULL;
        size_t before = f->n;
        int r = access(main_file, F_OK) == 0 ? add_file(f, main_file) : 0;

        if (r != 0)
                return r;
        int n = scandir(parts, &names, is_policy_part, by_name);
        if (n < 0 && errno != ENOENT)
                return read_failed(parts, -errno);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = path_join(parts, names[i]->d_name);

                if (r == 0)
                        r = add_file(f, path);
                free(names[i]);
        }
        free(names);
        if (r == 0 && f->n == before) {
                print_error("%s has neither policy.json nor policy.d/*.json", dir);
                return EXIT_FAILED;
        }
        return r;
}

static int add_path(struct policy_files *f, const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return read_failed(path, -errno);
        return S_ISDIR(st.st_mode) ? add_directory(f, path) : add_file(f, path);
}

int policy_files_read(struct policy_files *f, char *const *paths, size_t n) {
        int r = n == 0 ? add_directory(f, SYSCONFDIR "/vfctl") : 0;

        for (size_t i = 0; i < n && r == 0; i++)
                r = add_path(f, paths[i]);
        return r;
}
