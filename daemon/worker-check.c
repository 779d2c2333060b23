/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a request must be about, and what may be in it. Nothing here trusts the daemon. */

#include "common/macro.h"
#include "common/nvme.h"
#include "common/root.h"
#include "daemon/worker-ops.h"
#include "iommu/group.h"
#include "sriov/bind.h"
#include "sriov/capability.h"
#include "sriov/function.h"
#include "sriov/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEVICE "sys/bus/pci/devices/%s/"

/* For a target that lacks what makes it one: is there such a PCI device at all? */
static int check_exists(int root_fd, struct address a) {
        _cleanup_close_ int fd = root_openf(root_fd, O_PATH, DEVICE "vendor", ADDRESS_STR(a));

        if (fd == -ENOENT)
                return -ENODEV;
        return fd < 0 ? fd : 0;
}

static int wrong_target(int root_fd, struct address a) {
        int r = check_exists(root_fd, a);

        return r < 0 ? r : -EPERM;
}

static int check_pf(int root_fd, struct address a, struct pf *ret, const char **why) {
        uint64_t total, autoprobe;

        *why = "not an SR-IOV physical function";
        int r = root_read_u64(root_fd, &total, DEVICE "sriov_totalvfs", ADDRESS_STR(a));
        if (r == -ENOENT)
                return wrong_target(root_fd, a);
        if (r < 0)
                return r;
        if (total == 0)
                return -EPERM;
        *why = "sriov_drivers_autoprobe cannot be read";
        r = root_read_u64(root_fd, &autoprobe, DEVICE "sriov_drivers_autoprobe", ADDRESS_STR(a));
        if (r < 0)
                return r;
        *ret = (struct pf){ .address = a, .total_vfs = (unsigned) total, .autoprobe = autoprobe != 0 };
        return 0;
}

/* Some drivers refuse another mode of the switch under VFs, others take these away. The link tells without
 * waiting for the lock that sriov_numvfs takes (drivers/pci/iov.c:sriov_numvfs_show). */
static int check_no_vfs(int root_fd, struct address a, const char **why) {
        *why = "the PF has VFs";
        int fd = root_openf(root_fd, O_PATH, DEVICE "virtfn0", ADDRESS_STR(a));
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        close(fd);
        return -EBUSY;
}

static uint32_t routing_id(struct address a) {
        return (uint32_t) a.bus << 8 | (uint32_t) a.device << 3 | a.function;
}

/* Which virtfnN it must be, by the arithmetic of the SR-IOV capability; the link itself is what proves it. */
static int find_index(int root_fd, struct address pf, struct address vf, unsigned *ret) {
        uint64_t offset, stride;

        int r = root_read_u64(root_fd, &offset, DEVICE "sriov_offset", ADDRESS_STR(pf));
        if (r >= 0)
                r = root_read_u64(root_fd, &stride, DEVICE "sriov_stride", ADDRESS_STR(pf));
        if (r < 0)
                return r;
        uint64_t first = routing_id(pf) + offset, rid = routing_id(vf);
        if (vf.domain != pf.domain || rid < first || (stride == 0 && rid != first))
                return -EPERM;
        if (stride > 0 && (rid - first) % stride != 0)
                return -EPERM;
        *ret = stride > 0 ? (unsigned) ((rid - first) / stride) : 0;
        return 0;
}

static int read_address_link(int root_fd, const char *link, struct address of, struct address *ret) {
        char name[ADDRESS_STR_MAX + 1];
        int r = root_link_name(root_fd, name, sizeof(name), DEVICE "%s", ADDRESS_STR(of), link);

        return r < 0 ? r : address_parse(name, ret);
}

static int check_vf(int root_fd, struct address a, struct worker_subject *ret, const char **why) {
        struct address pf, back;
        char link[24];
        unsigned index;

        *why = "not a virtual function";
        int r = read_address_link(root_fd, "physfn", a, &pf);
        if (r == -ENOENT)
                return wrong_target(root_fd, a);
        if (r >= 0)
                r = check_pf(root_fd, pf, &ret->pf, why);
        if (r < 0)
                return r;
        *why = "its PF is not under management";
        if (ret->pf.autoprobe)
                return -EPERM;
        *why = "its PF does not know it";
        r = find_index(root_fd, pf, a, &index);
        if (r < 0)
                return r;
        snprintf(link, sizeof(link), "virtfn%u", index);
        r = read_address_link(root_fd, link, pf, &back);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r < 0 || !address_equal(back, a))
                return -EPERM;
        ret->vf = (struct vf){ .address = a, .pf = &ret->pf, .index = index };
        *why = "it vanished";
        r = inventory_scan_vf(root_fd, &ret->vf);
        return r < 0 ? r : group_read(root_fd, &ret->vf);
}

