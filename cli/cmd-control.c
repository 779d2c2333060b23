/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl release, renew, quarantine, clear, rescan, reload: single calls with little to print. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/times.h"
#include "common/address.h"

/* One call with at most one parameter; prints the reply for --json. */
static int call_plainly(struct client *c, const char *method, const char *key, const char *value) {
        _cleanup_json_ json_t *reply = NULL;
        json_t *parameters = NULL;

        if (key) {
                parameters = new_object();
                put_text(parameters, key, value);
        }
        int r = client_call(c, method, parameters, &reply);
        if (r == 0 && c->cli->json)
                print_json(reply);
        return r;
}

static int call_without_arguments(struct cli *cli, const struct verb *verb, const char *method, int argc,
                                  char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes no arguments");
        r = client_open(&c, cli);
        return r != 0 ? r : call_plainly(&c, method, NULL, NULL);
}

int verb_rescan(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        return call_without_arguments(cli, verb, "Rescan", argc, argv);
}

int verb_reload(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        return call_without_arguments(cli, verb, "Reload", argc, argv);
}

static int release(struct client *c, const char *lease) {
        return call_plainly(c, "Release", "lease", lease);
}

static int renew(struct client *c, const char *id) {
        _cleanup_json_ json_t *reply = NULL;
        struct lease_record l = { 0 };
        json_t *parameters = new_object(), *lease;

        put_text(parameters, "lease", id);
        int r = client_call(c, "Renew", parameters, &reply);
        if (r != 0)
                return r;
        if (c->cli->json)
                print_json(reply);
        else if (record_object(reply, "lease", &lease) < 0 || record_lease(lease, &l) < 0)
                return EXIT_FAILED;
        else if (l.expires > 0)
                print_text("lease %s lasts until %s\n", l.id, TIME_STR(l.expires));
        else
                print_text("lease %s has no end to put off\n", l.id);
        return 0;
}

/* All of them are tried; the exit code is that of the first that failed. */
static int for_each_lease(struct cli *cli, const struct verb *verb, int argc, char **argv,
                          int (*call)(struct client *c, const char *lease)) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv), first = 0;

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc < 2)
                return usage_error(verb, "needs a lease, see 'vfctl list leases'");
        if ((r = client_open(&c, cli)) != 0)
                return r;
        for (int i = 1; i < argc; i++) {
                r = call(&c, argv[i]);
                if (r == EX_UNAVAILABLE)
                        return r;
                if (r != 0 && argc > 2)
                        print_error("lease %s was not %sed", argv[i], call == renew ? "renew" : "releas");
                if (first == 0)
                        first = r;
        }
        return first;
}

int verb_release(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        return for_each_lease(cli, verb, argc, argv, release);
}

int verb_renew(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        return for_each_lease(cli, verb, argc, argv, renew);
}

/* quarantine and clear: one address, and a reason that goes to the journal. */
static int call_with_reason(struct cli *cli, const struct verb *verb, const char *method, int argc,
                            char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL;
        const char *reason = NULL;
        const struct option options[] = {
                { "reason", 0, "TEXT", "why, for the journal and for others; must be given", OPTION_TEXT,
                  &reason },
        };
        struct address a;
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc != 2)
                return usage_error(verb, "needs one address, see 'vfctl list vfs'");
        if (address_parse(argv[1], &a) < 0)
                return usage_error(verb, "'%s' is not an address such as 0000:01:10.0", argv[1]);
        if (!reason || !reason[0])
                return usage_error(verb, "needs --reason TEXT: somebody will ask why");
        if ((r = client_open(&c, cli)) != 0)
                return r;
        json_t *parameters = new_object();
        put_text(parameters, "address", ADDRESS_STR(a));
        put_text(parameters, "reason", reason);
        r = client_call(&c, method, parameters, &reply);
        if (r == 0 && cli->json)
                print_json(reply);
        return r;
}

int verb_quarantine(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        return call_with_reason(cli, verb, "Quarantine", argc, argv);
}

int verb_clear(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        return call_with_reason(cli, verb, "Clear", argc, argv);
}
