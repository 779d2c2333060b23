/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe operations. */

#include "simnvme.h"
#include "common/macro.h"
#include "daemon/worker-memfd.h"
#include "daemon/worker-nvme.h"
#include "simcontroller.h"
#include "simvf.h"
#include "sriov/nvme-rules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

/* One operation on its way. */
struct work {
        const struct sim *sim;
        struct address pf;
        unsigned vf; /* from 1, 0: the PF itself */
        struct nvme_state state;
        const struct nvme_secondary *secondary; /* the VF's; NULL: nobody knows which that is */
        struct outcome outcome;                 /* of what failed */
        enum reason reason;                     /* why the rules of the real worker refuse it */
        char why[160];
};

static struct outcome failed(enum reason reason, int status, const char *what) {
        if (status < 0)
                return (struct outcome){ status, reason, pathf("%s: no NVMe controller", what) };
        return (struct outcome){ -EIO, reason, pathf("%s: %s", what, controller_status(status)) };
}

/* One command; false: it failed, and the outcome says so. */
static bool command(struct work *w, enum reason reason, struct command c, uint64_t *ret) {
        int status = controller_do(w->sim, w->pf, &c);

        if (status != 0)
                w->outcome = failed(reason, status, controller_verb(c.verb));
        else if (ret)
                *ret = c.result;
        return status == 0;
}

static bool identify(struct work *w) {
        nvme_state_done(&w->state);
        w->secondary = NULL;
        int status = controller_identify(w->sim, w->pf, &w->state);
        if (status != 0) {
                w->outcome = failed(REASON_NVME_FAILED, status, "identify");
                return false;
        }
        if (w->vf == 0 || !(w->state.primary.can & NVME_CAN_VIRTUALIZE))
                return true;
        w->secondary = nvme_secondary_of(&w->state, w->vf);
        if (!w->secondary)
                w->outcome = FAIL(EIO, NVME_FAILED, "its PF has no secondary controller for it");
        return w->secondary != NULL;
}

static struct outcome refused(const struct work *w, int error) {
        return (struct outcome){ error, w->reason, pathf("%s", w->why) };
}

/* The real worker's rules, from its own code. */
#define MAY(w, rule, ...) nvme_may_##rule(&(w)->state, __VA_ARGS__, &(w)->reason, (w)->why, sizeof((w)->why))

/* --- state --- */

static int break_reply(const struct nvme_state *s, const char *wrong, int *fd) {
        struct nvme_primary p = s->primary;
        struct nvme_namespace one = { .nsid = 0 };
        struct nvme_attachment ghost = { .nsid = 77, .controller = 0xfffe };
        struct iovec parts[] = { { &p, sizeof(p) },
                                 { s->secondaries, p.n_secondaries * sizeof(*s->secondaries) },
                                 { NULL, 0 } };
        int ends[2];

        close_fd(fd);
        p.n_namespaces = p.n_attachments = 0;
        if (strcmp(wrong, "none") == 0)
                return 0;
        if (strcmp(wrong, "pipe") == 0 && pipe2(ends, O_CLOEXEC) == 0) {
                close(ends[1]);
                *fd = ends[0];
                return 0;
        }
        if (strcmp(wrong, "unsealed") == 0) {
                *fd = memfd_create("unsealed", MFD_CLOEXEC);
                return writev(*fd, parts, ARRAY_SIZE(parts)) < 0 ? -errno : 0;
        }
        if (strcmp(wrong, "short") == 0)
                p.n_namespaces = 1;
        else if (strcmp(wrong, "long") == 0)
                p.n_attachments = UINT32_MAX;
        else if (strcmp(wrong, "order") == 0 && p.n_secondaries > 1)
                s->secondaries[1].controller = s->secondaries[0].controller;
        else if (strcmp(wrong, "flags") == 0)
                p.can = UINT32_MAX;
        else if (strcmp(wrong, "name") == 0)
                memset(p.model, 'x', sizeof(p.model));
        else if (strcmp(wrong, "nsid") == 0) {
                p.n_namespaces = 1;
                parts[2] = (struct iovec){ &one, sizeof(one) };
        } else if (strcmp(wrong, "ghost") == 0) {
                p.n_attachments = 1;
                parts[2] = (struct iovec){ &ghost, sizeof(ghost) };
        }
        *fd = sealed_write("wrong", parts, ARRAY_SIZE(parts));
        return MIN(*fd, 0);
}

static struct outcome get_state(struct work *w, int *ret_fd) {
        const char *wrong = controller_wrong(w->sim, w->pf);

