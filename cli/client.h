/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon as seen by a verb: calls of io.vfctl.Manager, with every error told to the user and turned into
 * an exit code at one place. Functions that return int return 0 or an exit code, after a message. */

#include "cli/verb.h"
#include "common/reason.h"
#include "common/varlink.h"

struct client {
        const struct cli *cli;
        const char *patience; /* told on a terminal if an answer takes its time; NULL: nothing */
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
/* True if bytes of a further reply were read along with the last one: a poll() may not show them. */
bool client_has_more(const struct client *c);

/* One line on stdout. */
void print_json(const json_t *value);
/* Sets a member; NULL strings and negative numbers are left out. */
void put_text(json_t *object, const char *key, const char *value);
void put_int(json_t *object, const char *key, int64_t value);
void put_flag(json_t *object, const char *key, bool value); /* false is left out */
json_t *new_object(void);                                   /* never NULL */
/* New members, borrowed, never NULL. */
json_t *put_array(json_t *object, const char *key);
json_t *append_object(json_t *array);

/* A rule said no before the daemon was asked: as its refusal is told. Returns the exit code. */
int refuse(const char *what, enum reason reason);
