/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a worker refuses, and the operations that need no kernel, on a fake tree. */

#include "common/macro.h"
#include "common/nvme.h"
#include "common/root.h"
#include "daemon/worker-identity.h"
#include "daemon/worker-ops.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PF_A "0000:01:00.0" /* managed */
#define PF_B "0000:01:00.1" /* not managed */
#define VF_A "0000:01:10.0"

static int set_up(void **state) {
        static struct faketree t;

        faketree_init(&t);
        faketree_pf(&t, &(struct fake_pf){ .address = PF_A, .managed = true });
        faketree_pf(&t, &(struct fake_pf){ .address = PF_B });
        faketree_vf(&t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 12 });
        faketree_vf(&t, &(struct fake_vf){ .pf = PF_A, .index = 3, .group = 13 });
        faketree_vf(&t, &(struct fake_vf){ .pf = PF_B, .index = 0, .group = 14 });
        *state = &t;
        return 0;
}

static int tear_down(void **state) {
        faketree_done(*state);
        return 0;
}

static struct worker_request ask(enum worker_op_code op, const char *address) {
        struct worker_request q = { .version = WORKER_PROTOCOL_VERSION, .op = op, .id = 77 };

        assert_int_equal(address_parse(address, &q.address), 0);
        return q;
}

static int check(struct faketree *t, const struct worker_request *q) {
        struct worker_subject s;
        const char *why = NULL;
        int r = worker_check(t->fd, q, &s, &why);

        assert_non_null(why);
        assert_int_equal(why[0] == '\0', r == 0);
        return r;
}

static int check_op(struct faketree *t, enum worker_op_code op, const char *address) {
        struct worker_request q = ask(op, address);

        return check(t, &q);
}

static void test_targets(void **state) {
        static const struct {
                enum worker_op_code op;
                const char *address;
                int error;
        } cases[] = {
                { WORKER_PING, "0000:00:00.0", 0 },
                { WORKER_AUTOPROBE, PF_A, 0 },
                { WORKER_AUTOPROBE, PF_B, 0 }, /* how it comes under management */
                { WORKER_AUTOPROBE, VF_A, -EPERM },
                { WORKER_AUTOPROBE, "0000:09:00.0", -ENODEV },
                { WORKER_NUMVFS, PF_A, 0 },
                { WORKER_NUMVFS, PF_B, -EPERM },
                { WORKER_NUMVFS, VF_A, -EPERM },
                { WORKER_UNBIND, VF_A, 0 },
                { WORKER_UNBIND, "0000:01:10.6", 0 },
                { WORKER_UNBIND, "0000:01:10.1", -EPERM }, /* VF of the unmanaged PF */
                { WORKER_UNBIND, PF_A, -EPERM },
                { WORKER_UNBIND, "0000:01:10.2", -ENODEV },
                { WORKER_OPEN, VF_A, 0 },
                { WORKER_REVOKE, PF_B, -EPERM },
                { WORKER_HOLDERS, VF_A, 0 },
                { WORKER_CONFIG, VF_A, 0 },
                { WORKER_CONFIG, PF_B, 0 },
                { WORKER_CONFIG, "0000:09:00.0", -ENODEV },
                { WORKER_IDENTIFY, VF_A, 0 },
                { WORKER_IDENTIFY, PF_B, 0 },
                { WORKER_IDENTIFY, "0000:09:00.0", -ENODEV },
                { WORKER_SWITCH, PF_A, 0 },
                { WORKER_SWITCH, PF_B, 0 }, /* reads only */
                { WORKER_SWITCH, VF_A, -EPERM },
                { WORKER_ESWITCH, VF_A, -EPERM },
        };
        struct faketree *t = *state;

        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                int r = check_op(t, cases[i].op, cases[i].address);

                if (r != cases[i].error)
                        fail_msg("%s %s: %d, not %d", worker_op_name(cases[i].op), cases[i].address, r,
                                 cases[i].error);
        }
}

