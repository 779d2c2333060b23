/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls to vfctld, and what its errors mean for the user and the exit code. */

#include "cli/client.h"
#include "cli/records.h"
#include "cli/table.h"
#include "common/log.h"
#include "policy/allocate.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define INTERFACE "io.vfctl.Manager."
#define SERVICE   "org.varlink.service."

void print_json(const json_t *value) {
        _cleanup_free_ char *text = json_text(value);

        if (!text)
                out_of_memory();
        puts(text);
}

json_t *new_object(void) {
        json_t *o = json_object();

        if (!o)
                out_of_memory();
        return o;
}

void put_text(json_t *object, const char *key, const char *value) {
        if (value && json_put(object, key, json_text_value(value)) < 0)
                out_of_memory();
}

void put_int(json_t *object, const char *key, int64_t value) {
        if (value >= 0 && json_put(object, key, json_integer(value)) < 0)
                out_of_memory();
}

void put_flag(json_t *object, const char *key, bool value) {
        if (value && json_put(object, key, json_true()) < 0)
                out_of_memory();
}

json_t *put_array(json_t *object, const char *key) {
        json_t *array = json_array();

        if (!array || json_object_set_new(object, key, array) < 0)
                out_of_memory();
        return array;
}

json_t *append_object(json_t *array) {
        json_t *o = new_object();

        if (json_array_append_new(array, o) < 0)
                out_of_memory();
        return o;
}

int client_open(struct client *c, const struct cli *cli) {
        c->cli = cli;
        int r = varlink_connect(cli->socket, &c->stream);

        if (r == 0)
                return 0;
        if (r == -EACCES || r == -EPERM) {
                print_error("you are not allowed to connect to %s", cli->socket);
                print_hint("be root, or in the group vfctl, or a user of a tenant");
                return EX_NOPERM;
        }
        print_error("vfctld is not running (%s: %s)", cli->socket, errno_text(r));
        print_hint("see 'systemctl status vfctld'");
        return EX_UNAVAILABLE;
}

void client_done(struct client *c) {
        if (c->stream.fd >= 0)
                varlink_stream_done(&c->stream);
}

static int transport_error(int r) {
        if (r == -EPROTO) {
                print_error("vfctld sent a reply that is no Varlink");
                return EXIT_FAILED;
        }
        if (r == -EMSGSIZE) {
                print_error("vfctld sent a reply that is too large");
                return EXIT_FAILED;
        }
        if (r == -ECONNRESET || r == -EPIPE)
                print_error("vfctld closed the connection");
        else
                print_error("the connection to vfctld failed: %s", errno_text(r));
        print_hint("see 'systemctl status vfctld' and 'journalctl -u vfctld'");
        return EX_UNAVAILABLE;
}

/* Refusals that end by waiting are told apart from those that do not. */
static int code_of_reason(enum reason reason) {
        static const enum reason temporary[] = { REASON_WAITED, REASON_IDENTIFYING, REASON_HELD, REASON_LIMIT,
                                                 REASON_NUMVFS_BUSY };

        FOREACH_ARRAY(t, temporary, ARRAY_SIZE(temporary))
                if (*t == reason)
                        return EX_TEMPFAIL;
        return reason_may_pass(reason) ? EX_TEMPFAIL : EX_NOPERM;
}

int refuse(const char *what, enum reason reason) {
        print_error("refused: %s: %s (%s)", what, reason_sentence(reason), reason_name(reason));
        print_hint("%s", reason_hint(reason));
        return code_of_reason(reason);
}

static int error_refused(json_t *parameters) {
        struct refusal_record r = { 0 };

        if (record_refusal(parameters, &r) < 0)
                return EXIT_FAILED;
        print_error("refused: %s (%s)", r.message, r.reason);
        if (r.hint && r.hint[0])
                print_hint("%s", r.hint);
        return code_of_reason(reason_from_name(r.reason));
}

static int error_failed(json_t *parameters) {
        struct failure_record f = { 0 };

        if (record_failure(parameters, &f) < 0)
                return EXIT_FAILED;
        if (f.number > 0 && f.number < 4096)
                print_error("failed: %s (%s)", f.message, errno_text((int) -f.number));
        else
                print_error("failed: %s", f.message);
        print_hint("see 'journalctl -u vfctld'");
        return EXIT_FAILED;
}

static int error_policy(json_t *parameters) {
        json_t *errors = NULL, *e;
        size_t i;

        if (record_array(parameters, "errors", &errors) < 0)
                return EXIT_FAILED;
        print_error("the policy has errors, the old one stays in force");
        json_array_foreach(errors, i, e) {
                struct policy_error_record p = { 0 };

                if (record_policy_error(e, &p) < 0)
                        return EXIT_FAILED;
                print_policy_error(stderr, "  ", &p);
        }
        return EXIT_FAILED;
}

