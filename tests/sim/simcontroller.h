/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A simulated NVMe controller with the controllers of its VFs and its namespaces: what it does at each admin
 * command, by the rules of the NVM Express base specification 2.0 (5.10 to 5.17, 8.26).
 *
 * It is a JSON object in sim/pf/<PF>/nvme, which simhost.py makes and tests read and change under the lock
 * sim/pf/<PF>/nvme.lock, so that it outlives workers. Beside what Identify says of it:
 *   "commands"          how many it has had; sim/pf/<PF>/nvme.log has a line for each
 *   "namespaces"/"data" what the last owner left, and the next one could read
 *   "attach_new"        VFs just enabled have all shared namespaces
 *   "forgets"           namespaces are detached from VFs that are disabled
 *   "format_inactive"   Format NVM of a namespace that the primary has not
 *   "stubborn"          what the primary is to keep is so only from a reset of the function on
 *   "wrong"             what is broken in replies, see simnvme.h
 *   "fail"              list of {"command": name, "controller": id, "nsid": id, "value": n, "after": n,
 *                       "count": n} with what happens: "status" (NVMe status), "ignore" (success without
 *                       effect), "delay" (ms), "hang" (until sim/unhang), "grant" (so many resources,
 *                       whatever was asked for)
 *
 * sim/die_at_command and sim/exit_at_command count down to the death of the daemon, or the worker's, between
 * two commands; see fault_between(). */

#include "common/nvme.h"
#include "simtree.h"

#define VERBS(X)                                                                                             \
        X(IDENTIFY, "identify") /* of the controller: what every look at it begins with */                   \
        X(READ, "read")         /* any other page; value: its CNS */                                         \
        X(HEALTH, "health")                                                                                  \
        X(PRIMARY_VQ, "primary-vq")                                                                          \
        X(PRIMARY_VI, "primary-vi")                                                                          \
        X(RESET, "reset")                                                                                    \
        X(RESET_FUNCTION, "reset-function")                                                                  \
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
        uint32_t block_size; /* of what is made */
};

/* Statuses that Linux gives (type and code), NVM Express base specification 2.0, figures 93 to 96. */
enum {
        SIM_INVALID_OPCODE = 0x001,
        SIM_INVALID_FIELD = 0x002,
        SIM_INTERNAL = 0x006,
        SIM_INVALID_NAMESPACE = 0x00b,
        SIM_CAPACITY = 0x115,
        SIM_NO_NSID = 0x116,
        SIM_ATTACHED = 0x118,
        SIM_PRIVATE = 0x119,
        SIM_NOT_ATTACHED = 0x11a,
        SIM_LIST = 0x11c,
        SIM_CONTROLLER = 0x11f,
        SIM_STATE = 0x120,
        SIM_AMOUNT = 0x121,
};

/* 0, a status of the device, or -errno if there is no device. */
int controller_do(const struct sim *s, struct address pf, struct command *c);
/* Of commands that only read, and are neither logged nor counted: the state that they answer from, valid
 * until the next one. */
int controller_read(const struct sim *s, struct address pf, const struct command *c,
                    const struct nvme_state **ret);

/* Only the PF's own driver takes commands. */
bool controller_is_there(const struct sim *s, struct address pf);

const char *controller_verb(enum verb v);
const char *controller_wrong(const struct sim *s, struct address pf); /* "" if nothing */

/* When VFs came or went; n of them are there now. Functions that are no NVMe controllers have nothing. */
void controller_vfs(const struct sim *s, struct address pf, unsigned n);