static void test_links_must_agree(void **state) {
        struct faketree *t = *state;

        /* a function that claims to be a VF of the managed PF */
        faketree_write(t, fake_device("0000:05:00.0", "vendor"), "0x8086\n");
        faketree_link(t, "../" PF_A, fake_device("0000:05:00.0", "physfn"));
        assert_int_equal(check_op(t, WORKER_UNBIND, "0000:05:00.0"), -EPERM);
        faketree_write(t, fake_device("0000:00:1f.0", "vendor"), "0x8086\n"); /* below the PF */
        faketree_link(t, "../" PF_A, fake_device("0000:00:1f.0", "physfn"));
        assert_int_equal(check_op(t, WORKER_UNBIND, "0000:00:1f.0"), -EPERM);
        /* the PF's link points elsewhere */
        faketree_link(t, "../0000:01:10.6", fake_device(PF_A, "virtfn0"));
        assert_int_equal(check_op(t, WORKER_UNBIND, VF_A), -EPERM);
        faketree_link(t, "../" VF_A, fake_device(PF_A, "virtfn0"));
        assert_int_equal(check_op(t, WORKER_UNBIND, VF_A), 0);
        faketree_link(t, "../" PF_B, fake_device(VF_A, "physfn"));
        assert_int_equal(check_op(t, WORKER_UNBIND, VF_A), -EPERM);
        faketree_link(t, "../nonsense", fake_device(VF_A, "physfn"));
        assert_int_equal(check_op(t, WORKER_UNBIND, VF_A), -EINVAL);
}

static void test_subject(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_UNBIND, "0000:01:10.6");
        struct worker_subject s;
        const char *why;

        assert_int_equal(worker_check(t->fd, &q, &s, &why), 0);
        assert_int_equal(s.vf.index, 3);
        assert_int_equal(s.vf.group, 13);
        assert_int_equal(s.vf.group_devices, 1);
        assert_true(s.vf.resettable);
        assert_ptr_equal(s.vf.pf, &s.pf);
        assert_string_equal(ADDRESS_STR(s.pf.address), PF_A);
        assert_false(s.pf.autoprobe);
}

static void test_arguments(void **state) {
        static const struct {
                enum worker_op_code op;
                uint64_t value[2];
                const char *text;
                int error;
        } cases[] = {
                { WORKER_BIND, { 0 }, "vfio-pci", 0 },
                { WORKER_BIND, { 0 }, "mlx5_vfio_pci", 0 },
                { WORKER_BIND, { 0 }, "igbvf", -EPERM },
                { WORKER_BIND, { 0 }, "xe-vfio-pci", 0 },
                { WORKER_BIND, { 0 }, "", 0 },
                { WORKER_BIND, { 2048 }, "", 0 },
                { WORKER_BIND, { 2049 }, "", -EINVAL },
                { WORKER_BIND, { 0 }, "../vfio-pci", -EPERM },
                { WORKER_RENEW, { 0 }, "vfio-pci", 0 },
                { WORKER_RENEW, { 0 }, "", -EPERM }, /* nothing is bound */
                { WORKER_GROUP_TYPE, { 0 }, "DMA", 0 },
                { WORKER_GROUP_TYPE, { 0 }, "identity", -EPERM },
                { WORKER_FENCE, { BACKEND_GROUP }, "", 0 },
                { WORKER_FENCE, { BACKEND_IOMMUFD }, "", 0 },
                { WORKER_FENCE, { BACKEND_NONE }, "", -EINVAL },
                { WORKER_SCRUB, { 3 }, "", -EINVAL },
                { WORKER_GRANT, { 1000, 1000 }, "", 0 },
                { WORKER_GRANT, { 0, 0 }, "", 0 },
                { WORKER_GRANT, { UINT32_MAX, 1000 }, "", -EINVAL },
                { WORKER_GRANT, { 1000, 1ULL << 32 }, "", -EINVAL },
                { WORKER_CONFIG, { 3840 }, "", 0 },
                { WORKER_CONFIG, { 3841 }, "", -EINVAL },
                { WORKER_MEMLOCK, { 1 }, "", -EINVAL },
                { WORKER_MEMLOCK, { 1ULL << 31 }, "", -EINVAL },
                { WORKER_MEMLOCK, { 2 }, "", 0 },
        };
        struct faketree *t = *state;

        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                struct worker_request q = ask(cases[i].op, VF_A);

                memcpy(q.value, cases[i].value, sizeof(cases[i].value));
                strcpy(q.text, cases[i].text);
                int r = check(t, &q);
                if (r != cases[i].error)
                        fail_msg("case %u, %s: %d, not %d", i, worker_op_name(q.op), r, cases[i].error);
        }
        struct worker_request q = ask(WORKER_AUTOPROBE, PF_A);
        q.value[0] = 2;
        assert_int_equal(check(t, &q), -EINVAL);
        q = ask(WORKER_NUMVFS, PF_A);
        q.value[0] = 65536;
        assert_int_equal(check(t, &q), -EINVAL);
        q.value[0] = 4;
        q.value[1] = 1;
        assert_int_equal(check(t, &q), 0);
        q.value[1] = 2;
        assert_int_equal(check(t, &q), -EINVAL);
        q = ask(WORKER_ESWITCH, PF_A);
        q.value[0] = ESWITCH_SWITCHDEV;
        assert_int_equal(check(t, &q), -EBUSY); /* it has VFs */
        faketree_pf(t, &(struct fake_pf){ .address = "0000:02:00.0", .managed = true });
        q.address = ask(WORKER_PING, "0000:02:00.0").address;
        faketree_write(t, fake_device("0000:02:00.0", "sriov_numvfs"), "0\n");
        assert_int_equal(check(t, &q), 0);
        q.value[0] = ESWITCH_NONE;
        assert_int_equal(check(t, &q), -EINVAL);
        q.address = ask(WORKER_PING, PF_B).address;
        q.value[0] = ESWITCH_LEGACY;
        assert_int_equal(check(t, &q), -EPERM); /* nobody's */
}

