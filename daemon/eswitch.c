/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/eswitch.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/drift.h"
#include "daemon/events.h"
#include "daemon/reconcile.h"
#include "daemon/worker-eswitch.h"
#include "sriov/devlinkwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Interfaces come and go in floods, and each look takes the lock of all of them as often as there are. */
#define LOOK_USEC 1000000ULL

#define NETWORK_CLASS 0x02U

static bool may_have_switch(const struct managed_pf *p) {
        return p->pf.class >> 16 == NETWORK_CLASS && !p->pf.whole && p->pf.pool >= 0;
}

static void take_names(struct managed_pf *p, char (*names)[IFNAME_MAX], size_t n) {
        for (size_t i = 0; i < p->pf.n_vfs; i++) {
                struct vf *vf = p->pf.vfs[i];

                text_copy(vf->representor, IFNAME_MAX, vf->index < n ? names[vf->index] : "");
        }
}

static void take_mode(struct managed_pf *p, enum eswitch_mode mode) {
        enum eswitch_mode before = p->pf.eswitch;

        p->pf.eswitch = mode;
        if (mode == before)
                return;
        if (before != ESWITCH_UNKNOWN) {
                log_with(LOG_NOTICE, (&(struct log_fields){ .address = &p->pf.address }),
                         "its switch was in mode %s and is in mode %s now", eswitch_mode_to_string(before),
                         eswitch_mode_to_string(mode));
                events_pf(p->manager, &p->pf, "changed");
                if (!p->busy) /* what was refused in the other mode */
                        pf_forget_refusal(p);
        }
        reconcile_soon(p->manager);
}

static void take(struct managed_pf *p, const struct worker_reply *reply, int fd) {
        _cleanup_free_ char(*names)[IFNAME_MAX] = NULL;
        enum eswitch_mode mode = ESWITCH_UNKNOWN;
        size_t n = 0;

        int r = worker_eswitch_take(reply, fd, &mode, &names, &n);
        if (r < 0 && !p->eswitch_failed)
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &p->pf.address }),
                         "its switch cannot be read: %s",
                         reply->error < 0 ? reply->detail : "what the worker said makes no sense");
        p->eswitch_failed = r < 0;
        if (r < 0)
                return; /* as it was known last */
        take_names(p, names, n);
        take_mode(p, mode);
}

static void on_read(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        p->eswitch_asking = false;
        if (!p->gone && worker_reply_is_transient(reply))
                eswitch_look_soon(p);
        else if (!p->gone)
                take(p, reply, fds[0]);
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
        if (p->gone)
                managed_pf_unused(p);
}

void eswitch_read_pf(struct managed_pf *p) {
        struct worker_op op = worker_op_make(WORKER_SWITCH, p->pf.address, p->pf.address, on_read, p);

        if (p->gone || p->pf.stuck || !may_have_switch(p))
                return;
        if (p->eswitch_asking) { /* the answer may be from before */
                eswitch_look_soon(p);
                return;
        }
        op.vf_scope = true; /* the locks that it may hang on are not those of the PF's other work */
        p->eswitch_asking = worker_link_submit(p->manager->link, &op) >= 0;
}

static int on_look(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;

        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct managed_pf *p = managed_pf(m->inventory.pfs[i]);

                if (!p->eswitch_due)
                        continue;
                p->eswitch_due = false;
                eswitch_read_pf(p);
        }
        return 0;
}

void eswitch_look_soon(struct managed_pf *p) {
        sd_event_source *s = p->manager->eswitch;
        int on = SD_EVENT_OFF;

        p->eswitch_due = true;
        if (!s || sd_event_source_get_enabled(s, &on) < 0 || on != SD_EVENT_OFF)
                return;
        sd_event_source_set_time_relative(s, LOOK_USEC);
        sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void eswitch_interfaces_changed(struct manager *m) {
        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                if (m->inventory.pfs[i]->eswitch == ESWITCH_SWITCHDEV)
                        eswitch_look_soon(managed_pf(m->inventory.pfs[i]));
}

static bool is_named(const struct managed_pf *p, const struct devlink_handle *h) {
        struct address a;

        return strcmp(h->bus, "pci") == 0 && address_parse(h->device, &a) >= 0 &&
               address_equal(a, p->pf.address);
}

/* Ports that came or went are those of VFs, or the switch got another mode: the PF is read again as well. */
static int on_devlink(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct manager *m = userdata;
        struct devlink_handle h;
        int r;

        while ((r = devlinkwatch_next(m->devlinkwatch, &h)) != 0) {
                if (r < 0 && r != -ENOBUFS) {
                        log_error("cannot read changes of switches: %s", errno_text(r));
                        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
                }
                for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                        struct managed_pf *p = managed_pf(m->inventory.pfs[i]);

                        if (r > 0 && !is_named(p, &h))
                                continue;
                        pf_rescan_soon(p);
                        drift_look_soon(p);
                        eswitch_look_soon(p);
                }
        }
        return 0;
}

int eswitch_start(struct manager *m) {
        int r = sd_event_add_time_relative(m->event, &m->eswitch, CLOCK_MONOTONIC, 0, 0, on_look, m);

        if (r < 0)
                return r;
        sd_event_source_set_enabled(m->eswitch, SD_EVENT_OFF);
        if (!root_is_host(m->root_fd))
                return 0;
        r = devlinkwatch_new(&m->devlinkwatch);
        if (r == -EOPNOTSUPP) /* a kernel without devlink has no switches */
                return 0;
        if (r < 0) {
                log_warning("changes of switches by others are only noticed by 'vfctl rescan': %s",
                            errno_text(r));
                return 0;
        }
        return sd_event_add_io(m->event, &m->devlink_event, devlinkwatch_fd(m->devlinkwatch), EPOLLIN,
                               on_devlink, m);
}

void eswitch_stop(struct manager *m) {
        m->eswitch = sd_event_source_disable_unref(m->eswitch);
        m->devlink_event = sd_event_source_disable_unref(m->devlink_event);
        m->devlinkwatch = devlinkwatch_free(m->devlinkwatch);
}
