/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/devlink-vf.h"
#include "common/macro.h"
#include "sriov/devlink-uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define RATES      (ATTR_MIN_TX | ATTR_MAX_TX)
#define PAUSE_NSEC 50000000L
#define PAUSES_MAX 60U /* 3 s for the whole change set */

/* The VFs of one change set. */
struct ports {
        const struct devlink_handle *handle;
        const struct vf_change *changes; /* only these are looked at */
        size_t n_changes;
        uint16_t pf;
        unsigned pauses;
        struct devlink_port *list; /* of the last look */
        size_t n;
        struct devlink_detail *detail;
        struct devlink_detail refusal; /* what the kernel said when it refused one last */
};

int devlink_vf_find(const struct devlink_port *ports, size_t n, uint16_t pf, uint32_t vf,
                    const struct devlink_port **ret) {
        const uint32_t known = PORT_HAS_FLAVOUR | PORT_HAS_PF | PORT_HAS_VF;
        const struct devlink_port *found = NULL;

        FOREACH_ARRAY(p, ports, n) {
                if ((p->set & known) != known || p->flavour != DEVLINK_PORT_FLAVOUR_PCI_VF || p->external ||
                    p->pf != pf || p->vf != vf)
                        continue;
                if (found)
                        return -EEXIST;
                found = p;
        }
        *ret = found;
        return found ? 0 : -ENODEV;
}

/* A port without a rate object has none to be limited by: -ENODEV, as the port itself is there. */
static int read_rate(const struct ports *s, uint32_t port, struct devlink_rate *ret) {
        int r = devlink_rate_get(s->handle, port, ret, s->detail);

        if (r != -ENODEV && r != -EOPNOTSUPP)
                return r;
        *ret = (struct devlink_rate){ 0 };
        return 0;
}

/* Whole Mbit/s, upwards: what is left of a limit must not look like none. */
static uint32_t to_mbps(uint64_t rate) {
        return (uint32_t) MIN(rate / BYTES_PER_MBIT + (rate % BYTES_PER_MBIT > 0), (uint64_t) UINT32_MAX);
}

static int read_one(const struct ports *s, const struct devlink_port *port, struct vf_attributes *ret) {
        struct devlink_rate rate;
        int r = read_rate(s, port->index, &rate);

        if (r < 0)
                return r;
        ret->set = RATES;
        ret->min_tx_mbps = to_mbps(rate.tx_share);
        ret->max_tx_mbps = to_mbps(rate.tx_max);
        if (port->function.set & FUNCTION_HW_ADDR && !(port->function.hw_addr.byte[0] & 1)) {
                ret->set |= ATTR_MAC;
                ret->mac = port->function.hw_addr;
        }
        if (port->function.set & FUNCTION_MAX_IO_EQS) {
                ret->set |= ATTR_MAX_IO_EQS;
                ret->max_io_eqs = port->function.max_io_eqs;
        }
        if (port->function.set & FUNCTION_STATE) {
                ret->set |= ATTR_FUNCTION_STATE;
                ret->function_state = port->function.active ? FUNCTION_STATE_ACTIVE : FUNCTION_STATE_INACTIVE;
        }
        return 0;
}

static int read_ports(void *userdata, struct vf_attributes *ret, size_t n) {
        struct ports *s = userdata;
        const struct devlink_port *port;

        free(s->list);
        s->list = NULL;
        s->n = 0;
        int r = devlink_ports(s->handle, &s->list, &s->n, s->detail);
        for (size_t i = 0; r >= 0 && i < s->n_changes; i++) {
                uint32_t index = s->changes[i].index;

                if (index < n && devlink_vf_find(s->list, s->n, s->pf, index, &port) == 0)
                        r = read_one(s, port, &ret[index]);
        }
        return MIN(r, 0);
}

static int send_rates(const struct ports *s, uint32_t port, const struct vf_attributes *a) {
        struct devlink_rate rate;
        int r = devlink_rate_get(s->handle, port, &rate, s->detail);

        if (r < 0)
                return r == -ENODEV ? -EOPNOTSUPP : r; /* no rate object */
        if (a->set & ATTR_MIN_TX)
                rate.tx_share = a->min_tx_mbps * BYTES_PER_MBIT;
        if (a->set & ATTR_MAX_TX)
                rate.tx_max = a->max_tx_mbps * BYTES_PER_MBIT;
        return devlink_rate_set(s->handle, port, &rate, s->detail);
}