static void test_nvme_targets(void **state) {
        struct faketree *t = *state;

        assert_int_equal(check_op(t, WORKER_NVME_STATE, PF_A), 0);
        assert_int_equal(check_op(t, WORKER_NVME_STATE, PF_B), 0); /* reads only */
        assert_int_equal(check_op(t, WORKER_NVME_STATE, VF_A), -EPERM);
        assert_int_equal(check_op(t, WORKER_NVME_STATE, "0000:09:00.0"), -ENODEV);
        assert_int_equal(check_op(t, WORKER_NVME_PRIMARY, PF_A), 0);
        assert_int_equal(check_op(t, WORKER_NVME_PRIMARY, PF_B), -EPERM);
        assert_int_equal(check_op(t, WORKER_NVME_PRIMARY, VF_A), -EPERM);
        assert_int_equal(check_op(t, WORKER_NVME_OFFLINE, VF_A), 0);
        for (enum worker_op_code op = WORKER_NVME_OFFLINE; op <= WORKER_NVME_ERASE; op++) {
                assert_int_equal(check_op(t, op, PF_A), -EPERM);
                assert_int_equal(check_op(t, op, "0000:01:10.1"), -EPERM); /* VF of the unmanaged PF */
                assert_int_equal(check_op(t, op, "0000:01:10.2"), -ENODEV);
        }
}

