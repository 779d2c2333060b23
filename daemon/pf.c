/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PF and its VFs: what a scan found becomes what the daemon knows. */

#include "daemon/pf.h"
#include "daemon/drift.h"
#include "daemon/eswitch.h"
#include "daemon/events.h"
#include "daemon/fdstore.h"
#include "daemon/lease.h"
#include "daemon/nvme.h"
#include "daemon/quarantine.h"
#include "daemon/reconcile.h"
#include "daemon/stats.h"
#include "daemon/store.h"
#include "iommu/fence.h"
#include "iommu/group.h"
#include "sriov/inventory.h"

#include <errno.h>
#include <string.h>

/* Copies what sysfs says and leaves the daemon's own fields alone. */
static void take_vf_facts(struct vf *to, const struct vf *from) {
        to->index = from->index;
        memcpy(to->driver, from->driver, sizeof(to->driver));
        memcpy(to->override, from->override, sizeof(to->override));
        to->resettable = from->resettable;
}

static void take_pf_facts(struct pf *to, const struct pf *from) {
        to->address = from->address;
        memcpy(to->driver, from->driver, sizeof(to->driver));
        memcpy(to->netdev, from->netdev, sizeof(to->netdev));
        to->ifindex = from->ifindex;
        memcpy(to->slot, from->slot, sizeof(to->slot));
        to->vendor = from->vendor;
        to->device = from->device;
        to->subsystem_vendor = from->subsystem_vendor;
        to->subsystem_device = from->subsystem_device;
        to->whole = from->whole;
        to->class = from->class;
        to->numa_node = from->numa_node;
        to->total_vfs = from->total_vfs;
        to->num_vfs = from->num_vfs;
        to->autoprobe = from->autoprobe;
}

struct managed_pf *managed_pf_new(struct manager *m, const struct pf *facts) {
        struct managed_pf *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        take_pf_facts(&p->pf, facts);
        p->pf.pool = -1;
        p->manager = m;
        return p;
}

static void vf_gone(struct managed_vf *v) {
        stats_forget(v->manager, v->vf.pf->address);
        v->detail[0] = '\0';
        vf_enter(v, VF_EVENT_LOST, REASON_GONE);
        store_baseline_remove(v);
        disks_release_vf(v);
        managed_vf_release(v);
        if (!v->busy)
                free(v);
        else { /* the callback of its operation frees it: vf_op_ended() */
                v->orphan = v->manager->vf_orphans;
                v->manager->vf_orphans = v;
        }
}

/* Only a scrubbed VF has a stored fence. But it may have been made anew, or unbound and bound, while nobody
 * looked: that takes it out of its group (drivers/vfio/group.c:vfio_device_remove_group), and the descriptor
 * fences nothing. */
static void vf_check_stored_fence(struct managed_vf *v) {
        if (vf_has_vfio(&v->vf) && vf_fence_holds(v))
                v->fresh = true;
        else
                vf_drop_fence(v);
}

/* First sight of a VF: state files and the fd store know more than sysfs. */
static void vf_first_seen(struct managed_vf *v) {
        struct manager *m = v->manager;
        struct lease *l = lease_of_address(m, v->vf.address);

        if (l) {
                lease_adopt_vf(m, l, v);
                vf_restore_quarantine(v);
        } else if (vf_restore_quarantine(v)) {
                if (v->fence >= 0)
                        vf_check_stored_fence(v);
        } else if (v->vf.pf->pool < 0)
                vf_enter(v, VF_EVENT_IGNORED, REASON_NOT_MANAGED);
        else {
                if (v->fence >= 0)
                        vf_check_stored_fence(v);
                vf_enter(v,
                         !vf_has_vfio(&v->vf)        ? VF_EVENT_SEEN
                         : v->fence >= 0 || v->fresh ? VF_EVENT_SEEN_BOUND
                                                     : VF_EVENT_ENDED,
                         REASON_NONE);
        }
}

