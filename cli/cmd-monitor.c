/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl monitor: one line for each event, until SIGINT or SIGTERM or the daemon's end. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/times.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static volatile sig_atomic_t stopped;
static int monitored_fd = -1;

/* shutdown() makes a waiting read return whenever the signal comes, before or during it. */
static void stop(int signal) {
        stopped = 1;
        shutdown(monitored_fd, SHUT_RDWR);
}

static void print_part(const char *before, const char *text) {
        if (text)
                print_text("%s%s", before, text);
}

static int print_event(json_t *v) {
        struct event_record e = { 0 };

        if (record_event(v, &e) < 0)
                return EXIT_FAILED;
        print_text("%s %s", time_format(e.time, 1, (char[TIME_STR_MAX]){ 0 }), e.kind);
        print_part(" ", e.address);
        if (e.old && e.new)
                print_text(" %s -> %s", e.old, e.new);
        else
                print_part(" ", e.new ? e.new : e.old);
        print_part(" reason=", e.reason && strcmp(e.reason, "none") != 0 ? e.reason : NULL);
        print_part(" lease=", e.lease);
        print_part(" tenant=", e.tenant);
        print_part(" vm=", e.vm);
        print_part(": ", e.message);
        putchar('\n');
        return 0;
}

static int follow(struct client *c) {
        bool more = true;

        while (more) {
                _cleanup_json_ json_t *reply = NULL;
                _cleanup_free_ char *error = NULL;
                json_t *event;
                int r = varlink_reply(&c->stream, &reply, &error, NULL, NULL, &more);

                if (stopped)
                        return 0;
                if (r < 0)
                        break;
                if (error)
                        return client_error(c, error, reply);
                if (record_object(reply, "event", &event) < 0)
                        return EXIT_FAILED;
                if (c->cli->json)
                        print_json(reply);
                else if ((r = print_event(event)) != 0)
                        return r;
                if (fflush(stdout) != 0)
                        return EXIT_FAILED;
        }
        print_error("vfctld ended, there are no more events");
        print_hint("see 'systemctl status vfctld'");
        return EXIT_FAILED;
}

int verb_monitor(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        struct sigaction sa = { .sa_handler = stop };
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes no arguments");
        if ((r = client_open(&c, cli)) != 0)
                return r;
        monitored_fd = c.stream.fd;
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
        r = client_start(&c, "Monitor", NULL);
        return r != 0 ? r : follow(&c);
}
