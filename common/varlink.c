/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Varlink framing over a stream socket. */

#include "common/varlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct varlink_chunk {
        struct varlink_chunk *next;
        int fds[MESSAGE_FDS_MAX];
        size_t n_fds;
        size_t size, sent;
        char data[];
};

static void close_fds(int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

void varlink_stream_init(struct varlink_stream *s, int fd_taken, size_t in_max, bool take_fds) {
        *s = (struct varlink_stream){ .fd = fd_taken, .in_max = in_max, .take_fds = take_fds };
}

static void drop_first(struct varlink_stream *s) {
        struct varlink_chunk *c = s->out_first;

        s->out_first = c->next;
        if (!s->out_first)
                s->out_last = NULL;
        s->out_bytes -= c->size;
        close_fds(c->fds, c->n_fds);
        free(c);
}

void varlink_stream_done(struct varlink_stream *s) {
        while (s->out_first)
                drop_first(s);
        close_fds(s->in_fds, s->n_in_fds);
        free(s->in);
        close_fd(&s->fd);
        *s = (struct varlink_stream){ .fd = -1 };
}

/* Keeps the descriptors of one recvmsg(); 0 or -EMSGSIZE if they were too many. */
static int keep_fds(struct varlink_stream *s, struct msghdr *mh) {
        int r = mh->msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (s->take_fds && s->n_in_fds < ARRAY_SIZE(s->in_fds))
                                s->in_fds[s->n_in_fds++] = fd;
                        else {
                                close(fd);
                                if (s->take_fds)
                                        r = -EMSGSIZE;
                        }
                }
        }
        return r;
}

int varlink_stream_fill(struct varlink_stream *s) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
        } control;

        if (s->in_len == s->in_size) {
                if (s->in_size >= s->in_max)
                        return -EMSGSIZE;
                size_t more = MIN(s->in_max, MAX((size_t) 4096, s->in_size * 2));
                char *p = realloc(s->in, more);

                if (!p)
                        return -ENOMEM;
                s->in = p;
                s->in_size = more;
        }
        struct iovec iov = { s->in + s->in_len, s->in_size - s->in_len };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf) };
        ssize_t n = recvmsg(s->fd, &mh, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        int r = keep_fds(s, &mh);
        if (r < 0)
                return r;
        s->in_len += (size_t) n;
        return n > 0;
}

int varlink_stream_next(struct varlink_stream *s, const char **ret, size_t *ret_size) {
        /* in_scanned == 0 with a message at the front: the one handed out last; drop it first */
        if (s->in_scanned > 0 && s->in_scanned <= s->in_len && s->in[s->in_scanned - 1] == '\0') {
                s->in_len -= s->in_scanned;
                memmove(s->in, s->in + s->in_scanned, s->in_len);
                s->in_scanned = 0;
        }
        char *nul = s->in_len > s->in_scanned ? memchr(s->in + s->in_scanned, '\0', s->in_len - s->in_scanned)
                                              : NULL;
        if (!nul) {
                s->in_scanned = s->in_len;
                return 0;
        }
        *ret = s->in;
        *ret_size = (size_t) (nul - s->in);
        s->in_scanned = *ret_size + 1;
        return 1;
}

size_t varlink_stream_take_fds(struct varlink_stream *s, int *fds, size_t max) {
        size_t n = MIN(max, s->n_in_fds);

        if (n > 0)
                memcpy(fds, s->in_fds, n * sizeof(int));
        close_fds(s->in_fds + n, s->n_in_fds - n);
        s->n_in_fds = 0;
        return n;
}

int varlink_stream_queue(struct varlink_stream *s, const json_t *message, const int *fds_taken,
                         size_t n_fds) {
        _cleanup_free_ char *text = json_text(message);
        size_t size = text ? strlen(text) + 1 : 0;
        struct varlink_chunk *c = text && n_fds <= MESSAGE_FDS_MAX ? malloc(sizeof(*c) + size) : NULL;

        if (!c) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds_taken[i]);
                return -ENOMEM;
        }
        *c = (struct varlink_chunk){ .n_fds = n_fds, .size = size };
        memcpy(c->data, text, size);
        if (n_fds > 0)
                memcpy(c->fds, fds_taken, n_fds * sizeof(int));
        if (s->out_last)
                s->out_last->next = c;
        else
                s->out_first = c;
        s->out_last = c;
        s->out_bytes += size;
        return 0;
}

