/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl show: all about one PF, VF or lease. */

#include "cli/client.h"
#include "cli/controller.h"
#include "cli/device.h"
#include "cli/evidence.h"
#include "cli/options.h"
#include "cli/statistics.h"
#include "cli/table.h"
#include "cli/times.h"
#include "common/model.h"

#include <string.h>

#define LEASE_ID_LEN 16

/* The reason as a sentence; what the daemon said itself wins. */
static void print_reason(const char *name, const char *message, const char *hint) {
        enum reason r = reason_from_name(name);

        if (strcmp(name, "none") == 0)
                return;
        if (!message || !message[0])
                message = r != REASON_NONE ? reason_sentence(r) : "";
        if (!hint || !hint[0])
                hint = r != REASON_NONE ? reason_hint(r) : "";
        print_text("  reason:    %s%s(%s)\n", message, message[0] ? " " : "", name);
        if (hint[0])
                print_text("  hint:      %s\n", hint);
}

static int print_holders(json_t *holders) {
        json_t *e;
        size_t i;

        json_array_foreach(holders, i, e) {
                struct holder_record h = { 0 };

                if (record_holder(e, &h) < 0)
                        return EXIT_FAILED;
                print_text("  %-10s %lld %s\n", i == 0 ? "held by:" : "", (long long) h.pid, h.command);
        }
        return 0;
}

/* The element of all[key] about this VF; NULL if there is none. */
static json_t *find_part(json_t *all, const char *key, const char *address) {
        json_t *list = json_object_get(all, key), *e;
        size_t i;

        json_array_foreach(list, i, e) {
                const char *a = json_string_value(json_object_get(e, "address"));

                if (a && strcmp(a, address) == 0)
                        return e;
        }
        return NULL;
}

static void print_namespaces(json_t *list) {
        json_t *e;
        size_t i;

        json_array_foreach(list, i, e) {
                printf("%s%lld", i == 0 ? "  disks:     namespace " : ", ",
                       (long long) json_integer_value(e));
        }
        if (json_array_size(list) > 0)
                printf("\n");
}

/* What its port in switchdev mode says of it. */
static void print_function(const struct vf_record *f) {
        if (!f->function_state && f->max_io_eqs <= 0)
                return;
        print_text("  function:  %s", f->function_state ? f->function_state : "");
        if (f->max_io_eqs > 0)
                printf("%sat most %lld event queues", f->function_state ? ", " : "",
                       (long long) f->max_io_eqs);
        printf("\n");
}

static int print_vf(json_t *all, json_t *v) {
        struct vf_record f = { 0 };

        if (record_vf(v, &f) < 0)
                return EXIT_FAILED;
        enum colour c = colour_of_state(f.state);
        print_text("VF %s\n", f.address);
        _cleanup_free_ char *state = text_escape(f.state);
        printf("  state:     %s%s%s\n", colour_on(c), state, colour_off(c));
        print_reason(f.reason, f.message, f.hint);
        if (f.condemned)
                printf("  taken out of use: quarantined when the lease is over\n");
        if (f.faults > 0)
                print_text("  faults:    %lld, the last: %s\n", (long long) f.faults,
                           f.last_fault ? f.last_fault : "-");
        if (json_array_size(f.drift) > 0) {
                _cleanup_free_ char *names = NULL;

                if (record_strings(f.drift, "drift", ", ", &names) < 0)
                        return EXIT_FAILED;
                print_text("  drift:     changed by somebody else: %s\n", names);
        }
        if (f.lease)
                print_text("  lease:     %s, tenant %s, VM %s\n", f.lease, f.tenant ? f.tenant : "-",
                           f.vm ? f.vm : "-");
        if (f.reserved)
                print_text("  reserved:  for %s\n", f.reserved);
        int r = print_holders(f.holders);
        if (r != 0)
                return r;
        print_text("  PF:        %s, VF %lld\n", f.pf, (long long) f.index);
        if (f.representor && f.representor[0])
                print_text("  port:      %s of the PF's switch\n", f.representor);
        print_function(&f);
        print_text("  pool:      %s\n", f.pool ? f.pool : "none");
        print_text("  driver:    %s\n", f.driver[0] ? f.driver : "none");
        if (f.group >= 0)
                print_text("  IOMMU:     group %lld%s%s, %s\n", (long long) f.group,
                           f.group_type[0] ? " " : "", f.group_type,
                           f.isolated ? "isolated" : "isolation not shown");
        else
                printf("  IOMMU:     %s, isolation not shown\n",
                       f.group == GROUP_NONE ? "no group" : "the group cannot be read");
        if (f.numa_node >= 0)
                printf("  NUMA node: %lld\n", (long long) f.numa_node);
        json_t *controller = find_part(all, "controllers", f.pf);
        if (controller && (r = print_secondary(controller, f.address)) != 0)
                return r;
        print_namespaces(f.namespaces);
        json_t *s = find_part(all, "statistics", f.address);
        if (s && (r = print_statistics(s)) != 0)
                return r;
        json_t *e = find_part(all, "evidence", f.address);
        return e ? print_evidence(e) : 0;
}

