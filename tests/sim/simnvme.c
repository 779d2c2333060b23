/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe operations: those of the real worker, whose commands end here instead of in the kernel. The linker
 * takes the functions of sriov/nvme-command.h from this file, so that what is tested is the worker's own
 * sequences. */

#include "simnvme.h"
#include "common/macro.h"
#include "daemon/worker-memfd.h"
#include "daemon/worker-nvme-ops.h"
#include "daemon/worker-nvme.h"
#include "simcontroller.h"
#include "simpages.h"
#include "simvf.h"
#include "sriov/nvme-command.h"
#include "sriov/nvme-page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define DNR 0x4000 /* "do not retry", as devices say of most errors */

/* A worker does one operation at a time. */
static struct {
        const struct sim *sim;
        struct address pf;
} now;

/* --- sriov/nvme-command.h --- */

int nvme_open(int root_fd, struct address pf) {
        now.pf = pf;
        return controller_is_there(now.sim, pf) ? open("/dev/null", O_RDWR | O_CLOEXEC) : -ENODEV;
}

bool nvme_is_leaving(int root_fd, struct address pf) {
        return !controller_is_there(now.sim, pf);
}

static int give(struct nvme_command *from, struct command c) {
        int status = controller_do(now.sim, now.pf, &c);

        from->result = (uint32_t) c.result;
        return status;
}

int nvme_reset(int fd) {
        struct command c = { .verb = VERB_RESET };
        int status = controller_do(now.sim, now.pf, &c);

        return status > 0 ? -EIO : status;
}

int nvme_reset_function(int root_fd, struct address pf) {
        struct command c = { .verb = VERB_RESET_FUNCTION };
        int status = controller_do(now.sim, pf, &c);

        return status > 0 ? -EIO : status;
}

static int read_page(struct nvme_command *c, enum verb verb) {
        struct command read = { .verb = verb, .nsid = c->nsid, .value = c->cdw10 & 0xff };
        const struct nvme_state *state;

        int status = controller_read(now.sim, now.pf, &read, &state);
        if (status == 0 && verb == VERB_HEALTH)
                page_health(state, c->data);
        else if (status == 0)
                status = page_identify(state, c->cdw10 & 0xff, c->nsid, (uint16_t) (c->cdw10 >> 16), c->data);
        return status;
}

/* What every look at a controller begins with. */
static int identify(struct nvme_command *c) {
        int status = (c->cdw10 & 0xff) == 1 ? give(c, (struct command){ .verb = VERB_IDENTIFY }) : 0;

        return status != 0 ? status : read_page(c, VERB_READ);
}

static uint64_t blocks_of(const uint8_t *page) {
        uint64_t n = 0;

        for (unsigned i = 8; i-- > 0;)
                n = n << 8 | page[i];
        return n;
}

static int manage(struct nvme_command *c) {
        const uint8_t *page = c->data;

        if ((c->cdw10 & 0xf) == 1)
                return give(c, (struct command){ .verb = VERB_DELETE, .nsid = c->nsid });
        uint32_t block = page_block_size(page[26]);
        if ((c->cdw10 & 0xf) != 0 || block == 0 || memcmp(page, page + 8, 8) != 0)
                return SIM_INVALID_FIELD;
        return give(c, (struct command){ .verb = VERB_CREATE,
                                         .value = blocks_of(page) * block,
                                         .block_size = block });
}

/* A controller list of one. */
static int attach(struct nvme_command *c) {
        const uint8_t *list = c->data;

        if ((c->cdw10 & 0xf) > 1 || list[0] != 1 || list[1] != 0)
                return SIM_INVALID_FIELD;
        return give(c, (struct command){ .verb = c->cdw10 & 0xf ? VERB_DETACH : VERB_ATTACH,
                                         .controller = (uint16_t) (list[2] | list[3] << 8),
                                         .nsid = c->nsid });
}

static int virtualize(struct nvme_command *c) {
        bool interrupts = c->cdw10 >> 8 & 7;
        struct command v = { .controller = (uint16_t) (c->cdw10 >> 16), .value = c->cdw11 & 0xffff };

        switch (c->cdw10 & 0xf) {
        case 1:
                v.verb = interrupts ? VERB_PRIMARY_VI : VERB_PRIMARY_VQ;
                break;
        case 7:
                v.verb = VERB_OFFLINE;
                break;
        case 8:
                v.verb = interrupts ? VERB_ASSIGN_VI : VERB_ASSIGN_VQ;
                break;
        case 9:
                v.verb = VERB_ONLINE;
                break;
        default:
                return SIM_INVALID_FIELD;
        }
        return give(c, v);
}

