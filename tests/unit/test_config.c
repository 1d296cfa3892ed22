/* SPDX-License-Identifier: Apache-2.0 */
/* facet.conf: what each key may be, and that every error is told where it is. */
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/string.c core/lib/fmt.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/config.h"
#include "core/log.h"
#include "gpu/config.h"

static struct config config;
static struct config_errors errors;

void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

/* From a block of exactly this size: the sanitiser sees a read behind the end. */
static void parse_bytes(const char *text, size_t size)
{
	char *copy = malloc(size + !size);

	memcpy(copy, text, size);
	memset(&config, 0xaa, sizeof(config));
	memset(&errors, 0xaa, sizeof(errors));
	config_parse("facet.conf", copy, size, &config, &errors);
	free(copy);
}

static void parse(const char *text)
{
	parse_bytes(text, strlen(text));
}

static void assert_good(const char *text)
{
	parse(text);
	if (errors.count)
		fail_msg("\"%s\": %s", text, errors.kept[0].text);
}

static void assert_errors(const char *text, u32 count, const char *const *expected)
{
	parse(text);
	for (u32 i = 0; i < count && i < errors.count; i++)
		assert_string_equal(errors.kept[i].text, expected[i]);
	assert_int_equal(errors.count, count);
}

static void assert_one_error(const char *text, const char *expected)
{
	assert_errors(text, 1, &expected);
}

/* A file with one key in a section that lacks nothing else. */
static void parse_key(const char *section, const char *key, const char *value)
{
	char text[2048];
	bool guest = !strncmp(section, "guest", 5);

	snprintf(text, sizeof(text), "[%s]\n%s%s%s = %s\n", section,
		 guest && strcmp(key, "kernel") ? "kernel = k\n" : "",
		 guest && strcmp(key, "memory") ? "memory = 32M\n" : "", key, value);
	parse(text);
}

static bool allows(const char *section, const char *key, const char *value)
{
	parse_key(section, key, value);
	return !errors.count;
}

/* ---- the form ---- */

static void test_empty_file_has_defaults_and_no_guests(void **state)
{
	(void)state;
	assert_good("");
	assert_int_equal(config.host.console_port, 0x3f8);
	assert_int_equal(config.host.baud, 115200);
	assert_int_equal(config.host.log_level, LOG_INFO);
	assert_int_equal(config.host.when_idle, CONFIG_IDLE_WAIT);
	assert_int_equal(config.host.iommu, CONFIG_IOMMU_AUTO);
	assert_true(config.host.guests_on_cpu0);
	assert_false(config.host.assign_without_ir || config.host.assign_without_reset);
	assert_int_equal(config.host.sriov.count, 0);
	assert_int_equal(config.gpu_count, 0);
	assert_int_equal(config.guest_count, 0);
	for (u32 i = 0; i < CONFIG_MAX_GPUS; i++) {
		assert_false(config.gpus[i].line);
		assert_int_equal(config.gpus[i].slice_ns, 2000000);
		assert_int_equal(config.gpus[i].policy, CONFIG_POLICY_FAIR);
	}
}

static const char complete[] = "# everything\n"
			       "[host]\n"
			       "console = com2   # the second one\n"
			       "baud = 57600\n"
			       "log = debug\n"
			       "when-idle = poweroff\n"
			       "iommu = none\n"
			       "guests-on-cpu0 = no\n"
			       "assign-without-ir = yes\n"
			       "assign-without-reset = yes\n"
			       "sriov = 00:04.0,0000:81:00.1\n"
			       "vfs = 64\n"
			       "\n"
			       "[gpu 1]\n"
			       "pci = 01:1f.7\n"
			       "slice = 0.5ms\n"
			       "policy = fixed\n"
			       "[guest alpha]\n"
			       "kernel = vmlinuz\n"
			       "initrd = alpha.cpio.gz\n"
			       "cmdline = console=ttyS0 a#b quiet # not this\n"
			       "memory = 256M\n"
			       "cpus = 4\n"
			       "cpu.weight = 300\n"
			       "gpu = 1\n"
			       "gpu.weight = 200\n"
			       "gpu.memory = 128M\n"
			       "gpu.timeout = 0.5s\n"
			       "gpu.reserve = 12.5%\n"
			       "gpu.cap = 50%\n"
			       "gpu.latency = 20ms\n"
			       "gpu.queue = 8\n"
			       "gpu.doorbells = 5000\n"
			       "gpu.resets = 101\n"
			       "gpu.refused = 102\n"
			       "gpu.interrupts = 103\n"
			       "pci = 00:04.0 ,0000:1f:05.7\n"
			       "on-dma-fault = stop\n"
			       "autostart = no\n";

