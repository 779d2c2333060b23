/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Fences in systemd's file descriptor store (sd_notify(3), FDSTORE=1): what a restarted daemon finds again.
 * The name says whether taking the fence has shown that interrupts are isolated. Without a notify socket
 * everything here succeeds and stores nothing. */

#include "common/address.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct fdstore;

/* Takes the descriptors that systemd passed at start. */
int fdstore_new(sd_event *event, struct fdstore **ret);
struct fdstore *fdstore_free(struct fdstore *f);

/* The fence that the last run left for this VF, now the caller's; -1 if there is none. It stays in the store.
 */
int fdstore_take(struct fdstore *f, struct address a, bool *ret_msi);
/* Closes what nobody took: fences of VFs that do not exist any more. */
void fdstore_drop_rest(struct fdstore *f);

/* The kernel log as it was being read; -1 if it is not there. */
int fdstore_take_kmsg(struct fdstore *f);
int fdstore_put_kmsg(struct fdstore *f, int fd);

int fdstore_put(struct fdstore *f, struct address a, bool msi, int fd);
int fdstore_remove(struct fdstore *f, struct address a, bool msi); /* msi: as it was put */

/* done(userdata) is called from the loop once systemd has carried out all that was sent before: its copies of
 * removed descriptors are closed then. It must be, before the VF is handed over: the copy keeps the group
 * open. */
int fdstore_barrier(struct fdstore *f, void (*done)(void *userdata), void *userdata);
