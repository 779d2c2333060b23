/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/devlink-vf.h"
#include "common/macro.h"
#include "sriov/devlink-uapi.h"

#include <errno.h>
#include <sys/random.h>

#define RATES (ATTR_MIN_TX | ATTR_MAX_TX)

int devlink_vf_find(const struct devlink_handle *h, unsigned index, struct devlink_vf *ret) {
        _cleanup_free_ struct devlink_port *list = NULL;
        struct devlink_vf v = { .handle = *h };
        const uint32_t known = PORT_HAS_FLAVOUR | PORT_HAS_VF;
        bool found = false;
        size_t n = 0;
        int r = devlink_ports(h, &list, &n, &v.detail);

        FOREACH_ARRAY(p, list, n) {
                if ((p->set & known) != known || p->flavour != DEVLINK_PORT_FLAVOUR_PCI_VF || p->external ||
                    p->vf != index)
                        continue;
                if (found)
                        return -EEXIST;
                v.port = p->index;
                found = true;
        }
        *ret = v;
        return r < 0 ? r : found ? 0 : -ENODEV;
}

static int set_mac(struct devlink_vf *v, struct mac mac) {
        struct devlink_function f = { .set = FUNCTION_HW_ADDR, .hw_addr = mac };

        return devlink_function_set(&v->handle, v->port, &f, &v->detail);
}

static int change_rates(struct devlink_vf *v, const struct vf_attributes *want,
                        const struct devlink_rate *before) {
        struct devlink_rate rate = *before;

        if (want->set & ATTR_MIN_TX)
                rate.tx_share = want->min_tx_mbps * BYTES_PER_MBIT;
        if (want->set & ATTR_MAX_TX)
                rate.tx_max = want->max_tx_mbps * BYTES_PER_MBIT;
        if (rate.tx_share == before->tx_share && rate.tx_max == before->tx_max)
                return 0;
        return devlink_rate_set(&v->handle, v->port, &rate, &v->detail);
}

/* Both can be told, before one of them is. */
static int read_before(struct devlink_vf *v, uint32_t bits, struct devlink_port *port,
                       struct devlink_rate *rate) {
        int r = devlink_port_get(&v->handle, v->port, port, &v->detail);

        if (r >= 0 && bits & ATTR_MAC && !(port->function.set & FUNCTION_HW_ADDR))
                r = -EOPNOTSUPP;
        if (r >= 0 && bits & RATES) {
                r = devlink_rate_get(&v->handle, v->port, rate, &v->detail);
                if (r == -ENODEV) /* the port is there: it has no rate object */
                        r = -EOPNOTSUPP;
        }
        return r;
}

/* The rates first, since a MAC that was set may be seen by the VF's driver. A failure sets back what was. */
static int apply(struct devlink_vf *v, const struct vf_attributes *want, const char **step) {
        struct devlink_port port = { 0 };
        struct devlink_rate rate = { 0 };
        struct devlink_detail detail;
        bool same_mac;

        *step = "reading the port of the VF";
        int r = read_before(v, want->set, &port, &rate);
        if (r < 0)
                return r;
        if (want->set & RATES) {
                *step = "setting the rates of the port";
                r = change_rates(v, want, &rate);
        }
        same_mac = mac_to_number(want->mac) == mac_to_number(port.function.hw_addr);
        if (r >= 0 && want->set & ATTR_MAC && !same_mac) {
                *step = "setting the MAC of the port";
                r = set_mac(v, want->mac);
                if (r < 0) { /* it may have come out as another */
                        detail = v->detail;
                        (void) set_mac(v, port.function.hw_addr);
                        v->detail = detail;
                }
        }
        if (r < 0 && want->set & RATES)
                (void) devlink_rate_set(&v->handle, v->port, &rate, &(struct devlink_detail){ 0 });
        return r;
}

int devlink_vf_set(struct devlink_vf *v, const struct vf_attributes *want, enum reason *reason,
                   const char **step) {
        int r = -EOPNOTSUPP;

        *step = "a port in switchdev mode takes MAC and rates only";
        if (!(want->set & ~(ATTR_MAC | RATES)))
                r = apply(v, want, step);
        *reason = r >= 0 ? REASON_NONE : r == -EOPNOTSUPP ? REASON_ATTRIBUTE_UNSUPPORTED : REASON_ATTRIBUTES;
        return r;
}

/* A driver that refuses to take a MAC away gets one that is nobody's, as in legacy mode. */
static int restore_mac(struct devlink_vf *v, const struct devlink_port *port) {
        struct mac mac = { 0 };

        if (!(port->function.set & FUNCTION_HW_ADDR) || mac_to_number(port->function.hw_addr) == 0)
                return 0;
        int r = set_mac(v, mac);
        if (r == -EOPNOTSUPP)
                return 0; /* it cannot be set, so nobody has set it */
        if (r != -EINVAL && r != -EADDRNOTAVAIL && r != -EIO)
                return r;
        if (getrandom(mac.byte, sizeof(mac.byte), 0) != sizeof(mac.byte))
                return -EIO;
        mac.byte[0] = (uint8_t) ((mac.byte[0] & 0xfc) | 0x02); /* unicast, locally administered */
        return set_mac(v, mac);
}

int devlink_vf_baseline(struct devlink_vf *v, enum reason *reason, const char **step) {
        const struct vf_attributes base = { .set = RATES };
        struct devlink_port port = { 0 };
        struct devlink_rate rate;

        *reason = REASON_ATTRIBUTES;
        *step = "reading the port of the VF";
        int r = devlink_port_get(&v->handle, v->port, &port, &v->detail);
        if (r < 0)
                return r;
        *step = "taking the rates of the port away";
        r = devlink_rate_get(&v->handle, v->port, &rate, &v->detail);
        if (r >= 0)
                r = change_rates(v, &base, &rate);
        else if (r == -ENODEV || r == -EOPNOTSUPP)
                r = 0; /* no rate object: nobody has set one */
        if (r < 0)
                return r;
        *step = "taking the MAC of the port away";
        r = restore_mac(v, &port);
        if (r >= 0)
                *reason = REASON_NONE;
        return r;
}
