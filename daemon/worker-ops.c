/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of the worker protocol, on the real kernel. */

#include "daemon/worker-ops.h"
#include "common/log.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/worker-changeset.h"
#include "daemon/worker-eswitch.h"
#include "daemon/worker-identity.h"
#include "daemon/worker-nvme-ops.h"
#include "daemon/worker-path.h"
#include "daemon/worker-stats.h"
#include "iommu/fence.h"
#include "iommu/group.h"
#include "iommu/grouptype.h"
#include "iommu/handoff.h"
#include "iommu/holders.h"
#include "iommu/scrub.h"
#include "sriov/bind.h"
#include "sriov/busmaster.h"
#include "sriov/devlink-vf.h"
#include "sriov/enable.h"
#include "sriov/eswitch.h"
#include "sriov/inventory.h"
#include "sriov/netvf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define DEVICE "sys/bus/pci/devices/%s/"

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
        char text[ESWITCH_TEXT_MAX]; /* a step that is not a constant */
};

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

/* VFs that somebody drives must not be destroyed: the kernel would wait, and with it hotplug of the whole
 * host (performance-facts F2). The daemon has let go of its fences before. */
static int check_nobody_holds(struct job *j) {
        const pid_t except[] = { j->context->client, 1 };
        _cleanup_free_ const struct vf **vfs = NULL;
        struct pf *pf = NULL;
        pid_t pid;
        size_t n_vfs = 0, n = 0;

        j->step = "reading its VFs";
        int r = inventory_scan_pf(j->context->root_fd, j->subject.pf.address, &pf);
        if (r < 0)
                return r;
        vfs = calloc(pf->n_vfs + 1, sizeof(*vfs));
        for (size_t i = 0; vfs && i < pf->n_vfs; i++)
                if (bind_is_vfio(pf->vfs[i]->driver) && group_read(j->context->root_fd, pf->vfs[i]) >= 0)
                        vfs[n_vfs++] = pf->vfs[i];
        r = !vfs        ? -ENOMEM
            : n_vfs > 0 ? holders_find_any(j->context->root_fd, vfs, n_vfs, except, ARRAY_SIZE(except), &pid,
                                           1, &n)
                        : 0;
        pf_free(pf);
        if (r < 0 || n == 0)
                return r;
        j->step = "a process holds a VF of it";
        j->reason = REASON_HELD;
        return -EBUSY;
}

static int do_numvfs(struct job *j) {
        unsigned count;

        if (j->request->value[0] == 0) {
                int e = check_nobody_holds(j);

                if (e < 0)
                        return e;
        } else if (j->request->value[1] == 0) { /* the daemon has looked, but before this one's turn came */
                int e = worker_nvme_check_host(j->context->root_fd, j->subject.pf.address, &j->reason,
                                               j->text, sizeof(j->text));

                j->step = j->text;
                if (e < 0)
                        return e;
        }
        int r = enable_numvfs(j->context->root_fd, j->subject.pf.address, (unsigned) j->request->value[0],
                              &count, &j->reason, &j->step);

        j->reply->value[0] = count;
        return r;
}

/* By the PF's interface, or in switchdev mode by the ports that stand for the VFs. */
static int tell(struct job *j, struct vf_change *changes, size_t n) {
        struct address pf = j->subject.pf.address;
        struct devlink_handle h = { .bus = "pci" };
        struct devlink_detail detail = { 0 };
        enum eswitch_mode mode;
        int ifindex = 0;

        j->reason = REASON_ATTRIBUTES;
        int r = eswitch_read(j->context->root_fd, pf, &mode, j->text, &j->step);
        if (r < 0)
                return r;
        if (mode != ESWITCH_SWITCHDEV) {
                j->step = "the PF has no network interface";
                r = netvf_find(j->context->root_fd, pf, &ifindex);
                return r < 0 ? r : netvf_apply(ifindex, changes, n, &j->step);
        }
        address_format(pf, h.device);
        /* drivers number their PFs as PCI does */
        r = devlink_vf_apply(&h, pf.function, changes, n, &detail, &j->step);
        if (r >= 0) /* of whatever VF was refused */
                text_copy(j->reply->detail, sizeof(j->reply->detail), detail.text);
        else if (detail.text[0]) {
                snprintf(j->text, sizeof(j->text), "%s (%.110s)", j->step, detail.text);
                j->step = j->text;
        }
        return r;
}

