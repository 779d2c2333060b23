/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/varlink: framing over a socket pair, limits, and file descriptors that arrive once and are closed
 * everywhere else. */

#include "common/varlink.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static void stream_pair(struct varlink_stream *a, struct varlink_stream *b, size_t in_max, bool take_fds) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        varlink_stream_init(a, fds[0], in_max, take_fds);
        varlink_stream_init(b, fds[1], in_max, take_fds);
}

static void done(struct varlink_stream *a, struct varlink_stream *b) {
        varlink_stream_done(a);
        varlink_stream_done(b);
        assert_int_equal(a->fd, -1);
}

static void expect_next(struct varlink_stream *s, const char *expected) {
        const char *text;
        size_t size;

        if (!expected) {
                assert_int_equal(varlink_stream_next(s, &text, &size), 0);
                return;
        }
        assert_int_equal(varlink_stream_next(s, &text, &size), 1);
        assert_int_equal(size, strlen(expected));
        assert_string_equal(text, expected);
}

static void send_bytes(const struct varlink_stream *s, const char *bytes, size_t size) {
        assert_int_equal(send(s->fd, bytes, size, 0), size);
}

static void splits_messages(void **state) {
        struct varlink_stream a, b;

        stream_pair(&a, &b, 4096, false);
        expect_next(&b, NULL);
        assert_int_equal(varlink_stream_fill(&b), -EAGAIN);
        send_bytes(&a, "{\"a\"", 4);
        assert_int_equal(varlink_stream_fill(&b), 1);
        expect_next(&b, NULL);
        send_bytes(&a, ":1}\0{}\0\0{", 9);
        assert_int_equal(varlink_stream_fill(&b), 1);
        expect_next(&b, "{\"a\":1}");
        expect_next(&b, "{}");
        expect_next(&b, "");
        expect_next(&b, NULL);
        send_bytes(&a, "}", 2);
        close_fd(&a.fd);
        assert_int_equal(varlink_stream_fill(&b), 1);
        expect_next(&b, "{}");
        expect_next(&b, NULL);
        assert_int_equal(varlink_stream_fill(&b), 0);
        done(&a, &b);
}

/* A message that is being looked at stays where it is while more arrives behind it. */
static void fills_behind_message(void **state) {
        struct varlink_stream a, b;

        stream_pair(&a, &b, 4096, false);
        send_bytes(&a, "one", 4);
        assert_int_equal(varlink_stream_fill(&b), 1);
        expect_next(&b, "one");
        send_bytes(&a, "two", 4);
        assert_int_equal(varlink_stream_fill(&b), 1);
        expect_next(&b, "two");
        expect_next(&b, NULL);
        done(&a, &b);
}

static void limits_message(void **state) {
        _cleanup_free_ char *bytes = calloc(1, 6000);
        struct varlink_stream a, b;
        const char *text;
        size_t size;
        int r;

        memset(bytes, 'x', 5999);
        stream_pair(&a, &b, 6000, false);
        send_bytes(&a, bytes, 6000);
        while (varlink_stream_next(&b, &text, &size) == 0)
                assert_int_equal(varlink_stream_fill(&b), 1);
        assert_int_equal(size, 5999);
        expect_next(&b, NULL);

        bytes[5999] = 'x';
        send_bytes(&a, bytes, 6000);
        while ((r = varlink_stream_fill(&b)) == 1)
                expect_next(&b, NULL);
        assert_int_equal(r, -EMSGSIZE);
        done(&a, &b);
}

/* Reads the other end of a pipe until all writers are gone; -EAGAIN while there is one. */
static int pipe_state(int fd) {
        char c;
        ssize_t n = read(fd, &c, 1);

        return n < 0 ? -errno : (int) n;
}

static void make_pipes(int *readers, int *writers, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int p[2];

                assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
                readers[i] = p[0];
                writers[i] = p[1];
        }
}

static void passes_fds(void **state) {
        _cleanup_json_ json_t *first = json_pack("{s:i}", "n", 1), *second = json_pack("{s:i}", "n", 2);
        int readers[3], writers[3], got[4] = { -1, -1, -1, -1 };
        struct varlink_stream a, b;

        stream_pair(&a, &b, 4096, true);
        make_pipes(readers, writers, 3);
        assert_int_equal(varlink_stream_queue(&a, first, NULL, 0), 0);
        assert_int_equal(varlink_stream_queue(&a, second, writers, 3), 0);
        assert_int_equal(a.out_bytes, 2 * sizeof("{\"n\":1}"));
        assert_int_equal(varlink_stream_flush(&a), 1);
        assert_int_equal(a.out_bytes, 0);
        for (size_t i = 0; i < 3; i++) /* sent: the sender keeps none */
                assert_int_equal(fcntl(writers[i], F_GETFD), -1);

        while (b.n_in_fds == 0)
                assert_int_equal(varlink_stream_fill(&b), 1);
        expect_next(&b, "{\"n\":1}");
        expect_next(&b, "{\"n\":2}");
        assert_int_equal(varlink_stream_take_fds(&b, got, 2), 2); /* and closes the third */
        assert_int_equal(varlink_stream_take_fds(&b, got + 2, 2), 0);
        assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(write(got[1], "x", 1), 1);
        assert_int_equal(pipe_state(readers[1]), 1);
        assert_int_equal(pipe_state(readers[0]), -EAGAIN);
        assert_int_equal(pipe_state(readers[2]), 0);
        close(got[0]);
        close(got[1]);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(pipe_state(readers[i]), 0);
                close(readers[i]);
        }
        done(&a, &b);
}

