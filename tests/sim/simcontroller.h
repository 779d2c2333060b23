/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A simulated NVMe controller with the controllers of its VFs and its namespaces: what it does at each admin
 * command, by the rules of the NVM Express base specification 2.0 (5.10 to 5.17, 8.26).
 *
 * It is a JSON object in sim/pf/<PF>/nvme, which simhost.py makes and tests read and change under the lock
 * sim/pf/<PF>/nvme.lock, so that it outlives workers. Beside what Identify says of it:
 *   "commands"          how many it has had; sim/pf/<PF>/nvme.log has a line for each
 *   "namespaces"/"data" what the last owner left, and the next one could read
 *   "namespaces"/"mounted"   the host uses it
 *   "attach_new"        VFs just enabled have all shared namespaces
 *   "forgets"           namespaces are detached from VFs that are disabled
 *   "format_inactive"   Format NVM of a namespace that the primary has not
 *   "wrong"             what is broken in replies, see simnvme.h
 *   "fail"              list of {"command": name, "controller": id, "after": n, "count": n} with what
 *                       happens: "status" (NVMe status), "ignore" (success without effect), "delay" (ms),
 *                       "hang" (until sim/unhang), "grant" (so many resources, whatever was asked for)
 *
 * sim/die_at_command and sim/exit_at_command count down to the death of the daemon, or the worker's, between
 * two commands; see fault_between(). */

#include "common/nvme.h"
#include "simtree.h"

#define VERBS(X)                                                                                             \
        X(IDENTIFY, "identify")                                                                              \
        X(PRIMARY_VQ, "primary-vq")                                                                          \
        X(PRIMARY_VI, "primary-vi")                                                                          \
        X(RESET, "reset")                                                                                    \
        X(OFFLINE, "offline")                                                                                \
        X(ASSIGN_VQ, "assign-vq")                                                                            \
        X(ASSIGN_VI, "assign-vi")                                                                            \
        X(ONLINE, "online")                                                                                  \
        X(CREATE, "create")                                                                                  \
        X(DELETE, "delete")                                                                                  \
        X(ATTACH, "attach")                                                                                  \
        X(DETACH, "detach")                                                                                  \
        X(FORMAT, "format")

enum verb {
#define X(verb, name) VERB_##verb,
        VERBS(X)
#undef X
                        _VERB_MAX,
};

struct command {
        enum verb verb;
        uint16_t controller;
        uint32_t nsid;
        uint64_t value; /* resources, bytes, 1 to erase cryptographically */
        uint64_t result;
};

/* 0, a status of the device, or -errno if there is no device. */
int controller_do(const struct sim *s, struct address pf, struct command *c);
int controller_identify(const struct sim *s, struct address pf, struct nvme_state *ret);

/* As the host's own tables say, without a command. */
bool controller_mounted(const struct sim *s, struct address pf, uint32_t nsid);

const char *controller_verb(enum verb v);
const char *controller_status(int status);                            /* its name in the specification */
const char *controller_wrong(const struct sim *s, struct address pf); /* "" if nothing */

/* When VFs came or went; n of them are there now. Functions that are no NVMe controllers have nothing. */
void controller_vfs(const struct sim *s, struct address pf, unsigned n);
