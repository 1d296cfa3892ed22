// SPDX-License-Identifier: Apache-2.0
/* The ACPI tables that a guest finds. */
#include "guest/acpi.h"

#include "core/frame.h"
#include "core/lib/string.h"
#include "guest/aml.h"
#include "guest/layout.h"

#define HEADER_SIZE   36
#define TABLES_MAX    8
#define FACS_SIZE     64
#define RSDP_SIZE     36
#define FADT_SIZE     276
#define FADT_REVISION 6

/* FADT fields (ACPI 6.4, table 5.9) */
#define FADT_FACS	  36
#define FADT_DSDT	  40
#define FADT_SCI	  46
#define FADT_PM1A_EVENT	  56
#define FADT_PM1A_CONTROL 64
#define FADT_PM_TIMER	  76
#define FADT_PM1_EVT_LEN  88
#define FADT_PM1_CNT_LEN  89
#define FADT_PM_TMR_LEN	  91
#define FADT_C2_LATENCY	  96
#define FADT_C3_LATENCY	  98
#define FADT_BOOT_ARCH	  109
#define FADT_FLAGS	  112
#define FADT_RESET_REG	  116
#define FADT_RESET_VALUE  128
#define FADT_X_DSDT	  140
#define FADT_X_PM1A_EVENT 148
#define FADT_X_PM1A_CTRL  172
#define FADT_X_PM_TIMER	  208

#define FADT_WBINVD	   BIT(0)
#define FADT_PROC_C1	   BIT(2)
#define FADT_NO_PWR_BUTTON BIT(4)
#define FADT_NO_SLP_BUTTON BIT(5)
#define FADT_NO_FIXED_RTC  BIT(6)
#define FADT_TMR_32BIT	   BIT(8)
#define FADT_RESET_SUP	   BIT(10)
#define BOOT_ARCH_NO_VGA   BIT(2)
#define LATENCY_NO_C2	   101 /* above 100: the state is not supported */
#define LATENCY_NO_C3	   1001

#define MADT_LAPIC	 0
#define MADT_IOAPIC	 1
#define MADT_OVERRIDE	 2
#define OVERRIDE_LEVEL	 0x0d /* active high, level */
#define OSC_GRANTED	 0x11 /* native hot-plug, PCIe capability */
#define OSC_UNKNOWN_UUID 0x04
#define OSC_MASKED	 0x10
#define AML_BYTE	 0x0a
#define OP_LOCAL0	 0x60
#define OP_ARG0		 0x68
#define OP_ARG3		 0x6b
#define OP_STORE	 0x70
#define OP_AND		 0x7b
#define OP_OR		 0x7d
#define OP_CREATE_DWORD	 0x8a
#define OP_NOT		 0x92
#define OP_EQUAL	 0x93
#define OP_RETURN	 0xa4
#define COM1_PORT	 0x3f8
#define COM1_IRQ	 4
#define RTC_PORT	 0x70
#define IOAPIC_BASE	 0xfec00000u
#define LAPIC_BASE	 0xfee00000u

/* Tables being laid out one after the other. */
struct builder {
	u8 *bytes; /* stands for LAYOUT_ACPI */
	u32 size, used;
	u64 tables[TABLES_MAX]; /* addresses for the XSDT */
	u32 table_count;
	bool overflow;
};

static void put(u8 *at, u64 value, u32 size)
{
	memcpy(at, &value, size);
}

/* Text fields have a length of their own and no terminator. */
static void put_text(u8 *at, const char *text)
{
	while (*text)
		*at++ = (u8)*text++;
}

static u8 checksum(const u8 *bytes, u32 size)
{
	u8 sum = 0;

	while (size--)
		sum = (u8)(sum + *bytes++);
	return (u8)-sum;
}

/* Room for a table of at most `size` bytes, zeroed; NULL: none. */
static u8 *reserve(struct builder *b, u32 size)
{
	u8 *at = b->bytes + ALIGN_UP(b->used, 64u);

	b->used = ALIGN_UP(b->used, 64u);
	if (size > b->size - b->used) {
		b->overflow = true;
		return NULL;
	}
	memset(at, 0, size);
	return at;
}

static u64 address_of(const struct builder *b, const u8 *table)
{
	return LAYOUT_ACPI + (u64)(table - b->bytes);
}

