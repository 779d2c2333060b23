/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The nouns as the interface io.vfctl.Manager describes them. Each returns a new reference, or NULL without
 * memory. */

#include "common/json.h"
#include "daemon/vf.h"

json_t *pf_json(const struct manager *m, const struct pf *pf);
json_t *vf_json(struct manager *m, const struct managed_vf *v);
json_t *lease_json(const struct lease *l);
json_t *reservation_json(const struct manager *m, const struct lease *promise);
json_t *device_json(const struct vf *vf, int device_fd); /* device_fd: index, iommufd follows it; -1: node */
json_t *step_json(const struct step *s);
json_t *policy_errors_json(const struct policy_errors *e);
