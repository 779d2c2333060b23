/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Kernel events about PCI functions, VFIO devices and network interfaces (libudev). Events are hints only:
 * whoever gets one reads sysfs again. */

#include "common/address.h"
#include "common/macro.h"

#include <stdbool.h>

struct monitor;

enum monitor_kind {
        MONITOR_ADD,
        MONITOR_REMOVE,
        MONITOR_CHANGE,
        MONITOR_BIND,
        MONITOR_UNBIND,
        MONITOR_OTHER, /* "move" and whatever comes later */
        _MONITOR_KIND_MAX,
};

struct monitor_event {
        enum monitor_kind kind;
        bool has_address;       /* false for group nodes, which have no PCI parent */
        struct address address; /* the PCI function that it is about */
        char subsystem[16];     /* "pci", "vfio", "vfio-dev", "net" */
        char error_event[32];   /* ERROR_EVENT of AER, "" if none: BEGIN_RECOVERY, SUCCESSFUL_RECOVERY,
                                   FAILED_RECOVERY */
};

/* Listens to udevd, or to the kernel if no udevd runs. 0 with *ret NULL if this host has neither (logged):
 * then only rescans show what changes. -ENOMEM. */
int monitor_new(int root_fd, struct monitor **ret);
struct monitor *monitor_free(struct monitor *m);
DEFINE_CLEANUP(struct monitor *, monitor_free)

int monitor_fd(const struct monitor *m); /* poll for EPOLLIN */

/* 1: *ret is an event; 0: none left; -ENOBUFS: events were lost, rescan everything; another -errno: the
 * monitor broke. */
int monitor_next(struct monitor *m, struct monitor_event *ret);

/* The innermost PCI address of a devpath ("/devices/pci0000:00/0000:00:01.0/0000:01:10.0/vfio-dev/vfio3"). */
bool monitor_path_address(const char *devpath, struct address *ret);
enum monitor_kind monitor_kind_from_action(const char *action);