/* Fill the header and its checksum; the table is `size` bytes long. */
static u64 seal(struct builder *b, u8 *table, const char *signature, u8 revision, u32 size)
{
	put_text(table, signature);
	put(table + 4, size, 4);
	table[8] = revision;
	put_text(table + 10, "FACET ");
	put_text(table + 16, "FACETVM ");
	put(table + 24, 1, 4);
	put_text(table + 28, "FACT");
	put(table + 32, 1, 4);
	table[9] = 0;
	table[9] = checksum(table, size);
	b->used = (u32)(table - b->bytes) + size;
	return address_of(b, table);
}

static void list(struct builder *b, u64 address)
{
	b->tables[b->table_count++] = address;
}

/* ---- DSDT ---- */

/* CreateDWordField(Arg3, offset, name) */
static void add_field(struct aml *aml, u8 offset, const char *name)
{
	const u8 create[] = { OP_CREATE_DWORD, OP_ARG3, AML_BYTE, offset };

	aml_bytes(aml, create, sizeof(create));
	aml_name(aml, name);
}

/* CDW1 |= bit */
static void add_complaint(struct aml *aml, u8 bit)
{
	aml_byte(aml, OP_OR);
	aml_name(aml, "CDW1");
	aml_integer(aml, bit);
	aml_name(aml, "CDW1");
}

/*
 * What the OS may control (PCI firmware 3.3, 4.5.1):
 *
 *	If (Arg0 == the UUID of PCI host bridges) {
 *		Local0 = CDW3 & OSC_GRANTED
 *		If (Local0 != CDW3) { CDW1 |= OSC_MASKED }
 *		CDW3 = Local0
 *	} Else { CDW1 |= OSC_UNKNOWN_UUID }
 *	Return (Arg3)
 */
static void add_osc(struct aml *aml)
{
	static const u8 uuid[] = { 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
				   0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66 };
	static const u8 is_bridge[] = { OP_EQUAL, OP_ARG0 };
	static const u8 is_cut[] = { OP_NOT, OP_EQUAL, OP_LOCAL0 };
	static const u8 give[] = { OP_STORE, OP_LOCAL0 };
	static const u8 answer[] = { OP_RETURN, OP_ARG3 };
	aml_mark method = aml_method(aml, "_OSC", 4, true);
	aml_mark bridge, cut, other;

	add_field(aml, 0, "CDW1");
	add_field(aml, 8, "CDW3");
	bridge = aml_if(aml);
	aml_bytes(aml, is_bridge, sizeof(is_bridge));
	aml_buffer(aml, uuid, sizeof(uuid));
	aml_byte(aml, OP_AND);
	aml_name(aml, "CDW3");
	aml_integer(aml, OSC_GRANTED);
	aml_byte(aml, OP_LOCAL0);
	cut = aml_if(aml);
	aml_bytes(aml, is_cut, sizeof(is_cut));
	aml_name(aml, "CDW3");
	add_complaint(aml, OSC_MASKED);
	aml_end(aml, cut);
	aml_bytes(aml, give, sizeof(give));
	aml_name(aml, "CDW3");
	aml_end(aml, bridge);
	other = aml_else(aml);
	add_complaint(aml, OSC_UNKNOWN_UUID);
	aml_end(aml, other);
	aml_bytes(aml, answer, sizeof(answer));
	aml_end(aml, method);
}

static aml_mark begin_device(struct aml *aml, const char *name, const char *id, u64 unique)
{
	aml_mark device = aml_device(aml, name);

	aml_name_eisaid(aml, "_HID", id);
	aml_name_integer(aml, "_UID", unique);
	return device;
}

