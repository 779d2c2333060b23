/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Varlink framing (varlink.org): JSON objects, each followed by one NUL, over AF_UNIX streams, with file
 * descriptors by SCM_RIGHTS. A stream is a buffer on a socket and knows neither loop nor calls: the daemon
 * drives it non-blocking, the client blocking. Debian 12's libsystemd (252) has no sd-varlink, and 257's
 * cannot be told our limits. */

#include "common/json.h"
#include "common/limits.h"

struct varlink_stream {
        int fd;        /* owned */
        size_t in_max; /* bytes of the largest message taken */
        bool take_fds; /* false: incoming descriptors are closed at once */

        char *in;
        size_t in_size, in_len, in_scanned;
        int in_fds[MESSAGE_FDS_MAX];
        size_t n_in_fds;

        struct varlink_chunk *out_first, *out_last;
        size_t out_bytes; /* queued, unsent */
};

void varlink_stream_init(struct varlink_stream *s, int fd_taken, size_t in_max, bool take_fds);
void varlink_stream_done(struct varlink_stream *s);

/* Reads what is there (one recvmsg). 1: got bytes; 0: the peer closed; -EAGAIN; -EMSGSIZE: message too large
 * or too many descriptors; else -errno. */
int varlink_stream_fill(struct varlink_stream *s);

/* The next whole message, without its NUL; points into the buffer until the next call of fill or next.
 * 1 and *ret, or 0 if there is none yet. */
int varlink_stream_next(struct varlink_stream *s, const char **ret, size_t *ret_size);

/* The descriptors that arrived so far, now the caller's; at most max, the rest is closed. */
size_t varlink_stream_take_fds(struct varlink_stream *s, int *fds, size_t max);

/* Queues one message with its descriptors (taken, closed after they are sent or on error). */
int varlink_stream_queue(struct varlink_stream *s, const json_t *message, const int *fds_taken, size_t n_fds);

/* Sends what the socket takes. 1: all sent; 0: more to send (-EAGAIN seen); else -errno. */
int varlink_stream_flush(struct varlink_stream *s);

/* One blocking call by a client. *ret gets the reply's "parameters" (never NULL on success), *ret_error the
 * error name or NULL, both the caller's. fds, if not NULL, gets descriptors of the reply, *n_fds holds its
 * capacity and then their number. *more (if not NULL) says whether further replies follow: fetch them with
 * varlink_reply(). -errno on transport failure. */
int varlink_connect(const char *path, struct varlink_stream *ret);
int varlink_send(struct varlink_stream *s, const char *method, json_t *parameters_taken, bool more);
int varlink_reply(struct varlink_stream *s, json_t **ret, char **ret_error, int *fds, size_t *n_fds,
                  bool *more);