static void assert_complete(void)
{
	const struct config_guest *guest = &config.guests[0];

	assert_int_equal(config.host.console_port, 0x2f8);
	assert_int_equal(config.host.baud, 57600);
	assert_int_equal(config.host.log_level, LOG_DEBUG);
	assert_int_equal(config.host.when_idle, CONFIG_IDLE_POWEROFF);
	assert_int_equal(config.host.iommu, CONFIG_IOMMU_NONE);
	assert_false(config.host.guests_on_cpu0);
	assert_true(config.host.assign_without_ir && config.host.assign_without_reset);
	assert_int_equal(config.host.sriov.count, 2);
	assert_int_equal(config.host.sriov.bdf[0], 0x0020);
	assert_int_equal(config.host.sriov.bdf[1], 0x8101);
	assert_int_equal(config.host.vfs, 64);
	assert_int_equal(guest->devices.count, 2);
	assert_int_equal(guest->devices.bdf[0], 0x0020);
	assert_int_equal(guest->devices.bdf[1], 0x1f2f);
	assert_int_equal(guest->on_dma_fault, CONFIG_DMA_FAULT_STOP);
	assert_int_equal(config.gpu_count, 2);
	assert_false(config.gpus[0].line);
	assert_true(config.gpus[1].line && config.gpus[1].pci.count == 1);
	assert_int_equal(config.gpus[1].pci.bdf[0], 0x01ff);
	assert_int_equal(config.gpus[1].slice_ns, 500000);
	assert_int_equal(config.gpus[1].policy, CONFIG_POLICY_FIXED);
	assert_int_equal(config.gpus[1].line, 14);
	assert_int_equal(config.guest_count, 1);
	assert_string_equal(guest->name, "alpha");
	assert_int_equal(guest->line, 18);
	assert_string_equal(guest->kernel, "vmlinuz");
	assert_string_equal(guest->initrd, "alpha.cpio.gz");
	assert_string_equal(guest->cmdline, "console=ttyS0 a#b quiet");
	assert_int_equal(guest->memory, MIB(256));
	assert_int_equal(guest->cpus, 4);
	assert_int_equal(guest->cpu_weight, 300);
	assert_int_equal(guest->gpu, 1);
	assert_int_equal(guest->gpu_weight, 200);
	assert_int_equal(guest->gpu_memory, MIB(128));
	assert_int_equal(guest->gpu_timeout_ns, 500000000);
	assert_int_equal(guest->gpu_reserve, 125);
	assert_int_equal(guest->gpu_cap, 500);
	assert_int_equal(guest->gpu_latency_ns, 20000000);
	assert_int_equal(guest->gpu_queue, 8);
	assert_int_equal(guest->gpu_doorbells, 5000);
	assert_int_equal(guest->gpu_resets, 101);
	assert_int_equal(guest->gpu_refused, 102);
	assert_int_equal(guest->gpu_interrupts, 103);
	assert_false(guest->autostart);
}

static void test_every_key_is_read(void **state)
{
	(void)state;
	assert_good(complete);
	assert_complete();
}

static void test_line_ends_of_dos_and_a_byte_order_mark_are_tolerated(void **state)
{
	char dos[2 * sizeof(complete) + 3] = "\xef\xbb\xbf";
	char *to = dos + 3;

	(void)state;
	for (const char *c = complete; *c; c++) {
		if (*c == '\n')
			*to++ = '\r';
		*to++ = *c;
	}
	*to = 0;
	assert_good(dos);
	assert_complete();
}

static void test_last_line_needs_no_newline(void **state)
{
	(void)state;
	parse_bytes(complete, sizeof(complete) - 2);
	assert_int_equal(errors.count, 0);
	assert_complete();
}

static void test_blanks_do_not_matter(void **state)
{
	(void)state;
	assert_good("  [ \tguest \t alpha ]  \n\tkernel=k\n   memory  \t=\t 32M \t\n\n \t \n");
	assert_string_equal(config.guests[0].name, "alpha");
	assert_string_equal(config.guests[0].kernel, "k");
	assert_int_equal(config.guests[0].memory, MIB(32));
}

static void test_hash_is_a_comment_at_the_start_and_after_blanks_only(void **state)
{
	(void)state;
	assert_good("#[gost]\n \t# UTF-8 may stand here: \xc3\xa4\n[guest a] # x\n"
		    "kernel = a#b#\t#c\nmemory = 32M\t# more\ncmdline = # none\n");
	assert_string_equal(config.guests[0].kernel, "a#b#");
	assert_string_equal(config.guests[0].cmdline, "");
}

static void test_guest_defaults(void **state)
{
	const struct config_guest *guest = &config.guests[0];

	(void)state;
	assert_good("[guest a]\nkernel = k\nmemory = 16M\n");
	assert_string_equal(guest->initrd, "");
	assert_string_equal(guest->cmdline, "");
	assert_int_equal(guest->cpus, 1);
	assert_int_equal(guest->cpu_weight, 100);
	assert_int_equal(guest->gpu, CONFIG_NO_GPU);
	assert_int_equal(guest->gpu_weight, 100);
	assert_int_equal(guest->gpu_memory, MIB(64));
	assert_int_equal(guest->gpu_timeout_ns, 2000000000);
	assert_int_equal(guest->gpu_reserve, 0);
	assert_int_equal(guest->gpu_cap, 1000);
	assert_int_equal(guest->gpu_latency_ns, 0);
	assert_int_equal(guest->gpu_queue, 64);
	assert_int_equal(guest->gpu_doorbells, 100000);
	assert_int_equal(guest->gpu_resets, 100);
	assert_int_equal(guest->gpu_refused, 10000);
	assert_int_equal(guest->gpu_interrupts, 100000);
	assert_true(guest->autostart);
}