static void add_host_bridge(struct aml *aml)
{
	aml_mark device = begin_device(aml, "PCI0", "PNP0A08", 0);
	aml_mark crs;

	aml_name_eisaid(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	crs = aml_resources(aml);
	aml_bus_range(aml, 0, 255);
	aml_ports(aml, 0xcf8, 8);
	aml_port_window(aml, 0, 0xcf7);
	aml_port_window(aml, 0xd00, 0xffff);
	aml_memory_window(aml, LAYOUT_BAR32, LAYOUT_BAR32_SIZE, false);
	aml_memory_window(aml, LAYOUT_BAR64, LAYOUT_BAR64_SIZE, true);
	aml_resources_end(aml, crs);
	add_osc(aml);
	aml_end(aml, device);
}

static void add_motherboard(struct aml *aml)
{
	aml_mark device = begin_device(aml, "MBRD", "PNP0C02", 0);
	aml_mark crs = aml_resources(aml);

	aml_fixed_memory(aml, LAYOUT_ECAM, LAYOUT_ECAM_SIZE);
	aml_resources_end(aml, crs);
	aml_end(aml, device);
}

static void add_isa(struct aml *aml, const char *name, const char *id, u16 port, u8 ports, u8 irq)
{
	aml_mark device = begin_device(aml, name, id, 1);
	aml_mark crs = aml_resources(aml);

	aml_ports(aml, port, ports);
	if (irq)
		aml_irq(aml, irq);
	aml_resources_end(aml, crs);
	aml_end(aml, device);
}

static u64 add_dsdt(struct builder *b)
{
	u8 *table = reserve(b, KIB(4));
	struct aml aml;
	aml_mark mark;

	if (!table)
		return 0;
	aml = (struct aml){ .bytes = table + HEADER_SIZE, .size = KIB(4) - HEADER_SIZE };
	mark = aml_scope(&aml, "\\_SB_");
	add_host_bridge(&aml);
	add_motherboard(&aml);
	add_isa(&aml, "COM1", "PNP0501", COM1_PORT, 8, COM1_IRQ);
	add_isa(&aml, "RTC_", "PNP0B00", RTC_PORT, 2, 0);
	aml_end(&aml, mark);
	aml_byte(&aml, 0x08); /* Name(\_S5_, Package) */
	aml_name(&aml, "\\_S5_");
	mark = aml_package(&aml, 4);
	aml_integer(&aml, LAYOUT_S5_TYPE);
	aml_integer(&aml, LAYOUT_S5_TYPE);
	aml_integer(&aml, 0);
	aml_integer(&aml, 0);
	aml_end(&aml, mark);
	b->overflow |= aml.overflow;
	return seal(b, table, "DSDT", 2, HEADER_SIZE + aml.length);
}

/* ---- the other tables ---- */

static u64 add_facs(struct builder *b)
{
	u8 *facs = reserve(b, FACS_SIZE);

	if (!facs)
		return 0;
	put_text(facs, "FACS");
	put(facs + 4, FACS_SIZE, 4);
	facs[32] = 2; /* version */
	b->used += FACS_SIZE;
	return address_of(b, facs);
}

/* Generic address structure of a port. */
static void put_gas(u8 *at, u8 bits, u64 port)
{
	at[0] = 1; /* system I/O */
	at[1] = bits;
	at[3] = (u8)(bits == 8 ? 1 : bits == 16 ? 2 : 3); /* access size */
	put(at + 4, port, 8);
}

static void add_fadt(struct builder *b, u64 facs, u64 dsdt)
{
	u8 *fadt = reserve(b, FADT_SIZE);

	if (!fadt)
		return;
	put(fadt + FADT_FACS, facs, 4);
	put(fadt + FADT_DSDT, dsdt, 4);
	put(fadt + FADT_SCI, LAYOUT_SCI, 2);
	put(fadt + FADT_PM1A_EVENT, LAYOUT_PM1_EVENT, 4);
	put(fadt + FADT_PM1A_CONTROL, LAYOUT_PM1_CONTROL, 4);
	put(fadt + FADT_PM_TIMER, LAYOUT_PM_TIMER, 4);
	fadt[FADT_PM1_EVT_LEN] = 4;
	fadt[FADT_PM1_CNT_LEN] = 2;
	fadt[FADT_PM_TMR_LEN] = 4;
	put(fadt + FADT_C2_LATENCY, LATENCY_NO_C2, 2);
	put(fadt + FADT_C3_LATENCY, LATENCY_NO_C3, 2);
	put(fadt + FADT_BOOT_ARCH, BOOT_ARCH_NO_VGA, 2);
	put(fadt + FADT_FLAGS,
	    FADT_WBINVD | FADT_PROC_C1 | FADT_NO_PWR_BUTTON | FADT_NO_SLP_BUTTON |
		    FADT_NO_FIXED_RTC | FADT_TMR_32BIT | FADT_RESET_SUP,
	    4);
	put_gas(fadt + FADT_RESET_REG, 8, LAYOUT_RESET_PORT);
	fadt[FADT_RESET_VALUE] = LAYOUT_RESET_VALUE;
	put(fadt + FADT_X_DSDT, dsdt, 8);
	put_gas(fadt + FADT_X_PM1A_EVENT, 32, LAYOUT_PM1_EVENT);
	put_gas(fadt + FADT_X_PM1A_CTRL, 16, LAYOUT_PM1_CONTROL);
	put_gas(fadt + FADT_X_PM_TIMER, 32, LAYOUT_PM_TIMER);
	list(b, seal(b, fadt, "FACP", FADT_REVISION, FADT_SIZE));
}

static void add_madt(struct builder *b, u32 vcpus)
{
	u32 size = HEADER_SIZE + 8 + vcpus * 8 + 12 + 10;
	u8 *madt = reserve(b, size);
	u8 *at;

	if (!madt)
		return;
	put(madt + 36, LAPIC_BASE, 4);
	at = madt + 44; /* flags stay 0: there are no 8259s */
	for (u32 i = 0; i < vcpus; i++, at += 8) {
		at[0] = MADT_LAPIC;
		at[1] = 8;
		at[2] = (u8)i;
		at[3] = (u8)i;
		put(at + 4, 1, 4); /* enabled */
	}
	at[0] = MADT_IOAPIC;
	at[1] = 12;
	put(at + 4, IOAPIC_BASE, 4);
	at += 12;
	at[0] = MADT_OVERRIDE;
	at[1] = 10;
	at[3] = LAYOUT_SCI;
	put(at + 4, LAYOUT_SCI, 4);
	put(at + 8, OVERRIDE_LEVEL, 2);
	list(b, seal(b, madt, "APIC", 5, size));
}

static void add_mcfg(struct builder *b)
{
	u32 size = HEADER_SIZE + 8 + 16;
	u8 *mcfg = reserve(b, size);

	if (!mcfg)
		return;
	put(mcfg + 44, LAYOUT_ECAM, 8);
	mcfg[55] = 255; /* last bus */
	list(b, seal(b, mcfg, "MCFG", 1, size));
}

static u64 add_xsdt(struct builder *b)
{
	u32 size = HEADER_SIZE + b->table_count * 8;
	u8 *xsdt = reserve(b, size);

	if (!xsdt)
		return 0;
	for (u32 i = 0; i < b->table_count; i++)
		put(xsdt + HEADER_SIZE + i * 8, b->tables[i], 8);
	return seal(b, xsdt, "XSDT", 1, size);
}

static void add_rsdp(struct builder *b, u64 xsdt)
{
	u8 *rsdp = b->bytes + (LAYOUT_RSDP - LAYOUT_ACPI);

	memset(rsdp, 0, RSDP_SIZE);
	put_text(rsdp, "RSD PTR ");
	put_text(rsdp + 9, "FACET ");
	rsdp[15] = 2; /* revision */
	put(rsdp + 20, RSDP_SIZE, 4);
	put(rsdp + 24, xsdt, 8);
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, RSDP_SIZE);
}