/* One sendmsg(); the descriptors go with the first byte. */
static ssize_t send_some(struct varlink_stream *s, struct varlink_chunk *c) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
        } control = { 0 };
        struct iovec iov = { c->data + c->sent, c->size - c->sent };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (c->sent == 0 && c->n_fds > 0) {
                mh.msg_control = control.buf;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * c->n_fds);
                struct cmsghdr *h = CMSG_FIRSTHDR(&mh);

                h->cmsg_level = SOL_SOCKET;
                h->cmsg_type = SCM_RIGHTS;
                h->cmsg_len = CMSG_LEN(sizeof(int) * c->n_fds);
                memcpy(CMSG_DATA(h), c->fds, sizeof(int) * c->n_fds);
        }
        ssize_t n = sendmsg(s->fd, &mh, MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

int varlink_stream_flush(struct varlink_stream *s) {
        while (s->out_first) {
                struct varlink_chunk *c = s->out_first;
                ssize_t n = send_some(s, c);

                if (n == -EINTR)
                        continue;
                if (n == -EAGAIN)
                        return 0;
                if (n < 0)
                        return (int) n;
                if (c->sent == 0) { /* sent: our copies must not outlive it (kernel-facts 2.8) */
                        close_fds(c->fds, c->n_fds);
                        c->n_fds = 0;
                }
                c->sent += (size_t) n;
                if (c->sent == c->size)
                        drop_first(s);
        }
        return 1;
}

int varlink_connect(const char *path, struct varlink_stream *ret) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        varlink_stream_init(ret, TAKE_FD(fd), REPLY_MAX, true);
        return 0;
}

int varlink_send(struct varlink_stream *s, const char *method, json_t *parameters_taken, bool more) {
        _cleanup_json_ json_t *call = json_pack("{s:s}", "method", method);

        if (!call) {
                json_decref(parameters_taken);
                return -ENOMEM;
        }
        if (parameters_taken && json_object_set_new(call, "parameters", parameters_taken) < 0)
                return -ENOMEM;
        if (more && json_object_set_new(call, "more", json_true()) < 0)
                return -ENOMEM;
        int r = varlink_stream_queue(s, call, NULL, 0);
        if (r < 0)
                return r;
        do
                r = varlink_stream_flush(s);
        while (r == 0);
        return r < 0 ? r : 0;
}

static int parse_reply(const char *text, size_t size, json_t **ret, char **ret_error, bool *more) {
        struct json_problem problem;
        _cleanup_json_ json_t *v = NULL;
        const char *error = NULL, *bad;
        json_t *parameters = NULL;
        bool continues = false;

        int r = json_parse(text, size, 256, &v, &problem);
        if (r < 0)
                return r == -EINVAL ? -EPROTO : r;
        const struct json_field fields[] = {
                { "parameters", JSON_KIND_OBJECT, false, &parameters },
                { "error", JSON_KIND_STRING, false, &error },
                { "continues", JSON_KIND_BOOL, false, &continues },
        };
        if (!json_is_object(v) || json_dispatch(v, fields, ARRAY_SIZE(fields), &bad) < 0)
                return -EPROTO;
        _cleanup_free_ char *name = error ? strdup(error) : NULL;
        json_t *p = parameters ? json_incref(parameters) : json_object();
        if (!p || (error && !name)) {
                json_decref(p);
                return -ENOMEM;
        }
        *ret = p;
        *ret_error = TAKE_PTR(name);
        if (more)
                *more = continues;
        return 0;
}

int varlink_reply(struct varlink_stream *s, json_t **ret, char **ret_error, int *fds, size_t *n_fds,
                  bool *more) {
        const char *text;
        size_t size;
        int r;

        while ((r = varlink_stream_next(s, &text, &size)) == 0) {
                r = varlink_stream_fill(s);
                if (r == 0)
                        return -ECONNRESET;
                if (r < 0 && r != -EAGAIN)
                        return r;
        }
        if (fds)
                *n_fds = varlink_stream_take_fds(s, fds, *n_fds);
        else
                varlink_stream_take_fds(s, NULL, 0);
        return parse_reply(text, size, ret, ret_error, more);
}