static void test_gpu_that_only_a_guest_names_counts(void **state)
{
	(void)state;
	assert_good("[guest a]\nkernel = k\nmemory = 16M\ngpu = 2\n");
	assert_int_equal(config.gpu_count, 3);
	assert_false(config.gpus[2].line);
	assert_int_equal(config.gpus[2].slice_ns, 2000000);
}

/* ---- each key's values ---- */

struct example {
	const char *section, *key, *value;
};

static const struct example good[] = {
	{ "host", "console", "com1" },
	{ "host", "console", "com4" },
	{ "host", "console", "0x100" },
	{ "host", "console", "0xfff8" },
	{ "host", "console", "0xC0A8" },
	{ "host", "baud", "115200" },
	{ "host", "baud", "9600" },
	{ "host", "baud", "50" },
	{ "host", "log", "error" },
	{ "host", "log", "warn" },
	{ "host", "when-idle", "wait" },
	{ "host", "iommu", "auto" },
	{ "host", "guests-on-cpu0", "yes" },
	{ "host", "assign-without-ir", "no" },
	{ "host", "assign-without-reset", "no" },
	{ "host", "sriov", "00:04.0" },
	{ "host", "sriov", "00:04.0, 0000:05:00.1" },
	{ "host", "vfs", "1" },
	{ "host", "vfs", "64" },
	{ "gpu 0", "pci", "00:02.0" },
	{ "gpu 3", "pci", "0000:fF:1f.7" },
	{ "gpu 0", "slice", "500us" },
	{ "gpu 0", "slice", "0.1s" },
	{ "gpu 0", "slice", "100ms" },
	{ "gpu 0", "slice", "100000000ns" },
	{ "guest a", "kernel", "dir\\vmlinuz-6.1" },
	{ "guest a", "memory", "16M" },
	{ "guest a", "memory", "64G" },
	{ "guest a", "memory", "20480K" },
	{ "guest a", "memory", "33554432" },
	{ "guest a", "cpus", "8" },
	{ "guest a", "cpu.weight", "1" },
	{ "guest a", "cpu.weight", "10000" },
	{ "guest a", "gpu", "3" },
	{ "guest a", "gpu.weight", "100%" },
	{ "guest a", "gpu.memory", "1M" },
	{ "guest a", "gpu.memory", "1028K" },
	{ "guest a", "gpu.memory", "16G" },
	{ "guest a", "gpu.timeout", "100ms" },
	{ "guest a", "gpu.timeout", "60s" },
	{ "gpu 0", "policy", "equal" },
	{ "guest a", "gpu.reserve", "0%" },
	{ "guest a", "gpu.reserve", "100%" },
	{ "guest a", "gpu.reserve", "0.1%" },
	{ "guest a", "gpu.cap", "0.1%" },
	{ "guest a", "gpu.cap", "100.0%" },
	{ "guest a", "gpu.latency", "0s" },
	{ "guest a", "gpu.queue", "1" },
	{ "guest a", "gpu.queue", "64" },
	{ "guest a", "gpu.doorbells", "0" },
	{ "guest a", "gpu.doorbells", "100" },
	{ "guest a", "gpu.doorbells", "10000000" },
	{ "guest a", "pci", "00:04.0" },
	{ "guest a", "pci", "00:04.0,00:04.1,00:04.2,00:04.3,00:04.4,00:04.5,00:04.6,00:04.7" },
	{ "guest a", "on-dma-fault", "report" },
	{ "guest a", "autostart", "yes" },
	{ "guest a", "cmdline", "" },
};