static int error_service(const char *name, json_t *parameters) {
        if (strcmp(name, "PermissionDenied") == 0) {
                print_error("you are not allowed to do this");
                print_hint("root and the group vfctl may do everything, a tenant's users what is "
                           "their tenant's");
                return EX_NOPERM;
        }
        if (strcmp(name, "InvalidParameter") == 0) {
                const char *what = json_string_value(json_object_get(parameters, "parameter"));

                print_error("vfctld does not take this %s", what ? what : "parameter");
                return EX_USAGE;
        }
        if (strcmp(name, "MethodNotFound") == 0 || strcmp(name, "InterfaceNotFound") == 0 ||
            strcmp(name, "MethodNotImplemented") == 0) {
                print_error("the running vfctld is older than vfctl and cannot do this");
                print_hint("run 'systemctl restart vfctld'; VMs and leases stay");
                return EXIT_FAILED;
        }
        print_error("vfctld answered with the error " SERVICE "%s", name);
        return EXIT_FAILED;
}

int client_error(const struct client *c, const char *error, json_t *parameters) {
        if (c->cli->json) {
                _cleanup_json_ json_t *o = new_object();

                put_text(o, "error", error);
                if (json_put(o, "parameters", json_incref(parameters)) < 0)
                        out_of_memory();
                print_json(o);
        }
        if (strcmp(error, INTERFACE "Refused") == 0)
                return error_refused(parameters);
        if (strcmp(error, INTERFACE "Failed") == 0)
                return error_failed(parameters);
        if (strcmp(error, INTERFACE "PolicyInvalid") == 0)
                return error_policy(parameters);
        if (strncmp(error, SERVICE, strlen(SERVICE)) == 0)
                return error_service(error + strlen(SERVICE), parameters);
        print_error("vfctld answered with the unknown error %s", error);
        return EXIT_FAILED;
}

static int send_call(struct client *c, const char *method, json_t *parameters_taken, bool more) {
        _cleanup_free_ char *name = NULL;

        if (asprintf(&name, INTERFACE "%s", method) < 0)
                out_of_memory();
        int r = varlink_send(&c->stream, name, parameters_taken, more);
        /* A daemon that drops us may have said why before: read that first. */
        return r < 0 && r != -EPIPE ? transport_error(r) : 0;
}

/* There is no deadline here: who waits in line at the daemon waits as long as the daemon lets him. */
static void be_patient(const struct client *c) {
        struct pollfd p = { .fd = c->stream.fd, .events = POLLIN };

        if (c->patience && isatty(STDERR_FILENO) && poll(&p, 1, 1000) == 0)
                fprintf(stderr, "vfctl: %s\n", c->patience);
}

static int receive(struct client *c, json_t **ret, char **ret_error, int *fds, size_t *n_fds, bool *more) {
        bool continues = false;

        be_patient(c);
        int r = varlink_reply(&c->stream, ret, ret_error, fds, n_fds, &continues);

        if (r < 0)
                return transport_error(r);
        if (more)
                *more = continues;
        else if (continues) {
                json_decref(*ret);
                free(*ret_error);
                *ret = NULL;
                *ret_error = NULL;
                return transport_error(-EPROTO);
        }
        return 0;
}

/* Hands *reply over, or tells the error. */
static int judge(const struct client *c, json_t **reply, const char *error, json_t **ret) {
        if (error)
                return client_error(c, error, *reply);
        *ret = TAKE_PTR(*reply);
        return 0;
}

int client_try(struct client *c, const char *method, json_t *parameters_taken, json_t **ret,
               char **ret_error) {
        int r = send_call(c, method, parameters_taken, false);

        return r != 0 ? r : receive(c, ret, ret_error, NULL, NULL, NULL);
}

int client_call_fds(struct client *c, const char *method, json_t *parameters_taken, json_t **ret, int *fds,
                    size_t *n_fds) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        int r = send_call(c, method, parameters_taken, false);

        if (r == 0)
                r = receive(c, &reply, &error, fds, n_fds, NULL);
        return r != 0 ? r : judge(c, &reply, error, ret);
}

int client_call(struct client *c, const char *method, json_t *parameters_taken, json_t **ret) {
        return client_call_fds(c, method, parameters_taken, ret, NULL, NULL);
}

int client_start(struct client *c, const char *method, json_t *parameters_taken) {
        return send_call(c, method, parameters_taken, true);
}

int client_next(struct client *c, json_t **ret, bool *more) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        int r = receive(c, &reply, &error, NULL, NULL, more);

        return r != 0 ? r : judge(c, &reply, error, ret);
}

bool client_has_more(const struct client *c) {
        return c->stream.in_len > c->stream.in_scanned;
}