/* Nobody wanted them, or the stream ends first: closed, not leaked. */
static void drops_fds(void **state) {
        _cleanup_json_ json_t *message = json_object();
        int readers[3], writers[3];
        struct varlink_stream a, b;

        make_pipes(readers, writers, 3);
        stream_pair(&a, &b, 4096, false);
        assert_int_equal(varlink_stream_queue(&a, message, writers, 1), 0);
        assert_int_equal(varlink_stream_flush(&a), 1);
        assert_int_equal(varlink_stream_fill(&b), 1);
        assert_int_equal(b.n_in_fds, 0);
        assert_int_equal(pipe_state(readers[0]), 0);
        expect_next(&b, "{}");
        done(&a, &b);

        stream_pair(&a, &b, 4096, true);
        assert_int_equal(varlink_stream_queue(&a, message, writers + 1, 1), 0);
        assert_int_equal(varlink_stream_flush(&a), 1);
        assert_int_equal(varlink_stream_fill(&b), 1);
        assert_int_equal(b.n_in_fds, 1);
        assert_int_equal(varlink_stream_queue(&a, message, writers + 2, 1), 0);
        done(&a, &b);
        assert_int_equal(pipe_state(readers[1]), 0);
        assert_int_equal(pipe_state(readers[2]), 0);
        for (size_t i = 0; i < 3; i++)
                close(readers[i]);
}

static void limits_fds(void **state) {
        int readers[MESSAGE_FDS_MAX + 1], writers[MESSAGE_FDS_MAX + 1], got[MESSAGE_FDS_MAX];
        _cleanup_json_ json_t *message = json_object();
        struct varlink_stream a, b;
        int r;

        make_pipes(readers, writers, MESSAGE_FDS_MAX + 1);
        stream_pair(&a, &b, 4096, true);
        assert_int_equal(varlink_stream_queue(&a, message, writers, MESSAGE_FDS_MAX), 0);
        assert_int_equal(varlink_stream_flush(&a), 1);
        assert_int_equal(varlink_stream_fill(&b), 1);
        assert_int_equal(b.n_in_fds, MESSAGE_FDS_MAX);

        /* one more, before these are taken */
        assert_int_equal(varlink_stream_queue(&a, message, writers + MESSAGE_FDS_MAX, 1), 0);
        assert_int_equal(varlink_stream_flush(&a), 1);
        assert_int_equal(varlink_stream_fill(&b), -EMSGSIZE);
        assert_int_equal(pipe_state(readers[MESSAGE_FDS_MAX]), 0);
        assert_int_equal(varlink_stream_take_fds(&b, got, MESSAGE_FDS_MAX), MESSAGE_FDS_MAX);
        for (size_t i = 0; i < MESSAGE_FDS_MAX; i++) {
                assert_int_equal(pipe_state(readers[i]), -EAGAIN);
                close(got[i]);
                close(readers[i]);
        }
        close(readers[MESSAGE_FDS_MAX]);

        /* more than fit one message: refused, and closed */
        make_pipes(readers, writers, MESSAGE_FDS_MAX + 1);
        r = varlink_stream_queue(&a, message, writers, MESSAGE_FDS_MAX + 1);
        assert_true(r < 0);
        for (size_t i = 0; i <= MESSAGE_FDS_MAX; i++) {
                assert_int_equal(pipe_state(readers[i]), 0);
                close(readers[i]);
        }
        done(&a, &b);
}