/* Facts may contradict the state: somebody else bound or unbound, or the policy changed its mind. */
static void vf_observe(struct managed_vf *v) {
        bool claimed = v->vf.pf->pool >= 0, vfio = vf_has_vfio(&v->vf);

        if (v->busy)
                return;
        switch (v->vf.state) {
        case VF_ABSENT:
                vf_first_seen(v);
                break;
        case VF_UNMANAGED:
                if (claimed) /* whoever had it while nobody looked may have kept a descriptor, or its node */
                        vf_enter(v,
                                 !vfio           ? VF_EVENT_SEEN
                                 : v->fence >= 0 ? VF_EVENT_SEEN_BOUND
                                                 : VF_EVENT_ENDED,
                                 REASON_NONE);
                break;
        case VF_UNBOUND:
        case VF_BOUND:
        case VF_READY:
                if (!claimed) {
                        vf_drop_fence(v);
                        v->fresh = v->evident = v->plain = v->nvme_set = false;
                        vf_enter(v, VF_EVENT_IGNORED, REASON_NOT_MANAGED);
                } else if (vfio != (v->vf.state != VF_UNBOUND) || !vf_fence_holds(v)) {
                        vf_drop_fence(v);
                        v->fresh = false;
                        vf_enter(v, vfio ? VF_EVENT_SEEN_BOUND : VF_EVENT_SEEN, REASON_NONE);
                } else if (v->vf.state == VF_READY && !vf_is_leasable(v, 0)) {
                        v->fresh = true; /* nobody has used it: it keeps its fence, and needs no scrub when
                                            all is well */
                        vf_enter(v, VF_EVENT_UNFIT, REASON_NONE);
                }
                break;
        case VF_LEASED:
                vf_watch_verdict(v);
                break;
        case VF_QUARANTINED:
                if (!vfio) /* unbinding takes it out of its container: nothing fences it any more */
                        vf_drop_fence(v);
                break;
        case VF_LEASING:
        case VF_RECLAIMING:
        case VF_STUCK:
        case _VF_STATE_MAX:
                break;
        }
        vf_advance(v);
}

/* What sysfs shows of a VF's isolation. */
static bool same_evidence(const struct vf *a, const struct vf *b) {
        return a->group == b->group && a->group_devices == b->group_devices && a->noiommu == b->noiommu &&
               a->direct_region == b->direct_region && a->resettable == b->resettable &&
               strcmp(a->group_type, b->group_type) == 0;
}

static struct managed_vf *vf_for(struct managed_pf *p, const struct vf *scanned, bool pf_changed) {
        struct managed_vf *v = manager_find_vf(p->manager, scanned->address);

        if (!v) {
                v = managed_vf_new(p->manager, scanned);
                if (!v)
                        return NULL;
                v->fence = fdstore_take(p->manager->fdstore, scanned->address, &v->stored_msi);
                v->fence_stored = v->fence >= 0;
                v->vf.msi_isolated = v->stored_msi ? TRI_YES : TRI_UNKNOWN;
                if (!p->fresh)
                        store_load_baseline(v);
        }
        if (v->vf.state == VF_ABSENT)
                v->fresh = p->fresh;
        const struct vf before = v->vf;
        take_vf_facts(&v->vf, scanned);
        v->vf.pf = &p->pf;
        group_read(p->manager->root_fd, &v->vf); /* a VF that vanishes now is noticed by the next scan */
        if (pf_changed || !same_evidence(&before, &v->vf))
                vf_evidence_changed(v);
        return v;
}

