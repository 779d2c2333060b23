/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What forwards between the VFs of a network PF: in legacy mode the card, by MAC and VLAN; in switchdev mode
 * what the host tells a switch that has a port for each VF (Documentation/networking/switchdev.rst). */

enum eswitch_mode {
        ESWITCH_UNKNOWN, /* not read yet, or not to be read; of a pool: left as it is */
        ESWITCH_NONE,    /* the PF has no switch that can be asked, and works as in legacy mode */
        ESWITCH_LEGACY,
        ESWITCH_SWITCHDEV,
        _ESWITCH_MODE_MAX
};

static inline const char *eswitch_mode_to_string(enum eswitch_mode m) {
        static const char *const names[_ESWITCH_MODE_MAX] = { "unknown", "none", "legacy", "switchdev" };

        return (unsigned) m < _ESWITCH_MODE_MAX ? names[m] : "unknown";
}
