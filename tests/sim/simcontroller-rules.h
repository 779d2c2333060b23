/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a simulated NVMe controller makes of a command, on its state alone. */

#include "common/json.h"
#include "simcontroller.h"

/* 0 or a status; the state changes. Of the VFs, num_vfs are enabled. */
int rules_apply(json_t *state, struct command *c, unsigned num_vfs);

void rules_identify(const json_t *state, struct nvme_state *ret);
void rules_vfs(json_t *state, unsigned num_vfs); /* they came or went */

/* A member of an object; 0 if there is none, 1 for true. */
uint64_t number(const json_t *object, const char *key);
void set_number(json_t *object, const char *key, uint64_t value);