void pf_merge(struct managed_pf *p, struct pf *scanned) {
        if (p->busy) {
                p->dirty = true;
                pf_free(scanned);
                return;
        }
        if (scanned->ifindex > 0 && scanned->ifindex != p->pf.ifindex) /* nobody said what changed before */
                drift_look_soon(p);
        bool changed = p->pf.num_vfs != scanned->num_vfs || strcmp(p->pf.driver, scanned->driver) != 0;
        /* A driver sets the total while it probes (pci_sriov_set_totalvfs): a scan in the middle of that sees
         * the card's own figure, and a write of that is refused. */
        if (strcmp(p->pf.driver, scanned->driver) != 0 || p->pf.total_vfs != scanned->total_vfs)
                pf_forget_refusal(p);
        take_pf_facts(&p->pf, scanned);
        if (pf_must_wait_for_identity(p)) { /* its VFs are looked at once it is known whose they are */
                p->pf.reason = REASON_IDENTIFYING;
                pf_free(scanned);
                return;
        }
        if (p->pf.reason == REASON_IDENTIFYING)
                p->pf.reason = REASON_NONE;
        struct vf **old = p->pf.vfs, **now = calloc(MAX(scanned->n_vfs, (size_t) 1), sizeof(*now));
        size_t n_old = p->pf.n_vfs, n_now = 0;
        if (!now) {
                log_error("out of memory while merging %s", ADDRESS_STR(scanned->address));
                pf_free(scanned);
                return;
        }
        reconcile_claim(p->manager, &p->pf);
        for (size_t i = 0; i < n_old; i++)
                managed_vf(old[i])->dirty = true;
        for (size_t i = 0; i < scanned->n_vfs; i++) {
                struct managed_vf *v = vf_for(p, scanned->vfs[i], changed);

                if (!v)
                        continue;
                v->dirty = false;
                now[n_now++] = &v->vf;
        }
        p->pf.vfs = now;
        p->pf.n_vfs = n_now;
        for (size_t i = 0; i < n_old; i++)
                if (managed_vf(old[i])->dirty)
                        vf_gone(managed_vf(old[i]));
        free(old);
        for (size_t i = 0; i < n_now; i++)
                vf_observe(managed_vf(now[i]));
        if (changed) {
                events_pf(p->manager, &p->pf, "changed");
                p->nvme_failed = false;
                p->nvme_stale = true;
        }
        if (changed || p->pf.eswitch == ESWITCH_UNKNOWN)
                eswitch_read_pf(p);
        if (nvme_is(&p->pf) && (p->pf.pool >= 0 || pf_has_leases(p)) && !p->nvme_failed &&
            (p->nvme_stale || !p->nvme_known))
                nvme_read(p);
        pf_free(scanned);
        p->dirty = false;
        pf_watch_verdict(p);
        reconcile_looked(p->manager);
        reconcile_soon(p->manager);
}

void managed_pf_lost(struct managed_pf *p) {
        struct vf **vfs = p->pf.vfs;
        size_t n = p->pf.n_vfs;

        p->pf.vfs = NULL;
        p->pf.n_vfs = 0;
        for (size_t i = 0; i < n; i++)
                vf_gone(managed_vf(vfs[i]));
        free(vfs);
        events_pf(p->manager, &p->pf, "removed");
        reconcile_looked(p->manager);
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &p->pf.address }), "PF is gone");
        p->gone = true;
        nvme_forget(p);
        /* the callback of its last operation frees it */
        p->orphan = p->manager->pf_orphans;
        p->manager->pf_orphans = p;
        managed_pf_unused(p);
}

void managed_pf_unused(struct managed_pf *p) {
        if (!p->busy && !p->identifying && !p->nvme_asking && !p->eswitch_asking)
                managed_pf_free_orphan(p);
}

int pf_rescan(struct managed_pf *p) {
        struct pf *scanned = NULL;

        if (p->busy) { /* its VFs come and go right now: the end of the step looks once */
                p->dirty = true;
                return 0;
        }
        evidence_read_host(p->manager);
        int r = p->pf.whole ? inventory_scan_function(p->manager->root_fd, p->pf.address, &scanned)
                            : inventory_scan_pf(p->manager->root_fd, p->pf.address, &scanned);
        if (r == -ENODEV) {
                reconcile_remove_pf(p->manager, p);
                return r;
        }
        if (r < 0) {
                log_with(LOG_ERR, (&(struct log_fields){ .address = &p->pf.address }), "cannot read it: %s",
                         errno_text(r));
                return r;
        }
        pf_merge(p, scanned);
        return 0;
}

void managed_pf_free_orphan(struct managed_pf *p) {
        for (struct managed_pf **i = &p->manager->pf_orphans; *i; i = &(*i)->orphan)
                if (*i == p) {
                        *i = p->orphan;
                        break;
                }
        free(p);
}

void pf_rescan_soon(struct managed_pf *p) {
        p->dirty = true;
        reconcile_rescan_soon(p->manager);
}
