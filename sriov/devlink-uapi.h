/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Numbers of <linux/devlink.h> that are younger than the headers of Debian 12: 6.3 and 6.10. */

#include <linux/devlink.h>

#define FN_ATTR_CAPS       4
#define FN_ATTR_MAX_IO_EQS 6
#define FN_ATTR_MAX        6
