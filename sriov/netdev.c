/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/netdev.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "sriov/representor.h"

#include <errno.h>

/* No name, as outside of switchdev mode, is no port of another. */
static bool is_anothers(int device_fd, const char *name) {
        char text[IFNAME_MAX];
        struct port_name p;

        return root_read(device_fd, text, sizeof(text), "net/%s/phys_port_name", name) >= 0 &&
               port_name_parse(text, &p) >= 0 && p.kind != PORT_PHYSICAL;
}

int netdev_find(int device_fd, bool may_wait, struct netdev *ret) {
        _cleanup_closedir_ DIR *d = root_opendir(device_fd, "net");
        struct dirent *e;

        *ret = (struct netdev){ 0 };
        while (d && (e = readdir(d))) {
                int ifindex;

                if (e->d_name[0] == '.' ||
                    root_read_int(device_fd, &ifindex, "net/%s/ifindex", e->d_name) < 0 || ifindex <= 0 ||
                    (ret->ifindex > 0 && ret->ifindex <= ifindex) ||
                    (may_wait && is_anothers(device_fd, e->d_name)))
                        continue;
                text_copy(ret->name, sizeof(ret->name), e->d_name);
                ret->ifindex = ifindex;
        }
        return ret->ifindex > 0 ? 0 : -ENODEV;
}