static void test_nvme_arguments(void **state) {
        static const struct {
                enum worker_op_code op;
                uint64_t value[2];
                int error;
        } cases[] = {
                { WORKER_NVME_ONLINE, { 0, 0 }, 0 },
                { WORKER_NVME_ONLINE, { UINT16_MAX, UINT16_MAX }, 0 },
                { WORKER_NVME_ONLINE, { UINT16_MAX + 1, 1 }, -EINVAL },
                { WORKER_NVME_ONLINE, { 2, UINT16_MAX + 1 }, -EINVAL },
                { WORKER_NVME_CREATE, { 0 }, -EINVAL },
                { WORKER_NVME_CREATE, { 1 }, 0 },
                { WORKER_NVME_CREATE, { INT64_MAX }, 0 },
                { WORKER_NVME_CREATE, { 1ULL << 63 }, -EINVAL },
                { WORKER_NVME_ATTACH, { 0, 1 }, -EINVAL },
                { WORKER_NVME_ATTACH, { 1, 0 }, 0 },
                { WORKER_NVME_ATTACH, { 1, 1 }, 0 },
                { WORKER_NVME_ATTACH, { 1, 2 }, -EINVAL },
                { WORKER_NVME_ATTACH, { UINT32_MAX, 1 }, -EINVAL },
                { WORKER_NVME_DETACH, { 0 }, 0 }, /* all of the VF's */
                { WORKER_NVME_DETACH, { 0xfffffffd }, 0 },
                { WORKER_NVME_DETACH, { 0xfffffffe }, -EINVAL },
                { WORKER_NVME_DETACH, { UINT32_MAX }, -EINVAL },
                { WORKER_NVME_DETACH, { 1ULL << 32 }, -EINVAL },
                { WORKER_NVME_ERASE, { 0, NVME_ERASE_FORMAT }, -EINVAL },
                { WORKER_NVME_ERASE, { 1, NVME_ERASE_DELETE }, 0 },
                { WORKER_NVME_ERASE, { 0xfffffffd, NVME_ERASE_CRYPTO }, 0 },
                { WORKER_NVME_ERASE, { 0xfffffffe, NVME_ERASE_DELETE }, -EINVAL },
                { WORKER_NVME_ERASE, { UINT32_MAX, NVME_ERASE_DELETE }, -EINVAL }, /* all of the card's */
                { WORKER_NVME_ERASE, { UINT32_MAX, NVME_ERASE_FORMAT }, -EINVAL },
                { WORKER_NVME_ERASE, { (1ULL << 32) + 1, NVME_ERASE_DELETE }, -EINVAL },
                { WORKER_NVME_ERASE, { 1, _NVME_ERASE_MAX }, -EINVAL },
                { WORKER_NVME_ERASE, { 1, UINT64_MAX }, -EINVAL },
        };
        struct faketree *t = *state;

        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                struct worker_request q = ask(cases[i].op, VF_A);

                memcpy(q.value, cases[i].value, sizeof(cases[i].value));
                int r = check(t, &q);
                if (r != cases[i].error)
                        fail_msg("case %u, %s: %d, not %d", i, worker_op_name(q.op), r, cases[i].error);
        }
        struct worker_request q = ask(WORKER_NVME_PRIMARY, PF_A);
        q.value[0] = q.value[1] = UINT16_MAX;
        assert_int_equal(check(t, &q), 0);
        q.value[1]++;
        assert_int_equal(check(t, &q), -EINVAL);
}

static void test_malformed(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_PING, PF_A);

        q.version++;
        assert_int_equal(check(t, &q), -EPROTO);
        q = ask(WORKER_PING, PF_A);
        q.op = _WORKER_OP_MAX;
        assert_int_equal(check(t, &q), -EINVAL);
        q.op = UINT32_MAX;
        assert_int_equal(check(t, &q), -EINVAL);
        q = ask(WORKER_PING, PF_A);
        memset(q.text, 'x', sizeof(q.text));
        assert_int_equal(check(t, &q), -EINVAL);
        q = ask(WORKER_CONFIG, PF_A);
        q.address.device = 32;
        assert_int_equal(check(t, &q), -EINVAL);
}

static struct worker_reply operate(struct faketree *t, const struct worker_request *q) {
        struct worker_context c = { .root_fd = t->fd };
        int in[WORKER_FDS_MAX] = { -1, -1 }, out[WORKER_FDS_MAX] = { 5, 5 };
        struct worker_reply p;

        memset(&p, 0xff, sizeof(p));
        worker_operate(&c, q, in, &p, out);
        assert_int_equal(p.version, WORKER_PROTOCOL_VERSION);
        assert_int_equal(p.id, q->id);
        assert_int_equal(p.n_fds, 0);
        assert_int_equal(out[0], -1);
        assert_int_equal(out[1], -1);
        assert_non_null(memchr(p.detail, 0, sizeof(p.detail)));
        return p;
}

static void test_operations(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_AUTOPROBE, PF_B);
        struct worker_reply p = operate(t, &q);
        char text[16];

        assert_int_equal(p.error, 0);
        assert_string_equal(p.detail, "");
        faketree_read(t, fake_device(PF_B, "sriov_drivers_autoprobe"), text, sizeof(text));
        assert_string_equal(text, "0");
        q = ask(WORKER_NUMVFS, PF_B); /* allowed from now on */
        q.value[0] = 4;
        p = operate(t, &q);
        assert_int_equal(p.error, 0);
        assert_int_equal(p.value[0], 4);
        q = ask(WORKER_BIND, VF_A);
        strcpy(q.text, "igbvf");
        p = operate(t, &q);
        assert_int_equal(p.error, -EPERM);
        assert_string_equal(p.detail, "not a VFIO driver: Operation not permitted");
        strcpy(q.text, "vfio-pci");
        p = operate(t, &q);
        assert_int_equal(p.error, -ENXIO);
        assert_int_equal(p.reason, REASON_PROBE_FAILED);
        q = ask(WORKER_SCRUB, VF_A); /* without a fence */
        q.value[0] = BACKEND_GROUP;
        p = operate(t, &q);
        assert_int_equal(p.error, -EBADF);
        q = ask(WORKER_LISTEN, VF_A); /* it has no device node either */
        p = operate(t, &q);
        assert_int_equal(p.error, -ENODEV);
        q = ask(WORKER_OPEN, VF_A);
        p = operate(t, &q);
        assert_int_equal(p.error, -EOPNOTSUPP);
        assert_int_equal(p.reason, REASON_NO_FD_HANDOFF);
}

