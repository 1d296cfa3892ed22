/* SPDX-License-Identifier: Apache-2.0 */
/* The console command `pci`: every function in a table, or one in detail. */
#include "drivers/pci_commands.h"

#include "core/console.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"

#define LINE_MAX    80U /* columns, less one for the end */
#define BDF_TEXT    8U
#define INDENT	    "         "
#define MSI_ENABLE  BIT(0)
#define MSIX_ENABLE BIT(15)

/* SR-IOV capability, PCI Express Base 5.0, 9.3.3. */
#define SRIOV_TOTAL 14U
#define SRIOV_COUNT 16U

struct name {
	u32 id;
	const char *text;
};

#define ANY 0xff /* subclass: whichever none of the rows above names */

/* Class and subclass; PCI Code and ID Assignment 1.11, 1. */
static const struct name classes[] = {
	{ 0x0101, "IDE controller" },
	{ 0x0104, "RAID controller" },
	{ 0x0106, "SATA controller" },
	{ 0x0107, "SAS controller" },
	{ 0x0108, "NVMe controller" },
	{ 0x0100 | ANY, "storage" },
	{ 0x0200, "Ethernet" },
	{ 0x0200 | ANY, "network" },
	{ 0x0300, "VGA display" },
	{ 0x0300 | ANY, "display" },
	{ 0x0403, "audio" },
	{ 0x0400 | ANY, "multimedia" },
	{ 0x0500 | ANY, "memory" },
	{ 0x0600, "host bridge" },
	{ 0x0601, "ISA bridge" },
	{ 0x0604, "PCI bridge" },
	{ 0x0600 | ANY, "bridge" },
	{ 0x0700, "serial port" },
	{ 0x0700 | ANY, "communication" },
	{ 0x0806, "IOMMU" },
	{ 0x0800 | ANY, "system device" },
	{ 0x0900 | ANY, "input" },
	{ 0x0c03, "USB controller" },
	{ 0x0c05, "SMBus" },
	{ 0x0c00 | ANY, "serial bus" },
	{ 0x0d00 | ANY, "wireless" },
	{ 0x1000 | ANY, "encryption" },
	{ 0x1200 | ANY, "accelerator" },
};

static const struct name capabilities[] = {
	{ PCI_CAP_POWER, "power management" },
	{ PCI_CAP_MSI, "MSI" },
	{ PCI_CAP_VENDOR, "vendor's" },
	{ PCI_CAP_PCIE, "PCI Express" },
	{ PCI_CAP_MSIX, "MSI-X" },
	{ PCI_CAP_ADVANCED, "advanced features" },
	{ 0x07, "PCI-X" },
	{ 0x08, "HyperTransport" },
	{ 0x0d, "subsystem ids of a bridge" },
	{ 0x0f, "secure device" },
	{ 0x12, "SATA index and data" },
};

static const struct name extended[] = {
	{ PCI_EXT_ACS, "access control services" },
	{ PCI_EXT_SRIOV, "SR-IOV" },
	{ 0x01, "advanced error reporting" },
	{ 0x02, "virtual channels" },
	{ 0x03, "serial number" },
	{ 0x0b, "vendor's" },
	{ 0x0e, "alternative routing id" },
	{ 0x0f, "address translation services" },
	{ 0x13, "page requests" },
	{ 0x15, "resizable BARs" },
	{ 0x18, "latency tolerance" },
	{ 0x19, "secondary PCI Express" },
	{ 0x1b, "process address spaces" },
	{ 0x1e, "L1 substates" },
};

static struct pci *pci; /* set at start */

static const char *name_in(const struct name *names, size_t count, u32 id)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].id == id)
			return names[i].text;
	return NULL;
}

static const char *class_name(const struct pci_function *function)
{
	u32 id = function->class_code >> 8;
	const char *name = name_in(classes, ARRAY_SIZE(classes), id);

	if (!name)
		name = name_in(classes, ARRAY_SIZE(classes), id | ANY);
	return name ? name : "unknown";
}

static void write_bdf(char text[BDF_TEXT], u16 bdf)
{
	fmt_snprintf(text, BDF_TEXT, "%02x:%02x.%x", PCI_BDF_ARGS(bdf));
}

static const char *candidate(u32 index)
{
	static char text[BDF_TEXT];

	if (index >= pci->function_count)
		return NULL;
	write_bdf(text, pci->functions[index].bdf);
	return text;
}

/* What there is to say below a function's line, in as few lines as it takes. */
struct notes {
	char line[LINE_MAX];
	size_t used;
};

static void flush(struct notes *notes)
{
	if (notes->used)
		console_print_text(notes->line);
	notes->used = 0;
}

static void note(struct notes *notes, const char *text)
{
	if (notes->used + strlen(text) + 2 >= LINE_MAX)
		flush(notes);
	notes->used += (size_t)fmt_snprintf(notes->line + notes->used, LINE_MAX - notes->used,
					    "%s%s", notes->used ? "  " : INDENT, text);
}

