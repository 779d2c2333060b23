/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the kernel headers of Debian 12 lack of iommufd and of VFIO device nodes: our own names for the ioctls
 * that are used here, so that newer headers do not clash. Numbers and layouts: include/uapi/linux/iommufd.h
 * and vfio.h of Linux 6.6 and later. Every iommufd structure begins with its own size, every VFIO one with
 * argsz. */

#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* iommufd: type ';', numbers from 0x80 */
#define UAPI_IOMMU_DESTROY    _IO(';', 0x80)
#define UAPI_IOMMU_IOAS_ALLOC _IO(';', 0x81)
#define UAPI_IOMMU_IOAS_MAP   _IO(';', 0x85)
#define UAPI_IOMMU_IOAS_UNMAP _IO(';', 0x86)
#define UAPI_IOMMU_OPTION     _IO(';', 0x87)

struct uapi_destroy {
        uint32_t size;
        uint32_t id;
};

struct uapi_ioas_alloc {
        uint32_t size;
        uint32_t flags; /* 0 */
        uint32_t out_ioas_id;
};

#define UAPI_MAP_FIXED_IOVA 1U
#define UAPI_MAP_WRITEABLE  2U
#define UAPI_MAP_READABLE   4U

struct uapi_ioas_map {
        uint32_t size;
        uint32_t flags;
        uint32_t ioas_id;
        uint32_t reserved;
        uint64_t user_va;
        uint64_t length;
        uint64_t iova;
};

struct uapi_ioas_unmap {
        uint32_t size;
        uint32_t ioas_id;
        uint64_t iova;
        uint64_t length;
};

#define UAPI_OPTION_RLIMIT_MODE 0U /* 0: locked memory counts per user, 1: per process */
#define UAPI_OPTION_SET         0U
#define UAPI_OPTION_GET         1U

struct uapi_option {
        uint32_t size;
        uint32_t option_id;
        uint16_t op;
        uint16_t reserved;
        uint32_t object_id;
        uint64_t value;
};

/* VFIO device nodes, Linux 6.6 and later */
#define UAPI_VFIO_BIND_IOMMUFD   _IO(';', 118)
#define UAPI_VFIO_ATTACH_IOMMUFD _IO(';', 119)

struct uapi_vfio_bind {
        uint32_t argsz;
        uint32_t flags;
        int32_t iommufd;
        uint32_t out_devid;
};

struct uapi_vfio_attach {
        uint32_t argsz;
        uint32_t flags;
        uint32_t pt_id; /* in: IOAS; out: the page table that is used */
};

_Static_assert(sizeof(struct uapi_ioas_map) == 40, "layout");
_Static_assert(sizeof(struct uapi_ioas_unmap) == 24, "layout");
_Static_assert(sizeof(struct uapi_option) == 24, "layout");
_Static_assert(sizeof(struct uapi_vfio_bind) == 16, "layout");