/* What may be asked about a whole function, by its driver. */
static int check_driver_of_whole(const struct worker_request *q, const struct vf *vf, const char **why) {
        bool vfio = bind_is_vfio(vf->driver);

        *why = "its driver is no VFIO driver";
        switch ((enum worker_op_code) q->op) {
        case WORKER_BIND:
        case WORKER_UNBIND:
                return 0;
        case WORKER_GROUP_TYPE: /* comes between unbinding the host's driver and binding VFIO's */
                return vfio || !vf->driver[0] ? 0 : -EPERM;
        case WORKER_GRANT:
        case WORKER_REVOKE:
        case WORKER_FENCE:
        case WORKER_SCRUB:
        case WORKER_OPEN:
        case WORKER_HOLDERS:
        case WORKER_RENEW:
        case WORKER_LISTEN:
        case WORKER_CUT_OFF:
                return vfio ? 0 : -EPERM;
        case WORKER_PING:
        case WORKER_AUTOPROBE:
        case WORKER_NUMVFS:
        case WORKER_MEMLOCK:
        case WORKER_CONFIG:
        case WORKER_EVIDENCE:
        case WORKER_IDENTIFY:
        case WORKER_ATTRIBUTES:
        case WORKER_STATISTICS:
        case WORKER_SWITCH:
        case WORKER_ESWITCH:
        case WORKER_NVME_STATE:
        case WORKER_NVME_PRIMARY:
        case WORKER_NVME_OFFLINE:
        case WORKER_NVME_ONLINE:
        case WORKER_NVME_CREATE:
        case WORKER_NVME_ATTACH:
        case WORKER_NVME_DETACH:
        case WORKER_NVME_ERASE:
        case _WORKER_OP_MAX:
                break;
        }
        return -EPERM; /* no VF is their target */
}

/* A function with a VFIO driver has nothing of the host's below it, and its driver is what keeps it so.
 * Before that, the host's need is looked at again here, however sure the daemon was. */
static int check_whole(int root_fd, const struct worker_request *q, struct worker_subject *ret,
                       const char **why) {
        static char needed[96];
        struct pf *pf = NULL;

        *why = "not a function that can be taken as a whole";
        int r = inventory_scan_function(root_fd, q->address, &pf);
        if (r < 0)
                return r == -ENODEV ? wrong_target(root_fd, q->address) : r;
        ret->pf = (struct pf){ .address = q->address, .whole = true };
        ret->vf = *pf->vfs[0];
        ret->vf.pf = &ret->pf;
        pf_free(pf);
        r = check_driver_of_whole(q, &ret->vf, why);
        if (r < 0)
                return r;
        if (!bind_is_vfio(ret->vf.driver)) {
                r = function_in_use(root_fd, q->address, needed, sizeof(needed));
                *why = r > 0 ? needed : "whether the host needs it cannot be known";
                if (r != 0)
                        return r < 0 ? r : -EPERM;
        }
        return group_read(root_fd, &ret->vf);
}

static int check_target(int root_fd, const struct worker_request *q, struct worker_subject *ret,
                        const char **why) {
        static const enum worker_target targets[] = {
#define X(code, name, target) WORKER_TARGET_##target,
                WORKER_OPS(X)
#undef X
        };
        int r;

        switch (targets[q->op]) {
        case WORKER_TARGET_NONE:
                break;
        case WORKER_TARGET_PF:
                r = check_pf(root_fd, q->address, &ret->pf, why);
                return r == 0 && q->op == WORKER_ESWITCH && !ret->pf.autoprobe
                                       ? check_no_vfs(root_fd, q->address, why)
                                       : r;
        case WORKER_TARGET_VF:
                if (q->value[3] == WORKER_WHOLE)
                        return check_whole(root_fd, q, ret, why);
                return check_vf(root_fd, q->address, ret, why);
        case WORKER_TARGET_ANY:
                *why = "not a PCI device";
                return check_exists(root_fd, q->address);
        }
        return 0;
}

/* FFFFFFFEh and FFFFFFFFh mean all of them. */
static bool is_nsid(uint64_t n) {
        return n >= 1 && n <= 0xfffffffd;
}

static int check_nvme(const struct worker_request *q, const struct worker_subject *s, const char **why) {
        if (q->op == WORKER_NVME_PRIMARY || q->op == WORKER_NVME_ONLINE) {
                *why = "the PF is not under management";
                if (s->pf.autoprobe)
                        return -EPERM;
                *why = "more resources than a controller can have";
                return q->value[0] <= UINT16_MAX && q->value[1] <= UINT16_MAX ? 0 : -EINVAL;
        }
        if (q->op == WORKER_NVME_CREATE) {
                *why = "not a size";
                return q->value[0] > 0 && q->value[0] <= INT64_MAX ? 0 : -EINVAL;
        }
        *why = "not a namespace";
        if (!is_nsid(q->value[0]) && (q->op != WORKER_NVME_DETACH || q->value[0] != 0))
                return -EINVAL;
        *why = "no way to attach or to erase a namespace";
        return (q->op != WORKER_NVME_ATTACH || q->value[1] <= 1) &&
                                               (q->op != WORKER_NVME_ERASE || q->value[1] < _NVME_ERASE_MAX)
                               ? 0
                               : -EINVAL;
}

