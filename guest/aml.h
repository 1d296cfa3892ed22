/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of ACPI machine language (ACPI 6.4, 20.2): only what Facet's tables need. */
#ifndef GUEST_AML_H
#define GUEST_AML_H

#include "core/lib/types.h"

/* Output; `overflow` is set, and nothing written, beyond `size`. */
struct aml {
	u8 *bytes;
	u32 size, length;
	bool overflow;
};

/* An open package-length field: aml_end() fills it in. */
typedef u32 aml_mark;

void aml_byte(struct aml *aml, u8 byte);
void aml_bytes(struct aml *aml, const void *data, u32 size);
/* A name segment or path as it stands in AML ("_HID", "\\_S5_"). */
void aml_name(struct aml *aml, const char *name);
/* An integer with the shortest prefix. */
void aml_integer(struct aml *aml, u64 value);
/* Name(name, integer) */
void aml_name_integer(struct aml *aml, const char *name, u64 value);
/* Name(name, EisaId(id)), id like "PNP0A08" */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id);

aml_mark aml_scope(struct aml *aml, const char *name);
aml_mark aml_device(struct aml *aml, const char *name);
aml_mark aml_method(struct aml *aml, const char *name, u8 arguments, bool serialized);
aml_mark aml_package(struct aml *aml, u8 elements);
/* The predicate follows, then the statements. */
aml_mark aml_if(struct aml *aml);
/* Right after the aml_end() of an aml_if(). */
aml_mark aml_else(struct aml *aml);
void aml_end(struct aml *aml, aml_mark mark);

/* Buffer(size) { data }: at most 255 bytes */
void aml_buffer(struct aml *aml, const void *data, u8 size);

/* Name(_CRS, Buffer): between the two come descriptors (ACPI 6.4, 6.4). */
aml_mark aml_resources(struct aml *aml);
void aml_resources_end(struct aml *aml, aml_mark mark);
void aml_bus_range(struct aml *aml, u16 first, u16 last);
void aml_port_window(struct aml *aml, u16 first, u16 last);
void aml_memory_window(struct aml *aml, u64 base, u64 size, bool prefetchable);
void aml_ports(struct aml *aml, u16 base, u8 count);
void aml_irq(struct aml *aml, u8 irq);
void aml_fixed_memory(struct aml *aml, u32 base, u32 size);

#endif
