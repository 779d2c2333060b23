/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* NVMe controllers for the control socket. */

#include "common/json.h"
#include "daemon/pf.h"

/* The state that was read last, with who has which namespace. */
json_t *controller_json(const struct managed_pf *p);
/* The namespaces that a VF was given. */
json_t *namespaces_json(const struct managed_vf *v);