/* In one message: the kernel sets the state last (net/devlink/port.c:devlink_port_function_set). */
static struct devlink_function function_of(const struct vf_attributes *a) {
        return (struct devlink_function){ .set = (a->set & ATTR_MAC ? FUNCTION_HW_ADDR : 0) |
                                                 (a->set & ATTR_MAX_IO_EQS ? FUNCTION_MAX_IO_EQS : 0) |
                                                 (a->set & ATTR_FUNCTION_STATE ? FUNCTION_STATE : 0),
                                          .hw_addr = a->mac,
                                          .max_io_eqs = a->max_io_eqs,
                                          .active = a->function_state == FUNCTION_STATE_ACTIVE };
}

/* The rates first, since a MAC that was set may be seen by the VF's driver. What the kernel does not say of
 * the port cannot be set, which is found out before anything is. */
static int send_one(const struct ports *s, const struct vf_change *c) {
        const struct vf_attributes *a = &c->attributes;
        const struct devlink_function f = function_of(a);
        const struct devlink_port *port;
        int r = devlink_vf_find(s->list, s->n, s->pf, c->index, &port);

        if (r < 0)
                return r;
        if (a->set & ~NET_PORT_ATTRIBUTES || f.set & ~port->function.set)
                return -EOPNOTSUPP;
        if (a->set & RATES)
                r = send_rates(s, port->index, a);
        if (r >= 0 && f.set)
                r = devlink_function_set(s->handle, port->index, &f, s->detail);
        return r;
}

static int send_ports(void *userdata, const struct vf_change *changes, size_t n) {
        struct ports *s = userdata;
        int r = 0;

        s->detail->text[0] = '\0';
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = send_one(s, &changes[i]);
        if (r < 0)
                s->refusal = *s->detail;
        return MIN(r, 0);
}

static bool pause_once(void *userdata) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        struct ports *s = userdata;

        if (s->pauses >= PAUSES_MAX)
                return false;
        s->pauses++;
        nanosleep(&pause, NULL);
        return true;
}

/* Takes out what no port can be told; returns what of it is missed. */
static uint32_t take_out(struct vf_change *c) {
        uint32_t out = c->attributes.set & ~NET_PORT_ATTRIBUTES, missed = 0;

        if (c->mode == VF_CHANGE_SET)
                missed = net_port_refuses("", &c->attributes) & ~c->wish;
        c->attributes.set &= ~out;
        if (missed)
                c->mode = VF_CHANGE_READ;
        return missed;
}

/* A MAC that can be seen but not set was not set by anybody. */
static void forgive_fixed_mac(struct vf_change *c) {
        if (c->mode == VF_CHANGE_RESTORE && c->error == -EOPNOTSUPP && c->failed == ATTR_MAC)
                c->error = 0, c->failed = 0;
}

int devlink_vf_apply_to(const struct netvf_kernel *kernel, struct vf_change *changes, size_t n,
                        const char **step) {
        _cleanup_free_ uint32_t *missed = calloc(n + 1, sizeof(*missed));

        *step = "out of memory";
        if (!missed)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                missed[i] = take_out(&changes[i]);
        int r = netvf_apply_to(kernel, changes, n, step);
        for (size_t i = 0; i < n; i++)
                if (missed[i]) {
                        changes[i].mode = VF_CHANGE_SET;
                        changes[i].error = -EOPNOTSUPP;
                        changes[i].failed = missed[i];
                } else
                        forgive_fixed_mac(&changes[i]);
        return r;
}

int devlink_vf_apply(const struct devlink_handle *h, uint16_t pf, struct vf_change *changes, size_t n,
                     struct devlink_detail *detail, const char **step) {
        struct ports s = { .handle = h, .changes = changes, .n_changes = n, .pf = pf, .detail = detail };
        const struct netvf_kernel kernel = { read_ports, send_ports, pause_once, NULL, &s };
        int r = devlink_vf_apply_to(&kernel, changes, n, step);

        if (r >= 0) /* the last look went well, and said nothing */
                *detail = s.refusal;
        free(s.list);
        return r;
}
