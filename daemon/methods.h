/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The methods of the control socket. A handler parses its parameters strictly, then replies or suspends the
 * connection. */

#include "daemon/server.h"

/* Strict parameters. False: InvalidParameter was answered. */
bool method_parameters(struct connection *c, json_t *parameters, const struct json_field *fields, size_t n);

/* Answers InvalidParameter. */
void method_invalid(struct connection *c, const char *parameter);

/* The tenant of a lease, if the caller may act for it; NULL otherwise. Administrators may for all. */
bool method_may_see_lease(struct connection *c, const struct lease *l);

/* methods-list.c */
bool method_may_see_vf(struct connection *c, const struct managed_vf *v);
void method_get_status(struct connection *c, json_t *parameters);
void method_list_pfs(struct connection *c, json_t *parameters);
void method_list_vfs(struct connection *c, json_t *parameters);
void method_get_evidence(struct connection *c, json_t *parameters);
void method_list_leases(struct connection *c, json_t *parameters);
void method_list_pools(struct connection *c, json_t *parameters);
void method_list_tenants(struct connection *c, json_t *parameters);

/* methods-stats.c */
void method_get_statistics(struct connection *c, json_t *parameters);

/* methods-nvme.c */
void method_get_controller(struct connection *c, json_t *parameters);
void controller_calls_stop(struct manager *m); /* after server and worker link */

/* methods-request.c */
void method_acquire(struct connection *c, json_t *parameters);
void method_reserve(struct connection *c, json_t *parameters);
void method_unreserve(struct connection *c, json_t *parameters);
void method_list_reservations(struct connection *c, json_t *parameters);
void method_renew(struct connection *c, json_t *parameters);
void method_explain(struct connection *c, json_t *parameters);

/* methods-change.c */
void method_release(struct connection *c, json_t *parameters);
void method_plan(struct connection *c, json_t *parameters);
void method_apply(struct connection *c, json_t *parameters);
void method_monitor(struct connection *c, json_t *parameters);
void method_rescan(struct connection *c, json_t *parameters);
void method_reload(struct connection *c, json_t *parameters);
void method_quarantine(struct connection *c, json_t *parameters);
void method_clear(struct connection *c, json_t *parameters);
void method_drain(struct connection *c, json_t *parameters);
void method_undrain(struct connection *c, json_t *parameters);