/* "0:fe000000/16M": place and size, which is a power of two. */
static void note_bar(struct notes *notes, const struct pci_bar *bar, u32 index)
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	u64 size = bar->size;
	u32 unit = 0;
	char text[LINE_MAX];

	if (bar->kind == PCI_BAR_NONE)
		return;
	for (; size >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		size /= 1024;
	fmt_snprintf(text, sizeof(text), "%u:%s%lx/%lu%s%s", index,
		     bar->kind == PCI_BAR_IO ? "port " : "", bar->base, size, units[unit],
		     bar->prefetchable ? " prefetchable" : "");
	note(notes, text);
}

static void note_vfs(struct notes *notes, const struct pci_function *function)
{
	u16 at = pci_find_extended(pci, function->bdf, PCI_EXT_SRIOV);
	char text[LINE_MAX];

	if (!at)
		return;
	fmt_snprintf(text, sizeof(text), "%u VFs of %u",
		     pci_read(pci, function->bdf, at + SRIOV_COUNT, 2),
		     pci_read(pci, function->bdf, at + SRIOV_TOTAL, 2));
	note(notes, text);
}

static void print_function(const struct pci_function *function)
{
	const char *owner = function->owner;
	struct notes notes = { .used = 0 };

	/* 13 columns are left at the end, for the domain. */
	console_print("  %02x:%02x.%x  %04x:%04x  %-16s %5u  %-16s %-5s",
		      PCI_BDF_ARGS(function->bdf), function->vendor_id, function->device_id,
		      class_name(function), function->group,
		      owner			? owner
		      : pci_is_bridge(function) ? "facet"
						: "-",
		      pci_reset_name(pci_reset_kind(pci, function)));
	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		note_bar(&notes, &function->bars[i], i);
	note_vfs(&notes, function);
	flush(&notes);
}

static void print_head(void)
{
	console_print("  %-7s  %-9s  %-16s %5s  %-16s %-5s", "place", "ids", "class", "group",
		      "owner", "reset");
}

static void print_messages(const struct pci_function *function, u8 id)
{
	u32 at = id == PCI_CAP_MSI ? function->msi : function->msix;
	u32 control = pci_read(pci, function->bdf, at + 2, 2);

	if (id == PCI_CAP_MSI)
		console_print(INDENT "    %u messages, %s", 1U << (control >> 1 & 7),
			      control & MSI_ENABLE ? "on" : "off");
	else
		console_print(INDENT "    %u vectors in BAR %u at %x, %s", function->msix_vectors,
			      function->msix_bar, function->msix_offset,
			      control & MSIX_ENABLE ? "on" : "off");
}

static void print_capability(u32 at, const char *name, u32 id)
{
	console_print(INDENT "%03x: %s (%02x)", at, name ? name : "capability", id);
}

static void print_capabilities(const struct pci_function *function)
{
	u16 bdf = function->bdf;
	u16 at = 0;

	for (u32 i = 0; i < PCI_CAPABILITIES_MAX; i++) {
		u8 id;

		at = pci_next_capability(pci, bdf, (u8)at);
		if (!at)
			break;
		id = (u8)pci_read(pci, bdf, at, 1);
		print_capability(at, name_in(capabilities, ARRAY_SIZE(capabilities), id), id);
		if (at == function->msi || at == function->msix)
			print_messages(function, id);
	}
	at = 0;
	for (u32 i = 0; i < PCI_EXTENDED_MAX; i++) {
		u32 id;

		at = pci_next_extended(pci, bdf, at);
		if (!at)
			break;
		id = pci_read(pci, bdf, at, 2);
		print_capability(at, name_in(extended, ARRAY_SIZE(extended), id), id);
	}
}

static void print_detail(const struct pci_function *function)
{
	print_head();
	print_function(function);
	console_print(INDENT "revision %02x, programming interface %02x", function->revision,
		      function->class_code & 0xff);
	if (function->bridge != PCI_NO_BRIDGE)
		console_print(INDENT "behind %02x:%02x.%x", PCI_BDF_ARGS(function->bridge));
	if (function->secondary_bus)
		console_print(INDENT "leads to the buses %02x to %02x", function->secondary_bus,
			      function->subordinate_bus);
	print_capabilities(function);
}

static void run_pci(char *args)
{
	char text[BDF_TEXT];

	if (!*args)
		print_head();
	for (u32 i = 0; i < pci->function_count; i++) {
		write_bdf(text, pci->functions[i].bdf);
		if (!*args)
			print_function(&pci->functions[i]);
		if (str_equal(args, text)) {
			print_detail(&pci->functions[i]);
			return;
		}
	}
	if (*args)
		console_print("there is no function \"%s\": `pci` lists them", args);
	else if (pci->left_out)
		console_print("  and %u more, for which there is no room", pci->left_out);
}

static const struct console_command command = {
	"pci",	 "[BB:DD.F]", "the machine's PCI functions, or one of them in detail",
	run_pci, candidate,
};

void pci_commands_register(struct pci *all)
{
	pci = all;
	console_register(&command);
}