        if (!identify(w))
                return w->outcome;
        int r = worker_nvme_seal(&w->state, ret_fd);
        if (r >= 0 && wrong[0])
                r = break_reply(&w->state, wrong, ret_fd);
        return r < 0 ? FAIL_ERRNO(-r, "handing the state over") : OK;
}

/* --- resources --- */

static struct outcome set_primary(struct work *w, uint64_t queues, uint64_t interrupts) {
        struct command vq = { .verb = VERB_PRIMARY_VQ, .value = queues },
                       vi = { .verb = VERB_PRIMARY_VI, .value = interrupts };

        if (!identify(w))
                return w->outcome;
        int r = MAY(w, keep, queues, interrupts);
        if (r < 0)
                return refused(w, r);
        vq.controller = vi.controller = w->state.primary.controller;
        if (!command(w, REASON_NVME_FAILED, vq, NULL) || !command(w, REASON_NVME_FAILED, vi, NULL) ||
            !command(w, REASON_NVME_FAILED, (struct command){ .verb = VERB_RESET }, NULL) || !identify(w))
                return w->outcome;
        return w->state.primary.queues.primary == queues && w->state.primary.interrupts.primary == interrupts
                               ? OK
                               : FAIL(EIO, NVME_FAILED, "the primary does not keep what it was told to");
}

static bool go_offline(struct work *w) {
        struct command c = { .verb = VERB_OFFLINE, .controller = w->secondary->controller };

        return !w->secondary->online || command(w, REASON_NVME_FAILED, c, NULL);
}

/* Without Virtualization Management, VFs are online as long as they are there. */
static struct outcome set_offline(struct work *w) {
        if (!identify(w))
                return w->outcome;
        if (!w->secondary)
                return OK;
        if (!go_offline(w) || !identify(w))
                return w->outcome;
        return w->secondary->online ? FAIL(EIO, NVME_FAILED, "its controller is still online") : OK;
}

static bool is_as_told(const struct work *w, uint64_t queues, uint64_t interrupts) {
        const struct nvme_secondary *c = w->secondary;

        return c->online && c->queues == queues && c->interrupts == interrupts;
}

static struct outcome set_resources(struct work *w, uint64_t queues, uint64_t interrupts) {
        uint16_t controller = w->secondary->controller;
        const struct command commands[] = {
                { .verb = VERB_ASSIGN_VI, .controller = controller, .value = interrupts },
                { .verb = VERB_ASSIGN_VQ, .controller = controller, .value = queues },
                { .verb = VERB_ONLINE, .controller = controller },
        };

        int r = MAY(w, online, w->secondary, queues, interrupts);
        if (r < 0)
                return refused(w, r);
        if (!go_offline(w))
                return w->outcome;
        FOREACH_ARRAY(c, commands, ARRAY_SIZE(commands))
                if (!command(w, REASON_NVME_FAILED, *c, NULL))
                        return w->outcome;
        if (!identify(w))
                return w->outcome;
        return is_as_told(w, queues, interrupts)
                               ? OK
                               : FAIL(EIO, NVME_FAILED, "its controller is not as it was told to be");
}

static struct outcome set_online(struct work *w, const struct worker_request *q, struct worker_reply *p) {
        unsigned n = (unsigned) tree_number(w->sim, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(w->pf)), 0);

        if (!identify(w))
                return w->outcome;
        if (!w->secondary)
                return OK;
        p->value[0] = q->value[0] ? q->value[0] : nvme_even_share(&w->state.primary.queues, n);
        p->value[1] = q->value[1] ? q->value[1] : nvme_even_share(&w->state.primary.interrupts, n);
        return is_as_told(w, p->value[0], p->value[1]) ? OK : set_resources(w, p->value[0], p->value[1]);
}

/* --- namespaces --- */

static struct outcome create(struct work *w, const struct worker_request *q, struct worker_reply *p) {
        if (!identify(w))
                return w->outcome;
        int r = MAY(w, create, q->value[0]);
        if (r < 0)
                return refused(w, r);
        struct command c = { .verb = VERB_CREATE, .value = q->value[0] };
        return command(w, REASON_NAMESPACE, c, &p->value[0]) ? OK : w->outcome;
}

static struct outcome attach(struct work *w, const struct worker_request *q) {
        uint64_t nsid = q->value[0];