static int do_attributes(struct job *j) {
        struct address pf = j->subject.pf.address;
        _cleanup_free_ struct vf_change *changes = NULL;
        size_t n = (size_t) j->request->value[0];
        uint64_t num_vfs = 0;

        j->step = "reading sriov_numvfs";
        int r = root_read_u64(j->context->root_fd, &num_vfs, DEVICE "sriov_numvfs", ADDRESS_STR(pf));
        if (r >= 0) {
                j->step = "not a change set";
                r = changeset_read(j->in[0], n, (unsigned) num_vfs, &changes);
        }
        if (r >= 0)
                r = tell(j, changes, n);
        if (r >= 0)
                r = j->out[0] = changeset_write(changes, n);
        return MIN(r, 0);
}

/* Unbinding a VFIO driver waits for whoever has the VF, and hotplug of the whole host with it. */
static int do_bind(struct job *j) {
        const struct worker_request *q = j->request;
        const struct vf *vf = &j->subject.vf;

        if (bind_is_vfio(vf->driver) && (strcmp(vf->driver, q->text) != 0 || q->value[0] > 0)) {
                const pid_t except[] = { j->context->client, 1 };
                size_t n = 0;
                pid_t pid;

                j->step = "a process holds it";
                int r = holders_find(j->context->root_fd, vf, except, ARRAY_SIZE(except), &pid, 1, &n);
                if (r == 0 && n > 0) {
                        j->reason = REASON_HELD;
                        r = -EBUSY;
                }
                if (r < 0)
                        return r;
        }
        return bind_driver(j->context->root_fd, vf->address, q->text, (unsigned) q->value[0], &j->reason,
                           &j->step);
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
                return do_bind(j);
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
                return bind_renew(root, vf->address, q->text[0] ? q->text : vf->driver, &j->reason, &j->step);
        case WORKER_LISTEN:
                return fence_listen(root, vf, j->in[0], j->in[1], &j->step);
        case WORKER_EVIDENCE:
                j->step = "reading the path to the root complex";
                return worker_path_put(root, q->address, j->reply);
        case WORKER_CUT_OFF:
                return busmaster_off(root, vf->address, &j->step);
        case WORKER_IDENTIFY:
                return worker_identity_put(root, q->address, j->reply, &j->step);
        case WORKER_ATTRIBUTES:
                return do_attributes(j);
        case WORKER_STATISTICS:
                return worker_stats_put(root, q->address, j->reply, &j->out[0], &j->step);
        case WORKER_SWITCH:
                return worker_eswitch_put(root, q->address, j->reply, &j->out[0], j->text, &j->step);
        case WORKER_ESWITCH:
                j->reason = REASON_ESWITCH;
                return eswitch_write(root, q->address, (enum eswitch_mode) q->value[0], j->text, &j->step);
        case WORKER_NVME_STATE:
        case WORKER_NVME_PRIMARY:
        case WORKER_NVME_OFFLINE:
        case WORKER_NVME_ONLINE:
        case WORKER_NVME_CREATE:
        case WORKER_NVME_ATTACH:
        case WORKER_NVME_DETACH:
        case WORKER_NVME_ERASE:
                j->step = j->text;
                return worker_nvme_operate(root, q, &j->subject, j->reply, &j->out[0], &j->reason, j->text,
                                           sizeof(j->text));
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
        else
                j.reason = worker_check_reason(q, &j.subject, p->error);
        if (p->error == 0 && (q->op == WORKER_FENCE || q->op == WORKER_SCRUB))
                worker_path_put(c->root_fd, q->address, p); /* no path: unknown, and so not leased */
        if (p->error < 0) {
                p->reason = j.reason;
                snprintf(p->detail, sizeof(p->detail), "%s: %s", j.step, errno_text(p->error));
        }
        while (p->n_fds < WORKER_FDS_MAX && out[p->n_fds] >= 0)
                p->n_fds++;
}
