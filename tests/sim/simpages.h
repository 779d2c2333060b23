/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The bytes that a controller answers Identify and Get Log Page with (NVM Express base specification 2.0,
 * figures 207 and 273 to 284; NVM command set specification 1.0, figure 97). */

#include "common/nvme.h"

/* CNS, NSID and CNTID as they are in the command. 0 or the status that the command ends with. */
int page_identify(const struct nvme_state *s, unsigned cns, uint32_t nsid, uint16_t controller,
                  uint8_t *page);
void page_health(const struct nvme_state *s, uint8_t *page);

/* Bytes of a block in one of the formats that all namespaces can have; 0: no such format. */
uint32_t page_block_size(unsigned format);
