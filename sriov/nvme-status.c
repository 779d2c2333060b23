/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVM Express base specification 2.0, figures 94 (generic), 95 (command specific), 98 (media) and 99 (path).
 * Those that admin commands of VFs and namespaces can end with. */

#include "sriov/nvme-status.h"
#include "common/macro.h"

static const struct {
        unsigned code;
        const char *name;
} statuses[] = {
        { 0x000, "Successful Completion" },
        { 0x001, "Invalid Command Opcode" },
        { 0x002, "Invalid Field in Command" },
        { 0x004, "Data Transfer Error" },
        { 0x005, "Commands Aborted due to Power Loss Notification" },
        { 0x006, "Internal Error" },
        { 0x007, "Command Abort Requested" },
        { 0x00b, "Invalid Namespace or Format" },
        { 0x00c, "Command Sequence Error" },
        { 0x015, "Operation Denied" },
        { 0x01c, "Sanitize Failed" },
        { 0x01d, "Sanitize In Progress" },
        { 0x020, "Namespace is Write Protected" },
        { 0x021, "Command Interrupted" },
        { 0x022, "Transient Transport Error" },
        { 0x024, "Admin Command Media Not Ready" },
        { 0x080, "LBA Out of Range" },
        { 0x081, "Capacity Exceeded" },
        { 0x082, "Namespace Not Ready" },
        { 0x083, "Reservation Conflict" },
        { 0x084, "Format In Progress" },
        { 0x109, "Invalid Log Page" },
        { 0x10a, "Invalid Format" },
        { 0x10b, "Firmware Activation Requires Conventional Reset" },
        { 0x115, "Namespace Insufficient Capacity" },
        { 0x116, "Namespace Identifier Unavailable" },
        { 0x118, "Namespace Already Attached" },
        { 0x119, "Namespace Is Private" },
        { 0x11a, "Namespace Not Attached" },
        { 0x11b, "Thin Provisioning Not Supported" },
        { 0x11c, "Controller List Invalid" },
        { 0x11f, "Invalid Controller Identifier" },
        { 0x120, "Invalid Secondary Controller State" },
        { 0x121, "Invalid Number of Controller Resources" },
        { 0x122, "Invalid Resource Identifier" },
        { 0x124, "ANA Group Identifier Invalid" },
        { 0x125, "ANA Attach Failed" },
        { 0x126, "Insufficient Capacity" },
        { 0x127, "Namespace Attachment Limit Exceeded" },
        { 0x286, "Access Denied" },
        { 0x300, "Internal Path Error" },
        { 0x360, "Controller Pathing Error" },
        { 0x370, "Host Pathing Error" },
        { 0x371, "Command Aborted By Host" },
};

const char *nvme_status_name(int status) {
        FOREACH_ARRAY(s, statuses, ARRAY_SIZE(statuses))
                if (s->code == nvme_status_code(status))
                        return s->name;
        return "status unknown";
}
