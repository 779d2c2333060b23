/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon as seen by a verb: calls of io.vfctl.Manager, with every error told to the user and turned into
 * an exit code at one place. Functions that return int return 0 or an exit code, after a message. */

#include "cli/verb.h"
#include "common/varlink.h"

struct client {
        const struct cli *cli;
        struct varlink_stream stream;
};

int client_open(struct client *c, const struct cli *cli);
void client_done(struct client *c);
#define _cleanup_client_ _cleanup_(client_done)
#define CLIENT_CLOSED                                                                                        \
        { .stream.fd = -1 } /* initialiser, so that client_done() is always right */

/* One call, one reply; method without the interface's name. *ret is the caller's. */
int client_call(struct client *c, const char *method, json_t *parameters_taken, json_t **ret);
/* With the descriptors of the reply; *n_fds holds the capacity, then the number. */
int client_call_fds(struct client *c, const char *method, json_t *parameters_taken, json_t **ret, int *fds,
                    size_t *n_fds);

/* As client_call(), but an error of the daemon is not told: *ret_error gets its name and *ret its parameters.
 */
int client_try(struct client *c, const char *method, json_t *parameters_taken, json_t **ret,
               char **ret_error);
/* Tells an error that client_try() returned; never 0. */
int client_error(const struct client *c, const char *error, json_t *parameters);

/* A call with several replies. client_next() returns them one by one; *more says whether another follows. */
int client_start(struct client *c, const char *method, json_t *parameters_taken);
int client_next(struct client *c, json_t **ret, bool *more);

/* One line on stdout. */
void print_json(const json_t *value);
/* Sets a member; NULL strings and negative numbers are left out. */
void put_text(json_t *object, const char *key, const char *value);
void put_int(json_t *object, const char *key, int64_t value);
json_t *new_object(void); /* never NULL */
