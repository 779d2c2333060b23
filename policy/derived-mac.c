/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FNV-1a (Fowler, Noll, Vo) and a last mix of its bits: spread is all that is asked
 * of it. What must not be told to the network, the id of the machine, was hashed by who gave the host id. */

#include "policy/derived-mac.h"

#include <string.h>

#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint64_t add(uint64_t h, const void *data, size_t size) {
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++)
                h = (h ^ p[i]) * FNV_PRIME;
        return h;
}

static uint64_t add_number(uint64_t h, uint32_t n) {
        const uint8_t bytes[4] = { (uint8_t) n, (uint8_t) (n >> 8), (uint8_t) (n >> 16),
                                   (uint8_t) (n >> 24) };

        return add(h, bytes, sizeof(bytes));
}

/* What stays with a card when it moves; its address, if it has nothing of that kind. */
static uint64_t add_card(uint64_t h, const struct pf *pf) {
        if (mac_is_unicast(pf->mac))
                return add(h, pf->mac.byte, sizeof(pf->mac.byte));
        if (pf->serial[0]) /* cards with several functions have one for all */
                return add_number(add(h, pf->serial, strlen(pf->serial)), pf->address.function);
        h = add_number(h, pf->address.domain);
        return add_number(h, (uint32_t) pf->address.bus << 16 | (uint32_t) pf->address.device << 8 |
                                             pf->address.function);
}

uint64_t derived_mac(const uint8_t host_id[HOST_ID_SIZE], const struct vf *vf, uint32_t attempt) {
        uint64_t h = add_card(add(FNV_BASIS, host_id, HOST_ID_SIZE), vf->pf);

        h = add_number(add_number(h, vf->index), attempt);
        h ^= h >> 32; /* the lower bits of FNV depend on few of the bytes */
        h *= 0x9e3779b97f4a7c15ULL;
        h ^= h >> 29;
        h &= 0xffffffffffffULL;
        return (h & ~(0x3ULL << 40)) | 0x2ULL << 40; /* IEEE 802, 8.2.2: individual, locally administered */
}
