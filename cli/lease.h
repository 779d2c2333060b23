/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The call Acquire, as `acquire` and `run` both make it. */

#include "cli/ask.h"
#include "cli/records.h"
#include "cli/vmm.h"

struct lease_ask {
        struct ask what;
        struct option_wait wait;
        bool keep;
        enum hand_off hand_off;
        bool kept;       /* until released; else tied to pid, or to this process */
        int64_t pid;     /* -1: not given */
        int64_t uid;     /* -1: not given */
        uint64_t memory; /* bytes, 0: not known */
};

#define WAIT_DEFAULT_SECONDS 60U

/* The options that acquire and run share; as ask_options(). */
#define LEASE_OPTIONS (ASK_OPTIONS + 2)
size_t lease_options(struct lease_ask *ask, struct option ret[LEASE_OPTIONS]);

struct lease_got {
        json_t *reply;  /* owned; the strings below point into it */
        json_t *leased; /* member of it: what else is known of the devices */
        const char *id;
        enum hand_off hand_off; /* FD or NODE */
        struct vmm_device devices[ACQUIRE_COUNT_MAX];
        size_t n_devices;
        int fds[MESSAGE_FDS_MAX]; /* owned, close-on-exec */
        size_t n_fds;
};

/* Checks what every request must have. 0 or EX_USAGE after a message. */
int lease_ask_check(const struct verb *verb, struct lease_ask *ask);

/* 0 or an exit code after a message. *ret is to be zeroed by the caller and freed with lease_got_done(). */
int lease_acquire(struct client *c, const struct lease_ask *ask, struct lease_got *ret);
/* What the lease says of a device; -EPROTO after a message if it says nothing. */
int lease_find_device(const struct lease_got *l, const char *address, struct leased_vf_record *ret);
void lease_got_done(struct lease_got *l);