static const struct example bad[] = {
	{ "host", "console", "com5" },
	{ "host", "console", "0xf8" },
	{ "host", "console", "0x3f9" },
	{ "host", "console", "0x10000" },
	{ "host", "console", "1016" },
	{ "host", "console", "0x" },
	{ "host", "baud", "0" },
	{ "host", "baud", "45" },
	{ "host", "baud", "100000" },
	{ "host", "baud", "230400" },
	{ "host", "log", "Info" },
	{ "host", "log", "" },
	{ "host", "when-idle", "halt" },
	{ "host", "iommu", "off" },
	{ "host", "guests-on-cpu0", "never" },
	{ "host", "assign-without-ir", "1" },
	{ "host", "assign-without-reset", "" },
	{ "host", "sriov", "" },
	{ "host", "sriov", "2" },
	{ "host", "sriov", "00:04.0 2" },
	{ "host", "sriov", "00:04.0, 00:04.0" },
	{ "host", "vfs", "0" },
	{ "host", "vfs", "65" },
	{ "gpu 0", "pci", "0:2.0" },
	{ "gpu 0", "pci", "00:20.0" },
	{ "gpu 0", "pci", "00:02.8" },
	{ "gpu 0", "pci", "0001:00:02.0" },
	{ "gpu 0", "pci", "00:02.0x" },
	{ "gpu 0", "pci", "00:0g.0" },
	{ "gpu 0", "slice", "499us" },
	{ "gpu 0", "slice", "0.4999ms" },
	{ "gpu 0", "slice", "101ms" },
	{ "gpu 0", "slice", "2" },
	{ "gpu 0", "slice", "2 ms" },
	{ "gpu 0", "slice", "2.ms" },
	{ "gpu 0", "slice", ".5ms" },
	{ "gpu 0", "slice", "-2ms" },
	{ "gpu 0", "slice", "1.2.3ms" },
	{ "gpu 0", "slice", "18446744073709551617ms" },
	{ "guest a", "pci", "" },
	{ "guest a", "pci", "00:04.0," },
	{ "guest a", "pci", ",00:04.0" },
	{ "guest a", "pci", "00:04.0 00:05.0" },
	{ "guest a", "pci", "00:04.0, 0000:00:04.0" },
	{ "guest a", "pci", "0001:00:04.0" },
	{ "guest a", "on-dma-fault", "ignore" },
	{ "guest a", "kernel", "" },
	{ "guest a", "kernel", "my kernel" },
	{ "guest a", "initrd", "" },
	{ "guest a", "memory", "14M" },
	{ "guest a", "memory", "17M" },
	{ "guest a", "memory", "66G" },
	{ "guest a", "memory", "12Q" },
	{ "guest a", "memory", "M" },
	{ "guest a", "memory", "32m" },
	{ "guest a", "memory", "0x2000000" },
	{ "guest a", "memory", "17179869185G" },
	{ "guest a", "memory", "18446744073709551616" },
	{ "guest a", "cpus", "0" },
	{ "guest a", "cpus", "9" },
	{ "guest a", "cpus", "+1" },
	{ "guest a", "cpus", "4294967297" },
	{ "guest a", "cpu.weight", "0" },
	{ "guest a", "cpu.weight", "10001" },
	{ "guest a", "gpu", "4" },
	{ "guest a", "gpu", "none" },
	{ "guest a", "gpu.weight", "0%" },
	{ "guest a", "gpu.weight", "101%" },
	{ "guest a", "gpu.weight", "50 %" },
	{ "guest a", "gpu.weight", "184467440737095518%" }, /* 184 after a wrap */
	{ "guest a", "gpu.weight", "99999999999999999999%" },
	{ "guest a", "gpu.memory", "1020K" },
	{ "guest a", "gpu.memory", "1026K" },
	{ "guest a", "gpu.memory", "17G" },
	{ "guest a", "gpu.timeout", "99ms" },
	{ "guest a", "gpu.timeout", "0.0999s" },
	{ "guest a", "gpu.timeout", "61s" },
	{ "guest a", "gpu.timeout", "60000000001ns" },
	{ "guest a", "gpu.timeout", "2" },
	{ "gpu 0", "policy", "unfair" },
	{ "guest a", "gpu.reserve", "25" },
	{ "guest a", "gpu.reserve", "100.1%" },
	{ "guest a", "gpu.reserve", "12.55%" },
	{ "guest a", "gpu.reserve", "0x10%" },
	{ "guest a", "gpu.cap", "0%" },
	{ "guest a", "gpu.cap", "101%" },
	{ "guest a", "gpu.latency", "10001ms" },
	{ "guest a", "gpu.latency", "0" },
	{ "guest a", "gpu.queue", "0" },
	{ "guest a", "gpu.queue", "65" },
	{ "guest a", "gpu.doorbells", "99" },
	{ "guest a", "gpu.doorbells", "10000001" },
	{ "guest a", "autostart", "true" },
	{ "guest a", "cmdline", "a\tb" },
};

static void test_what_is_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!allows(good[i].section, good[i].key, good[i].value))
			fail_msg("%s", errors.kept[0].text);
}

static void test_what_is_not_allowed(void **state)
{
	char found[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (allows(bad[i].section, bad[i].key, bad[i].value))
			fail_msg("%s = %s passed", bad[i].key, bad[i].value);
		assert_int_equal(errors.count, 1);
		snprintf(found, sizeof(found), "[%s] %s: found \"", bad[i].section, bad[i].key);
		assert_non_null(strstr(errors.kept[0].text, found));
		assert_non_null(strstr(errors.kept[0].text, "\", allowed: "));
	}
}

static void test_wrong_value_leaves_the_default(void **state)
{
	(void)state;
	parse("[host]\nconsole = com9\nbaud = 1\nlog = loud\nwhen-idle = x\niommu = y\n");
	assert_int_equal(errors.count, 5);
	assert_int_equal(config.host.console_port, 0x3f8);
	assert_int_equal(config.host.baud, 115200);
	assert_int_equal(config.host.log_level, LOG_INFO);
	assert_int_equal(config.host.when_idle, CONFIG_IDLE_WAIT);
	assert_int_equal(config.host.iommu, CONFIG_IOMMU_AUTO);
}

static void test_share_is_a_weight_in_hundredths_of_a_percent(void **state)
{
	(void)state;
	assert_true(allows("guest a", "gpu.weight", "75%"));
	assert_int_equal(config.guests[0].gpu_weight, 7500);
	assert_true(allows("guest a", "cpu.weight", "1%"));
	assert_int_equal(config.guests[0].cpu_weight, 100);
}