/* What a policy can select the PF by, as far as it is known. */
static void print_identity(const struct pf_record *p) {
        if (p->slot[0])
                print_text("  slot:      %s\n", p->slot);
        if (p->serial[0])
                print_text("  serial:    %s\n", p->serial);
        if (p->mac[0])
                print_text("  mac:       %s\n", p->mac);
        if (p->link_mbps > 0)
                printf("  speed:     %lld Mbit/s\n", (long long) p->link_mbps);
}

static int print_pf(json_t *all, json_t *v) {
        struct pf_record p = { 0 };

        if (record_pf(v, &p) < 0)
                return EXIT_FAILED;
        print_text("PF %s\n", p.address);
        print_text("  model:     %s (%s:%s, class %s)\n", p.model[0] ? p.model : "unknown", p.vendor,
                   p.device, p.class);
        print_text("  driver:    %s%s%s\n", p.driver[0] ? p.driver : "none",
                   p.netdev[0] ? ", interface " : "", p.netdev);
        print_identity(&p);
        print_text("  pool:      %s\n", p.pool ? p.pool : "none");
        if (p.whole)
                printf("  VFs:       none, the function itself is handed out\n");
        else
                printf("  VFs:       %lld of %lld\n", (long long) p.num_vfs, (long long) p.total_vfs);
        if (p.eswitch && (strcmp(p.eswitch, "legacy") == 0 || strcmp(p.eswitch, "switchdev") == 0))
                print_text("  switch:    %s\n", p.eswitch);
        if (p.pending_vfs > 0)
                printf("  pending:   %lld VFs, when the last lease of the PF ends\n",
                       (long long) p.pending_vfs);
        if (p.drained)
                print_text("  drained:   no new leases%s%s\n", p.drain_reason[0] ? ": " : "", p.drain_reason);
        if (p.stuck)
                printf("  state:     %sstuck%s\n", colour_on(COLOUR_BAD), colour_off(COLOUR_BAD));
        print_reason(p.reason, NULL, NULL);
        if (p.numa_node >= 0)
                printf("  NUMA node: %lld\n", (long long) p.numa_node);
        json_t *controller = find_part(all, "controllers", p.address);
        return controller ? print_controller(controller) : 0;
}

static int print_lease_vfs(const struct lease_record *l) {
        json_t *e;
        size_t i;

        json_array_foreach(l->devices, i, e) {
                struct leased_vf_record d = { 0 };

                if (record_leased_vf(e, &d) < 0)
                        return EXIT_FAILED;
                _cleanup_free_ char *attributes = attributes_text(&d.attributes);
                print_text("  %-10s %s of PF %s, pool %s%s%s\n", i == 0 ? "VFs:" : "", d.address, d.pf,
                           d.pool, attributes[0] ? ": " : "", attributes);
        }
        return 0;
}

