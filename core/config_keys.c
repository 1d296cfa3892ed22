// SPDX-License-Identifier: Apache-2.0
/* The table of facet.conf's keys, one row a key, and the readers of their values. */
#include "core/config_keys.h"

#include "core/config.h"
#include "core/lib/string.h"
#include "core/log.h"

#define BAUD_BASE    115200U
#define SHARE_WEIGHT 100 /* weight of 1 % */
#define PORT_MIN     0x100U
#define PORT_MAX     0xfff8U
#define PORT_STEP    8U /* a 16550A has eight registers */

_Static_assert(LOG_ERROR == 0 && LOG_WARN == 1 && LOG_INFO == 2 && LOG_DEBUG == 3 &&
		       CONFIG_IDLE_WAIT == 0 && CONFIG_IOMMU_AUTO == 0 &&
		       CONFIG_DMA_FAULT_REPORT == 0,
	       "words have the order of their enum");

/* clang-format off */
#define PCI_ALLOWED    "1 to 8 functions as BB:DD.F or 0000:BB:DD.F in hexadecimal, such as 00:04.0, 00:05.0"
#define FILE_ALLOWED   "a file name relative to \\facet, 1 to 127 characters without blanks"

static struct config_key host_keys[CONFIG_KEYS_MAX] = {
	{ "console", "com1, com2, com3, com4, or a port from 0x100 to 0xfff8 in steps of 8",
	  CONFIG_VALUE_PORT, false, CONFIG_HOST(console_port), PORT_MIN, PORT_MAX, PORT_STEP,
	  0x3f8 },
	{ "baud", "a divisor of 115200 that is at least 50, such as 115200, 57600, 9600",
	  CONFIG_VALUE_BAUD, false, CONFIG_HOST(baud), 50, BAUD_BASE, 1, 115200 },
	CONFIG_WORD("log", CONFIG_HOST(log_level), LOG_INFO, "error, warn, info, debug"),
	CONFIG_WORD("when-idle", CONFIG_HOST(when_idle), CONFIG_IDLE_WAIT, "wait, poweroff"),
	CONFIG_WORD("iommu", CONFIG_HOST(iommu), CONFIG_IOMMU_AUTO, "auto, none"),
	CONFIG_WORD("guests-on-cpu0", CONFIG_HOST(guests_on_cpu0), true, "no, yes"),
	CONFIG_WORD("assign-without-ir", CONFIG_HOST(assign_without_ir), false, "no, yes"),
	CONFIG_WORD("assign-without-reset", CONFIG_HOST(assign_without_reset), false, "no, yes"),
	{ "sriov", PCI_ALLOWED, CONFIG_VALUE_DEVICES, false, CONFIG_HOST(sriov), 1,
	  CONFIG_MAX_DEVICES, 1, 0 },
	{ "vfs", "a number from 1 to 64",
	  CONFIG_VALUE_NUMBER, false, CONFIG_HOST(vfs), 1, 64, 1, 0 },
};

static struct config_key gpu_keys[CONFIG_KEYS_MAX] = {
	{ "pci", "a function as BB:DD.F or 0000:BB:DD.F in hexadecimal, such as 00:02.0",
	  CONFIG_VALUE_DEVICES, false, CONFIG_GPU(pci), 1, 1, 1, 0 },
};

static struct config_key guest_keys[CONFIG_KEYS_MAX] = {
	{ "kernel", FILE_ALLOWED,
	  CONFIG_VALUE_FILE, true, CONFIG_GUEST(kernel), 1, CONFIG_PATH_MAX, 1, 0 },
	{ "initrd", FILE_ALLOWED,
	  CONFIG_VALUE_FILE, false, CONFIG_GUEST(initrd), 1, CONFIG_PATH_MAX, 1, 0 },
	{ "cmdline", "at most 1023 printable ASCII characters",
	  CONFIG_VALUE_TEXT, false, CONFIG_GUEST(cmdline), 0, CONFIG_CMDLINE_MAX, 1, 0 },
	{ "memory", "a size from 16M to 64G in steps of 2M",
	  CONFIG_VALUE_SIZE, true, CONFIG_GUEST(memory), MIB(16), GIB(64), MIB(2), 0 },
	{ "cpus", "a number from 1 to 8",
	  CONFIG_VALUE_NUMBER, false, CONFIG_GUEST(cpus), 1, 8, 1, 1 },
	{ "cpu.weight", CONFIG_WEIGHT_ALLOWED,
	  CONFIG_VALUE_WEIGHT, false, CONFIG_GUEST(cpu_weight), 1, 10000, 1, 100 },
	{ "gpu", "the number of a GPU from 0 to 3",
	  CONFIG_VALUE_NUMBER, false, CONFIG_GUEST(gpu), 0, CONFIG_MAX_GPUS - 1, 1, CONFIG_NO_GPU },
	{ "pci", PCI_ALLOWED, CONFIG_VALUE_DEVICES, false, CONFIG_GUEST(devices), 1,
	  CONFIG_MAX_DEVICES, 1, 0 },
	CONFIG_WORD("on-dma-fault", CONFIG_GUEST(on_dma_fault), CONFIG_DMA_FAULT_REPORT,
		    "report, stop"),
	CONFIG_WORD("autostart", CONFIG_GUEST(autostart), true, "no, yes"),
};
/* clang-format on */

/* With room for what others add; changed at start only. */
static struct config_key *const sections[] = {
	[CONFIG_SECTION_HOST] = host_keys,
	[CONFIG_SECTION_GPU] = gpu_keys,
	[CONFIG_SECTION_GUEST] = guest_keys,
	[CONFIG_SECTION_NONE] = NULL,
};

