/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udev's events become rescans. */

#include "daemon/hotplug.h"
#include "daemon/aer.h"
#include "daemon/drift.h"
#include "daemon/eswitch.h"
#include "daemon/pf.h"
#include "daemon/reconcile.h"
#include "sriov/monitor.h"

#include <errno.h>
#include <string.h>

/* A VF is read again with its PF; an unknown function may be a new PF, or the first VF of one. */
static void note(struct manager *m, struct address a, enum monitor_kind kind) {
        struct managed_vf *v = manager_find_vf(m, a);
        struct pf *pf = v ? v->vf.pf : inventory_find_pf(&m->inventory, a);

        if (pf && !v && kind == MONITOR_BIND) /* its driver is there now, or there again: what it refused
                                                 while it came or went says nothing */
                pf_forget_refusal(managed_pf(pf));
        if (pf)
                pf_rescan_soon(managed_pf(pf));
        else {
                m->rescan_all = true;
                reconcile_rescan_soon(m);
        }
}

/* A card that was reset may have forgotten what its driver was told. */
static void note_recovery(struct manager *m, const struct monitor_event *e) {
        struct pf *pf = inventory_find_pf(&m->inventory, e->address);

        aer_recovery(m, e->address, e->error_event);
        if (!pf || strcmp(e->error_event, "SUCCESSFUL_RECOVERY") != 0)
                return;
        drift_look_soon(managed_pf(pf));
        eswitch_look_soon(managed_pf(pf));
}

static int on_event(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct manager *m = userdata;
        struct monitor_event e;
        int r;

        while ((r = monitor_next(m->monitor, &e)) > 0) {
                if (strcmp(e.subsystem, "net") == 0)
                        eswitch_interfaces_changed(m);
                if (e.has_address) {
                        if (e.error_event[0])
                                note_recovery(m, &e);
                        note(m, e.address, e.kind);
                }
        }
        if (r == -ENOBUFS) {
                log_notice("device events were lost; reading all hardware again");
                m->rescan_all = true;
                reconcile_rescan_soon(m);
                eswitch_interfaces_changed(m);
        } else if (r < 0)
                log_error("cannot read device events: %s", errno_text(r));
        return 0;
}

int hotplug_start(struct manager *m) {
        if (strcmp(m->root_path, "/") != 0)
                return 0;
        int r = monitor_new(m->root_fd, &m->monitor);
        if (r < 0) {
                log_warning("no device events (%s): 'vfctl rescan' after a hotplug", errno_text(r));
                return 0;
        }
        if (!m->monitor) /* logged */
                return 0;
        r = sd_event_add_io(m->event, NULL, monitor_fd(m->monitor), EPOLLIN, on_event, m);
        return r < 0 ? r : 0;
}

void hotplug_stop(struct manager *m) {
        m->monitor = monitor_free(m->monitor);
}