/* Until when, and what stands against that. */
static void print_lease_time(const struct lease_record *l) {
        if (l->pid > 0)
                printf("  lasts:     as long as process %lld\n", (long long) l->pid);
        else
                printf("  lasts:     until it is released\n");
        if (l->ending)
                printf("  state:     ending, waits for its VFs\n");
        printf("  since:     %s\n", TIME_STR(l->created));
        if (l->expires > 0)
                print_text("  expires:   %s, unless 'vfctl renew %s'\n", TIME_STR(l->expires), l->id);
        if (!l->over_policy)
                return;
        enum reason r = reason_from_name(l->over_policy);
        printf("  %sover policy%s: ", colour_on(COLOUR_BAD), colour_off(COLOUR_BAD));
        print_text("%s; it stays, but is not renewed\n",
                   r != REASON_NONE ? reason_sentence(r) : l->over_policy);
}

static int print_lease(json_t *all, json_t *v) {
        _cleanup_free_ char *pools = NULL;
        struct lease_record l = { 0 };
        json_t *e;
        size_t i;

        if (record_lease(v, &l) < 0 || record_strings(l.pools, "pools", ", ", &pools) < 0)
                return EXIT_FAILED;
        print_text("lease %s\n", l.id);
        print_text("  tenant:    %s\n", l.tenant);
        print_text("  %s     %s\n", json_array_size(l.pools) == 1 ? "pool: " : "pools:", pools);
        print_text("  VM:        %s\n", l.vm);
        if (strcmp(l.group, l.vm) != 0 || l.anti_affinity)
                print_text("  group:     %s%s\n", l.group,
                           l.anti_affinity ? ", every VF on a PF of its own" : "");
        print_text("  hand-off:  %s\n", l.hand_off);
        printf("  asked by:  uid %lld\n", (long long) l.uid);
        print_lease_time(&l);
        json_array_foreach(l.unsafe, i, e) {
                const char *name;

                if (record_string(e, "unsafe", &name) < 0)
                        return EXIT_FAILED;
                printf("  %sunsafe%s:    ", colour_on(COLOUR_BAD), colour_off(COLOUR_BAD));
                print_text("%s\n", name);
        }
        return print_lease_vfs(&l);
}

/* Moves the elements of reply[key] to o[key]. 0 or an exit code. */
static int collect(json_t *o, const char *key, json_t *reply) {
        json_t *from, *to = json_object_get(o, key);

        if (record_array(reply, key, &from) < 0)
                return EXIT_FAILED;
        if (!to && (!(to = json_array()) || json_object_set_new(o, key, to) < 0))
                out_of_memory();
        if (json_array_extend(to, from) < 0)
                out_of_memory();
        return 0;
}

/* Statistics of the VFs that were found: an older daemon has none, VFs of other classes have none. */
static int find_statistics(struct client *c, const char *filter, const char *value, json_t *o) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        json_t *parameters = new_object();

        put_text(parameters, filter, value);
        int r = client_try(c, "GetStatistics", parameters, &reply, &error);
        return r != 0 || error ? r : collect(o, "statistics", reply);
}

/* ListVFs with one filter, and what belongs to it; a refusal because the VF does not exist is an empty list.
 */
static int find_vfs(struct client *c, const char *filter, const char *value, json_t *o) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        json_t *parameters = new_object();

        put_text(parameters, filter, value);
        int r = client_try(c, "ListVFs", parameters, &reply, &error);
        if (r != 0)
                return r;
        if (!error && (r = collect(o, "vfs", reply)) == 0 &&
            json_array_size(json_object_get(reply, "vfs")) > 0)
                r = find_statistics(c, filter, value, o);
        if (!error)
                return r;
        const char *reason = json_string_value(json_object_get(reply, "reason"));
        return reason && strcmp(reason, reason_name(REASON_NO_SUCH_DEVICE)) == 0
                               ? 0
                               : client_error(c, error, reply);
}

/* The NVMe controller of a PF or of a VF's. Tenants are not told, older daemons and other devices have none.
 */
static int find_controller(struct client *c, const char *address, json_t *o) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        json_t *parameters = new_object();

        put_text(parameters, "address", address);
        int r = client_try(c, "GetController", parameters, &reply, &error);
        if (r != 0 || error)
                return r;
        json_t *list = json_pack("[O]", json_object_get(reply, "controller"));
        if (!list || json_object_set_new(o, "controllers", list) < 0)
                out_of_memory();
        return 0;
}