static void test_time_may_have_a_fraction(void **state)
{
	(void)state;
	assert_true(allows("gpu 0", "slice", "2.5ms"));
	assert_int_equal(config.gpus[0].slice_ns, 2500000);
	assert_true(allows("gpu 0", "slice", "0.0005000019999s"));
	assert_int_equal(config.gpus[0].slice_ns, 500001);
}

static void fill_value(char *value, size_t length)
{
	memset(value, 'x', length);
	value[length] = 0;
}

static void test_texts_fit_to_the_last_character(void **state)
{
	char value[CONFIG_CMDLINE_MAX + 2];

	(void)state;
	fill_value(value, CONFIG_CMDLINE_MAX);
	assert_true(allows("guest a", "cmdline", value));
	assert_string_equal(config.guests[0].cmdline, value);
	fill_value(value, CONFIG_CMDLINE_MAX + 1);
	assert_false(allows("guest a", "cmdline", value));
	assert_string_equal(errors.kept[0].text,
			    "facet.conf:4: [guest a] cmdline: found "
			    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" (1024 characters), "
			    "allowed: at most 1023 printable ASCII characters");
	fill_value(value, CONFIG_PATH_MAX);
	assert_true(allows("guest a", "initrd", value));
	assert_string_equal(config.guests[0].initrd, value);
	fill_value(value, CONFIG_PATH_MAX + 1);
	assert_false(allows("guest a", "initrd", value));
}

/* ---- errors ---- */

static void test_error_says_file_line_key_found_and_allowed(void **state)
{
	(void)state;
	assert_one_error("[host]\n\n[guest alpha]\nkernel = k\nmemory = 12Q # twelve\n",
			 "facet.conf:5: [guest alpha] memory: found \"12Q\", "
			 "allowed: a size from 16M to 64G in steps of 2M");
}

static void test_unknown_keys_are_errors(void **state)
{
	(void)state;
	assert_one_error("[host]\ncolour = red\n",
			 "facet.conf:2: [host] colour: found an unknown key, "
			 "allowed: console, baud, log, when-idle, iommu, guests-on-cpu0, "
			 "assign-without-ir, assign-without-reset, sriov, vfs");
	assert_one_error("[gpu 0]\nslice.ns = 1\n",
			 "facet.conf:2: [gpu 0] slice.ns: found an unknown key, "
			 "allowed: pci, policy, slice");
	assert_one_error("[guest a]\nkernel = k\nmemory = 16M\nKernel = k\n",
			 "facet.conf:4: [guest a] Kernel: found an unknown key, allowed: "
			 "kernel, initrd, cmdline, memory, cpus, cpu.weight, gpu, pci, "
			 "on-dma-fault, autostart, "
			 "gpu.weight, gpu.reserve, gpu.cap, gpu.latency, gpu.queue, gpu.doorbells, "
			 "gpu.resets, gpu.refused, gpu.interrupts, gpu.memory, gpu.timeout");
}

static void test_unknown_section_is_one_error_whatever_is_in_it(void **state)
{
	(void)state;
	assert_one_error("[gost]\nmemory = 1\nfoo\n",
			 "facet.conf:1: [gost]: found an unknown section, "
			 "allowed: [host], [gpu 0] to [gpu 3], [guest NAME]");
	assert_one_error("[host 1]\nlog = x\n",
			 "facet.conf:1: [host 1]: found an unknown section, "
			 "allowed: [host], [gpu 0] to [gpu 3], [guest NAME]");
	assert_one_error("[]\n", "facet.conf:1: []: found an unknown section, "
				 "allowed: [host], [gpu 0] to [gpu 3], [guest NAME]");
}

static void test_lines_of_no_known_form(void **state)
{
	(void)state;
	assert_one_error("[host\n", "facet.conf:1: found \"[host\", "
				    "allowed: [SECTION] or KEY = VALUE");
	assert_one_error("[\n", "facet.conf:1: found \"[\", allowed: [SECTION] or KEY = VALUE");
	assert_one_error("[host]#x\n", "facet.conf:1: found \"[host]#x\", "
				       "allowed: [SECTION] or KEY = VALUE");
	assert_one_error("[host]\nbaud 9600\n", "facet.conf:2: [host]: found \"baud 9600\", "
						"allowed: [SECTION] or KEY = VALUE");
	assert_one_error("[host]\n= 9600\n", "facet.conf:2: [host]: found \"= 9600\", "
					     "allowed: [SECTION] or KEY = VALUE");
}

static void test_key_before_any_section(void **state)
{
	(void)state;
	assert_one_error("log = info\n[host]\n",
			 "facet.conf:1: log: found no section before it, "
			 "allowed: [host], [gpu 0] to [gpu 3], [guest NAME]");
}

static void test_nothing_may_stand_twice(void **state)
{
	(void)state;
	assert_one_error("[host]\nlog = info\nlog = debug\n",
			 "facet.conf:3: [host] log: found a second time, "
			 "allowed: once (it is in line 2)");
	assert_int_equal(config.host.log_level, LOG_INFO);
	assert_one_error("[host]\n[host]\nlog = info\n",
			 "facet.conf:2: [host]: found a second time, "
			 "allowed: once (it is in line 1)");
	assert_one_error("[gpu 1]\n[gpu 01]\n", "facet.conf:2: [gpu 01]: found a second time, "
						"allowed: once (it is in line 1)");
	assert_one_error("[guest a]\nkernel = k\nmemory = 16M\n[guest a]\n",
			 "facet.conf:4: [guest a]: found a second time, "
			 "allowed: once (it is in line 1)");
	assert_int_equal(config.guest_count, 1);
}

