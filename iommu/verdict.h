/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The isolation verdict, design.md section 4: from facts to findings. Pure. What cannot be shown is not
 * isolated. */

#include "common/finding.h"
#include "common/model.h"
#include "iommu/host.h"

struct finding {
        enum finding_code code;
        struct address at; /* the function that it is about: the VF, or one on the way */
};

#define JUDGEMENT_MAX (_FINDING_MAX + 5 * PATH_HOPS_MAX)

struct judgement {
        enum verdict verdict;
        struct finding findings[JUDGEMENT_MAX]; /* the most fundamental first */
        size_t n;
};

/* What a trial fence has yet to show, and what the path that comes with it shows: no reason not to try one.
 */
#define FINDINGS_BEFORE_FENCE                                                                                \
        (FINDING_BIT(FINDING_PATH_UNKNOWN) | FINDING_BIT(FINDING_NO_MSI_ISOLATION) |                         \
         FINDING_BIT(FINDING_MSI_UNKNOWN) | FINDING_BIT(FINDING_NO_ACS) | FINDING_BIT(FINDING_ACS_OFF))

/* What another look may show. Not what only a boot changes, such as the command line. */
#define FINDINGS_TO_LOOK_AGAIN                                                                               \
        (FINDING_BIT(FINDING_GROUP_UNKNOWN) | FINDING_BIT(FINDING_UNKNOWN_DOMAIN) |                          \
         FINDING_BIT(FINDING_MSI_UNKNOWN) | FINDING_BIT(FINDING_REGIONS_UNKNOWN) |                           \
         FINDING_BIT(FINDING_PATH_UNKNOWN))

void judge(const struct vf *vf, const struct iommu_host *host, struct judgement *ret);

/* The first finding that forbids a lease and is not accepted; NULL if none does. */
const struct finding *judgement_obstacle(const struct judgement *j, finding_set accepted);

/* The findings that forbid a lease and are accepted. */
finding_set judgement_excused(const struct judgement *j, finding_set accepted);

/* "acs-off at 0000:00:02.0" */
#define FINDING_STR_MAX 64
const char *finding_format(const struct finding *f, char buf[FINDING_STR_MAX]);
#define FINDING_STR(f) finding_format(f, (char[FINDING_STR_MAX]){ 0 })