/* What the text and the values of a request may be, beyond its target. */
static int check_arguments(const struct worker_request *q, const struct worker_subject *s, const char **why) {
        switch ((enum worker_op_code) q->op) {
        case WORKER_AUTOPROBE:
                *why = "neither 0 nor 1";
                return q->value[0] <= 1 ? 0 : -EINVAL;
        case WORKER_NUMVFS:
                *why = "the PF is not under management";
                if (s->pf.autoprobe)
                        return -EPERM;
                *why = "more VFs than SR-IOV can have";
                if (q->value[0] > VFS_PER_PF_MAX)
                        return -EINVAL;
                *why = "whether a disk of the host forbids them is neither 0 nor 1";
                return q->value[1] <= 1 ? 0 : -EINVAL;
        case WORKER_BIND:
                *why = "more vectors than MSI-X can have";
                if (q->value[0] > MSIX_MAX)
                        return -EINVAL;
                *why = "only a PF's driver gives out vectors";
                if (q->value[0] > 0 && s->pf.whole)
                        return -EINVAL;
                *why = "not a VFIO driver";
                return !q->text[0] || bind_is_vfio(q->text) ? 0 : -EPERM;
        case WORKER_RENEW:
                *why = "not a VFIO driver";
                return bind_is_vfio(q->text[0] ? q->text : s->vf.driver) ? 0 : -EPERM;
        case WORKER_GROUP_TYPE:
                *why = "not a type that translates";
                return strcmp(q->text, "DMA") == 0 ? 0 : -EPERM;
        case WORKER_FENCE:
        case WORKER_SCRUB:
                *why = "no such backend";
                return q->value[0] == BACKEND_GROUP || q->value[0] == BACKEND_IOMMUFD ? 0 : -EINVAL;
        case WORKER_GRANT:
                *why = "not a user and group";
                return q->value[0] < UINT32_MAX && q->value[1] < UINT32_MAX ? 0 : -EINVAL;
        case WORKER_MEMLOCK:
                *why = "not a process";
                return q->value[0] > 1 && q->value[0] <= INT32_MAX ? 0 : -EINVAL;
        case WORKER_CONFIG:
                *why = "beyond the configuration space";
                return q->value[0] <= CONFIG_SPACE_SIZE - sizeof(((struct worker_reply *) 0)->data) ? 0
                                                                                                    : -EINVAL;
        case WORKER_ATTRIBUTES:
                *why = "the PF is not under management";
                if (s->pf.autoprobe)
                        return -EPERM;
                *why = "not a number of VFs";
                return q->value[0] > 0 && q->value[0] <= s->pf.total_vfs ? 0 : -EINVAL;
        case WORKER_ESWITCH:
                *why = "the PF is not under management";
                if (s->pf.autoprobe)
                        return -EPERM;
                *why = "no mode of a switch";
                return q->value[0] == ESWITCH_LEGACY || q->value[0] == ESWITCH_SWITCHDEV ? 0 : -EINVAL;
        case WORKER_NVME_PRIMARY:
        case WORKER_NVME_ONLINE:
        case WORKER_NVME_CREATE:
        case WORKER_NVME_ATTACH:
        case WORKER_NVME_DETACH:
        case WORKER_NVME_ERASE:
                return check_nvme(q, s, why);
        case WORKER_NVME_STATE:
        case WORKER_NVME_OFFLINE:
        case WORKER_PING:
        case WORKER_UNBIND:
        case WORKER_OPEN:
        case WORKER_REVOKE:
        case WORKER_HOLDERS:
        case WORKER_LISTEN:
        case WORKER_EVIDENCE:
        case WORKER_CUT_OFF:
        case WORKER_IDENTIFY:
        case WORKER_STATISTICS:
        case WORKER_SWITCH:
        case _WORKER_OP_MAX:
                break;
        }
        return 0;
}

int worker_check(int root_fd, const struct worker_request *q, struct worker_subject *ret, const char **why) {
        *ret = (struct worker_subject){ 0 };
        *why = "another version of the protocol";
        if (q->version != WORKER_PROTOCOL_VERSION)
                return -EPROTO;
        *why = "no such operation";
        if (q->op >= _WORKER_OP_MAX)
                return -EINVAL;
        *why = "text without an end";
        if (!memchr(q->text, '\0', sizeof(q->text)))
                return -EINVAL;
        *why = "no such address";
        if (q->address.device > 31 || q->address.function > 7)
                return -EINVAL;
        int r = check_target(root_fd, q, ret, why);
        if (r >= 0)
                r = check_arguments(q, ret, why);
        if (r >= 0)
                *why = "";
        return r;
}

enum reason worker_check_reason(const struct worker_request *q, const struct worker_subject *s, int error) {
        if (error != -EPERM)
                return REASON_NONE;
        if (q->value[3] == WORKER_WHOLE && (q->op == WORKER_BIND || q->op == WORKER_UNBIND))
                return REASON_HOST_NEEDS_IT;
        return s->pf.autoprobe ? REASON_NOT_MANAGED : REASON_NONE;
}
