/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same change sets as on a real kernel, against files. */

#include "simattributes.h"
#include "common/macro.h"
#include "daemon/worker-changeset.h"
#include "simeswitch.h"
#include "simfault.h"
#include "simvf.h"
#include "sriov/devlink-vf.h"
#include "sriov/netvf-apply.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define IO_EQS 8U /* of a VF that nobody was told anything about */

struct driver {
        const struct sim *sim;
        struct address pf;
        struct vf_places places; /* a change set reads all VFs of the PF, twice */
        unsigned num_vfs;
        int *errors; /* of each VF, by index */
        uint32_t cannot;
        bool changes; /* the set is more than a look */
        char detail[64];
};

static const char *file_of(const struct driver *d, unsigned index) {
        return pathf("sim/attributes/%s", ADDRESS_STR(vf_place(&d->places, index)));
}

static struct vf_attributes get(const struct driver *d, unsigned index) {
        struct vf_attributes a = { .set = ATTR_ALL & ~d->cannot, .spoof_check = true, .max_io_eqs = IO_EQS };
        unsigned n[11];
        char line[128], mac[18];

        if (tree_read(d->sim, file_of(d, index), line, sizeof(line)) < 0 ||
            sscanf(line, "%17s %u %u %u %u %u %u %u %u %u %u %u", mac, &n[0], &n[1], &n[2], &n[3], &n[4],
                   &n[5], &n[6], &n[7], &n[8], &n[9], &n[10]) != 12)
                return a;
        mac_parse(mac, &a.mac);
        a.vlan = (uint16_t) n[0];
        a.vlan_qos = (uint8_t) n[1];
        a.vlan_protocol = (uint8_t) n[2];
        a.min_tx_mbps = n[3];
        a.max_tx_mbps = n[4];
        a.spoof_check = n[5];
        a.trust = n[6];
        a.link_state = (uint8_t) n[7];
        a.rss_query = n[8];
        a.max_io_eqs = n[9];
        a.function_state = (uint8_t) n[10];
        return a;
}

static void put(const struct driver *d, unsigned index, const struct vf_attributes *a) {
        tree_write(d->sim, file_of(d, index),
                   pathf("%s %u %u %u %u %u %u %u %u %u %u %u\n", MAC_STR(a->mac), a->vlan, a->vlan_qos,
                         a->vlan_protocol, a->min_tx_mbps, a->max_tx_mbps, a->spoof_check, a->trust,
                         a->link_state, a->rss_query, a->max_io_eqs, a->function_state),
                   0644);
}

static int read_all(void *userdata, struct vf_attributes *ret, size_t n) {
        const struct driver *d = userdata;

        if (d->changes)
                fault_between(d->sim, "message");
        for (unsigned i = 0; i < n && i < d->num_vfs; i++)
                ret[i] = get(d, i);
        const uint32_t told = sim_has_ports(d->sim, d->pf) ? NET_PORT_ATTRIBUTES : ATTR_ALL & ~NET_PORT_ONLY;
        for (unsigned i = 0; i < n && i < d->num_vfs; i++)
                ret[i].set &= told;
        return 0;
}

static bool has_no_link(const struct driver *d) {
        return tree_exists(d->sim, pathf("sim/pf/%s/link_down", ADDRESS_STR(d->pf)));
}

static bool link_down(void *userdata) {
        return has_no_link(userdata);
}

/* As net/core/rtnetlink.c:do_setvfinfo(): one after another, up to the first that the driver refuses. Without
 * a link that is rates, as igb does it. */
static int set_one(const struct driver *d, uint32_t index, const struct vf_attributes *want) {
        const uint32_t rates = ATTR_MIN_TX | ATTR_MAX_TX;
        bool ports = sim_has_ports(d->sim, d->pf);
        struct vf_attributes now = get(d, index), taken = *want;
        bool refuses = want->set & rates && !ports && has_no_link(d);

        if (want->set & NET_PORT_ONLY && !ports)
                return -EOPNOTSUPP;
        taken.set &= refuses ? ATTR_MAC | ATTR_VLAN : ATTR_ALL;
        taken.set &= ~d->cannot;
        now = attributes_overlay(&now, &taken);
        put(d, index, &now);
        return want->set & d->cannot ? -EOPNOTSUPP : refuses ? -EINVAL : 0;
}

static int send_all(void *userdata, const struct vf_change *changes, size_t n) {
        const struct driver *d = userdata;

        fault_between(d->sim, "message");
        FOREACH_ARRAY(c, changes, n) {
                int r = d->errors[c->index] ? d->errors[c->index] : set_one(d, c->index, &c->attributes);

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool wait_no_more(void *userdata) {
        return false;
}

static uint32_t read_cannot(const struct sim *s, struct address pf) {
        uint32_t cannot = 0;

        for (uint32_t bit = 1; bit < ATTR_ALL; bit <<= 1)
                if (tree_exists(s, pathf("sim/pf/%s/cannot/%s", ADDRESS_STR(pf), attribute_name(bit))))
                        cannot |= bit;
        return cannot;
}

/* What the driver says of each VF, and the record of it. */
static void take_faults(struct driver *d, const struct worker_request *q, const struct vf_change *c,
                        size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct worker_request one = *q;
                struct worker_reply p = { 0 };
                struct fault f;

                one.address = vf_place(&d->places, c[i].index);
                one.value[0] = c[i].mode;
                d->changes = d->changes || c[i].mode != VF_CHANGE_READ;
                if (fault_take(d->sim, &one, &f)) {
                        record_fault(&one);
                        p.error = d->errors[c[i].index] = -f.error;
                        snprintf(d->detail, sizeof(d->detail), "%s", f.detail);
                }
                record_done(&one, &p, now_usec());
        }
}

struct outcome attributes_change(const struct sim *s, const struct worker_request *q,
                                 const int in[WORKER_FDS_MAX], int out[WORKER_FDS_MAX]) {
        struct driver d = { .sim = s, .pf = q->address, .cannot = read_cannot(s, q->address) };
        const struct netvf_kernel kernel = { read_all, send_all, wait_no_more, link_down, &d };
        _cleanup_free_ struct vf_change *changes = NULL;
        _cleanup_free_ int *errors = NULL;
        size_t n = (size_t) q->value[0];
        const char *step;

        d.places = vf_places(s, q->address);
        d.num_vfs = (unsigned) tree_number(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(q->address)), 0);
        d.errors = errors = calloc(d.num_vfs + 1, sizeof(*errors));
        int r = changeset_read(in[0], n, d.num_vfs, &changes);
        if (r < 0 || !errors)
                return FAIL_ERRNO(EINVAL, "not a change set");
        take_faults(&d, q, changes, n);
        r = sim_has_ports(s, q->address) ? devlink_vf_apply_to(&kernel, changes, n, &step)
                                         : netvf_apply_to(&kernel, changes, n, &step);
        if (r >= 0)
                r = out[0] = changeset_write(changes, n);
        return r < 0 ? FAIL(-r, ATTRIBUTES, step) : (struct outcome){ .detail = pathf("%s", d.detail) };
}
