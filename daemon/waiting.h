/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Requests that wait in line. Whoever came first is tried first; who waits for VFs of a pool is overtaken by
 * nobody who wants VFs of it too. A tenant that waits for its own quota keeps nobody else waiting, but none
 * of its own requests overtakes another. */

#include "daemon/acquire.h"

/* Suspends the connection until the request can be served, is refused for good, or its time is over.
 * parameters keep the strings of the request alive; the owner is taken. 0 or -errno: nothing was done. */
int waiting_add(struct connection *c, const struct acquire_request *r, json_t *parameters,
                struct owner *owner_taken, enum reason no, const struct refusal *why);

/* Somebody is in line whom this request must not overtake. */
bool waiting_has_line(struct manager *m, const struct request *r);
size_t waiting_count(const struct manager *m, const char *pool);

/* In the next turn of the loop: look whether somebody can be served now. */
void waiting_soon(struct manager *m);
void waiting_stop(struct manager *m);
