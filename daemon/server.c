/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket and its connections. Nothing here blocks, and nobody waits for anybody else. */

#include "daemon/server.h"
#include "common/root.h"
#include "daemon/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SWEEP_USEC (5ULL * 1000000ULL)

struct server {
        struct manager *manager;
        int fd;
        sd_event_source *io, *sweep;
        struct connection *connections;
        unsigned n;
};

struct connection *server_first(struct server *s) {
        return s ? s->connections : NULL;
}

static void connection_close(struct connection *c) {
        struct server *s = c->server;

        for (struct connection **i = &s->connections; *i; i = &(*i)->next)
                if (*i == c) {
                        *i = c->next;
                        break;
                }
        s->n--;
        sd_event_source_set_enabled(s->io, SD_EVENT_ON); /* there is room again */
        sd_event_source_disable_unref(c->io);
        varlink_stream_done(&c->stream);
        if (c->suspended && c->cancel)
                c->cancel(c->userdata);
        if (c->lease[0]) {
                struct lease *l = lease_find(c->manager, c->lease);

                if (l)
                        lease_end(c->manager, l, "the client went away before it had the answer");
        }
        peer_done(&c->peer);
        free(c);
}

static uint64_t now_usec(struct connection *c) {
        uint64_t t = 0;

        sd_event_now(c->manager->event, CLOCK_MONOTONIC, &t);
        return t;
}

/* Which events matter now: input only while no call is open, output only while some is queued. */
static void connection_watch(struct connection *c) {
        /* Who does not read the answer to one call is not asked for the next: nothing piles up here */
        uint32_t events = c->stream.out_first ? EPOLLOUT : c->suspended ? 0 : EPOLLIN;
        bool half = !c->suspended && !c->stream.out_first &&
                    c->stream.in_len > 0; /* whole messages were taken out */

        sd_event_source_set_io_events(c->io, events);
        if (!half && !c->stream.out_first)
                c->waiting_since = 0;
        else if (c->waiting_since == 0)
                c->waiting_since = now_usec(c);
}

/* -errno: close it. */
static int connection_flush(struct connection *c) {
        size_t before = c->stream.out_bytes;
        int r = varlink_stream_flush(&c->stream);

        if (r == 1)
                c->lease[0] = '\0';
        if (c->stream.out_bytes < before)
                c->waiting_since = 0;
        return r < 0 ? r : 0;
}

/* Not at once: whoever sends is in the middle of something. */
static void doom(struct connection *c) {
        c->doomed = true;
        sd_event_source_set_time_relative(c->server->sweep, 0);
}

static void send_message(struct connection *c, json_t *message_taken, const int *fds, size_t n_fds) {
        _cleanup_json_ json_t *message = message_taken;

        if (c->oneway || !message || c->stream.out_bytes > REPLY_MAX) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
                if (!c->oneway) /* no memory for an answer, or nobody reads it */
                        doom(c);
                return;
        }
        if (varlink_stream_queue(&c->stream, message, fds, n_fds) < 0)
                doom(c);
}

static void call_ended(struct connection *c) {
        if (!c->suspended)
                return;
        c->suspended = false;
        c->cancel = NULL;
        c->monitoring = false;
        /* whatever is in the buffer already is looked at from the loop, not from within the handler */
        sd_event_source_set_io_events(c->io, EPOLLIN | EPOLLOUT);
}

void connection_reply_fds(struct connection *c, json_t *parameters_taken, const int *fds_taken, size_t n) {
        send_message(c, parameters_taken ? json_pack("{s:o}", "parameters", parameters_taken) : NULL,
                     fds_taken, n);
        call_ended(c);
}

void connection_reply(struct connection *c, json_t *parameters_taken) {
        connection_reply_fds(c, parameters_taken, NULL, 0);
}

