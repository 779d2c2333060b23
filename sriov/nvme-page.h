/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What an NVMe controller answers, as plain data (NVM Express base specification 2.0; section and figure
 * numbers below are its). Pure. A device may say anything: every page is taken as it is, nothing in it is
 * trusted as a length, and no list makes a walk over several pages go on for ever. */

#include "common/nvme.h"

#include <stddef.h>

#define NVME_PAGE_SIZE 4096U

/* Identify, CNS 01h (figure 275): names, capabilities, capacity. */
void nvme_page_controller(const uint8_t page[NVME_PAGE_SIZE], struct nvme_primary *ret);

/* CNS 14h (figure 283): flexible resources of both kinds; none that the controller does not support. */
void nvme_page_capabilities(const uint8_t page[NVME_PAGE_SIZE], struct nvme_primary *ret);

/* CNS 15h (figure 284): up to 127 secondary controllers. Appends those after the last one of the list, up to
 * NVME_SECONDARIES_MAX in all. 1: there may be more, ask on from *ret_next; 0: that was all; -ENOMEM. */
int nvme_page_secondaries(const uint8_t page[NVME_PAGE_SIZE], struct nvme_state *state, uint16_t *ret_next);

/* CNS 10h (figure 273), allocated namespaces: appends the NSIDs after the last one of the list, as namespaces
 * of which nothing else is known. 1 with the NSID to ask on after; 0; -ENOMEM. */
int nvme_page_namespaces(const uint8_t page[NVME_PAGE_SIZE], struct nvme_state *state, uint32_t *ret_after);

/* CNS 11h (NVM command set specification 1.0, figure 97): size, block size, whether it can be shared. */
void nvme_page_namespace(const uint8_t page[NVME_PAGE_SIZE], struct nvme_namespace *ret);

/* The LBA format (its number, and bits 4..0 of CDW10 of Format NVM) that has blocks of this size and no
 * metadata, the fastest if there are several; -1 if there is none. block_size 0: any, the fastest of all. */
int nvme_page_format(const uint8_t page[NVME_PAGE_SIZE], uint32_t block_size);
uint32_t nvme_page_format_size(const uint8_t page[NVME_PAGE_SIZE], unsigned format); /* bytes; 0 none */
/* The number of the format that the namespace has now. */
unsigned nvme_page_format_now(const uint8_t page[NVME_PAGE_SIZE]);

/* CNS 12h (figure 276): appends the controllers that have a namespace. 1 with the controller to ask on from;
 * 0; -ENOMEM. */
int nvme_page_attachments(const uint8_t page[NVME_PAGE_SIZE], uint32_t nsid, struct nvme_state *state,
                          uint16_t *ret_next);

/* Log page 02h (figure 207). */
#define NVME_HEALTH_SIZE 512U
void nvme_page_health(const uint8_t page[NVME_HEALTH_SIZE], struct nvme_primary *ret);