/* The host may have begun to use a disk of an NVMe PF since the daemon looked. */
static void test_disk_of_the_host(void **state) {
#define NVME_PF "0000:04:00.0"
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_NUMVFS, NVME_PF), other = ask(WORKER_NUMVFS, PF_A);
        char text[16];

        faketree_pf(t, &(struct fake_pf){ .address = NVME_PF,
                                          .driver = "nvme",
                                          .class = NVME_CLASS,
                                          .managed = true });
        q.value[0] = other.value[0] = 2;
        struct worker_reply p = operate(t, &q); /* it cannot be known */
        assert_int_equal(p.error, -ENOENT);
        assert_int_equal(p.reason, REASON_HOST_DISK);
        assert_int_equal(operate(t, &other).error, 0); /* a network card */
        faketree_host(t);
        assert_int_equal(operate(t, &q).error, 0);
        faketree_write(t, fake_device(NVME_PF, "sriov_numvfs"), "0\n");
        faketree_link(t, "../../devices/pci0000:04/0000:00:01.0/" NVME_PF "/nvme/nvme0/nvme0n1",
                      "sys/class/block/nvme0n1");
        faketree_write(t, fake_device(NVME_PF, "nvme/nvme0/nvme0n1/dev"), "259:3\n");
        faketree_write(t, "dev/nvme0n1", "");
        assert_int_equal(operate(t, &q).error, 0); /* it has a disk, and nobody uses it */
        faketree_write(t, fake_device(NVME_PF, "sriov_numvfs"), "0\n");
        faketree_write(t, "proc/1/mountinfo", "23 22 259:3 / /srv rw - ext4 /dev/nvme0n1 rw\n");
        p = operate(t, &q);
        assert_int_equal(p.error, -EBUSY);
        assert_int_equal(p.reason, REASON_HOST_DISK);
        assert_string_equal(p.detail, "nvme0n1 is mounted: Device or resource busy");
        faketree_read(t, fake_device(NVME_PF, "sriov_numvfs"), text, sizeof(text));
        assert_string_equal(text, "0");
        q.value[1] = 1; /* "host_disk": "allow" */
        assert_int_equal(operate(t, &q).error, 0);
}

/* Another driver, or other vectors, cost it the one that it has; to unbind that would wait for the holder. */
static void test_bind_of_one_that_is_held(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_BIND, VF_A);
        struct worker_reply p;

        faketree_link(t, "../../../../bus/pci/drivers/vfio-pci", fake_device(VF_A, "driver"));
        faketree_write(t, fake_device(VF_A, "driver_override"), "vfio-pci\n");
        faketree_write(t, fake_device(VF_A, "config"), "no capabilities");
        faketree_mkdir(t, "proc/4711/fd");
        faketree_link(t, "anon_inode:[vfio-device]", "proc/4711/fd/7");
        faketree_write(t, "proc/4711/fdinfo/7",
                       "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/" VF_A "\n");
        strcpy(q.text, "vfio-pci");
        p = operate(t, &q);
        assert_int_equal(p.error, 0); /* there is nothing to do */
        q.value[0] = 8;
        p = operate(t, &q);
        assert_int_equal(p.error, -EBUSY);
        assert_int_equal(p.reason, REASON_HELD);
        q.value[0] = 0;
        strcpy(q.text, "mlx5_vfio_pci");
        p = operate(t, &q);
        assert_int_equal(p.error, -EBUSY);
        assert_int_equal(p.reason, REASON_HELD);
}

