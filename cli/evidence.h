/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Prints what the verdict on a VF rests on: the way to the root complex as a tree, then the findings. */

#include "common/json.h"

int print_evidence(json_t *evidence); /* 0 or an exit code, after a message */