void connection_reply_more(struct connection *c, json_t *parameters_taken) {
        /* Events are not kept for who does not read them, and none is left out in silence */
        if (c->doomed || c->stream.out_bytes > MONITOR_QUEUE_MAX) {
                json_decref(parameters_taken);
                doom(c);
                return;
        }
        send_message(c, json_pack("{s:o,s:b}", "parameters", parameters_taken, "continues", 1), NULL, 0);
        if (c->suspended)
                sd_event_source_set_io_events(c->io, EPOLLOUT);
}

void connection_error(struct connection *c, const char *error, json_t *parameters_taken) {
        json_t *p = parameters_taken ? parameters_taken : json_object();

        send_message(c, json_pack("{s:s,s:o}", "error", error, "parameters", p), NULL, 0);
        call_ended(c);
}

void connection_refuse(struct connection *c, enum reason reason, const char *detail) {
        char message[512];

        snprintf(message, sizeof(message), "%s%s%s", reason_sentence(reason), detail && detail[0] ? ": " : "",
                 detail ? detail : "");
        connection_error(c, "io.vfctl.Manager.Refused",
                         json_pack("{s:s,s:o,s:s}", "reason", reason_name(reason), "message",
                                   json_text_value(message), "hint", reason_hint(reason)));
}

void connection_fail(struct connection *c, int error, const char *message) {
        connection_error(c, "io.vfctl.Manager.Failed",
                         json_pack("{s:i,s:o}", "errno", error < 0 ? -error : error, "message",
                                   json_text_value(message)));
}

void connection_suspend(struct connection *c, void (*cancel)(void *userdata), void *userdata) {
        c->suspended = true;
        c->cancel = cancel;
        c->userdata = userdata;
}

/* What came is no call, so there is nothing to answer in order: say so and be done. */
static void refuse_garbage(struct connection *c, const char *what) {
        log_debug("uid %u: %s", c->peer.uid, what);
        c->oneway = false;
        connection_error(c, "org.varlink.service.InvalidParameter", json_pack("{s:s}", "parameter", what));
        varlink_stream_flush(&c->stream);
}

/* False: not a call; the connection is of no use any more. */
static bool handle_message(struct connection *c, const char *text, size_t size) {
        _cleanup_json_ json_t *v = NULL;
        const char *method = NULL, *bad;
        json_t *parameters = NULL;
        struct json_problem problem;
        bool upgrade = false;

        c->oneway = c->more = false;
        const struct json_field fields[] = {
                { "method", JSON_KIND_STRING, true, &method },
                { "parameters", JSON_KIND_OBJECT, false, &parameters },
                { "oneway", JSON_KIND_BOOL, false, &c->oneway },
                { "more", JSON_KIND_BOOL, false, &c->more },
                { "upgrade", JSON_KIND_BOOL, false, &upgrade },
        };
        if (json_parse(text, size, JSON_DEPTH_MAX, &v, &problem) < 0 || !json_is_object(v) ||
            json_dispatch(v, fields, ARRAY_SIZE(fields), &bad) < 0) {
                refuse_garbage(c, "the message is not a Varlink call");
                return false;
        }
        methods_dispatch(c, method, parameters);
        return true;
}

/* Answers what is in the buffer, until a call is left open. False: close it. */
static bool handle_buffer(struct connection *c) {
        const char *text;
        size_t size;

        if (connection_flush(c) < 0)
                return false;
        while (!c->suspended && !c->stream.out_first && varlink_stream_next(&c->stream, &text, &size) > 0)
                if (!handle_message(c, text, size) || connection_flush(c) < 0)
                        return false;
        return true;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct connection *c = userdata;
        bool eof = false;

        if (!c->suspended && !c->stream.out_first && revents & EPOLLIN) {
                int r = varlink_stream_fill(&c->stream);

                if (r < 0 && r != -EAGAIN) {
                        if (r == -EMSGSIZE)
                                refuse_garbage(c, "the message is too large");
                        connection_close(c);
                        return 0;
                }
                eof = r == 0;
        }
        if (!handle_buffer(c) || revents & (EPOLLERR | EPOLLHUP) ||
            (eof && !c->suspended && !c->stream.out_first)) {
                connection_close(c);
                return 0;
        }
        connection_watch(c);
        if (eof && !c->suspended) /* it will not ask again, but reads its answer */
                sd_event_source_set_io_events(c->io, EPOLLOUT);
        return 0;
}

