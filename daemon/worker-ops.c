/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of the worker protocol, on the real kernel. */

#include "daemon/worker-ops.h"
#include "common/log.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/worker-path.h"
#include "iommu/fence.h"
#include "iommu/group.h"
#include "iommu/grouptype.h"
#include "iommu/handoff.h"
#include "iommu/holders.h"
#include "iommu/scrub.h"
#include "sriov/bind.h"
#include "sriov/busmaster.h"
#include "sriov/enable.h"
#include "sriov/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define DEVICE      "sys/bus/pci/devices/%s/"
#define CONFIG_SIZE 4096U

/* One request on its way: what it needs and what comes of it. */
struct job {
        const struct worker_context *context;
        const struct worker_request *request;
        const int *in;
        struct worker_subject subject;
        struct worker_reply *reply;
        int *out;
        enum reason reason;
        const char *step;
};

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

static int check_target(int root_fd, const struct worker_request *q, struct worker_subject *ret,
                        const char **why) {
        static const enum worker_target targets[] = {
#define X(code, name, target) WORKER_TARGET_##target,
                WORKER_OPS(X)
#undef X
        };

        switch (targets[q->op]) {
        case WORKER_TARGET_NONE:
                break;
        case WORKER_TARGET_PF:
                return check_pf(root_fd, q->address, &ret->pf, why);
        case WORKER_TARGET_VF:
                return check_vf(root_fd, q->address, ret, why);
        case WORKER_TARGET_ANY:
                *why = "not a PCI device";
                return check_exists(root_fd, q->address);
        }
        return 0;
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
                return q->value[0] <= VFS_PER_PF_MAX ? 0 : -EINVAL;
        case WORKER_BIND:
        case WORKER_RENEW:
                *why = "not a VFIO driver";
                return bind_is_vfio(q->text) ? 0 : -EPERM;
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
                return q->value[0] <= CONFIG_SIZE - sizeof(((struct worker_reply *) 0)->data) ? 0 : -EINVAL;
        case WORKER_PING:
        case WORKER_UNBIND:
        case WORKER_OPEN:
        case WORKER_REVOKE:
        case WORKER_HOLDERS:
        case WORKER_LISTEN:
        case WORKER_EVIDENCE:
        case WORKER_CUT_OFF:
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

/* Field 22 of /proc/<pid>/stat; the name in field 2 may have blanks and parentheses. */
static int read_start(int root_fd, pid_t pid, uint64_t *ret) {
        char text[2048], *rest = NULL;

        int r = root_read(root_fd, text, sizeof(text), "proc/%d/stat", (int) pid);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        char *field = strrchr(text, ')');
        if (!field)
                return -EINVAL;
        field = strtok_r(field + 1, " ", &rest); /* field 3 */
        for (unsigned i = 3; field && i < 22; i++)
                field = strtok_r(NULL, " ", &rest);
        return field ? parse_u64(field, 10, ret) : -EINVAL;
}

static rlim_t at_least(rlim_t now, uint64_t bytes) {
        return now == RLIM_INFINITY || now >= bytes ? now : (rlim_t) bytes;
}

/* The pidfd outlives the process, its number does not: alive afterwards means that it was the same one all
 * the time. */
static int do_memlock(struct job *j) {
        pid_t pid = (pid_t) j->request->value[0];
        struct rlimit limit;
        uint64_t start;

        j->step = "opening the process";
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        int r = read_start(j->context->root_fd, pid, &start);
        if (r < 0)
                return r;
        j->step = "the process is another one by now";
        if (start != j->request->value[1])
                return -ESRCH;
        j->step = "reading RLIMIT_MEMLOCK";
        if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &limit) < 0)
                return -errno;
        limit.rlim_cur = at_least(limit.rlim_cur, j->request->value[2]);
        limit.rlim_max = at_least(limit.rlim_max, j->request->value[2]);
        j->step = "raising RLIMIT_MEMLOCK";
        if (prlimit(pid, RLIMIT_MEMLOCK, &limit, NULL) < 0)
                return -errno;
        j->step = "the process ended";
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        return poll(&p, 1, 0) == 0 ? 0 : -ESRCH;
}

static int do_config(struct job *j) {
        struct worker_reply *p = j->reply;

        j->step = "opening the configuration space";
        _cleanup_close_ int fd = root_openf(j->context->root_fd, O_RDONLY, DEVICE "config",
                                            ADDRESS_STR(j->request->address));
        if (fd < 0)
                return fd;
        j->step = "reading the configuration space";
        ssize_t n = pread(fd, p->data, sizeof(p->data), (off_t) j->request->value[0]);
        if (n < 0)
                return -errno;
        p->value[0] = (uint64_t) n; /* less for a device that has only the first 256 bytes */
        return 0;
}