static void test_second_section_does_not_change_the_first(void **state)
{
	(void)state;
	parse("[guest a]\nkernel = k\nmemory = 16M\n[gpu 0]\nslice = 1ms\n"
	      "[guest a]\nkernel = other\n[gpu 0]\nslice = 3ms\n");
	assert_int_equal(errors.count, 2);
	assert_string_equal(config.guests[0].kernel, "k");
	assert_int_equal(config.gpus[0].slice_ns, 1000000);
}

static void test_mandatory_keys_must_be_there(void **state)
{
	static const char *const expected[] = {
		"facet.conf:1: [guest a] kernel: found nothing, but it must be there, "
		"allowed: a file name relative to \\facet, 1 to 127 characters without blanks",
		"facet.conf:1: [guest a] memory: found nothing, but it must be there, "
		"allowed: a size from 16M to 64G in steps of 2M",
	};

	(void)state;
	assert_errors("[guest a]\n", 2, expected);
	assert_errors("[guest a]\ncpus = 1\n[host]\n", 2, expected);
}

static void test_key_in_a_refused_line_is_not_called_missing(void **state)
{
	(void)state;
	assert_one_error("[guest a]\nkernel = k\nmemory 16M\n",
			 "facet.conf:3: [guest a]: found \"memory 16M\", "
			 "allowed: [SECTION] or KEY = VALUE");
}

static void test_guest_names(void **state)
{
	static const char *const refused[] = {
		"", "abcdefghijklmnopq", "a b", "a.b", "a\tb", "a|b", "[x]", "a:", "a#b", "../a"
	};
	char text[128];

	(void)state;
	assert_good("[guest abcdefghijklmnop]\nkernel = k\nmemory = 16M\n");
	assert_string_equal(config.guests[0].name, "abcdefghijklmnop");
	assert_good("[guest A-z_09]\nkernel = k\nmemory = 16M\n");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		snprintf(text, sizeof(text), "[guest %s]\nkernel = k\nmemory = 16M\n", refused[i]);
		parse(text);
		assert_int_equal(errors.count, 1);
		assert_int_equal(config.guest_count, 0);
		assert_non_null(strstr(errors.kept[0].text,
				       "allowed: a name of 1 to 16 letters, digits, - and _"));
	}
}

static void test_numbers_of_gpus(void **state)
{
	static const char *const refused[] = { "", "4", "x", "-1", "0 1", "4294967296" };
	char text[64];

	(void)state;
	assert_good("[gpu 0]\n[gpu 3]\n");
	assert_int_equal(config.gpu_count, 4);
	assert_false(config.gpus[1].line);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		snprintf(text, sizeof(text), "[gpu %s]\n", refused[i]);
		parse(text);
		assert_int_equal(errors.count, 1);
		assert_int_equal(config.gpu_count, 0);
		assert_non_null(strstr(errors.kept[0].text, "allowed: [gpu 0] to [gpu 3]"));
	}
}

static void test_sixteen_guests_and_no_more(void **state)
{
	char text[1024] = "";
	size_t at = 0;

	(void)state;
	for (int i = 0; i < 17; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "[guest g%d]\nkernel = k\nmemory = 16M\n", i);
	assert_one_error(text, "facet.conf:49: [guest g16]: found one guest more, "
			       "allowed: 16 guests");
	assert_int_equal(config.guest_count, 16);
}

static void test_control_characters_and_zero_bytes_are_errors(void **state)
{
	static const char zero[] = "[guest a]\nkernel = k\0x\nmemory = 16M\n";

	(void)state;
	parse_bytes(zero, sizeof(zero) - 1);
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.kept[0].text,
			    "facet.conf:2: [guest a] kernel: found the byte 0x00 in column 11, "
			    "allowed: printable ASCII, and UTF-8 in comments");
	parse("[guest a]\nkernel = k\nmemory = 16M\ncmdline = a \x1b[2J\n# and \x07\n\x7f\n");
	assert_int_equal(errors.count, 3);
	assert_non_null(strstr(errors.kept[0].text, ":4: [guest a] cmdline: found the byte 0x1b in "
						    "column 13,"));
	assert_non_null(
		strstr(errors.kept[1].text, ":5: [guest a]: found the byte 0x07 in column 7,"));
	assert_non_null(
		strstr(errors.kept[2].text, ":6: [guest a]: found the byte 0x7f in column 1,"));
	parse("[guest a]\nkernel = k\xc3\xa4\nmemory = 16M\nautostart\r = yes\n");
	assert_int_equal(errors.count, 2);
}

