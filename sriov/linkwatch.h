/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which network interfaces changed (rtnetlink, group "link"). Of the running system's network namespace: ask
 * root_is_host() first. The kernel tells that something changed, VF attributes included while the interface
 * is up (net/core/dev.c:netdev_state_change), not what: whoever is told asks. */

#include "common/macro.h"

struct linkwatch;

int linkwatch_new(struct linkwatch **ret); /* 0 or -errno */
struct linkwatch *linkwatch_free(struct linkwatch *w);
DEFINE_CLEANUP(struct linkwatch *, linkwatch_free)

int linkwatch_fd(const struct linkwatch *w); /* poll for EPOLLIN */

/* 1: *ret_ifindex changed; 0: none left; -ENOBUFS: changes were lost, any may have changed; another -errno.
 */
int linkwatch_next(struct linkwatch *w, int *ret_ifindex);