static void test_identify(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_IDENTIFY, PF_B);
        struct pf pf = { .link_mbps = 7 };
        char config[256] = { 0 };

        struct worker_reply p = operate(t, &q);
        assert_int_equal(p.error, -ENODEV); /* it has no configuration space */
        worker_identity_take(&p, &pf);
        assert_false(pf.identified);
        assert_int_equal(pf.link_mbps, 7);
        faketree_write_bytes(t, fake_device(PF_B, "config"), config, sizeof(config));
        faketree_write_bytes(t, fake_device(PF_B, "vpd"), "\x90\x05\x00SN\x02XY\x78", 9);
        faketree_write(t, fake_device(PF_B, "sriov_vf_total_msix"), "64\n");
        p = operate(t, &q);
        assert_int_equal(p.error, 0);
        worker_identity_take(&p, &pf);
        assert_true(pf.identified);
        assert_string_equal(pf.serial, "XY");
        assert_string_equal(pf.dsn, "");
        assert_int_equal(pf.vf_total_msix, 64);
        assert_int_equal(pf.link_mbps, 0);
        memset(p.data, 'x', sizeof(p.data)); /* no end in it */
        worker_identity_take(&p, &pf);
        assert_int_equal(strlen(pf.serial), SERIAL_MAX - 1);
}

#define WHOLE "0000:02:00.0"

static int check_whole(struct faketree *t, enum worker_op_code op, const char *address) {
        struct worker_request q = ask(op, address);

        q.value[0] = op == WORKER_FENCE ? BACKEND_GROUP : 0;
        q.value[3] = WORKER_WHOLE;
        strcpy(q.text, op == WORKER_GROUP_TYPE ? "DMA" : "");
        return check(t, &q);
}

static void test_whole(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_BIND, WHOLE);

        faketree_function(t, WHOLE, 0x010802, "nvme");
        faketree_function(t, "0000:02:00.1", 0x060400, "pcieport");
        assert_int_equal(check(t, &q), -EPERM);                        /* it does not say so */
        assert_int_equal(check_whole(t, WORKER_BIND, WHOLE), -ENOENT); /* whether it is needed is unknown */
        faketree_host(t);
        assert_int_equal(check_whole(t, WORKER_BIND, WHOLE), 0);
        assert_int_equal(check_whole(t, WORKER_UNBIND, WHOLE), 0);
        assert_int_equal(check_whole(t, WORKER_GROUP_TYPE, WHOLE), -EPERM); /* the host's driver has it */
        assert_int_equal(check_whole(t, WORKER_FENCE, WHOLE), -EPERM);
        assert_int_equal(check_whole(t, WORKER_REVOKE, WHOLE), -EPERM);
        assert_int_equal(check_whole(t, WORKER_BIND, "0000:02:00.1"), -EPERM); /* a bridge */
        assert_int_equal(check_whole(t, WORKER_BIND, "0000:02:00.2"), -ENODEV);
        assert_int_equal(check_whole(t, WORKER_BIND, VF_A), -EPERM);
        assert_int_equal(check_whole(t, WORKER_BIND, PF_A), -EPERM); /* it has VFs */
        assert_int_equal(check_whole(t, WORKER_NUMVFS, WHOLE), -EPERM);
        q.value[3] = WORKER_WHOLE;
        q.value[0] = 4;
        assert_int_equal(check(t, &q), -EINVAL); /* vectors are for VFs */

        faketree_write(t, fake_device(WHOLE, "boot_vga"), "1\n");
        assert_int_equal(check_whole(t, WORKER_BIND, WHOLE), -EPERM);
        assert_int_equal(check_whole(t, WORKER_UNBIND, WHOLE), -EPERM);
        faketree_remove(t, fake_device(WHOLE, "boot_vga"));
        faketree_remove(t, fake_device(WHOLE, "driver"));
        assert_int_equal(check_whole(t, WORKER_GROUP_TYPE, WHOLE), 0);
        assert_int_equal(check_whole(t, WORKER_FENCE, WHOLE), -EPERM);
        faketree_link(t, "../../../../bus/pci/drivers/vfio-pci", fake_device(WHOLE, "driver"));
        assert_int_equal(check_whole(t, WORKER_FENCE, WHOLE), 0);
        assert_int_equal(check_whole(t, WORKER_RENEW, WHOLE), 0);
        assert_int_equal(check_whole(t, WORKER_CUT_OFF, WHOLE), 0);
        assert_int_equal(check_whole(t, WORKER_ATTRIBUTES, WHOLE), -EPERM);
        for (enum worker_op_code op = WORKER_NVME_STATE; op <= WORKER_NVME_ERASE; op++)
                assert_int_equal(check_whole(t, op, WHOLE), -EPERM); /* its tenant commands it, nobody else */
        assert_int_equal(check_op(t, WORKER_FENCE, WHOLE), -EPERM);
}