static enum connection_share share_of(const struct server *s, const struct peer *p) {
        return p->admin ? SHARE_ADMINS : peer_is_tenant(p, s->manager->policy) ? SHARE_TENANTS : SHARE_OTHERS;
}

/* Nobody, however many users are his, keeps those out who have more to say. */
static bool has_room(const struct server *s, const struct peer *p, enum connection_share share) {
        static const unsigned most[_SHARE_MAX] = { CONNECTIONS_OTHERS_MAX, CONNECTIONS_TENANTS_MAX,
                                                   CONNECTIONS_MAX };
        unsigned of_uid = 0, of_share = 0;

        for (struct connection *c = s->connections; c; c = c->next) {
                of_uid += c->peer.uid == p->uid;
                of_share += c->share == share;
        }
        return of_share < most[share] && (p->uid == 0 || of_uid < CONNECTIONS_PER_UID_MAX);
}

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct server *s = userdata;
        _cleanup_close_ int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (peer_fd < 0) {
                if (errno == EMFILE || errno == ENFILE) /* until a connection closes, or the sweep comes */
                        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
                return 0;
        }
        struct connection *c = calloc(1, sizeof(*c));
        if (!c)
                return 0;
        int r = peer_read(peer_fd, &c->peer);
        if (r >= 0)
                c->share = share_of(s, &c->peer);
        if (r < 0 || !has_room(s, &c->peer, c->share)) {
                peer_done(&c->peer);
                free(c);
                return 0;
        }
        c->server = s;
        c->manager = s->manager;
        varlink_stream_init(&c->stream, TAKE_FD(peer_fd), MESSAGE_MAX, false);
        r = sd_event_add_io(s->manager->event, &c->io, c->stream.fd, EPOLLIN, on_connection, c);
        c->next = s->connections;
        s->connections = c;
        if (++s->n >= CONNECTIONS_MAX)
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (r < 0)
                connection_close(c);
        return 0;
}

/* Drops who sends half a message or does not read what it is told. */
static int on_sweep(sd_event_source *source, uint64_t usec, void *userdata) {
        struct server *s = userdata;
        struct connection *next;

        for (struct connection *c = s->connections; c; c = next) {
                next = c->next;
                if (c->doomed || (c->waiting_since > 0 && usec > c->waiting_since + CONNECTION_IDLE_USEC))
                        connection_close(c);
        }
        if (s->n < CONNECTIONS_MAX)
                sd_event_source_set_enabled(s->io, SD_EVENT_ON);
        sd_event_source_set_time_relative(source, SWEEP_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int listen_at(int root_fd, const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);
        unlink(path); /* of the last run; RuntimeDirectoryPreserve= keeps it */
        if (bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        /* Anyone may connect; SO_PEERCRED says who it is, and strangers learn nothing */
        if (chmod(path, 0666) < 0 || listen(fd, 256) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int server_new(struct manager *m, const char *path, struct server **ret) {
        struct server *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->manager = m;
        s->fd = listen_at(m->root_fd, path);
        int r = s->fd;
        if (r >= 0)
                r = sd_event_add_io(m->event, &s->io, s->fd, EPOLLIN, on_accept, s);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &s->sweep, CLOCK_MONOTONIC, SWEEP_USEC, 0, on_sweep,
                                               s);
        if (r < 0) {
                server_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct server *server_free(struct server *s) {
        if (!s)
                return NULL;
        while (s->connections) {
                s->connections->lease[0] = '\0'; /* leases outlive the daemon */
                s->connections->cancel = NULL;
                connection_close(s->connections);
        }
        sd_event_source_disable_unref(s->io);
        sd_event_source_disable_unref(s->sweep);
        close_fd(&s->fd);
        free(s);
        return NULL;
}
