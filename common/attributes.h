/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a VF of a network function can be told: the attributes of IFLA_VFINFO_LIST (<linux/if_link.h>), and
 * those that only a port of a switch has (<linux/devlink.h>). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_STR_MAX  18
#define VLAN_ID_MAX  4094U /* 802.1Q 9.6: 4095 is reserved; 0 is "untagged" */
#define VLAN_QOS_MAX 7U

struct mac {
        uint8_t byte[6];
};

enum link_state { LINK_STATE_AUTO, LINK_STATE_ENABLE, LINK_STATE_DISABLE, _LINK_STATE_MAX };
/* Of a port's function: one that is inactive does nothing, whatever its driver tries. */
enum function_state { FUNCTION_STATE_ACTIVE, FUNCTION_STATE_INACTIVE, _FUNCTION_STATE_MAX };
enum vlan_protocol { VLAN_8021Q, VLAN_8021AD, _VLAN_PROTOCOL_MAX };

#define ATTR_MAC            0x001U
#define ATTR_VLAN           0x002U /* id, priority and protocol go together */
#define ATTR_MIN_TX         0x004U
#define ATTR_MAX_TX         0x008U
#define ATTR_SPOOF_CHECK    0x010U
#define ATTR_TRUST          0x020U
#define ATTR_LINK_STATE     0x040U
#define ATTR_RSS_QUERY      0x080U
#define ATTR_MAX_IO_EQS     0x100U
#define ATTR_FUNCTION_STATE 0x200U
#define ATTR_ALL            0x3ffU

struct vf_attributes {
        uint32_t set; /* ATTR_…: the others keep the baseline of an unused VF */
        struct mac mac;
        uint16_t vlan; /* 0: untagged */
        uint8_t vlan_qos;
        uint8_t vlan_protocol;             /* enum vlan_protocol */
        uint32_t min_tx_mbps, max_tx_mbps; /* Mbit/s; 0: none */
        bool spoof_check, trust;
        uint8_t link_state;     /* enum link_state */
        bool rss_query;         /* the VF may read the PF's RSS key and table */
        uint8_t function_state; /* enum function_state */
        uint32_t max_io_eqs;    /* event queues that the VF's driver may have at most; 0: nothing is said */
};

/* What is to become of one VF's attributes, and what became of it. */
enum vf_change_mode {
        VF_CHANGE_READ,    /* nothing */
        VF_CHANGE_SET,     /* all of attributes, or as before */
        VF_CHANGE_RESTORE, /* as if nobody had used it: what its driver does not report, nobody has set */
        VF_CHANGE_CORRECT, /* each of attributes for itself: what cannot be had does not undo the others */
        _VF_CHANGE_MODE_MAX,
};

struct vf_change {
        uint32_t index; /* N of virtfnN */
        uint32_t mode;  /* enum vf_change_mode */
        uint32_t wish;  /* SET: ATTR_… that may stay as they are if the driver cannot do them */
        struct vf_attributes attributes; /* wanted; afterwards: what the kernel reports, .set says which */
        int32_t error;                   /* 0 or negative errno */
        uint32_t failed;                 /* ATTR_…: what is not as wanted */
};

uint64_t mac_to_number(struct mac m);
struct mac mac_from_number(uint64_t n); /* the lower 48 bits */

/* "02:52:44:00:00:01", nothing else. 0 or -EINVAL. */
int mac_parse(const char *s, struct mac *ret);
const char *mac_format(struct mac m, char buf[MAC_STR_MAX]); /* lower case; returns buf */
#define MAC_STR(m) mac_format((m), (char[MAC_STR_MAX]){ 0 })

/* May be the address of one interface: not multicast, not all zeroes. */
bool mac_is_unicast(struct mac m);

const char *link_state_to_string(enum link_state s);         /* "auto", "enable", "disable" */
enum link_state link_state_from_string(const char *s);       /* _LINK_STATE_MAX if unknown */
const char *function_state_to_string(enum function_state s); /* "active", "inactive" */
enum function_state function_state_from_string(const char *s);
const char *vlan_protocol_to_string(enum vlan_protocol p); /* "802.1Q", "802.1ad" */
enum vlan_protocol vlan_protocol_from_string(const char *s);

/* Which of want's are not as wanted. What is not reported (now->set) counts as different. */
uint32_t attributes_difference(const struct vf_attributes *want, const struct vf_attributes *now);

/* Those of a->set that a VF has by nature if its driver cannot set them: no VLAN, no rates, no trust,
 * active, … */
uint32_t attributes_harmless(const struct vf_attributes *a);

/* base, with all that over has. */
struct vf_attributes attributes_overlay(const struct vf_attributes *base, const struct vf_attributes *over);

/* The name of one ATTR_… bit as it is in the policy: "mac", "vlan", "min_tx_mbps", … */
const char *attribute_name(uint32_t bit);
uint32_t attribute_from_name(const char *name); /* 0 if unknown */

/* "mac, trust"; returns buf. */
#define ATTRIBUTES_STR_MAX 128
const char *attributes_names(uint32_t set, char buf[ATTRIBUTES_STR_MAX]);
#define ATTRIBUTES_STR(set) attributes_names((set), (char[ATTRIBUTES_STR_MAX]){ 0 })
