/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* MESSAGE_ID of journal entries that somebody may want to act on; systemd/vfctl.catalog explains each. */

#define MESSAGE_ID_ISOLATION  "84263c4e5ec84205acf9ee08bd947178" /* a leased VF and its isolation */
#define MESSAGE_ID_FAULT      "db4a1f4f47c049be975c99d323db688d" /* the IOMMU stopped DMA of a VF */
#define MESSAGE_ID_STRANGER   "57537e95d4e1418d852f992b4feb7b0e" /* the IOMMU stopped DMA of something else */
#define MESSAGE_ID_LOST       "2f3cb63b9dbc46ac9732c7768b309010" /* the kernel log lacks messages of faults */
#define MESSAGE_ID_QUARANTINE "f7a569fb8a4648ce86230ab4aa94d2af" /* a VF was taken out of use */
#define MESSAGE_ID_DRIFT      "0f3f3a52c17a4b43a1bd1a5d0f6f4e0c" /* a VF's attributes were changed by others */
#define MESSAGE_ID_CONTROLLER                                                                                \
        "904f6a837e7e472089bfcd5b69024fad" /* the NVMe controller of a leased VF went off or on */
#define MESSAGE_ID_AER "93fb70be04974a1ba836bafc879e04f1" /* a device reported PCIe errors */