static int do_holders(struct job *j) {
        const pid_t except[] = { j->context->client, 1 }; /* 1 keeps the fence for the daemon: its fd store */
        pid_t pids[WORKER_HOLDERS_MAX];
        size_t n = 0;

        j->step = "looking through /proc";
        int r = holders_find(j->context->root_fd, &j->subject.vf, except, ARRAY_SIZE(except), pids,
                             ARRAY_SIZE(pids), &n);
        for (size_t i = 0; i < n; i++)
                j->reply->value[i + 1] = (uint64_t) pids[i];
        j->reply->value[0] = n;
        return r;
}

static int do_numvfs(struct job *j) {
        unsigned count;
        int r = enable_numvfs(j->context->root_fd, j->subject.pf.address, (unsigned) j->request->value[0],
                              &count, &j->reason, &j->step);

        j->reply->value[0] = count;
        return r;
}

static int do_operation(struct job *j) {
        const struct worker_request *q = j->request;
        const struct vf *vf = &j->subject.vf;
        int root = j->context->root_fd;

        switch ((enum worker_op_code) q->op) {
        case WORKER_PING:
                return 0;
        case WORKER_AUTOPROBE:
                return enable_autoprobe(root, j->subject.pf.address, q->value[0] != 0, &j->step);
        case WORKER_NUMVFS:
                return do_numvfs(j);
        case WORKER_BIND:
                return bind_driver(root, vf->address, q->text, &j->reason, &j->step);
        case WORKER_UNBIND:
                return bind_unbind(root, vf->address, &j->step);
        case WORKER_GROUP_TYPE:
                return grouptype_set_dma(root, vf, &j->reason, &j->step);
        case WORKER_FENCE:
                return fence_take(root, vf, (enum backend) q->value[0], &j->out[0], &j->reason, &j->step);
        case WORKER_SCRUB:
                return scrub_vf(root, vf, (enum backend) q->value[0], j->in[0], &j->reason, &j->step);
        case WORKER_OPEN:
                return handoff_open(root, vf, &j->out[0], &j->out[1], &j->reason, &j->step);
        case WORKER_GRANT:
                return handoff_grant(root, vf, (uid_t) q->value[0], (gid_t) q->value[1], &j->reason,
                                     &j->step);
        case WORKER_REVOKE:
                return handoff_revoke(root, vf, &j->reason, &j->step);
        case WORKER_MEMLOCK:
                return do_memlock(j);
        case WORKER_HOLDERS:
                return do_holders(j);
        case WORKER_CONFIG:
                return do_config(j);
        case WORKER_RENEW:
                return bind_renew(root, vf->address, q->text, &j->reason, &j->step);
        case WORKER_LISTEN:
                return fence_listen(root, vf, j->in[0], j->in[1], &j->step);
        case WORKER_EVIDENCE:
                j->step = "reading the path to the root complex";
                return worker_path_put(root, q->address, j->reply);
        case WORKER_CUT_OFF:
                return busmaster_off(root, vf->address, &j->step);
        case _WORKER_OP_MAX:
                break;
        }
        j->step = "no such operation";
        return -EINVAL;
}

void worker_operate(const struct worker_context *c, const struct worker_request *q,
                    const int in[WORKER_FDS_MAX], struct worker_reply *p, int out[WORKER_FDS_MAX]) {
        struct job j = { .context = c, .request = q, .in = in, .reply = p, .out = out, .step = "" };

        *p = (struct worker_reply){ .version = WORKER_PROTOCOL_VERSION, .id = q->id };
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                out[i] = -1;
        p->error = worker_check(c->root_fd, q, &j.subject, &j.step);
        if (p->error == 0)
                p->error = do_operation(&j);
        if (p->error == 0 && (q->op == WORKER_FENCE || q->op == WORKER_SCRUB))
                worker_path_put(c->root_fd, q->address, p); /* no path: unknown, and so not leased */
        if (p->error < 0) {
                p->reason = j.reason;
                snprintf(p->detail, sizeof(p->detail), "%s: %s", j.step, errno_text(p->error));
        }
        while (p->n_fds < WORKER_FDS_MAX && out[p->n_fds] >= 0)
                p->n_fds++;
}
