/* SPDX-License-Identifier: Apache-2.0 */
/* Integer and address types that every room shares. */
#ifndef CORE_LIB_TYPES_H
#define CORE_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Numbers at any address: one access, which the processor does not split within a line. */
typedef u16 __attribute__((aligned(1), may_alias)) any_u16;
typedef u32 __attribute__((aligned(1), may_alias)) any_u32;
typedef u64 __attribute__((aligned(1), may_alias)) any_u64;

/*
 * Addresses of different kinds are different types, so that the compiler
 * refuses to mix them:
 *
 *   gva --guest page tables--> gpa --EPT/NPT--> hpa <--IOMMU-- iova
 */
typedef struct {
	u64 raw;
} gva_t; /* guest linear (virtual) */

typedef struct {
	u64 raw;
} gpa_t; /* guest-physical */

typedef struct {
	u64 raw;
} hpa_t; /* host-physical */

typedef struct {
	u64 raw;
} iova_t; /* what a device puts on the bus */

#define GVA(x)	((gva_t){ (x) })
#define GPA(x)	((gpa_t){ (x) })
#define HPA(x)	((hpa_t){ (x) })
#define IOVA(x) ((iova_t){ (x) })

#define KIB(n) ((u64)(n) << 10)
#define MIB(n) ((u64)(n) << 20)
#define GIB(n) ((u64)(n) << 30)

#define PAGE_SHIFT 12
#define PAGE_SIZE  KIB(4)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)			((a) < (b) ? (a) : (b))
#define MAX(a, b)			((a) > (b) ? (a) : (b))
#define ALIGN_UP(x, align)		(((x) + (align)-1) & ~((align)-1))
#define ALIGN_DOWN(x, align)		((x) & ~((align)-1))
#define IS_ALIGNED(x, align)		(((x) & ((align)-1)) == 0)
#define BIT(n)				(1ULL << (n))
#define LOW_BYTES(n)			(~0ULL >> (64 - (n)*8)) /* n from 1 to 8 */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define must_check	       __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define packed_struct	       __attribute__((packed))

#endif
