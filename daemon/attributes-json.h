/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a VF is told, as the type Attributes of io.vfctl.Manager. */

#include "common/attributes.h"
#include "common/json.h"

/* Every member is there, null if it is not set. NULL without memory. */
json_t *attributes_json(const struct vf_attributes *a);

/* The same back. 0, or -EINVAL and *bad names the member. */
int attributes_from_json(const json_t *j, struct vf_attributes *ret, const char **bad);
