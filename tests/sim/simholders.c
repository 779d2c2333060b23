/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the file open that stands for a VF's VFIO node: a walk through the machine's real /proc. */

#include "common/macro.h"
#include "simtree.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct ident {
        dev_t dev;
        ino_t ino;
};

/* Workers of the same program may have a fence in hand for the length of an operation. */
static bool is_worker(pid_t pid) {
        char mine[256], theirs[256];
        ssize_t n = readlink("/proc/self/exe", mine, sizeof(mine));
        ssize_t m = readlink(pathf("/proc/%d/exe", (int) pid), theirs, sizeof(theirs));

        return n > 0 && n == m && memcmp(mine, theirs, (size_t) n) == 0;
}

static bool process_has(pid_t pid, const struct ident *ids, size_t n_ids) {
        _cleanup_closedir_ DIR *d = opendir(pathf("/proc/%d/fd", (int) pid));
        struct dirent *e;
        struct stat st;

        while (d && (e = readdir(d))) {
                if (!isdigit((unsigned char) e->d_name[0]) || fstatat(dirfd(d), e->d_name, &st, 0) < 0)
                        continue;
                if (!S_ISREG(st.st_mode))
                        continue;
                for (size_t i = 0; i < n_ids; i++)
                        if (ids[i].dev == st.st_dev && ids[i].ino == st.st_ino)
                                return !is_worker(pid);
        }
        return false;
}

static size_t find_nodes(const struct sim *s, const struct address *vfs, size_t n_vfs, struct ident *ids) {
        size_t n = 0;
        struct stat st;

        for (size_t i = 0; i < n_vfs; i++)
                if (tree_group(s, vfs[i]) >= 0 && fstatat(s->root, tree_node(s, vfs[i]), &st, 0) == 0)
                        ids[n++] = (struct ident){ st.st_dev, st.st_ino };
        return n;
}

size_t tree_holders(const struct sim *s, const struct address *vfs, size_t n_vfs, uint64_t *pids,
                    size_t max) {
        _cleanup_free_ struct ident *ids = calloc(n_vfs + 1, sizeof(*ids));
        pid_t store = (pid_t) tree_number(s, "sim/fdstore-pid", 0);
        size_t n_ids = ids ? find_nodes(s, vfs, n_vfs, ids) : 0, n = 0;
        _cleanup_closedir_ DIR *d = n_ids > 0 ? opendir("/proc") : NULL;
        struct dirent *e;

        while (d && (e = readdir(d))) {
                pid_t pid = isdigit((unsigned char) e->d_name[0]) ? atoi(e->d_name) : 0;

                if (pid == 0 || pid == getpid() || pid == s->daemon || pid == store ||
                    !process_has(pid, ids, n_ids))
                        continue;
                if (n < max)
                        pids[n] = (uint64_t) pid;
                n++;
        }
        return n;
}