static void test_errors_carry_nothing_that_steers_a_terminal(void **state)
{
	static const char text[] = "[gu\x1b[31m]\n[host]\nlo\tg\x01 = \x1b\n\x9b = \xff\n"
				   "a\tb = 1\nlog = a\tb\n\x1b\n[guest \x07]\nc\x08=1\n";

	(void)state;
	parse_bytes(text, sizeof(text) - 1);
	assert_true(errors.count >= 8);
	for (u32 i = 0; i < errors.count; i++)
		for (const char *c = errors.kept[i].text; *c; c++)
			assert_in_range(*c, ' ', '~');
}

static void test_all_errors_in_the_order_of_lines(void **state)
{
	static const char *const expected[] = { ":1: ", ":3: ", ":4: [guest a] kernel",
						":6: ", ":9: ", ":10: " };

	(void)state;
	parse("x = 1\n[host]\nlog = x\n[guest a]\nmemory = 16M\ncpus = 9\n"
	      "[gpu 0]\npci = 00:01.0\nslice = 1\n[gpu 5]\n");
	assert_int_equal(errors.count, ARRAY_SIZE(expected));
	for (u32 i = 0; i < errors.count; i++)
		assert_non_null(strstr(errors.kept[i].text, expected[i]));
}

static void test_more_errors_than_are_kept_are_counted(void **state)
{
	char text[4096] = "[guest a]\n";
	size_t at = strlen(text);

	(void)state;
	for (u32 i = 0; i < 2 * CONFIG_ERRORS_KEPT; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "x%u = 1\n", i);
	parse(text);
	assert_int_equal(errors.count, 2 * CONFIG_ERRORS_KEPT + 2);
	/* Found last, but they are of line 1. */
	assert_non_null(strstr(errors.kept[0].text, ":1: [guest a] kernel"));
	assert_non_null(strstr(errors.kept[1].text, ":1: [guest a] memory"));
	for (u32 i = 2; i < CONFIG_ERRORS_KEPT; i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "facet.conf:%u: [guest a] x%u: ", i, i - 2);
		assert_int_equal(strncmp(errors.kept[i].text, expected, strlen(expected)), 0);
	}
}

/* ---- rules that span sections ---- */

static void test_two_gpus_must_not_be_one_function(void **state)
{
	(void)state;
	assert_good("[gpu 0]\npci = 00:02.0\n[gpu 1]\npci = 00:03.0\n");
	assert_one_error("[gpu 1]\npci = 00:02.0\n[gpu 0]\npci = 0000:00:02.0\n",
			 "facet.conf:4: [gpu 0] pci: found 00:02.0, which another section names, "
			 "allowed: each function once (it is in line 2)");
}

static void test_a_guest_has_eight_functions_at_the_most(void **state)
{
	(void)state;
	assert_one_error("[guest a]\nkernel = k\nmemory = 16M\npci = 00:04.0, 00:04.1, 00:04.2, "
			 "00:04.3, 00:04.4, 00:04.5, 00:04.6, 00:04.7, 00:05.0\n",
			 "facet.conf:4: [guest a] pci: found "
			 "\"00:04.0, 00:04.1, 00:04.2, 00:04.3, 00:0...\" (79 characters), "
			 "allowed: 1 to 8 functions as BB:DD.F or 0000:BB:DD.F in hexadecimal, "
			 "such as 00:04.0, 00:05.0");
}

static void test_a_function_is_given_once(void **state)
{
	static const char guests[] = "[guest a]\nkernel = k\nmemory = 16M\npci = 00:04.0, 00:05.0\n"
				     "[guest b]\nkernel = k\nmemory = 16M\npci = 00:06.0";
	char text[256];

	(void)state;
	assert_good(guests);
	snprintf(text, sizeof(text), "%s, 00:05.0\n", guests);
	assert_one_error(text, "facet.conf:8: [guest b] pci: found 00:05.0, which another section "
			       "names, allowed: each function once (it is in line 4)");
	snprintf(text, sizeof(text), "%s\n[gpu 0]\npci = 00:04.0\n", guests);
	assert_one_error(text, "facet.conf:10: [gpu 0] pci: found 00:04.0, which another section "
			       "names, allowed: each function once (it is in line 4)");
}

static void test_shares_make_the_whole_at_the_most(void **state)
{
	(void)state;
	assert_good("[guest a]\nkernel = k\nmemory = 16M\ngpu = 0\ngpu.weight = 60%\n"
		    "[guest b]\nkernel = k\nmemory = 16M\ngpu = 0\ngpu.weight = 40%\n"
		    "[guest c]\nkernel = k\nmemory = 16M\ngpu = 1\ngpu.weight = 40%\n");
	assert_one_error("[guest a]\nkernel = k\nmemory = 16M\ngpu = 0\ngpu.weight = 60%\n"
			 "[guest b]\nkernel = k\nmemory = 16M\ngpu = 0\ngpu.weight = 41%\n",
			 "facet.conf:10: [guest b] gpu.weight: found shares of 101% up to here, "
			 "allowed: 100% for all guests together");
}

