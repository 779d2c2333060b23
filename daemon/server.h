/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The control socket: connections, their limits, and the answers to calls. A call is answered at once, or its
 * handler suspends the connection and answers later; calls of one connection are answered in their order, one
 * at a time. */

#include "common/varlink.h"
#include "daemon/manager.h"
#include "daemon/peer.h"

struct connection {
        struct connection *next;
        struct server *server;
        struct manager *manager;
        struct varlink_stream stream;
        struct peer peer;
        sd_event_source *io;
        enum connection_share {
                SHARE_OTHERS,
                SHARE_TENANTS,
                SHARE_ADMINS,
                _SHARE_MAX
        } share;     /* of CONNECTIONS_MAX */
        bool doomed; /* an answer or event could not be kept for it: the sweep closes it, whatever it reads */
        uint64_t waiting_since; /* usec, monotonic: half a message came, or a reply is not read; 0 neither */

        /* the call that is being answered */
        bool oneway, more;
        bool suspended;
        void (*cancel)(void *userdata); /* the peer went away while suspended */
        void *userdata;
        bool monitoring;
        char lease[17]; /* its reply is on the way: if it does not arrive, the lease ends */
};

int server_new(struct manager *m, const char *path_dir, struct server **ret);
struct server *server_free(struct server *s);
struct connection *server_first(struct server *s);

/* One of these ends a call. parameters_taken may be NULL (out of memory: the connection is closed). */
void connection_reply(struct connection *c, json_t *parameters_taken);
void connection_reply_fds(struct connection *c, json_t *parameters_taken, const int *fds_taken, size_t n);
void connection_error(struct connection *c, const char *error, json_t *parameters_taken);
void connection_refuse(struct connection *c, enum reason reason, const char *detail);
void connection_fail(struct connection *c, int error, const char *message);
/* One of several replies; the call goes on. */
void connection_reply_more(struct connection *c, json_t *parameters_taken);

/* Answer later. cancel(userdata) is called if the peer goes away before that. */
void connection_suspend(struct connection *c, void (*cancel)(void *userdata), void *userdata);

/* methods.c: one call; replies or suspends. */
void methods_dispatch(struct connection *c, const char *method, json_t *parameters);