/* The descriptors go with the first byte, once, however many turns the rest takes. */
static void sends_in_turns(void **state) {
        size_t size = 4U * 1024U * 1024U, turns = 0, n;
        _cleanup_free_ char *filler = malloc(size + 1);
        int reader, writer, got = -1, r;
        struct varlink_stream a, b;
        const char *text;

        memset(filler, 'x', size);
        filler[size] = '\0';
        _cleanup_json_ json_t *message = json_pack("{s:s}", "a", filler);
        make_pipes(&reader, &writer, 1);
        stream_pair(&a, &b, REPLY_MAX, true);
        assert_int_equal(varlink_stream_queue(&a, message, &writer, 1), 0);
        while ((r = varlink_stream_flush(&a)) == 0) {
                turns++;
                while (varlink_stream_fill(&b) == 1)
                        ;
        }
        assert_int_equal(r, 1);
        assert_true(turns > 0);
        while (varlink_stream_fill(&b) == 1)
                ;
        assert_int_equal(varlink_stream_next(&b, &text, &n), 1);
        assert_int_equal(n, size + strlen("{\"a\":\"\"}"));
        assert_int_equal(varlink_stream_take_fds(&b, &got, 1), 1);
        assert_int_equal(pipe_state(reader), -EAGAIN);
        close(got);
        assert_int_equal(pipe_state(reader), 0);
        close(reader);
        close_fd(&b.fd);
        assert_int_equal(varlink_stream_queue(&a, message, NULL, 0), 0);
        assert_int_equal(varlink_stream_flush(&a), -EPIPE);
        done(&a, &b);
}

static void calls(void **state) {
        struct varlink_stream client, server;

        stream_pair(&client, &server, 4096, true);
        assert_int_equal(varlink_send(&client, "x.Y", NULL, false), 0);
        assert_int_equal(varlink_send(&client, "x.Z", json_pack("{s:b}", "a", 1), true), 0);
        assert_int_equal(varlink_stream_fill(&server), 1);
        while (server.in_len < sizeof("{\"method\":\"x.Y\"}") + 1)
                assert_int_equal(varlink_stream_fill(&server), 1);
        expect_next(&server, "{\"method\":\"x.Y\"}");
        while (server.in_scanned == server.in_len)
                assert_int_equal(varlink_stream_fill(&server), 1);
        expect_next(&server, "{\"method\":\"x.Z\",\"parameters\":{\"a\":true},\"more\":true}");
        done(&client, &server);
}

static void replies(void **state) {
        static const char text[] = "{\"parameters\":{\"n\":1},\"continues\":true}\0{}\0"
                                   "{\"error\":\"x.E\",\"parameters\":{\"reason\":\"quota\"}}";
        _cleanup_json_ json_t *first = NULL, *second = NULL, *third = NULL;
        _cleanup_free_ char *error = NULL;
        struct varlink_stream client, server;
        size_t n_fds = 4;
        int fds[4];
        bool more = false;

        stream_pair(&client, &server, 4096, true);
        send_bytes(&server, text, sizeof(text));
        assert_int_equal(varlink_reply(&client, &first, &error, fds, &n_fds, &more), 0);
        assert_int_equal(json_integer_value(json_object_get(first, "n")), 1);
        assert_int_equal(n_fds, 0);
        assert_true(more);
        assert_null(error);
        assert_int_equal(varlink_reply(&client, &second, &error, NULL, NULL, &more), 0);
        assert_int_equal(json_object_size(second), 0);
        assert_false(more);
        assert_int_equal(varlink_reply(&client, &third, &error, NULL, NULL, NULL), 0);
        assert_string_equal(error, "x.E");
        assert_string_equal(json_string_value(json_object_get(third, "reason")), "quota");
        done(&client, &server);
}

static void refuses_replies(void **state) {
        static const char *const table[] = { "",         "[]", "{", "{\"parameters\":[]}", "{\"error\":1}",
                                             "{\"x\":1}" };
        struct varlink_stream client, server;
        json_t *v = NULL;
        char *error = NULL;

        stream_pair(&client, &server, 4096, false);
        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                send_bytes(&server, *i, strlen(*i) + 1);
                assert_int_equal(varlink_reply(&client, &v, &error, NULL, NULL, NULL), -EPROTO);
        }
        close_fd(&server.fd);
        assert_int_equal(varlink_reply(&client, &v, &error, NULL, NULL, NULL), -ECONNRESET);
        assert_null(v);
        assert_null(error);
        done(&client, &server);

        assert_int_equal(varlink_connect("/nonexistent/socket", &client), -ENOENT);
        char path[256];
        memset(path, 'x', sizeof(path));
        path[sizeof(path) - 1] = '\0';
        assert_int_equal(varlink_connect(path, &client), -ENAMETOOLONG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(splits_messages), cmocka_unit_test(fills_behind_message),
                cmocka_unit_test(limits_message),  cmocka_unit_test(passes_fds),
                cmocka_unit_test(drops_fds),       cmocka_unit_test(limits_fds),
                cmocka_unit_test(sends_in_turns),  cmocka_unit_test(calls),
                cmocka_unit_test(replies),         cmocka_unit_test(refuses_replies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
