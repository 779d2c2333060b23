/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modules.alias of the running kernel. The file has some 30,000 lines, of which a dozen matter: it is
 * searched as one text. */

#include "sriov/variant.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "sriov/bind.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define ALIASES_MAX (32U * 1024U * 1024U) /* bytes of modules.alias; 1.4 MB in 2026 */
#define GENERIC     "vfio_pci"

static size_t wildcards(const char *pattern) {
        size_t n = 0;

        for (; *pattern; pattern++)
                n += *pattern == '*' || *pattern == '?' || *pattern == '[';
        return n;
}

/* "alias PATTERN MODULE". kmod matches with fnmatch(3) and no flags too (libkmod/libkmod-config.c). A module
 * that is not named like a VFIO driver is none that the rest of us would know again. */
static bool parse_alias(const char *line, char pattern[128], char module[DRIVER_MAX]) {
        _Static_assert(DRIVER_MAX == 64, "as in the format");

        return sscanf(line, "alias %127s %63s", pattern, module) == 2 &&
               (strcmp(module, GENERIC) == 0 || bind_is_vfio(module));
}

void variant_pick(const char *aliases, const char *modalias, char module[DRIVER_MAX]) {
        static const char start[] = "alias vfio_pci:";
        char wanted[128], pattern[128], candidate[DRIVER_MAX];
        size_t best = SIZE_MAX;

        text_copy(module, DRIVER_MAX, GENERIC);
        if (strncmp(modalias, "pci:", 4) != 0 ||
            snprintf(wanted, sizeof(wanted), "vfio_%s", modalias) >= (int) sizeof(wanted))
                return;
        for (const char *line = strstr(aliases, start); line; line = strstr(line + 1, start)) {
                if ((line > aliases && line[-1] != '\n') || !parse_alias(line, pattern, candidate) ||
                    fnmatch(pattern, wanted, 0) != 0)
                        continue;
                size_t n = wildcards(pattern);
                if (n < best || (n == best && strcmp(candidate, module) < 0)) {
                        best = n;
                        memcpy(module, candidate, sizeof(candidate));
                }
        }
}

static bool same_name(const char *module, const char *driver) {
        for (; *module && *driver; module++, driver++)
                if (*module != *driver && !(*module == '_' && *driver == '-'))
                        return false;
        return !*module && !*driver;
}

/* Modules are named with '_', drivers as their authors liked: mlx5_vfio_pci, but vfio-pci and xe-vfio-pci. */
static int find_driver(int root_fd, char name[DRIVER_MAX]) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "sys/bus/pci/drivers");
        struct dirent *e;

        if (!d)
                return -errno;
        while ((e = readdir(d)))
                if (same_name(name, e->d_name)) {
                        text_copy(name, DRIVER_MAX, e->d_name);
                        return 0;
                }
        return -EAGAIN;
}

int variant_best(int root_fd, struct address a, char driver[DRIVER_MAX]) {
        _cleanup_free_ char *aliases = NULL;
        char modalias[128], release[128], path[192];

        int r = root_read(root_fd, modalias, sizeof(modalias), "sys/bus/pci/devices/%s/modalias",
                          ADDRESS_STR(a));
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        r = root_read(root_fd, release, sizeof(release), "proc/sys/kernel/osrelease");
        if (r >= 0) {
                snprintf(path, sizeof(path), "lib/modules/%s/modules.alias", release);
                r = root_read_all(root_fd, path, ALIASES_MAX, &aliases, NULL);
        }
        if (r < 0 && r != -ENOENT && r != -ENOTDIR) /* a kernel without modules has no such file */
                return r;
        variant_pick(aliases ? aliases : "", modalias, driver);
        return find_driver(root_fd, driver);
}
