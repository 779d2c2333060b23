/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Varlink framing: bytes arrive in pieces of any size, messages come out whole, in order, and none too large.
 * The first byte of the input chooses the size of the pieces. */

#include "common/macro.h"
#include "common/varlink.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define INPUT_MAX  8192
#define STREAM_MAX 6000 /* smaller than the input: the limit is part of the test */

static void connect_pair(struct varlink_stream *s, int *peer) {
        int fds[2];

        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        varlink_stream_init(s, fds[0], STREAM_MAX, false);
        *peer = fds[1];
}

/* All messages that are complete; each must be the next piece of what was sent. */
static void drain(struct varlink_stream *s, const char *sent, size_t *taken) {
        const char *message;
        size_t size;

        while (varlink_stream_next(s, &message, &size) > 0) {
                struct json_problem problem;
                _cleanup_json_ json_t *v = NULL;

                REQUIRE(size < STREAM_MAX);
                REQUIRE(memcmp(message, sent + *taken, size) == 0 && sent[*taken + size] == '\0');
                *taken += size + 1;
                if (json_parse(message, size, JSON_DEPTH_MAX, &v, &problem) < 0)
                        REQUIRE(problem.at.line > 0);
        }
}

static void try_stream(const char *bytes, size_t size, size_t piece) {
        struct varlink_stream s;
        _cleanup_close_ int peer = -1;
        size_t taken = 0;
        int r = 1;

        connect_pair(&s, &peer);
        for (size_t at = 0; at < size && r > 0; at += piece) {
                size_t n = MIN(piece, size - at);

                REQUIRE(send(peer, bytes + at, n, 0) == (ssize_t) n);
                while ((r = varlink_stream_fill(&s)) > 0)
                        drain(&s, bytes, &taken);
                REQUIRE(r == -EAGAIN || r == -EMSGSIZE);
                if (r == -EAGAIN)
                        r = 1;
        }
        const char *nul = size > 0 ? memrchr(bytes, '\0', size) : NULL;
        if (r > 0)
                REQUIRE(taken == (nul ? (size_t) (nul - bytes) + 1 : 0));
        else
                REQUIRE(size - taken >= STREAM_MAX);
        varlink_stream_done(&s);
}

/* What a client makes of it. */
static void try_reply(const char *bytes, size_t size) {
        struct varlink_stream s;
        _cleanup_close_ int peer = -1;
        int r = 0;

        connect_pair(&s, &peer);
        REQUIRE(send(peer, bytes, size, 0) == (ssize_t) size);
        close_fd(&peer);
        while (r == 0) {
                _cleanup_json_ json_t *parameters = NULL;
                _cleanup_free_ char *error = NULL;
                int fds[MESSAGE_FDS_MAX];
                size_t n_fds = ARRAY_SIZE(fds);
                bool more = false;

                r = varlink_reply(&s, &parameters, &error, fds, &n_fds, &more);
                REQUIRE(r < 0 || (json_is_object(parameters) && n_fds == 0));
        }
        varlink_stream_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 2 || size > INPUT_MAX)
                return 0;
        try_stream((const char *) data + 1, size - 1, (size_t) data[0] * 16 + 1);
        try_reply((const char *) data + 1, size - 1);
        return 0;
}
