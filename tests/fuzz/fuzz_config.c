/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the parser of facet.conf: what it lets pass keeps every promise of core/config.h. */
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/string.c core/lib/fmt.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/log.h"
#include "gpu/config.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct config config;
static struct config_errors errors;

void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check_text(const char *text, size_t size, char first)
{
	size_t length = strnlen(text, size);

	require(length < size, "text is terminated");
	for (size_t i = 0; i < length; i++)
		require(text[i] >= first && text[i] <= '~', "text is printable");
}

static void check_host(const struct config_host *host)
{
	require(host->console_port >= 0x100 && host->console_port <= 0xfff8, "console");
	require(host->baud && 115200 % host->baud == 0, "baud");
	require(host->log_level <= LOG_DEBUG, "log");
	require(host->when_idle <= CONFIG_IDLE_POWEROFF, "when-idle");
	require(host->iommu <= CONFIG_IOMMU_NONE, "iommu");
}

static void check_guest(const struct config_guest *guest)
{
	check_text(guest->name, sizeof(guest->name), '!');
	check_text(guest->kernel, sizeof(guest->kernel), '!');
	check_text(guest->initrd, sizeof(guest->initrd), '!');
	check_text(guest->cmdline, sizeof(guest->cmdline), ' ');
	require(guest->name[0] && guest->kernel[0], "mandatory texts");
	require(guest->memory >= MIB(16) && guest->memory <= GIB(64), "memory");
	require(IS_ALIGNED(guest->memory, MIB(2)), "memory in steps");
	require(guest->cpus >= 1 && guest->cpus <= 8, "cpus");
	require(guest->cpu_weight >= 1 && guest->cpu_weight <= 10000, "cpu.weight");
	require(guest->gpu_weight >= 1 && guest->gpu_weight <= 10000, "gpu.weight");
	require(guest->gpu == CONFIG_NO_GPU || guest->gpu < config.gpu_count, "gpu");
	require(guest->gpu_memory >= MIB(1) && guest->gpu_memory <= GIB(16), "gpu.memory");
	require(IS_ALIGNED(guest->gpu_memory, PAGE_SIZE), "gpu.memory in steps");
}

static void check_good_config(void)
{
	for (u32 i = 0; i < CONFIG_MAX_GPUS; i++)
		require(config.gpus[i].slice_ns >= 500000 && config.gpus[i].slice_ns <= 100000000,
			"slice");
	for (u32 i = 0; i < config.guest_count; i++) {
		check_guest(&config.guests[i]);
		for (u32 other = 0; other < i; other++)
			require(strcmp(config.guests[i].name, config.guests[other].name) != 0,
				"names differ");
	}
}

/* `facet.conf:LINE: ` in the order of lines, printable to the end. */
static void check_errors(void)
{
	unsigned long before = 0;

	for (u32 i = 0; i < errors.count && i < CONFIG_ERRORS_KEPT; i++) {
		unsigned long line;
		char *end;

		check_text(errors.kept[i].text, sizeof(errors.kept[i].text), ' ');
		require(!strncmp(errors.kept[i].text, "facet.conf:", 11), "file");
		line = strtoul(errors.kept[i].text + 11, &end, 10);
		require(line >= 1 && line >= before && end[0] == ':', "line");
		require(strstr(errors.kept[i].text, "found ") != NULL, "found");
		before = line;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	/* A block of exactly this size: the sanitiser sees the byte behind it. */
	char *text = malloc(size + !size);
	static bool added;

	if (!added)
		config_add(&gpu_config_part);
	added = true;
	memcpy(text, data, size);
	memset(&config, 0x5a, sizeof(config));
	memset(&errors, 0x5a, sizeof(errors));
	config_parse("facet.conf", text, size, &config, &errors);
	free(text);

	check_host(&config.host);
	require(config.guest_count <= CONFIG_MAX_GUESTS, "guest count");
	require(config.gpu_count <= CONFIG_MAX_GPUS, "GPU count");
	check_errors();
	if (!errors.count)
		check_good_config();
	return 0;
}