static void test_shares_and_weights_do_not_mix(void **state)
{
	(void)state;
	assert_one_error("[guest a]\nkernel = k\nmemory = 16M\ncpu.weight = 60%\n"
			 "[guest b]\nkernel = k\nmemory = 16M\n",
			 "facet.conf:5: [guest b] cpu.weight: found a weight beside other guests' "
			 "shares, allowed: a share, such as 50%");
	assert_one_error("[guest a]\nkernel = k\nmemory = 16M\ngpu = 0\ngpu.weight = 60%\n"
			 "[guest b]\nkernel = k\nmemory = 16M\ngpu = 0\ngpu.weight = 100\n"
			 "[guest c]\nkernel = k\nmemory = 16M\ngpu = 1\n",
			 "facet.conf:10: [guest b] gpu.weight: found a weight beside other guests' "
			 "shares, allowed: a share, such as 50%");
}

#define GUEST_ON(name, gpu, keys) "[guest " name "]\nkernel = k\nmemory = 16M\ngpu = " gpu "\n" keys

static void test_reserves_of_one_gpu_make_the_whole_at_the_most(void **state)
{
	(void)state;
	assert_good(GUEST_ON("a", "0", "gpu.reserve = 60%\n") GUEST_ON(
		"b", "0", "gpu.reserve = 40%\n") GUEST_ON("c", "1", "gpu.reserve = 100%\n"));
	assert_one_error(
		GUEST_ON("a", "0", "gpu.reserve = 60%\n")
			GUEST_ON("b", "0", "gpu.reserve = 40.1%\n"),
		"facet.conf:6: [guest b] gpu.reserve: found reserves of 100.1% up to here, "
		"allowed: 100% for all guests of a GPU");
}

static void test_a_cap_below_the_reserve_is_refused(void **state)
{
	(void)state;
	assert_good(GUEST_ON("a", "0", "gpu.reserve = 60%\ngpu.cap = 60%\n"));
	assert_one_error(GUEST_ON("a", "0", "gpu.reserve = 60%\ngpu.cap = 59.9%\n"),
			 "facet.conf:1: [guest a] gpu.cap: found less than gpu.reserve, "
			 "allowed: gpu.reserve or more");
}

static void test_a_latency_bound_needs_a_reserve(void **state)
{
	(void)state;
	assert_good(GUEST_ON("a", "0", "gpu.reserve = 10%\ngpu.latency = 10s\n"));
	assert_one_error(GUEST_ON("a", "0", "gpu.latency = 20ms\n"),
			 "facet.conf:1: [guest a] gpu.latency: found a bound without gpu.reserve, "
			 "allowed: both or neither");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_file_has_defaults_and_no_guests),
		cmocka_unit_test(test_every_key_is_read),
		cmocka_unit_test(test_line_ends_of_dos_and_a_byte_order_mark_are_tolerated),
		cmocka_unit_test(test_last_line_needs_no_newline),
		cmocka_unit_test(test_blanks_do_not_matter),
		cmocka_unit_test(test_hash_is_a_comment_at_the_start_and_after_blanks_only),
		cmocka_unit_test(test_guest_defaults),
		cmocka_unit_test(test_gpu_that_only_a_guest_names_counts),
		cmocka_unit_test(test_what_is_allowed),
		cmocka_unit_test(test_what_is_not_allowed),
		cmocka_unit_test(test_wrong_value_leaves_the_default),
		cmocka_unit_test(test_share_is_a_weight_in_hundredths_of_a_percent),
		cmocka_unit_test(test_time_may_have_a_fraction),
		cmocka_unit_test(test_texts_fit_to_the_last_character),
		cmocka_unit_test(test_error_says_file_line_key_found_and_allowed),
		cmocka_unit_test(test_unknown_keys_are_errors),
		cmocka_unit_test(test_unknown_section_is_one_error_whatever_is_in_it),
		cmocka_unit_test(test_lines_of_no_known_form),
		cmocka_unit_test(test_key_before_any_section),
		cmocka_unit_test(test_nothing_may_stand_twice),
		cmocka_unit_test(test_second_section_does_not_change_the_first),
		cmocka_unit_test(test_mandatory_keys_must_be_there),
		cmocka_unit_test(test_key_in_a_refused_line_is_not_called_missing),
		cmocka_unit_test(test_guest_names),
		cmocka_unit_test(test_numbers_of_gpus),
		cmocka_unit_test(test_sixteen_guests_and_no_more),
		cmocka_unit_test(test_control_characters_and_zero_bytes_are_errors),
		cmocka_unit_test(test_errors_carry_nothing_that_steers_a_terminal),
		cmocka_unit_test(test_all_errors_in_the_order_of_lines),
		cmocka_unit_test(test_more_errors_than_are_kept_are_counted),
		cmocka_unit_test(test_two_gpus_must_not_be_one_function),
		cmocka_unit_test(test_a_guest_has_eight_functions_at_the_most),
		cmocka_unit_test(test_a_function_is_given_once),
		cmocka_unit_test(test_shares_make_the_whole_at_the_most),
		cmocka_unit_test(test_shares_and_weights_do_not_mix),
		cmocka_unit_test(test_reserves_of_one_gpu_make_the_whole_at_the_most),
		cmocka_unit_test(test_a_cap_below_the_reserve_is_refused),
		cmocka_unit_test(test_a_latency_bound_needs_a_reserve),
	};

	config_add(&gpu_config_part);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
