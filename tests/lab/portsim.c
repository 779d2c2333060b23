/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of the lab's iommufd kernel: a device of nothing but ports of VFs, whose functions have an
 * address, a state and event queues, as netdevsim's have not. Platform device "portsim", ports 1 and 2 of VFs
 * 0 and 1. For another kernel it is a module, in a directory of its own with a Makefile "obj-m := portsim.o":
 * make -C KERNEL-HEADERS M=DIRECTORY. */

#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <net/devlink.h>

#define VFS 2

struct vf {
        struct devlink_port port;
        u8 mac[ETH_ALEN];
        enum devlink_port_fn_state state;
        u32 max_io_eqs;
};

struct card {
        struct vf vfs[VFS];
};

static struct platform_device *device;
static struct devlink *devlink;

static struct vf *vf_of(struct devlink_port *port) {
        return container_of(port, struct vf, port);
}

static int address_get(struct devlink_port *port, u8 *address, int *length, struct netlink_ext_ack *extack) {
        ether_addr_copy(address, vf_of(port)->mac);
        *length = ETH_ALEN;
        return 0;
}

static int address_set(struct devlink_port *port, const u8 *address, int length,
                       struct netlink_ext_ack *extack) {
        ether_addr_copy(vf_of(port)->mac, address);
        return 0;
}

static int state_get(struct devlink_port *port, enum devlink_port_fn_state *state,
                     enum devlink_port_fn_opstate *opstate, struct netlink_ext_ack *extack) {
        *state = vf_of(port)->state;
        *opstate = *state == DEVLINK_PORT_FN_STATE_ACTIVE ? DEVLINK_PORT_FN_OPSTATE_ATTACHED
                                                          : DEVLINK_PORT_FN_OPSTATE_DETACHED;
        return 0;
}

static int state_set(struct devlink_port *port, enum devlink_port_fn_state state,
                     struct netlink_ext_ack *extack) {
        vf_of(port)->state = state;
        return 0;
}

static int queues_get(struct devlink_port *port, u32 *n, struct netlink_ext_ack *extack) {
        *n = vf_of(port)->max_io_eqs;
        return 0;
}

static int queues_set(struct devlink_port *port, u32 n, struct netlink_ext_ack *extack) {
        if (n > 64) {
                NL_SET_ERR_MSG_MOD(extack, "Supplied value out of range");
                return -EINVAL;
        }
        vf_of(port)->max_io_eqs = n;
        return 0;
}

static const struct devlink_port_ops port_ops = {
        .port_fn_hw_addr_get = address_get,
        .port_fn_hw_addr_set = address_set,
        .port_fn_state_get = state_get,
        .port_fn_state_set = state_set,
        .port_fn_max_io_eqs_get = queues_get,
        .port_fn_max_io_eqs_set = queues_set,
};

static int mode_get(struct devlink *devlink, u16 *mode) {
        *mode = DEVLINK_ESWITCH_MODE_SWITCHDEV;
        return 0;
}

static const struct devlink_ops ops = { .eswitch_mode_get = mode_get };

static int __init portsim_init(void) {
        struct card *card;
        int i, err = 0;

        device = platform_device_register_simple("portsim", PLATFORM_DEVID_NONE, NULL, 0);
        if (IS_ERR(device))
                return PTR_ERR(device);
        devlink = devlink_alloc(&ops, sizeof(*card), &device->dev);
        if (!devlink) {
                platform_device_unregister(device);
                return -ENOMEM;
        }
        card = devlink_priv(devlink);
        devl_lock(devlink);
        for (i = 0; i < VFS && !err; i++) {
                card->vfs[i].max_io_eqs = 8;
                devlink_port_attrs_pci_vf_set(&card->vfs[i].port, 0, 0, i, false);
                err = devl_port_register_with_ops(devlink, &card->vfs[i].port, i + 1, &port_ops);
        }
        devl_register(devlink);
        devl_unlock(devlink);
        return err;
}

static void __exit portsim_exit(void) {
        struct card *card = devlink_priv(devlink);
        int i;

        devl_lock(devlink);
        devl_unregister(devlink);
        for (i = 0; i < VFS; i++)
                devl_port_unregister(&card->vfs[i].port);
        devl_unlock(devlink);
        devlink_free(devlink);
        platform_device_unregister(device);
}

module_init(portsim_init);
module_exit(portsim_exit);
MODULE_DESCRIPTION("Ports of VFs with all attributes of functions");
MODULE_LICENSE("GPL");
