/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/eswitch.h"
#include "common/macro.h"
#include "common/root.h"
#include "sriov/devlink.h"
#include "sriov/representor.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct devlink_handle handle_of(struct address pf) {
        struct devlink_handle h = { .bus = "pci" };

        address_format(pf, h.device);
        return h;
}

/* With what the driver says to it, such as that there are VFs. */
static void explain(const char *what, const struct devlink_detail *detail, char text[ESWITCH_TEXT_MAX],
                    const char **step) {
        if (detail->text[0]) {
                snprintf(text, ESWITCH_TEXT_MAX, "%s (%.110s)", what, detail->text);
                *step = text;
        } else
                *step = what;
}

int eswitch_read(int root_fd, struct address pf, enum eswitch_mode *ret, char text[ESWITCH_TEXT_MAX],
                 const char **step) {
        const struct devlink_handle h = handle_of(pf);
        struct devlink_detail detail = { 0 };
        int r = -ENODEV;

        if (root_is_host(root_fd))
                r = devlink_eswitch_get(&h, ret, &detail);
        explain("reading the mode of the PF's switch", &detail, text, step);
        if (r != -EOPNOTSUPP && r != -ENODEV)
                return r;
        *ret = ESWITCH_NONE;
        return 0;
}

int eswitch_write(int root_fd, struct address pf, enum eswitch_mode mode, char text[ESWITCH_TEXT_MAX],
                  const char **step) {
        const struct devlink_handle h = handle_of(pf);
        struct devlink_detail detail = { 0 };
        int r = root_is_host(root_fd) ? devlink_eswitch_set(&h, mode, &detail) : -EOPNOTSUPP;

        explain("setting the mode of the PF's switch", &detail, text, step);
        return r == -ENODEV ? -EOPNOTSUPP : r;
}

/* In switchdev mode the PF may be the parent of the interfaces of its VFs as well (mlx5), and any of them
 * says which switch it is. */
static int find_switch(int root_fd, struct address pf, char id[SWITCH_ID_MAX]) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "sys/bus/pci/devices/%s/net", ADDRESS_STR(pf));
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.' && representor_switch_id(root_fd, e->d_name, id) >= 0)
                        return 0;
        return -EOPNOTSUPP;
}

int eswitch_representors(int root_fd, struct address pf, char (*names)[IFNAME_MAX], size_t n,
                         const char **step) {
        char id[SWITCH_ID_MAX];

        *step = "looking for the interfaces that stand for its VFs";
        if (find_switch(root_fd, pf, id) < 0) {
                memset(names, 0, n * sizeof(*names));
                return 0;
        }
        /* drivers number their PFs as PCI does */
        int r = representor_find(root_fd, id, -1, pf.function, names, n);
        if (r == -EEXIST) /* two that say they are the same: neither is believed */
                memset(names, 0, n * sizeof(*names));
        return r == -EEXIST ? 0 : r;
}
