/* SPDX-License-Identifier: Apache-2.0 */
/* The console command `pci`: the functions of the machine in a table. */
#include "drivers/pci_commands.h"

#include "core/console.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"
#include "drivers/pci_sriov.h"

#define LINE_MAX 80U /* columns, less one for the end */
#define BDF_TEXT 8U
#define INDENT	 "         "

/* By class and subclass; OTHER: what none of these is. PCI Code and ID Assignment 1.11, 1. */
#define OTHER 9

static const char *const classes[0x13][OTHER + 1] = {
	[0x01][OTHER] = "storage",     [0x01][1] = "IDE controller",
	[0x01][4] = "RAID controller", [0x01][6] = "SATA controller",
	[0x01][7] = "SAS controller",  [0x01][8] = "NVMe controller",
	[0x02][OTHER] = "network",     [0x02][0] = "Ethernet",
	[0x03][OTHER] = "display",     [0x03][0] = "VGA display",
	[0x04][OTHER] = "multimedia",  [0x04][3] = "audio",
	[0x05][OTHER] = "memory",      [0x06][OTHER] = "bridge",
	[0x06][0] = "host bridge",     [0x06][1] = "ISA bridge",
	[0x06][4] = "PCI bridge",      [0x07][OTHER] = "communication",
	[0x07][0] = "serial port",     [0x08][OTHER] = "system device",
	[0x08][6] = "IOMMU",	       [0x09][OTHER] = "input",
	[0x0c][OTHER] = "serial bus",  [0x0c][3] = "USB controller",
	[0x0c][5] = "SMBus",	       [0x0d][OTHER] = "wireless",
	[0x10][OTHER] = "encryption",  [0x12][OTHER] = "accelerator"
};

static struct pci *pci; /* set at start, and who is asked first */
static bool (*further)(char *args);
static struct iommu *iommu;

static const char *class_name(const struct pci_function *function)
{
	u32 class = function->class_code >> 16;
	u32 subclass = MIN(function->class_code >> 8 & 0xff, OTHER);
	const char *name = NULL;

	if (class < ARRAY_SIZE(classes))
		name = classes[class][subclass] ? classes[class][subclass] : classes[class][OTHER];
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

static void printf_like(2, 3) note(struct notes *notes, const char *fmt, ...)
{
	char text[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
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

	for (; size >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		size /= 1024;
	if (bar->kind != PCI_BAR_NONE)
		note(notes, "%u:%s%lx/%lu%s%s", index, bar->kind == PCI_BAR_IO ? "port " : "",
		     bar->base, size, units[unit], bar->prefetchable ? " prefetchable" : "");
}

static void print_function(const struct pci_function *function)
{
	const char *owner = function->owner;
	u16 sriov = pci_find_extended(pci, function->bdf, PCI_EXT_SRIOV);
	struct notes notes = { .used = 0 };

	/* 13 columns are left at the end, for the domain. */
	console_print("  %02x:%02x.%x  %04x:%04x  %-16s %5u  %-16s %s", PCI_BDF_ARGS(function->bdf),
		      function->vendor_id, function->device_id, class_name(function),
		      function->group,
		      owner			? owner
		      : pci_is_bridge(function) ? "facet"
						: "-",
		      pci_reset_name(pci_reset_kind(pci, function)));
	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		note_bar(&notes, &function->bars[i], i);
	if (iommu && iommu_domain_of(iommu, function->bdf))
		note(&notes, "domain %u", iommu_domain_of(iommu, function->bdf));
	if (function->physical)
		note(&notes, "VF of %02x:%02x.%x", PCI_BDF_ARGS(function->physical));
	if (sriov)
		note(&notes, "%u VFs of %u", pci_read(pci, function->bdf, sriov + SRIOV_COUNT, 2),
		     pci_read(pci, function->bdf, sriov + SRIOV_TOTAL, 2));
	flush(&notes);
}

static void print_head(void)
{
	console_print("  %-7s  %-9s  %-16s %5s  %-16s %s", "place", "ids", "class", "group",
		      "owner", "reset");
}

static void run_pci(char *args)
{
	char text[BDF_TEXT];
	bool found = false;

	if (further && further(args))
		return;
	for (u32 i = 0; i < pci->function_count; i++) {
		write_bdf(text, pci->functions[i].bdf);
		if (*args && !str_equal(args, text))
			continue;
		if (!found)
			print_head();
		print_function(&pci->functions[i]);
		found = true;
	}
	if (!found)
		console_print("there is no function \"%s\": `pci` lists them", args);
	else if (pci->left_out)
		console_print("  and %u more, for which there is no room", pci->left_out);
}

static const struct console_command command = {
	"pci", "[BB:DD.F]", "the machine's PCI functions, or one of them", run_pci, candidate,
};

void pci_commands_register(struct pci *all, struct iommu *units, bool (*others)(char *args))
{
	pci = all;
	iommu = units;
	further = others;
	console_register(&command);
}
