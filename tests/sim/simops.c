/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of the worker protocol, on the fake tree. */

#include "simops.h"
#include "common/macro.h"
#include "common/model.h"
#include "daemon/worker-identity.h"
#include "daemon/worker-nvme-ops.h"
#include "daemon/worker-ops.h"
#include "daemon/worker-path.h"
#include "simattributes.h"
#include "simeswitch.h"
#include "simfault.h"
#include "simnvme.h"
#include "simstats.h"
#include "simvf.h"
#include "sriov/busmaster.h"
#include "sriov/variant.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool unsafe_interrupts(const struct sim *s, const char *module) {
        char value[8];

        return tree_read(s, pathf("sys/module/%s/parameters/allow_unsafe_interrupts", module), value,
                         sizeof(value)) >= 0 &&
               value[0] == 'Y';
}

/* vfio refuses a group in which a host driver owns a device: drivers/vfio/container.c */
static bool group_viable(const struct sim *s, struct address vf) {
        int fd = openat(s->root, pathf("sys/kernel/iommu_groups/%d/devices", tree_group(s, vf)),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct address a;
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (address_parse(e->d_name, &a) >= 0 && tree_driver(s, a)[0] &&
                    !strstr(tree_driver(s, a), "vfio"))
                        return false;
        return d != NULL;
}

static struct outcome fence(const struct sim *s, const struct worker_request *q, int out[WORKER_FDS_MAX]) {
        bool group = q->value[0] == BACKEND_GROUP;

        if (tree_group(s, q->address) < 0)
                return FAIL(EPERM, NO_IOMMU, "the VF has no IOMMU group");
        if (tree_trait(s, "noiommu"))
                return FAIL(EPERM, NOIOMMU_GROUP, "the group is a vfio-noiommu group");
        if ((group && tree_trait(s, "no_group")) || (!group && !tree_trait(s, "cdev")) ||
            !strstr(tree_driver(s, q->address), "vfio"))
                return FAIL(ENODEV, FENCE_FAILED, "no such node");
        _cleanup_close_ int fd = openat(s->root, tree_node(s, q->address), O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return FAIL(errno, FENCE_FAILED, "open of the node");
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return FAIL(EBUSY, HELD, "open of the node");
        if (!group_viable(s, q->address))
                return FAIL(EPERM, SHARED_GROUP, "the group is not viable");
        if (tree_trait(s, "no_msi_isolation") &&
            !unsafe_interrupts(s, group ? "vfio_iommu_type1" : "iommufd"))
                return FAIL(EPERM, NO_MSI_ISOLATION, "interrupts are not isolated");
        out[0] = TAKE_FD(fd);
        return OK;
}

/* The fence must be the lock: another open cannot have it, this one can take it again. */
static bool is_fence(const struct sim *s, struct address vf, int fd) {
        _cleanup_close_ int other = openat(s->root, tree_node(s, vf), O_RDWR | O_CLOEXEC);
        struct stat a, b;

        return fd >= 0 && other >= 0 && fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino &&
               a.st_dev == b.st_dev && flock(other, LOCK_EX | LOCK_NB) < 0 &&
               flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* sim/vf/<address> is what a tenant left in the device; sim/resets/<address> has one line a reset. */
static void reset_vf(const struct sim *s, struct address vf) {
        _cleanup_close_ int fd = openat(s->root, pathf("sim/resets/%s", ADDRESS_STR(vf)),
                                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

        usleep((useconds_t) tree_number(s, "sim/reset_usec", 0));
        if (fd >= 0 && write(fd, "1\n", 2) < 0)
                perror("simworker: sim/resets");
        if (tree_exists(s, pathf("sim/vf/%s", ADDRESS_STR(vf))))
                tree_write(s, pathf("sim/vf/%s", ADDRESS_STR(vf)), "", 0666);
}

static struct outcome scrub(const struct sim *s, const struct worker_request *q,
                            const int in[WORKER_FDS_MAX]) {
        if (!is_fence(s, q->address, in[0]))
                return FAIL_ERRNO(EBADF, "the descriptor is not the fence");
        reset_vf(s, q->address);
        return OK;
}

/* An opened cdev owns nothing until it is bound; it is locked here already if the fence is off, because that
 * is what a VMM does with it first. */
static struct outcome open_fds(const struct sim *s, const struct worker_request *q, int out[WORKER_FDS_MAX]) {
        if (!tree_trait(s, "cdev"))
                return FAIL(EOPNOTSUPP, NO_FD_HANDOFF, "no device node");
        _cleanup_close_ int device = openat(s->root, tree_node(s, q->address), O_RDWR | O_CLOEXEC);
        _cleanup_close_ int iommufd = memfd_create("iommufd", MFD_CLOEXEC);
        if (device < 0 || iommufd < 0)
                return FAIL(errno, HANDOFF_FAILED, "open of the device node");
        flock(device, LOCK_EX | LOCK_NB);
        out[0] = TAKE_FD(iommufd);
        out[1] = TAKE_FD(device);
        return OK;
}

static struct outcome give_node(const struct sim *s, const struct worker_request *q, uint64_t uid,
                                uint64_t gid) {
        const char *node = tree_node(s, q->address);

        if (tree_trait(s, "no_group") || !tree_exists(s, node))
                return q->op == WORKER_REVOKE ? OK : FAIL(ENOENT, NO_NODE_HANDOFF, "no group node");
        if (geteuid() == 0 && fchownat(s->root, node, (uid_t) uid, (gid_t) gid, AT_SYMLINK_NOFOLLOW) < 0)
                return FAIL_ERRNO(errno, "chown of the node");
        int r = tree_write(s, pathf("%s.owner", node),
                           pathf("%llu %llu\n", (unsigned long long) uid, (unsigned long long) gid), 0644);
        return r < 0 ? FAIL_ERRNO(-r, "record of the owner") : OK;
}

static struct outcome memlock(const struct sim *s, const struct worker_request *q) {
        int r = tree_write(s, pathf("sim/memlock/%llu", (unsigned long long) q->value[0]),
                           pathf("%llu %llu\n", (unsigned long long) q->value[1],
                                 (unsigned long long) q->value[2]),
                           0644);

        return r < 0 ? FAIL_ERRNO(-r, "record of the limit") : OK;
}

static struct outcome config(const struct sim *s, const struct worker_request *q, struct worker_reply *p) {
        _cleanup_close_ int fd = openat(s->root, pathf(DEVICE "/config", ADDRESS_STR(q->address)),
                                        O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return FAIL_ERRNO(errno, "config");
        if (pread(fd, p->data, sizeof(p->data), (off_t) q->value[0]) != sizeof(p->data))
                return FAIL_ERRNO(EIO, "config ends");
        p->value[0] = sizeof(p->data);
        return OK;
}

/* Nobody but us could lock the node now; a descriptor in flight in a socket shows only so. */
static bool node_is_free(const struct sim *s, struct address vf) {
        _cleanup_close_ int fd = openat(s->root, tree_node(s, vf), O_RDWR | O_CLOEXEC);

        return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static struct outcome bind(const struct sim *s, const struct worker_request *q, bool silent) {
        char best[DRIVER_MAX];
        int r = q->text[0] ? 0 : variant_best(s->root, q->address, best);

        if (r < 0)
                return FAIL(-r, PROBE_FAILED, pathf("the driver %s is not loaded", best));
        return tree_bind(s, q->address, q->text[0] ? q->text : best, (unsigned) q->value[0], silent);
}

static struct outcome identify(const struct sim *s, const struct worker_request *q, struct worker_reply *p) {
        const char *step;
        int r = worker_identity_put(s->root, q->address, p, &step);

        return r < 0 ? FAIL_ERRNO(-r, step) : OK;
}

/* As the kernel, waits for whoever has a descriptor of the VF: vfio_unregister_group_dev() */
static struct outcome renew(const struct sim *s, const struct worker_request *q) {
        while (!node_is_free(s, q->address) && tree_exists(s, "sim"))
                usleep(5000);
        char driver[DRIVER_MAX];
        snprintf(driver, sizeof(driver), "%s", q->text[0] ? q->text : tree_driver(s, q->address));
        tree_unbind(s, q->address);
        return tree_bind(s, q->address, driver, 0, false);
}

static struct outcome cut_off(const struct sim *s, const struct worker_request *q) {
        const char *step;
        int r = busmaster_off(s->root, q->address, &step);

        return r < 0 ? FAIL_ERRNO(-r, step) : OK;
}

static struct outcome numvfs(const struct sim *s, const struct worker_request *q, struct worker_reply *p) {
        enum reason reason;
        char why[128];
        int r = q->value[0] > 0 && q->value[1] == 0
                                ? worker_nvme_check_host(s->root, q->address, &reason, why, sizeof(why))
                                : 0;
        struct outcome o = r < 0 ? (struct outcome){ r, reason, pathf("%s", why) }
                                 : tree_numvfs(s, q->address, (unsigned) q->value[0]);

        p->value[0] = tree_number(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(q->address)), 0);
        sim_eswitch_ports(s, q->address);
        return o;
}

static struct outcome holders(const struct sim *s, const struct worker_request *q, struct worker_reply *p) {
        p->value[0] = tree_holders(s, &q->address, 1, p->value + 1, WORKER_HOLDERS_MAX);
        p->value[0] = MIN(p->value[0], WORKER_HOLDERS_MAX);
        return OK;
}

static struct outcome operate(const struct sim *s, const struct worker_request *q,
                              const int in[WORKER_FDS_MAX], bool silent, struct worker_reply *p,
                              int out[WORKER_FDS_MAX]) {
        switch ((enum worker_op_code) q->op) {
        case WORKER_PING:
        case WORKER_LISTEN: /* nothing here waits for a fence */
                return OK;
        case WORKER_AUTOPROBE:
                tree_write(s, pathf(DEVICE "/sriov_drivers_autoprobe", ADDRESS_STR(q->address)),
                           q->value[0] ? "1\n" : "0\n", 0644);
                return OK;
        case WORKER_NUMVFS:
                return numvfs(s, q, p);
        case WORKER_BIND:
                return bind(s, q, silent);
        case WORKER_UNBIND:
                return tree_unbind(s, q->address);
        case WORKER_GROUP_TYPE:
                return tree_group_type(s, q->address, q->text);
        case WORKER_FENCE:
                worker_path_put(s->root, q->address, p);
                return fence(s, q, out);
        case WORKER_SCRUB:
                worker_path_put(s->root, q->address, p);
                return scrub(s, q, in);
        case WORKER_EVIDENCE:
                return worker_path_put(s->root, q->address, p) < 0 ? FAIL_ERRNO(ENODEV, "path") : OK;
        case WORKER_CUT_OFF:
                return cut_off(s, q);
        case WORKER_OPEN:
                return open_fds(s, q, out);
        case WORKER_GRANT:
                return give_node(s, q, q->value[0], q->value[1]);
        case WORKER_REVOKE:
                return give_node(s, q, 0, 0);
        case WORKER_MEMLOCK:
                return memlock(s, q);
        case WORKER_HOLDERS:
                return holders(s, q, p);
        case WORKER_CONFIG:
                return config(s, q, p);
        case WORKER_RENEW:
                return renew(s, q);
        case WORKER_IDENTIFY:
                return identify(s, q, p);
        case WORKER_ATTRIBUTES:
                return attributes_change(s, q, in, out);
        case WORKER_STATISTICS:
                return sim_statistics(s, q, p, out);
        case WORKER_SWITCH:
                return sim_switch(s, q, p, out);
        case WORKER_ESWITCH:
                return sim_eswitch(s, q);
        case WORKER_NVME_STATE:
        case WORKER_NVME_PRIMARY:
        case WORKER_NVME_OFFLINE:
        case WORKER_NVME_ONLINE:
        case WORKER_NVME_CREATE:
        case WORKER_NVME_ATTACH:
        case WORKER_NVME_DETACH:
        case WORKER_NVME_ERASE:
                return sim_nvme(s, q, p, out);
        case _WORKER_OP_MAX:
                break;
        }
        return FAIL_ERRNO(EINVAL, "no such operation");
}

bool sim_check(const struct sim *s, const struct worker_request *q, struct worker_reply *p) {
        struct worker_subject subject;
        const char *why;

        p->error = worker_check(s->root, q, &subject, &why);
        p->reason = worker_check_reason(q, &subject, p->error);
        snprintf(p->detail, sizeof(p->detail), "%s", why);
        return p->error == 0;
}

void sim_operate(const struct sim *s, const struct worker_request *q, const int in[WORKER_FDS_MAX],
                 bool silent, struct worker_reply *p, int out[WORKER_FDS_MAX]) {
        struct address pf = q->address;
        bool serial = q->op == WORKER_NUMVFS || q->op == WORKER_BIND || q->op == WORKER_UNBIND ||
                      q->op == WORKER_RENEW;

        tree_is_vf(s, q->address, &pf);
        _cleanup_close_ _unused_ int lock = serial ? tree_lock_pf(s, pf) : -1;
        struct outcome o = operate(s, q, in, silent, p, out);
        p->error = o.error;
        p->reason = o.reason;
        snprintf(p->detail, sizeof(p->detail), "%s", o.detail ? o.detail : "");
        while (p->n_fds < WORKER_FDS_MAX && out[p->n_fds] >= 0)
                p->n_fds++;
}

static int floor_op(const struct sim *s, enum worker_op_code op, struct address a, uint64_t value,
                    const char *text) {
        struct worker_request q = {
                .version = WORKER_PROTOCOL_VERSION, .op = op, .address = a, .value = { value }
        };
        struct worker_reply p = { 0 };
        int none[WORKER_FDS_MAX] = { -1, -1 }, out[WORKER_FDS_MAX] = { -1, -1 }; /* fences stay open */
        struct fault f;

        uint64_t began = now_usec();
        snprintf(q.text, sizeof(q.text), "%s", text);
        if (!fault_take(s, &q, &f))
                sim_operate(s, &q, none, false, &p, out);
        record_done(&q, &p, began);
        return p.error;
}

int sim_floor(const struct sim *s) {
        int fd = openat(s->root, "sim/pf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        enum backend backend = tree_trait(s, "no_group") ? BACKEND_IOMMUFD : BACKEND_GROUP;
        uint64_t began = now_usec();
        struct address pf;
        struct dirent *e;
        unsigned n = 0;

        while (d && (e = readdir(d))) {
                if (address_parse(e->d_name, &pf) < 0 || !tree_is_pf(s, pf))
                        continue;
                unsigned total = (unsigned) tree_number(s, pathf(DEVICE "/sriov_totalvfs", e->d_name), 0);
                int r = floor_op(s, WORKER_AUTOPROBE, pf, 0, "");

                if (r == 0)
                        r = floor_op(s, WORKER_NUMVFS, pf, total, "");
                for (unsigned i = 0; i < total && r == 0; i++, n++) {
                        r = floor_op(s, WORKER_BIND, vf_address(s, pf, i), 0, "vfio-pci");
                        if (r == 0)
                                r = floor_op(s, WORKER_FENCE, vf_address(s, pf, i), backend, "");
                }
                if (r < 0) {
                        fprintf(stderr, "simworker: %s\n", strerror(-r));
                        return EXIT_FAILURE;
                }
        }
        printf("%u %llu\n", n, (unsigned long long) (now_usec() - began));
        return EXIT_SUCCESS;
}
