/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a request wants of one pool, as people write it: "net:2,vlan=100". Pure. */

#include "common/model.h"

#define WANT_PROBLEM_MAX 192

struct pool_want {
        char pool[NAME_MAX_LEN + 1];
        unsigned count;              /* 0: not said */
        struct vf_attributes chosen; /* .set: ATTR_MAC, ATTR_VLAN, ATTR_MIN_TX, ATTR_MAX_TX */
};

/* POOL[:COUNT][,KEY=VALUE]…, the keys are those of want_set(). 0; or -EINVAL with a sentence in problem. */
int want_parse(const char *text, struct pool_want *ret, char problem[WANT_PROBLEM_MAX]);

/* One choice: "vlan", "mac", "min-tx" or "max-tx", each once. 0; or -EINVAL with a sentence in problem. */
int want_set(struct pool_want *w, const char *key, const char *value, char problem[WANT_PROBLEM_MAX]);

/* Whether the choices fit together; a count that is not said is 1. 0; or -EINVAL with a sentence in problem.
 */
int want_check(const struct pool_want *w, char problem[WANT_PROBLEM_MAX]);
