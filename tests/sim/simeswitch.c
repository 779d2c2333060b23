/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "simeswitch.h"
#include "common/macro.h"
#include "daemon/worker-eswitch.h"
#include "simvf.h"
#include "sriov/eswitch.h"
#include "sriov/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERFACE "sys/devices/virtual/net/%s_%zu"

static enum eswitch_mode mode_of(const struct sim *s, struct address pf) {
        char text[16];

        if (tree_read(s, pathf("sim/pf/%s/eswitch", ADDRESS_STR(pf)), text, sizeof(text)) < 0)
                return ESWITCH_NONE;
        return strcmp(text, "switchdev") == 0 ? ESWITCH_SWITCHDEV : ESWITCH_LEGACY;
}

bool sim_has_ports(const struct sim *s, struct address pf) {
        return mode_of(s, pf) == ESWITCH_SWITCHDEV;
}

static void say_switch(const struct sim *s, const char *directory, struct address pf) {
        tree_write(s, pathf("%s/phys_switch_id", directory), pathf("%08x\n", pf.bus), 0644);
}

static void add_port(const struct sim *s, struct address pf, const char *netdev, size_t i) {
        const char *directory = pathf(INTERFACE, netdev, i);

        mkdirat(s->root, "sys/devices/virtual", 0755);
        mkdirat(s->root, "sys/devices/virtual/net", 0755);
        mkdirat(s->root, directory, 0755);
        say_switch(s, directory, pf);
        tree_write(s, pathf("%s/phys_port_name", directory), pathf("pf%uvf%zu\n", pf.function, i), 0644);
        if (symlinkat(pathf("../../devices/virtual/net/%s_%zu", netdev, i), s->root,
                      pathf("sys/class/net/%s_%zu", netdev, i)) < 0 &&
            errno != EEXIST)
                perror("simworker: an interface of a VF");
}

void sim_eswitch_ports(const struct sim *s, struct address pf) {
        size_t n = mode_of(s, pf) == ESWITCH_SWITCHDEV
                                   ? tree_number(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(pf)), 0)
                                   : 0;
        _cleanup_close_ int device =
                        openat(s->root, pathf(DEVICE, ADDRESS_STR(pf)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct netdev own = { 0 };

        if (device >= 0)
                netdev_find(device, true, &own);
        if (!own.name[0])
                return;
        const char *netdev = own.name;
        if (mode_of(s, pf) == ESWITCH_SWITCHDEV)
                say_switch(s, pathf(DEVICE "/net/%s", ADDRESS_STR(pf), netdev), pf);
        else
                unlinkat(s->root, pathf(DEVICE "/net/%s/phys_switch_id", ADDRESS_STR(pf), netdev), 0);
        for (size_t i = 0; i < n; i++)
                add_port(s, pf, netdev, i);
        for (size_t i = n; tree_exists(s, pathf(INTERFACE, netdev, i)); i++) {
                unlinkat(s->root, pathf("sys/class/net/%s_%zu", netdev, i), 0);
                unlinkat(s->root, pathf(INTERFACE "/phys_switch_id", netdev, i), 0);
                unlinkat(s->root, pathf(INTERFACE "/phys_port_name", netdev, i), 0);
                unlinkat(s->root, pathf(INTERFACE, netdev, i), AT_REMOVEDIR);
        }
}

struct outcome sim_switch(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                          int out[WORKER_FDS_MAX]) {
        enum eswitch_mode mode = mode_of(s, q->address);
        size_t n = mode == ESWITCH_SWITCHDEV
                                   ? tree_number(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(q->address)), 0)
                                   : 0;
        char(*names)[IFNAME_MAX] = calloc(n + 1, sizeof(*names));
        const char *step;

        int r = !names ? -ENOMEM : n > 0 ? eswitch_representors(s->root, q->address, names, n, &step) : 0;
        if (r >= 0)
                r = worker_eswitch_seal(mode, names, n, p, &out[0]);
        free(names);
        return r < 0 ? FAIL_ERRNO(-r, "the switch") : OK;
}

struct outcome sim_eswitch(const struct sim *s, const struct worker_request *q) {
        const char *file = pathf("sim/pf/%s/eswitch", ADDRESS_STR(q->address));
        int error = (int) tree_number(s, pathf("sim/pf/%s/eswitch_refuses", ADDRESS_STR(q->address)), 0);

        if (!tree_exists(s, file))
                return FAIL(EOPNOTSUPP, ESWITCH, "no switch");
        if (error)
                return FAIL(error, ESWITCH, "the driver does not want to");
        tree_write(s, file, q->value[0] == ESWITCH_SWITCHDEV ? "switchdev\n" : "legacy\n", 0644);
        sim_eswitch_ports(s, q->address);
        return OK;
}
