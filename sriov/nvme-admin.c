/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sequences. Virtualization Management: NVM Express base specification 2.0, section 5.26. */

#include "sriov/nvme-admin.h"
#include "common/macro.h"
#include "common/root.h"
#include "sriov/function.h"
#include "sriov/nvme-command.h"
#include "sriov/nvme-read.h"
#include "sriov/nvme-rules.h"
#include "sriov/nvme-status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum action { ACTION_PRIMARY = 1, ACTION_OFFLINE = 7, ACTION_ASSIGN = 8, ACTION_ONLINE = 9 };
enum resource { RESOURCE_QUEUES, RESOURCE_INTERRUPTS };

void nvme_admin_done(struct nvme_admin *a) {
        nvme_state_done(&a->state);
        close_fd(&a->fd);
}

/* The result of a command, as the caller is to have it. */
int nvme_admin_failed(struct nvme_admin *a, int status, enum reason reason, const char *step) {
        if (status < 0) {
                a->reason = reason;
                snprintf(a->detail, sizeof(a->detail), "%s", step);
                return status;
        }
        a->reason = nvme_status_code(status) == NVME_STATUS_RESOURCES ? REASON_NVME_RESOURCES : reason;
        snprintf(a->detail, sizeof(a->detail), "%s: %s (%#x)", step, nvme_status_name(status),
                 nvme_status_code(status));
        return nvme_is_path_error(status) && nvme_is_leaving(a->root_fd, a->pf) ? -ENODEV : -EIO;
}

static int wrong(struct nvme_admin *a, enum reason reason, const char *detail) {
        a->reason = reason;
        snprintf(a->detail, sizeof(a->detail), "%s", detail);
        return -EIO;
}

static int look_for_host(struct nvme_admin *a) {
        char why[96];

        int r = function_disk_in_use(a->root_fd, a->pf, 0, why, sizeof(why));
        if (r < 0) {
                a->reason = REASON_NVME_FAILED;
                snprintf(a->detail, sizeof(a->detail), "whether the host uses a disk of it");
                return r;
        }
        a->state.primary.can |= r > 0 ? NVME_HOST_USES : 0;
        return 0;
}

int nvme_admin_read(struct nvme_admin *a) {
        const char *step = "opening its controller";

        nvme_state_done(&a->state);
        a->secondary = NULL;
        if (a->fd < 0)
                a->fd = nvme_open(a->root_fd, a->pf);
        int r = a->fd < 0 ? a->fd : nvme_read_state(a->fd, &a->state, &step);
        if (r != 0)
                return nvme_admin_failed(a, r, REASON_NVME_FAILED, step);
        if (!(a->state.primary.can & NVME_CAN_VIRTUALIZE) || a->vf == 0)
                return 0;
        a->secondary = nvme_secondary_of(&a->state, a->vf);
        return a->secondary ? 0 : wrong(a, REASON_NVME_FAILED, "its PF has no secondary controller for it");
}

int nvme_admin_state(struct nvme_admin *a) {
        int r = nvme_admin_read(a);

        return r < 0 ? r : look_for_host(a);
}

static int virtualize(struct nvme_admin *a, uint16_t controller, enum action action, enum resource resource,
                      uint64_t amount, const char *verb) {
        struct nvme_command c = { .opcode = NVME_OPCODE_VIRTUALIZE,
                                  .cdw10 = (uint32_t) controller << 16 | (uint32_t) resource << 8 | action,
                                  .cdw11 = (uint32_t) amount };
        char step[96];

        int r = nvme_submit(a->fd, &c);
        if (r == 0)
                return 0;
        if (action == ACTION_ASSIGN || action == ACTION_PRIMARY)
                snprintf(step, sizeof(step), "%s %llu %s to controller %u", verb, (unsigned long long) amount,
                         resource == RESOURCE_QUEUES ? "queues" : "interrupts", controller);
        else
                snprintf(step, sizeof(step), "%s controller %u", verb, controller);
        return nvme_admin_failed(a, r, REASON_NVME_FAILED, step);
}

static bool has_kept(const struct nvme_admin *a, uint64_t queues, uint64_t interrupts) {
        const struct nvme_primary *p = &a->state.primary;

        return p->queues.primary > queues || p->interrupts.primary > interrupts;
}