static void test_subject_of_whole(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_UNBIND, WHOLE);
        struct worker_subject s;
        const char *why;

        faketree_function(t, WHOLE, 0x010802, "nvme");
        faketree_host(t);
        q.value[3] = WORKER_WHOLE;
        assert_int_equal(worker_check(t->fd, &q, &s, &why), 0);
        assert_ptr_equal(s.vf.pf, &s.pf);
        assert_true(s.pf.whole);
        assert_true(address_equal(s.vf.address, s.pf.address));
        assert_string_equal(s.vf.driver, "nvme");
        assert_true(s.vf.resettable);
        assert_int_equal(s.vf.group, -1);
}

static void test_config(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_CONFIG, VF_A);
        char config[401];

        for (unsigned i = 0; i < 400; i++)
                config[i] = (char) ('a' + i % 26);
        config[400] = '\0';
        faketree_write(t, fake_device(VF_A, "config"), config);
        struct worker_reply p = operate(t, &q);
        assert_int_equal(p.error, 0);
        assert_int_equal(p.value[0], 256);
        assert_memory_equal(p.data, config, 256);
        q.value[0] = 256;
        p = operate(t, &q);
        assert_int_equal(p.value[0], 144);
        assert_memory_equal(p.data, config + 256, 144);
        assert_int_equal(p.data[144], 0);
}

/* A child with a known limit; the tree says what its start time is. */
static void test_memlock(void **state) {
        struct faketree *t = *state;
        struct worker_request q = ask(WORKER_MEMLOCK, "0000:00:00.0");
        struct rlimit before, after;
        char path[32];
        int hold[2];

        assert_int_equal(pipe(hold), 0);
        pid_t child = fork();
        if (child == 0) {
                char c;

                close(hold[1]);
                _exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
        }
        close(hold[0]);
        snprintf(path, sizeof(path), "proc/%d/stat", (int) child);
        faketree_write(t, path, "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n");
        assert_int_equal(prlimit(child, RLIMIT_MEMLOCK, NULL, &before), 0);
        assert_true(before.rlim_max != RLIM_INFINITY || before.rlim_cur == RLIM_INFINITY);

        q.value[0] = (uint64_t) child;
        q.value[1] = 4712;
        q.value[2] = 1;
        assert_int_equal(operate(t, &q).error, -ESRCH); /* another process with that number */
        q.value[1] = 4711;
        assert_int_equal(operate(t, &q).error, 0);
        assert_int_equal(prlimit(child, RLIMIT_MEMLOCK, NULL, &after), 0);
        assert_int_equal(after.rlim_cur, before.rlim_cur); /* never lowered */
        assert_int_equal(after.rlim_max, before.rlim_max);
        struct rlimit own, more;
        assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &own), 0);
        more = (struct rlimit){ own.rlim_cur, own.rlim_max + 4096 };
        if (own.rlim_max != RLIM_INFINITY && setrlimit(RLIMIT_MEMLOCK, &more) == 0) { /* privileged */
                q.value[2] = before.rlim_max + 4096;
                assert_int_equal(operate(t, &q).error, 0);
                assert_int_equal(prlimit(child, RLIMIT_MEMLOCK, NULL, &after), 0);
                assert_int_equal(after.rlim_cur, q.value[2]);
                assert_int_equal(after.rlim_max, q.value[2]);
        }
        close(hold[1]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(operate(t, &q).error, -ESRCH);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_targets),      TEST(test_links_must_agree), TEST(test_subject),
                TEST(test_arguments),    TEST(test_malformed),        TEST(test_operations),
                TEST(test_config),       TEST(test_memlock),          TEST(test_identify),
                TEST(test_whole),        TEST(test_subject_of_whole), TEST(test_disk_of_the_host),
                TEST(test_nvme_targets), TEST(test_nvme_arguments),   TEST(test_bind_of_one_that_is_held),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