/* Little-endian: the low bytes come first. */
static void store(const struct config_key *key, u64 number, void *target)
{
	memcpy((u8 *)target + key->offset, &number, key->size);
}

const struct config_key *config_keys(enum config_section section, u32 *count)
{
	const struct config_key *keys = sections[section];

	for (*count = 0; keys && *count < CONFIG_KEYS_MAX && keys[*count].name;)
		++*count;
	return keys;
}

void config_set_defaults(enum config_section section, void *target)
{
	u32 count;
	const struct config_key *keys = config_keys(section, &count);

	for (u32 i = 0; i < count; i++)
		if (keys[i].initial)
			store(&keys[i], keys[i].initial, target);
}

void config_add_keys(enum config_section section, const struct config_key *keys, u32 count)
{
	u32 own;

	(void)config_keys(section, &own);
	invariant(own + count <= CONFIG_KEYS_MAX);
	memcpy(&sections[section][own], keys, count * sizeof(*keys));
}

/* Which of `words` is it? They have ", " between them. */
static bool find_word(const char *words, struct text value, u64 *index)
{
	for (*index = 0; *words; ++*index) {
		size_t length = 0;

		while (words[length] && words[length] != ',')
			length++;
		if (length == value.size && !memcmp(words, value.at, length))
			return true;
		words += length;
		while (*words == ',' || *words == ' ')
			words++;
	}
	return false;
}

static enum err read_port(struct text value, u64 *port)
{
	static const u16 ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
	u64 index;

	if (find_word("com1, com2, com3, com4", value, &index)) {
		*port = ports[index];
		return OK;
	}
	/* A decimal port is a mistake more often than it is meant. */
	return value.size > 2 && value.at[1] == 'x' ? parse_number(value, port) : ERR_INVALID;
}

enum err config_read_pci(struct text value, u64 *requester)
{
	static const char form[] = "hh:hh.h"; /* h: a hexadecimal digit */
	u64 digits = 0, device, function;

	if (value.size == 12 && !memcmp(value.at, "0000:", 5))
		value = (struct text){ value.at + 5, value.size - 5 };
	if (value.size != sizeof(form) - 1)
		return ERR_INVALID;
	for (size_t i = 0; i < value.size; i++) {
		u32 digit = digit_of(value.at[i]);

		if (form[i] == 'h' ? digit > 15 : value.at[i] != form[i])
			return ERR_INVALID;
		if (form[i] == 'h')
			digits = digits << 4 | digit;
	}
	device = digits >> 4 & 0xff;
	function = digits & 0xf;
	*requester = digits >> 12 << 8 | device << 3 | function;
	return device > 31 || function > 7 ? ERR_INVALID : OK;
}

/* Nothing changes unless all of it is right: 1 to `most` functions, each once. */
static bool read_devices(struct text value, u64 most, struct config_devices *devices)
{
	struct config_devices read = { 0 };

	for (size_t start = 0, end; start <= value.size; start = end + 1) {
		u64 bdf;

		for (end = start; end < value.size && value.at[end] != ','; end++)
			;
		if (read.count == most ||
		    config_read_pci(text_trim((struct text){ value.at + start, end - start }),
				    &bdf))
			return false;
		for (u32 i = 0; i < read.count; i++)
			if (read.bdf[i] == bdf)
				return false;
		read.bdf[read.count++] = (u16)bdf;
	}
	*devices = read;
	return true;
}

bool config_is_share(struct text value)
{
	u64 percent;

	return !parse_share(value, &percent);
}

static enum err read_weight(struct text value, u64 *weight)
{
	u64 percent;

	if (parse_share(value, &percent))
		return parse_number(value, weight);
	if (percent > 100)
		return ERR_RANGE;
	*weight = percent * SHARE_WEIGHT;
	return OK;
}

static enum err (*const readers[])(struct text text, u64 *value) = {
	[CONFIG_VALUE_NUMBER] = parse_number, [CONFIG_VALUE_RATE] = parse_number,
	[CONFIG_VALUE_SIZE] = parse_size,     [CONFIG_VALUE_TIME] = parse_time,
	[CONFIG_VALUE_WEIGHT] = read_weight,  [CONFIG_VALUE_SHARE] = parse_share_tenths,
	[CONFIG_VALUE_BAUD] = parse_number,   [CONFIG_VALUE_PORT] = read_port,
};

static bool read_value(const struct config_key *key, struct text text, u64 *value)
{
	if (key->type == CONFIG_VALUE_WORD)
		return find_word(key->allowed, text, value);
	if (readers[key->type](text, value))
		return false;
	if (key->type == CONFIG_VALUE_RATE && !*value)
		return true;
	if (*value < key->min || *value > key->max || *value % key->step)
		return false;
	return key->type != CONFIG_VALUE_BAUD || BAUD_BASE % *value == 0;
}

static bool set_text(const struct config_key *key, struct text value, char first, void *target)
{
	if (value.size < key->min || value.size > key->max)
		return false;
	for (size_t i = 0; i < value.size; i++)
		if (value.at[i] < first || value.at[i] > '~')
			return false;
	return text_copy((char *)target + key->offset, key->size, value);
}

bool config_key_set(const struct config_key *key, struct text value, void *target)
{
	u64 number;

	if (key->type == CONFIG_VALUE_FILE)
		return set_text(key, value, '!', target);
	if (key->type == CONFIG_VALUE_TEXT)
		return set_text(key, value, ' ', target);
	if (key->type == CONFIG_VALUE_DEVICES)
		return read_devices(value, key->max, (void *)((u8 *)target + key->offset));
	if (!read_value(key, value, &number))
		return false;
	store(key, number, target);
	return true;
}
