/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe operations of the worker protocol. */

#include "daemon/worker-nvme-ops.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/worker-nvme.h"
#include "sriov/function.h"
#include "sriov/nvme-admin.h"

#include <errno.h>
#include <stdio.h>

static int operate(struct nvme_admin *a, const struct worker_request *q, struct worker_reply *p,
                   int *ret_fd) {
        switch ((enum worker_op_code) q->op) {
        case WORKER_NVME_STATE: {
                int r = nvme_admin_state(a);

                return r < 0 ? r : worker_nvme_seal(&a->state, ret_fd);
        }
        case WORKER_NVME_PRIMARY:
                return nvme_admin_primary(a, q->value[0], q->value[1]);
        case WORKER_NVME_OFFLINE:
                return nvme_admin_offline(a);
        case WORKER_NVME_ONLINE:
                p->value[0] = q->value[0];
                p->value[1] = q->value[1];
                return nvme_admin_online(a, &p->value[0], &p->value[1]);
        case WORKER_NVME_CREATE:
                return nvme_admin_create(a, q->value[0], &p->value[0]);
        case WORKER_NVME_ATTACH:
                return nvme_admin_attach(a, q->value[0], q->value[1] != 0);
        case WORKER_NVME_DETACH:
                return nvme_admin_detach(a, q->value[0], &p->value[0]);
        case WORKER_NVME_ERASE:
                return nvme_admin_erase(a, q->value[0], (enum nvme_erase) q->value[1]);
        case WORKER_PING:
        case WORKER_AUTOPROBE:
        case WORKER_NUMVFS:
        case WORKER_BIND:
        case WORKER_UNBIND:
        case WORKER_GROUP_TYPE:
        case WORKER_FENCE:
        case WORKER_SCRUB:
        case WORKER_OPEN:
        case WORKER_GRANT:
        case WORKER_REVOKE:
        case WORKER_MEMLOCK:
        case WORKER_HOLDERS:
        case WORKER_CONFIG:
        case WORKER_RENEW:
        case WORKER_LISTEN:
        case WORKER_EVIDENCE:
        case WORKER_CUT_OFF:
        case WORKER_IDENTIFY:
        case WORKER_ATTRIBUTES:
        case WORKER_STATISTICS:
        case WORKER_SWITCH:
        case WORKER_ESWITCH:
        case _WORKER_OP_MAX:
                break;
        }
        return -EINVAL;
}

int worker_nvme_operate(int root_fd, const struct worker_request *q, const struct worker_subject *s,
                        struct worker_reply *p, int *ret_fd, enum reason *reason, char *detail, size_t size) {
        struct address pf = s->vf.pf ? s->vf.pf->address : s->pf.address;
        _cleanup_(nvme_admin_done) struct nvme_admin admin = NVME_ADMIN_INIT(root_fd, pf);
        uint64_t n = 0;

        admin.vf = s->vf.pf ? s->vf.index + 1 : 0;
        int r = root_read_u64(root_fd, &n, "sys/bus/pci/devices/%s/sriov_numvfs", ADDRESS_STR(pf));
        if (r < 0)
                return r;
        admin.n_vfs = (unsigned) n;
        r = operate(&admin, q, p, ret_fd);
        *reason = r < 0 ? admin.reason : REASON_NONE;
        text_copy(detail, size, admin.detail);
        return r;
}

int worker_nvme_check_host(int root_fd, struct address pf, enum reason *reason, char *detail, size_t size) {
        uint64_t class;

        int r = root_read_u64(root_fd, &class, "sys/bus/pci/devices/%s/class", ADDRESS_STR(pf));
        if (r >= 0 && class != NVME_CLASS)
                return 0;
        if (r >= 0)
                r = function_disk_in_use(root_fd, pf, 0, detail, size);
        if (r == 0)
                return 0;
        *reason = REASON_HOST_DISK;
        if (r < 0)
                snprintf(detail, size, "whether the host uses a disk of it");
        return r < 0 ? r : -EBUSY;
}
