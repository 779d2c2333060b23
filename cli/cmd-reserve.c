/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl reserve, unreserve: VFs that are promised to a VM. */

#include "cli/ask.h"
#include "cli/device.h"
#include "cli/options.h"
#include "cli/table.h"
#include "common/text.h"

static int print_reservation(json_t *reply, bool legend) {
        struct reservation_record r = { 0 };
        json_t *reservation;

        if (record_object(reply, "reservation", &reservation) < 0 || record_reservation(reservation, &r) < 0)
                return EXIT_FAILED;
        if (legend)
                print_text("reserved for VM %s of tenant %s\n", r.vm, r.tenant);
        return print_leased_vfs(r.devices, legend);
}

int verb_reserve(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL;
        struct ask ask = { 0 };
        struct option options[ASK_OPTIONS];
        int r = options_parse(cli, verb, options, ask_options(&ask, options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes options only");
        if ((r = ask_check(verb, &ask)) != 0 || (r = client_open(&c, cli)) != 0)
                return r;
        json_t *parameters = new_object();
        ask_put(&ask, false, parameters);
        if ((r = client_call(&c, "Reserve", parameters, &reply)) != 0)
                return r;
        if (!cli->json)
                return print_reservation(reply, !cli->no_legend);
        print_json(reply);
        return 0;
}

static int need_name(const struct verb *verb, const char *option, const char *value) {
        if (!value)
                return usage_error(verb, "needs --%s", option);
        return name_is_valid(value) ? 0 : usage_error(verb, "--%s: '%s' is no name", option, value);
}

int verb_unreserve(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL;
        const char *tenant = NULL, *vm = NULL;
        const struct option options[] = {
                { "tenant", 0, "TENANT", "whose reservation it is", OPTION_TEXT, &tenant },
                { "vm", 0, "VM", "name of the VM", OPTION_TEXT, &vm },
        };
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes options only");
        if ((r = need_name(verb, "tenant", tenant)) != 0 || (r = need_name(verb, "vm", vm)) != 0 ||
            (r = client_open(&c, cli)) != 0)
                return r;
        json_t *parameters = new_object();
        put_text(parameters, "tenant", tenant);
        put_text(parameters, "vm", vm);
        r = client_call(&c, "Unreserve", parameters, &reply);
        if (r == 0 && cli->json)
                print_json(reply);
        return r;
}