/* What the verdict on a VF rests on. A VF that went away since has none. */
static int find_evidence(struct client *c, const char *address, json_t *o) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        json_t *parameters = new_object(), *list = json_object_get(o, "evidence");

        put_text(parameters, "address", address);
        int r = client_try(c, "GetEvidence", parameters, &reply, &error);
        if (r != 0 || error)
                return r;
        if (!list && (!(list = json_array()) || json_object_set_new(o, "evidence", list) < 0))
                out_of_memory();
        if (json_array_append(list, json_object_get(reply, "evidence")) < 0)
                out_of_memory();
        return 0;
}

static int find_pf(struct client *c, const char *address, json_t *o) {
        _cleanup_json_ json_t *reply = NULL;
        json_t *pfs, *e, *found = NULL;
        size_t i;
        int r = client_call(c, "ListPFs", NULL, &reply);

        if (r != 0)
                return r;
        if (record_array(reply, "pfs", &pfs) < 0)
                return EXIT_FAILED;
        json_array_foreach(pfs, i, e) {
                const char *a = json_string_value(json_object_get(e, "address"));

                if (a && strcmp(a, address) == 0)
                        found = e;
        }
        if (!found)
                return refuse(address, REASON_NO_SUCH_DEVICE);
        json_t *one = json_pack("[O]", found);
        if (!one || json_object_set_new(o, "pfs", one) < 0)
                out_of_memory();
        r = find_controller(c, address, o);
        return r != 0 ? r : find_vfs(c, "pf", address, o);
}

static int find_lease(struct client *c, const char *id, json_t *o) {
        _cleanup_json_ json_t *reply = NULL;
        json_t *parameters = new_object(), *e;
        const char *address;
        size_t i;

        put_text(parameters, "lease", id);
        int r = client_call(c, "ListLeases", parameters, &reply);
        if (r != 0 || (r = collect(o, "leases", reply)) != 0)
                return r;
        json_t *leases = json_object_get(o, "leases");
        if (json_array_size(leases) == 0)
                return refuse(id, REASON_NO_SUCH_LEASE);
        json_t *vfs = json_object_get(json_array_get(leases, 0), "vfs");
        json_array_foreach(vfs, i, e) {
                if (record_string(e, "vfs", &address) < 0)
                        return EXIT_FAILED;
                if ((r = find_vfs(c, "address", address, o)) != 0 || (r = find_evidence(c, address, o)) != 0)
                        return r;
        }
        return 0;
}

static int find_address(struct client *c, const char *address, json_t *o) {
        int r = find_vfs(c, "address", address, o);

        if (r != 0)
                return r;
        if (json_array_size(json_object_get(o, "vfs")) == 0)
                return find_pf(c, address, o);
        r = find_controller(c, address, o);
        return r != 0 ? r : find_evidence(c, address, o);
}

static int print_all(json_t *o) {
        static const struct {
                const char *key;
                int (*print)(json_t *all, json_t *v);
        } parts[] = { { "leases", print_lease }, { "pfs", print_pf }, { "vfs", print_vf } };
        json_t *e;
        size_t i;
        int r;

        FOREACH_ARRAY(p, parts, ARRAY_SIZE(parts)) {
                json_t *list = json_object_get(o, p->key);

                json_array_foreach(list, i, e)
                        if ((r = p->print(o, e)) != 0)
                                return r;
        }
        return 0;
}

static bool is_lease_id(const char *s) {
        return strlen(s) == LEASE_ID_LEN && strspn(s, "0123456789abcdef") == LEASE_ID_LEN;
}

int verb_show(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *o = new_object();
        struct address a;
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc != 2)
                return usage_error(verb, "needs one address or lease");
        bool lease = is_lease_id(argv[1]);
        if (!lease && address_parse(argv[1], &a) < 0)
                return usage_error(verb,
                                   "'%s' is neither an address (0000:01:10.0) nor a lease (16 hex digits)",
                                   argv[1]);
        if ((r = client_open(&c, cli)) != 0)
                return r;
        r = lease ? find_lease(&c, argv[1], o) : find_address(&c, ADDRESS_STR(a), o);
        if (r != 0)
                return r;
        if (!cli->json)
                return print_all(o);
        print_json(o);
        return 0;
}