/* SES is 1 or 2, LBAF and the rest as the namespace has them. */
static int format(struct nvme_command *c) {
        unsigned how = c->cdw10 >> 9 & 7;

        if (how < 1 || how > 2 || page_block_size(c->cdw10 & 0xf) == 0)
                return SIM_INVALID_FIELD;
        return give(c, (struct command){ .verb = VERB_FORMAT, .nsid = c->nsid, .value = how == 2 });
}

static int do_command(struct nvme_command *c) {
        switch (c->opcode) {
        case NVME_OPCODE_IDENTIFY:
                return identify(c);
        case NVME_OPCODE_LOG_PAGE:
                return read_page(c, VERB_HEALTH);
        case NVME_OPCODE_NAMESPACE:
                return manage(c);
        case NVME_OPCODE_ATTACHMENT:
                return attach(c);
        case NVME_OPCODE_VIRTUALIZE:
                return virtualize(c);
        case NVME_OPCODE_FORMAT:
                return format(c);
        default:
                return SIM_INVALID_OPCODE;
        }
}

int nvme_submit(int fd, struct nvme_command *c) {
        int status = do_command(c);

        return status > 0 ? status | DNR : status;
}

/* --- replies that make no sense --- */

static void break_lists(const char *wrong, struct nvme_primary *p, struct nvme_secondary *secondaries) {
        if (strcmp(wrong, "short") == 0)
                p->n_namespaces = 1;
        else if (strcmp(wrong, "long") == 0)
                p->n_attachments = UINT32_MAX;
        else if (strcmp(wrong, "order") == 0 && p->n_secondaries > 1)
                secondaries[1].controller = secondaries[0].controller;
        else if (strcmp(wrong, "flags") == 0)
                p->can = UINT32_MAX;
        else if (strcmp(wrong, "name") == 0)
                memset(p->model, 'x', sizeof(p->model));
}

static int break_reply(const char *wrong, int *fd) {
        struct nvme_namespace one = { .nsid = 0 };
        struct nvme_attachment ghost = { .nsid = 77, .controller = 0xfffe };
        _cleanup_close_ int sealed = TAKE_FD(*fd);
        struct nvme_primary p;
        int ends[2];

        if (strcmp(wrong, "none") == 0)
                return 0;
        if (strcmp(wrong, "pipe") == 0 && pipe2(ends, O_CLOEXEC) == 0) {
                close(ends[1]);
                *fd = ends[0];
                return 0;
        }
        int r = sealed_read(sealed, &p, sizeof(p), 0);
        if (r < 0)
                return r;
        size_t size = p.n_secondaries * sizeof(struct nvme_secondary);
        _cleanup_free_ struct nvme_secondary *secondaries = malloc(size + 1);
        if (!secondaries || sealed_read(sealed, secondaries, size, sizeof(p)) < 0)
                return -ENOMEM;
        struct iovec parts[] = { { &p, sizeof(p) }, { secondaries, size }, { NULL, 0 } };
        p.n_namespaces = p.n_attachments = 0;
        if (strcmp(wrong, "unsealed") == 0) {
                *fd = memfd_create("unsealed", MFD_CLOEXEC);
                return writev(*fd, parts, ARRAY_SIZE(parts)) < 0 ? -errno : 0;
        }
        break_lists(wrong, &p, secondaries);
        if (strcmp(wrong, "nsid") == 0) {
                p.n_namespaces = 1;
                parts[2] = (struct iovec){ &one, sizeof(one) };
        } else if (strcmp(wrong, "ghost") == 0) {
                p.n_attachments = 1;
                parts[2] = (struct iovec){ &ghost, sizeof(ghost) };
        }
        *fd = sealed_write("wrong", parts, ARRAY_SIZE(parts));
        return MIN(*fd, 0);
}

struct outcome sim_nvme(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                        int out[WORKER_FDS_MAX]) {
        struct worker_subject subject;
        enum reason reason = REASON_NONE;
        char detail[sizeof(p->detail)] = "";
        const char *why;

        now.sim = s;
        int r = worker_check(s->root, q, &subject, &why);
        if (r < 0)
                return FAIL_ERRNO(-r, why);
        r = worker_nvme_operate(s->root, q, &subject, p, &out[0], &reason, detail, sizeof(detail));
        const char *wrong = r >= 0 && q->op == WORKER_NVME_STATE ? controller_wrong(s, q->address) : "";
        if (wrong[0])
                r = break_reply(wrong, &out[0]);
        return r < 0 ? (struct outcome){ r, reason, pathf("%s", detail) } : OK;
}