        if (!identify(w))
                return w->outcome;
        if (!w->secondary)
                return FAIL(EOPNOTSUPP, NAMESPACE, "the controller does not tell who its VFs are");
        int r = MAY(w, attach, w->secondary, nsid, q->value[1]);
        if (r < 0)
                return refused(w, r);
        struct command c = { .verb = VERB_ATTACH,
                             .controller = w->secondary->controller,
                             .nsid = (uint32_t) nsid };
        if (nvme_is_attached(&w->state, nsid, c.controller))
                return OK;
        if (!command(w, REASON_NAMESPACE, c, NULL) || !identify(w))
                return w->outcome;
        if (!nvme_is_attached(&w->state, nsid, c.controller))
                return FAIL(EIO, NAMESPACE, "the namespace is not attached after all");
        r = MAY(w, attach, w->secondary, nsid, q->value[1]); /* somebody else may have been as fast */
        return r < 0 ? refused(w, r) : OK;
}

static struct outcome detach(struct work *w, uint64_t nsid, struct worker_reply *p) {
        if (!identify(w))
                return w->outcome;
        if (!w->secondary)
                return OK;
        FOREACH_ARRAY(one, w->state.attachments, w->state.primary.n_attachments) {
                struct command c = { .verb = VERB_DETACH, .controller = one->controller, .nsid = one->nsid };

                if (one->controller != w->secondary->controller || (nsid != 0 && one->nsid != nsid))
                        continue;
                if (!command(w, REASON_NAMESPACE, c, NULL))
                        return w->outcome;
                p->value[0]++;
        }
        if (!identify(w))
                return w->outcome;
        FOREACH_ARRAY(one, w->state.attachments, w->state.primary.n_attachments)
                if (one->controller == w->secondary->controller && (nsid == 0 || one->nsid == nsid))
                        return FAIL(EIO, NAMESPACE, "the namespace is still attached");
        return OK;
}

/* Format NVM is for a namespace of the controller that is asked. */
static struct outcome format(struct work *w, uint32_t nsid, bool crypto) {
        uint16_t primary = w->state.primary.controller;
        struct command off = { .verb = VERB_DETACH, .nsid = nsid },
                       on = { .verb = VERB_ATTACH, .controller = primary, .nsid = nsid },
                       c = { .verb = VERB_FORMAT, .nsid = nsid, .value = crypto };

        off.controller = w->secondary ? w->secondary->controller : primary;
        if (off.controller != primary && nvme_is_attached(&w->state, nsid, off.controller) &&
            !command(w, REASON_ERASE_FAILED, off, NULL))
                return w->outcome;
        if (!nvme_is_attached(&w->state, nsid, primary) && !command(w, REASON_ERASE_FAILED, on, NULL))
                return w->outcome;
        bool done = command(w, REASON_ERASE_FAILED, c, NULL);
        on.verb = VERB_DETACH;
        return command(w, REASON_ERASE_FAILED, on, NULL) && done ? OK : w->outcome;
}

static struct outcome erase(struct work *w, uint64_t nsid, enum nvme_erase how) {
        struct command c = { .verb = VERB_DELETE, .nsid = (uint32_t) nsid };

        if (!identify(w))
                return w->outcome;
        int r = MAY(w, erase, w->secondary, nsid, how);
        if (r < 0)
                return refused(w, r);
        if (how != NVME_ERASE_DELETE)
                return controller_mounted(w->sim, w->pf, c.nsid)
                                       ? FAIL(EBUSY, ERASE_FAILED, "the host uses the namespace")
                                       : format(w, c.nsid, how == NVME_ERASE_CRYPTO);
        if (!command(w, REASON_ERASE_FAILED, c, NULL) || !identify(w))
                return w->outcome;
        return nvme_namespace_of(&w->state, nsid) ? FAIL(EIO, ERASE_FAILED, "the namespace is still there")
                                                  : OK;
}

static struct outcome operate(struct work *w, const struct worker_request *q, struct worker_reply *p,
                              int out[WORKER_FDS_MAX]) {
        switch (q->op) {
        case WORKER_NVME_STATE:
                return get_state(w, &out[0]);
        case WORKER_NVME_PRIMARY:
                return set_primary(w, q->value[0], q->value[1]);
        case WORKER_NVME_OFFLINE:
                return set_offline(w);
        case WORKER_NVME_ONLINE:
                return set_online(w, q, p);
        case WORKER_NVME_CREATE:
                return create(w, q, p);
        case WORKER_NVME_ATTACH:
                return attach(w, q);
        case WORKER_NVME_DETACH:
                return detach(w, q->value[0], p);
        default:
                return erase(w, q->value[0], (enum nvme_erase) q->value[1]);
        }
}

struct outcome sim_nvme(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                        int out[WORKER_FDS_MAX]) {
        struct work w = { .sim = s, .pf = q->address };

        if (tree_is_vf(s, q->address, &w.pf))
                w.vf = vf_index(s, w.pf, q->address) + 1;
        struct outcome o = operate(&w, q, p, out);
        nvme_state_done(&w.state);
        return o;
}
