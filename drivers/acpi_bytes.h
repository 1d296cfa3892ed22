/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded little-endian reads out of an ACPI table; what lies outside reads as 0. */
#ifndef DRIVERS_ACPI_BYTES_H
#define DRIVERS_ACPI_BYTES_H

#include "core/lib/types.h"

/* Tables are packed: fields may lie at any address, so bytes are put together. */
struct acpi_bytes {
	const u8 *at;
	u32 size;
};

static inline u64 acpi_get(struct acpi_bytes bytes, u32 offset, unsigned width)
{
	u64 value = 0;

	if (offset > bytes.size || bytes.size - offset < width)
		return 0;
	for (unsigned i = 0; i < width; i++)
		value |= (u64)bytes.at[offset + i] << (8 * i);
	return value;
}

static inline u8 acpi_get8(struct acpi_bytes bytes, u32 offset)
{
	return (u8)acpi_get(bytes, offset, 1);
}

static inline u16 acpi_get16(struct acpi_bytes bytes, u32 offset)
{
	return (u16)acpi_get(bytes, offset, 2);
}

static inline u32 acpi_get32(struct acpi_bytes bytes, u32 offset)
{
	return (u32)acpi_get(bytes, offset, 4);
}

static inline u64 acpi_get64(struct acpi_bytes bytes, u32 offset)
{
	return acpi_get(bytes, offset, 8);
}

/* `size` bytes from `offset`, cut to what is there. */
static inline struct acpi_bytes acpi_part(struct acpi_bytes bytes, u32 offset, u32 size)
{
	u32 start = MIN(offset, bytes.size);

	return (struct acpi_bytes){ bytes.at + start, MIN(size, bytes.size - start) };
}

#endif
