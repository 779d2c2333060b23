/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the operations that each driver gives the kernel (struct net_device_ops, ndo_set_vf_… and
 * ndo_get_vf_stats; struct devlink_port_ops, port_fn_max_io_eqs_set, of its VF ports) and the first checks in
 * them, in drivers/net/ethernet/ of Linux 6.12. */

#include "common/net-driver.h"
#include "common/macro.h"

#include <string.h>

#define MAC    ATTR_MAC
#define VLAN   ATTR_VLAN
#define TX_MAX ATTR_MAX_TX /* a minimum other than 0 is refused */
#define RATES  (ATTR_MIN_TX | ATTR_MAX_TX)
#define SPOOF  ATTR_SPOOF_CHECK
#define TRUST  ATTR_TRUST
#define LINK   ATTR_LINK_STATE
#define RSS    ATTR_RSS_QUERY
#define COMMON (MAC | VLAN | RATES | SPOOF | TRUST | LINK)

static const struct row {
        const char *driver;
        uint32_t can;
        bool service_vlan; /* 802.1ad, at least on some cards */
        bool statistics;
        bool event_queues; /* its ports of VFs have max_io_eqs */
} rows[] = {
        /* intel/igb/igb_main.c: igb_ndo_set_vf_bw(), igb_ndo_set_vf_vlan() */
        { "igb", MAC | VLAN | TX_MAX | SPOOF | TRUST, false, false },
        /* intel/ixgbe/ixgbe_sriov.c: ixgbe_ndo_set_vf_bw(), ixgbe_ndo_set_vf_vlan() */
        { "ixgbe", MAC | VLAN | TX_MAX | SPOOF | TRUST | LINK | RSS, false, true },
        /* intel/i40e/i40e_virtchnl_pf.c: i40e_ndo_set_vf_bw(), i40e_ndo_set_vf_port_vlan() */
        { "i40e", MAC | VLAN | TX_MAX | SPOOF | TRUST | LINK, false, true },
        /* intel/ice/ice_sriov.c: 802.1ad in double VLAN mode */
        { "ice", COMMON, true, true },
        /* intel/fm10k/fm10k_iov.c: fm10k_ndo_set_vf_bw() ignores the minimum */
        { "fm10k", MAC | VLAN | TX_MAX, false, true },
        /* mellanox/mlx4/cmd.c: mlx4_set_vf_rate(); 802.1ad by a capability of the card */
        { "mlx4_core", MAC | VLAN | TX_MAX | SPOOF | LINK, true, true },
        /* mellanox/mlx5/core/en_main.c: mlx5e_set_vf_vlan(); esw/devlink_port.c: mlx5_esw_pf_vf_dl_port_ops
         */
        { "mlx5_core", COMMON, false, true, true },
        /* broadcom/bnxt/bnxt_sriov.c: bnxt_set_vf_vlan() */
        { "bnxt_en", COMMON, false, false },
        /* broadcom/bnx2x/bnx2x_sriov.c: bnx2x_set_vf_vlan() */
        { "bnx2x", MAC | VLAN | SPOOF | LINK, false, false },
        /* netronome/nfp/nfp_net_sriov.c: 802.1ad by a capability of the firmware */
        { "nfp", COMMON, true, false },
        /* hisilicon/hns3/hns3pf/hclge_main.c: hclge_vf_rate_param_check(), hclge_set_vf_vlan_filter() */
        { "hns3", MAC | VLAN | TX_MAX | SPOOF | TRUST | LINK, false, false },
        /* pensando/ionic/ionic_lif.c: ionic_set_vf_rate(), ionic_set_vf_vlan() */
        { "ionic", MAC | VLAN | TX_MAX | SPOOF | TRUST | LINK, false, true },
        /* huawei/hinic/hinic_sriov.c: hinic_ndo_set_vf_vlan() */
        { "hinic", COMMON, false, false },
        /* chelsio/cxgb4/cxgb4_main.c: cxgb4_mgmt_set_vf_rate(), cxgb4_mgmt_set_vf_vlan() */
        { "cxgb4", MAC | VLAN | TX_MAX | LINK, false, false },
        /* emulex/benet/be_main.c: be_set_vf_tx_rate(), be_set_vf_vlan() */
        { "be2net", MAC | VLAN | TX_MAX | SPOOF | LINK, false, false },
        /* sfc/sriov.c: efx_sriov_set_vf_vlan() */
        { "sfc", MAC | VLAN | SPOOF | LINK, false, false },
        { "sfc_siena", MAC | VLAN | SPOOF | LINK, false, false },
        /* qlogic/qede/qede_main.c: qede_set_vf_vlan() */
        { "qede", COMMON, false, false },
        /* qlogic/qlcnic/qlcnic_sriov_pf.c: qlcnic_sriov_set_vf_vlan() */
        { "qlcnic", MAC | VLAN | RATES | SPOOF, false, false },
        /* cavium/liquidio/lio_main.c: liquidio_set_vf_vlan() */
        { "LiquidIO", MAC | VLAN | SPOOF | TRUST | LINK, false, true },
        /* fungible/funeth/funeth_main.c: fun_set_vf_rate() */
        { "funeth", MAC | VLAN | TX_MAX, true, false },
        /* freescale/enetc/enetc_pf.c: enetc_pf_set_vf_vlan() */
        { "fsl_enetc", MAC | VLAN | SPOOF, false, false },
        /* marvell/octeontx2/nic/otx2_pf.c: otx2_set_vf_vlan() */
        { "rvu_nicpf", MAC | VLAN | TRUST, false, false },
        /* netdevsim/netdev.c */
        { "netdevsim", COMMON | RSS, true, false },
};

static const struct row *find(const char *driver) {
        FOREACH_ARRAY(r, rows, ARRAY_SIZE(rows))
                if (strcmp(r->driver, driver) == 0)
                        return r;
        return NULL;
}

uint32_t net_driver_refuses(const char *driver, const struct vf_attributes *a) {
        const uint32_t wanted = a->set & ~attributes_harmless(a);
        const struct row *r = find(driver);

        if (!r)
                return wanted & NET_PORT_ONLY;
        uint32_t refused = wanted & ~r->can;
        if (a->set & ATTR_VLAN && a->vlan > 0 && a->vlan_protocol == VLAN_8021AD && !r->service_vlan)
                refused |= ATTR_VLAN;
        return refused;
}

uint32_t net_port_refuses(const char *driver, const struct vf_attributes *a) {
        const struct row *r = find(driver);
        uint32_t can = r && !r->event_queues ? NET_PORT_ATTRIBUTES & ~ATTR_MAX_IO_EQS : NET_PORT_ATTRIBUTES;

        return a->set & ~attributes_harmless(a) & ~can;
}

bool net_driver_is_known(const char *driver) {
        return find(driver) != NULL;
}

bool net_driver_has_statistics(const char *driver) {
        const struct row *r = find(driver);

        return !r || r->statistics;
}
