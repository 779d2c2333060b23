/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and life of the plain data. */

#include "common/model.h"
#include "common/macro.h"

#include <string.h>

static const char *const vf_states[_VF_STATE_MAX] = {
#define X(code, name) [VF_##code] = name,
        VF_STATES(X)
#undef X
};

static const char *const hand_offs[_HAND_OFF_MAX] = {
        [HAND_OFF_AUTO] = "auto",
        [HAND_OFF_FD] = "fd",
        [HAND_OFF_NODE] = "node",
};

static const char *const backends[_BACKEND_MAX] = {
        [BACKEND_NONE] = "none",
        [BACKEND_GROUP] = "group",
        [BACKEND_IOMMUFD] = "iommufd",
};

const char *vf_state_to_string(enum vf_state s) {
        return (unsigned) s < _VF_STATE_MAX ? vf_states[s] : "unknown";
}

enum vf_state vf_state_from_string(const char *s) {
        unsigned i;

        for (i = 0; i < _VF_STATE_MAX; i++)
                if (strcmp(vf_states[i], s) == 0)
                        break;
        return (enum vf_state) i;
}

const char *hand_off_to_string(enum hand_off h) {
        return (unsigned) h < _HAND_OFF_MAX ? hand_offs[h] : "unknown";
}

enum hand_off hand_off_from_string(const char *s) {
        unsigned i;

        for (i = 0; i < _HAND_OFF_MAX; i++)
                if (strcmp(hand_offs[i], s) == 0)
                        break;
        return (enum hand_off) i;
}

const char *backend_to_string(enum backend b) {
        return (unsigned) b < _BACKEND_MAX ? backends[b] : "unknown";
}

bool driver_is_vfio(const char *driver) {
        size_t n = strlen(driver);

        return strcmp(driver, "vfio-pci") == 0 || (n > 9 && (strcmp(driver + n - 9, "_vfio_pci") == 0 ||
                                                             strcmp(driver + n - 9, "-vfio-pci") == 0));
}

struct vf *vf_free(struct vf *vf) {
        free(vf);
        return NULL;
}

struct pf *pf_free(struct pf *pf) {
        if (!pf)
                return NULL;
        for (size_t i = 0; i < pf->n_vfs; i++)
                vf_free(pf->vfs[i]);
        free(pf->vfs);
        free(pf);
        return NULL;
}

void inventory_done(struct inventory *inv) {
        for (size_t i = 0; i < inv->n_pfs; i++)
                pf_free(inv->pfs[i]);
        free(inv->pfs);
        *inv = (struct inventory){ 0 };
}

struct pf *inventory_find_pf(const struct inventory *inv, struct address a) {
        size_t lo = 0, hi = inv->n_pfs;

        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                int c = address_compare(a, inv->pfs[mid]->address);

                if (c == 0)
                        return inv->pfs[mid];
                if (c < 0)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        return NULL;
}

const char *hop_kind_to_string(enum hop_kind k) {
        static const char *const names[_HOP_KIND_MAX] = {
                "unknown", "endpoint", "root port", "upstream port", "downstream port", "bridge",
        };

        return names[k];
}
