/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Every limit of vfctl, with its unit. Nothing else in the tree invents one. */

/* Names chosen by people: tenants, pools, VMs. Bytes without the NUL. */
#define NAME_MAX_LEN 63

/* Control socket */
#define MESSAGE_MAX             (256U * 1024U)        /* bytes of one incoming message, NUL included */
#define REPLY_MAX               (64U * 1024U * 1024U) /* bytes of one reply; the next call waits until it is read */
#define JSON_DEPTH_MAX          32U                   /* nesting of an incoming message */
#define CONNECTIONS_MAX         512U /* at once; what the two below leave is for administrators alone */
#define CONNECTIONS_TENANTS_MAX 384U /* of users of any tenant */
#define CONNECTIONS_OTHERS_MAX  64U  /* of anybody else */
#define CONNECTIONS_PER_UID_MAX 64U  /* at once, for anyone but root */
#define MONITOR_QUEUE_MAX       (2U * 1024U * 1024U) /* bytes of unread events; then a watcher is dropped */
#define CONNECTION_IDLE_USEC                                                                                 \
        (60ULL * 1000000ULL)  /* half a message, or an unread reply, for longer: dropped */
#define MESSAGE_FDS_MAX   64U /* file descriptors of one message */
#define ACQUIRE_COUNT_MAX 32U /* VFs of one request; two fds each must fit MESSAGE_FDS_MAX */

#define WANTS_MAX        8U     /* pools of one request */
#define WAIT_MAX_SECONDS 86400U /* how long a request may wait for VFs */

/* Policy files */
#define POLICY_FILE_MAX   (4U * 1024U * 1024U) /* bytes */
#define POLICY_FILES_MAX  256U
#define POLICY_ERRORS_MAX 1000U /* then one more that says so; each is located by scanning the file */

#define LEASE_SECONDS_MAX (10ULL * 365 * 86400) /* "max_lease" */
#define MAC_PREFIX_MIN    8U /* bits of "macs": the first byte is fixed, so group addresses are never in it */

/* Hardware */
#define IO_EQS_MAX     2048U  /* event queues of one VF: each has a vector of its own */
#define MSIX_MAX       2048U  /* vectors of one function (PCIe 7.7.2.2, Table Size) */
#define VFS_PER_PF_MAX 65535U /* TotalVFs is 16 bits wide (PCIe 9.3.3.5) */
#define DRIVER_MAX     64U    /* bytes of a driver name, NUL included */
#define SLOT_MAX       32U    /* bytes of a physical slot's name, NUL included */
#define SERIAL_MAX     64U    /* bytes of a serial number, NUL included */
#define IFNAME_MAX     16U    /* IFNAMSIZ */
