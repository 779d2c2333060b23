/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Tells watchers ('vfctl monitor') what happened. Tenants hear of their own leases only. */

#include "daemon/vf.h"

void events_vf(struct manager *m, const struct managed_vf *v, enum vf_state old);
void events_pf(struct manager *m, const struct pf *pf, const char *what);
void events_lease(struct manager *m, const struct lease *l, const char *what);
/* A leased VF is no longer isolated: the finding's name; or "isolated" again. */
void events_isolation(struct manager *m, const struct managed_vf *v, const char *what);
/* The owner of a leased VF that was taken out of use is asked to release it. */
void events_release_requested(struct manager *m, const struct managed_vf *v);
/* An administrator gives a VF another chance, which was taken out of use for a reason. */
void events_cleared(struct manager *m, const struct managed_vf *v, enum reason reason, const char *why);
/* Something a device did, or was kept from doing. */
void events_device(struct manager *m, const struct managed_vf *v, const char *kind, const char *what,
                   const char *message);
/* The same of a function that is no VF of ours; NULL: nobody knows which. */
void events_function(struct manager *m, const struct address *a, const char *kind, const char *what,
                     const char *message);
void events_policy(struct manager *m, const char *what);
void events_ready(struct manager *m);
