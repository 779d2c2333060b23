/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The verdict on a VF and all that it rests on, as JSON. New references. */

#include "common/json.h"
#include "daemon/vf.h"

json_t *evidence_json(struct managed_vf *v);

/* Names of the findings that a lease of this VF goes past because its pool accepts them. */
json_t *excused_json(finding_set set);
