/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities of one function, read a register at a time: all 4 KiB of a function are a thousand cycles on
 * the bus. Not by libpci, which ends a list that loops or breaks off in silence, as if it were complete. */

#include "sriov/hop.h"
#include "common/macro.h"
#include "sriov/capability.h"

#include <linux/pci_regs.h>

#define STANDARD_MAX 48U                               /* capabilities that fit into the space for them */
#define EXTENDED_MAX ((CONFIG_SPACE_SIZE - 256U) / 8U) /* drivers/pci/pci.c:pci_find_next_ext_capability */

struct config {
        config_reader read;
        void *userdata;
        bool failed; /* from now on everything reads all ones */
};

/* Where the capabilities that count begin; 0: it has none. */
struct places {
        size_t express, acs, ats, pri, pasid, sriov;
};

static uint32_t get(struct config *c, size_t at, size_t n) {
        uint8_t bytes[4] = { 0 };

        if (!c->failed && c->read(c->userdata, at, bytes, n) < 0)
                c->failed = true;
        if (c->failed)
                return UINT32_MAX;
        return bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24;
}

/* No register read here is ever all ones but of a device that does not answer. */
static uint16_t get_register(struct config *c, size_t at) {
        uint16_t v = (uint16_t) get(c, at, 2);

        if (v == 0xffff)
                c->failed = true;
        return v;
}

/* PCI Local Bus 3.0, 6.7. To its end, also when what is looked for has been found: a list that is broken
 * behind it may be broken before it at the next look. */
static void walk_standard(struct config *c, struct places *p) {
        if (!(get_register(c, PCI_STATUS) & PCI_STATUS_CAP_LIST))
                return;
        size_t at = get(c, PCI_CAPABILITY_LIST, 1);
        if (at == 0xff)
                c->failed = true;
        at &= 0xfc;
        for (unsigned steps = 0; at != 0 && !c->failed; steps++) {
                uint16_t header = get_register(c, at);

                if (steps == STANDARD_MAX || at < PCI_STD_HEADER_SIZEOF)
                        c->failed = true;
                if ((header & 0xff) == PCI_CAP_ID_EXP && p->express == 0)
                        p->express = at;
                at = header >> 8 & 0xfc;
        }
}

static size_t *place_of(struct places *p, uint32_t header) {
        switch (PCI_EXT_CAP_ID(header)) {
        case PCI_EXT_CAP_ID_ACS:
                return &p->acs;
        case PCI_EXT_CAP_ID_ATS:
                return &p->ats;
        case PCI_EXT_CAP_ID_PRI:
                return &p->pri;
        case PCI_EXT_CAP_ID_PASID:
                return &p->pasid;
        case PCI_EXT_CAP_ID_SRIOV:
                return &p->sriov;
        default:
                return NULL;
        }
}

/* PCIe 7.6.3; a header of zeroes ends the list, or says that there is none. A PCIe function has all 4 KiB:
 * where the kernel, or the caller's privilege, shows less, the rest may hide anything. */
static void walk_extended(struct config *c, struct places *p) {
        size_t at = PCI_CFG_SPACE_SIZE;

        get(c, CONFIG_SPACE_SIZE - 4, 4);
        for (unsigned steps = 0; at != 0 && !c->failed; steps++) {
                uint32_t header = get(c, at, 4);

                if (steps == EXTENDED_MAX || at < PCI_CFG_SPACE_SIZE || header == UINT32_MAX)
                        c->failed = true;
                if (header == 0)
                        return;
                size_t *place = place_of(p, header);
                if (place && *place == 0)
                        *place = at;
                at = PCI_EXT_CAP_NEXT(header);
        }
}

/* PCIe 7.5.3.2, Device/Port Type */
static enum hop_kind kind_of(unsigned port_type) {
        switch (port_type) {
        case PCI_EXP_TYPE_ENDPOINT:
        case PCI_EXP_TYPE_LEG_END:
        case PCI_EXP_TYPE_RC_END:
                return HOP_ENDPOINT;
        case PCI_EXP_TYPE_ROOT_PORT:
                return HOP_ROOT_PORT;
        case PCI_EXP_TYPE_UPSTREAM:
                return HOP_UPSTREAM;
        case PCI_EXP_TYPE_DOWNSTREAM:
                return HOP_DOWNSTREAM;
        case PCI_EXP_TYPE_PCI_BRIDGE:
        case PCI_EXP_TYPE_PCIE_BRIDGE:
                return HOP_BRIDGE;
        default:
                return HOP_UNKNOWN;
        }
}

static enum hop_kind read_kind(struct config *c, size_t express) {
        unsigned header = get(c, PCI_HEADER_TYPE, 1) & 0x7f;

        if (express)
                return kind_of((get_register(c, express + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_TYPE) >> 4);
        return header == PCI_HEADER_TYPE_NORMAL   ? HOP_ENDPOINT
               : header == PCI_HEADER_TYPE_BRIDGE ? HOP_BRIDGE
                                                  : HOP_UNKNOWN;
}

static void read_service(struct config *c, size_t at, size_t control, unsigned enable, unsigned has,
                         unsigned on, struct path_hop *h) {
        if (at == 0)
                return;
        h->flags |= (uint16_t) has;
        if (get_register(c, at + control) & enable)
                h->flags |= (uint16_t) on;
}

static void read_acs(struct config *c, size_t at, struct path_hop *h) {
        if (at == 0)
                return;
        h->flags |= HOP_ACS;
        h->acs_cap = (uint8_t) get_register(c, at + PCI_ACS_CAP);
        h->acs_control = (uint8_t) get_register(c, at + PCI_ACS_CTRL);
}

static void read_sriov(struct config *c, size_t at, struct path_hop *h) {
        if (at == 0)
                return;
        uint16_t control = get_register(c, at + PCI_SRIOV_CTRL);
        h->flags |= HOP_SRIOV;
        if (control & PCI_SRIOV_CTRL_VFE)
                h->flags |= HOP_SRIOV_ON;
        if (control & PCI_SRIOV_CTRL_ARI)
                h->flags |= HOP_SRIOV_ARI;
        h->num_vfs = get_register(c, at + PCI_SRIOV_NUM_VF);
}

void hop_read(config_reader read, void *userdata, struct path_hop *h) {
        struct config c = { .read = read, .userdata = userdata };
        struct path_hop got = { .address = h->address };
        struct places p = { 0 };

        /* A VF's vendor and device id read all ones (SR-IOV spec 3.4.1), its status register does not */
        uint32_t id = get(&c, PCI_VENDOR_ID, 4);
        walk_standard(&c, &p);
        got.kind = (uint8_t) read_kind(&c, p.express);
        if (p.express)
                walk_extended(&c, &p);
        read_service(&c, p.ats, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE, HOP_ATS, HOP_ATS_ON, &got);
        read_service(&c, p.pri, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE, HOP_PRI, HOP_PRI_ON, &got);
        read_service(&c, p.pasid, PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE, HOP_PASID, HOP_PASID_ON, &got);
        read_sriov(&c, p.sriov, &got);
        read_acs(&c, p.acs, &got);
        get_register(&c, PCI_STATUS);        /* it is there still, */
        if (get(&c, PCI_VENDOR_ID, 4) != id) /* and no other is in its place */
                c.failed = true;
        if (c.failed || got.kind == HOP_UNKNOWN)
                return;
        *h = got;
        h->flags |= HOP_READABLE;
}
