/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Devices whose VFs are ports of a switch: generic netlink family "devlink". A device is named by its bus and
 * its name there, so that what is no PCI device can be asked too.
 * Effects: the sets, and reading the mode, want CAP_NET_ADMIN (Documentation/netlink/specs/devlink.yaml:
 * eswitch-get is admin-perm). All wait for the lock of the device, which a driver may hold for seconds.
 * -EOPNOTSUPP: the kernel or the driver has no such thing; -ENODEV: the device has no devlink, or no such
 * port. Every set is read back: -EIO if it is not as wanted. */

#include "common/attributes.h"
#include "common/eswitch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVLINK_DETAIL_MAX 160
#define DEVLINK_NETDEV_MAX 16
#define BYTES_PER_MBIT     125000ULL /* of rates: bytes per second of one Mbit/s */

struct devlink_handle {
        char bus[16];    /* "pci" */
        char device[64]; /* "0000:06:00.0" */
};

/* What the kernel said beyond the number; "" if nothing. Printable. */
struct devlink_detail {
        char text[DEVLINK_DETAIL_MAX];
};

#define FUNCTION_HW_ADDR    0x01U
#define FUNCTION_STATE      0x02U
#define FUNCTION_OPSTATE    0x04U
#define FUNCTION_CAPS       0x08U
#define FUNCTION_MAX_IO_EQS 0x10U

struct devlink_function {
        uint32_t set; /* FUNCTION_…: what is known, or wanted */
        struct mac hw_addr;
        bool active, attached; /* state and opstate */
        uint32_t caps;         /* bits that are on */
        uint32_t max_io_eqs;
};

#define PORT_HAS_FLAVOUR    0x01U
#define PORT_HAS_PF         0x02U
#define PORT_HAS_VF         0x04U
#define PORT_HAS_CONTROLLER 0x08U

struct devlink_port {
        uint32_t index;
        uint32_t set; /* PORT_HAS_… */
        uint16_t flavour, pf, vf;
        uint32_t controller;
        bool external;
        uint32_t ifindex;                /* 0: no interface */
        char netdev[DEVLINK_NETDEV_MAX]; /* "": none */
        struct devlink_function function;
};

/* Bytes per second; 0: none. */
struct devlink_rate {
        uint64_t tx_share, tx_max;
};

/* ESWITCH_LEGACY or ESWITCH_SWITCHDEV. */
int devlink_eswitch_get(const struct devlink_handle *h, enum eswitch_mode *ret,
                        struct devlink_detail *detail);
int devlink_eswitch_set(const struct devlink_handle *h, enum eswitch_mode mode,
                        struct devlink_detail *detail);

/* The caller's: free(). -EAGAIN if ports came and went all the while. */
int devlink_ports(const struct devlink_handle *h, struct devlink_port **ret, size_t *ret_n,
                  struct devlink_detail *detail);
int devlink_port_get(const struct devlink_handle *h, uint32_t port, struct devlink_port *ret,
                     struct devlink_detail *detail);

/* Address, state, event queues: those in want->set; -EINVAL for others. */
int devlink_function_set(const struct devlink_handle *h, uint32_t port, const struct devlink_function *want,
                         struct devlink_detail *detail);

int devlink_rate_get(const struct devlink_handle *h, uint32_t port, struct devlink_rate *ret,
                     struct devlink_detail *detail);
int devlink_rate_set(const struct devlink_handle *h, uint32_t port, const struct devlink_rate *want,
                     struct devlink_detail *detail);

/* Pure, of the attributes of one message (after struct genlmsghdr), aligned as received. -EBADMSG if it is
 * none or lacks what it must have, -ENOENT if it is of another device. */
int devlink_parse_eswitch(const void *attributes, size_t size, const struct devlink_handle *h,
                          enum eswitch_mode *ret);
int devlink_parse_port(const void *attributes, size_t size, const struct devlink_handle *h,
                       struct devlink_port *ret);
int devlink_parse_rate(const void *attributes, size_t size, const struct devlink_handle *h, uint32_t port,
                       struct devlink_rate *ret);

/* Pure, of a whole message that nobody asked for, from its struct genlmsghdr on: the device whose switch it
 * says has changed. -ENOENT if it is news of something else (health, firmware, traps). */
int devlink_parse_news(const void *message, size_t size, struct devlink_handle *ret);

/* The kernel's text in the attributes that follow an error; "" if there is none. */
void devlink_parse_detail(const void *attributes, size_t size, struct devlink_detail *ret);