enum err guest_acpi_build(u8 *buffer, u32 size, u32 vcpus)
{
	struct builder b = { .bytes = buffer };
	u64 facs, dsdt;

	if (size < LAYOUT_RSDP - LAYOUT_ACPI + RSDP_SIZE)
		return ERR_NO_MEMORY;
	b.size = LAYOUT_RSDP - LAYOUT_ACPI;
	facs = add_facs(&b);
	dsdt = add_dsdt(&b);
	add_fadt(&b, facs, dsdt);
	add_madt(&b, vcpus);
	add_mcfg(&b);
	add_rsdp(&b, add_xsdt(&b));
	return b.overflow ? ERR_NO_MEMORY : OK;
}

#define BUILD_PAGES 17 /* LAYOUT_ACPI_SIZE and the page with the RSDP */

enum err guest_acpi_write(struct vm *vm)
{
	hpa_t frames = frame_alloc_contiguous(BUILD_PAGES);
	u8 *buffer;
	enum err e;

	if (!frames.raw)
		return ERR_NO_MEMORY;
	buffer = frame_ptr(frames);
	e = guest_acpi_build(buffer, BUILD_PAGES * PAGE_SIZE, vm->vcpu_count);
	if (!e)
		e = gmem_write(&vm->memory, GPA(LAYOUT_ACPI), buffer, BUILD_PAGES * PAGE_SIZE);
	frame_free_contiguous(frames, BUILD_PAGES);
	return e;
}