int nvme_admin_primary(struct nvme_admin *a, uint64_t queues, uint64_t interrupts) {
        int r = nvme_admin_state(a);

        if (r >= 0)
                r = nvme_may_keep(&a->state, queues, interrupts, &a->reason, a->detail, sizeof(a->detail));
        if (r < 0)
                return r;
        uint16_t controller = a->state.primary.controller;
        r = virtualize(a, controller, ACTION_PRIMARY, RESOURCE_QUEUES, queues, "leaving");
        if (r >= 0)
                r = virtualize(a, controller, ACTION_PRIMARY, RESOURCE_INTERRUPTS, interrupts, "leaving");
        if (r < 0)
                return r;
        r = nvme_reset(a->fd); /* only that makes it so (section 8.26.2) */
        if (r < 0)
                return nvme_admin_failed(a, r, REASON_NVME_FAILED, "resetting the controller");
        r = nvme_admin_read(a);
        if (r < 0 || !has_kept(a, queues, interrupts))
                return r;
        /* Some are only impressed by a reset of the function (the emulated one:
         * hw/nvme/ctrl.c:nvme_ctrl_reset) */
        if (a->n_vfs > 0)
                return wrong(a, REASON_NVME_FAILED,
                             "it keeps them until the function is reset, which its VFs would not survive");
        r = nvme_reset_function(a->root_fd, a->pf);
        if (r < 0)
                return nvme_admin_failed(a, r, REASON_NVME_FAILED, "resetting the function");
        r = nvme_admin_read(a);
        return r >= 0 && has_kept(a, queues, interrupts)
                               ? wrong(a, REASON_NVME_FAILED,
                                       "the controller has kept more than it was told to")
                               : r;
}

static int go_offline(struct nvme_admin *a) {
        return a->secondary->online ? virtualize(a, a->secondary->controller, ACTION_OFFLINE, RESOURCE_QUEUES,
                                                 0, "switching off")
                                    : 0;
}

int nvme_admin_offline(struct nvme_admin *a) {
        int r = nvme_admin_read(a);

        if (r < 0 || !a->secondary)
                return r;
        r = go_offline(a);
        if (r >= 0)
                r = nvme_admin_read(a);
        if (r >= 0 && a->secondary->online)
                r = wrong(a, REASON_NVME_FAILED, "its controller is still online");
        return r;
}

static bool is_as_told(const struct nvme_admin *a, uint64_t queues, uint64_t interrupts) {
        const struct nvme_secondary *c = a->secondary;

        return c->online && c->queues == queues && c->interrupts == interrupts;
}

/* Whoever was cut off between two of these leaves a controller that is offline: it begins anew. */
static int assign(struct nvme_admin *a, uint64_t queues, uint64_t interrupts) {
        uint16_t controller = a->secondary->controller;

        int r = go_offline(a);
        if (r >= 0)
                r = virtualize(a, controller, ACTION_ASSIGN, RESOURCE_INTERRUPTS, interrupts, "assigning");
        if (r >= 0)
                r = virtualize(a, controller, ACTION_ASSIGN, RESOURCE_QUEUES, queues, "assigning");
        if (r >= 0)
                r = virtualize(a, controller, ACTION_ONLINE, RESOURCE_QUEUES, 0, "switching on");
        if (r >= 0)
                r = nvme_admin_read(a);
        if (r >= 0 && !is_as_told(a, queues, interrupts))
                r = wrong(a, REASON_NVME_FAILED, "its controller is not as it was told to be");
        return r;
}

int nvme_admin_online(struct nvme_admin *a, uint64_t *queues, uint64_t *interrupts) {
        int r = nvme_admin_read(a);

        if (r < 0)
                return r;
        if (!a->secondary) {
                *queues = *interrupts = 0;
                return 0;
        }
        if (*queues == 0)
                *queues = nvme_even_share(&a->state.primary.queues, a->n_vfs);
        if (*interrupts == 0)
                *interrupts = nvme_even_share(&a->state.primary.interrupts, a->n_vfs);
        if (is_as_told(a, *queues, *interrupts))
                return 0;
        r = nvme_may_online(&a->state, a->secondary, *queues, *interrupts, &a->reason, a->detail,
                            sizeof(a->detail));
        return r < 0 ? r : assign(a, *queues, *interrupts);
}
