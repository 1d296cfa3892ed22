// SPDX-License-Identifier: Apache-2.0
/* The loaders: good images are placed by the boot protocol, broken ones are refused. */
// SOURCES: guest/linux.c guest/longmode.c core/lib/string.c core/lib/fmt.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "guest/layout.h"
#include "guest/linux.h"

#define RAM	    MIB(2) /* that much of guest RAM is really there */
#define IMAGE_SIZE  (5 * 512 + 0x1000)
#define SETUP_SECTS 4

static u8 ram[RAM];
static u8 image[IMAGE_SIZE];
static struct config_guest config;
static struct vm vm;
static struct vcpu vcpu;
static struct x86_state entered;
static struct linux_plan plan;
static struct boot_file kernel, initrd;
static char last_line[256];

/* ---- what core/ offers ---- */

static bool is_ram(u64 gpa, u64 size)
{
	u64 low = MIN(vm.memory.size, GMEM_HOLE_START);

	return gpa <= low && size <= low - gpa && gpa + size <= RAM;
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	(void)mem;
	if (!is_ram(gpa.raw, size))
		return ERR_FAULT;
	memcpy(ram + gpa.raw, src, size);
	return OK;
}

enum err gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t size)
{
	(void)mem;
	if (!is_ram(gpa.raw, size))
		return ERR_FAULT;
	memcpy(dst, ram + gpa.raw, size);
	return OK;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	fmt_vsnprintf(last_line, sizeof(last_line), fmt, args);
	va_end(args);
}

static void set_state(struct arch_vcpu *arch, const struct x86_state *state)
{
	(void)arch;
	entered = *state;
}

static const struct virt_ops fake_virt = { .set_state = set_state };
const struct virt_ops *virt = &fake_virt;

/* ---- a kernel image ---- */

static void put(u32 offset, u64 value, u32 size)
{
	memcpy(image + offset, &value, size);
}

static u64 get(u64 gpa, u32 size)
{
	u64 value = 0;

	memcpy(&value, ram + gpa, size);
	return value;
}

/* What `file` of a current x86-64 kernel says, but small. */
static void make_image(void)
{
	memset(image, 0, sizeof(image));
	put(0x1f1, SETUP_SECTS, 1);
	put(0x1fe, 0xaa55, 2);
	put(0x200, 0x6aeb, 2); /* jmp over the header */
	put(0x202, 0x53726448, 4);
	put(0x206, 0x020f, 2);
	put(0x211, 1, 1);
	put(0x22c, 0x7fffffff, 4);
	put(0x230, MIB(2), 4);
	put(0x234, 1, 1);
	put(0x236, 0x7f, 2);
	put(0x238, 2047, 4);
	put(0x258, MIB(16), 8);
	put(0x260, MIB(24), 4);
	memset(image + 5 * 512, 0xcd, IMAGE_SIZE - 5 * 512);
}

static int start(void **state)
{
	(void)state;
	make_image();
	memset(ram, 0, sizeof(ram));
	memset(&vm, 0, sizeof(vm));
	memset(&config, 0, sizeof(config));
	memset(&entered, 0, sizeof(entered));
	last_line[0] = 0;
	(void)str_copy(vm.name, sizeof(vm.name), "alpha");
	(void)str_copy(config.cmdline, sizeof(config.cmdline), "console=ttyS0 quiet");
	vm.config = &config;
	vm.memory.size = MIB(256);
	vm.vcpus[0] = &vcpu;
	vm.vcpu_count = 1;
	kernel = (struct boot_file){ .name = "vmlinuz", .data = image, .size = IMAGE_SIZE };
	initrd = (struct boot_file){ .name = "init.gz", .data = image, .size = 12345 };
	return 0;
}

static bool said(const char *part)
{
	return strstr(last_line, part) && strstr(last_line, "guest alpha: ");
}

static void refused(enum err expected, const char *part)
{
	assert_int_equal(linux_plan(&vm, &kernel, &initrd, &plan), expected);
	if (!said(part))
		fail_msg("said \"%s\", not \"%s\"", last_line, part);
}

/* ---- plans ---- */

static void kernel_goes_where_it_wants(void **state)
{
	(void)state;
	assert_int_equal(linux_plan(&vm, &kernel, NULL, &plan), OK);
	assert_int_equal(plan.kernel_gpa, MIB(16));
	assert_ptr_equal(plan.kernel, image + 5 * 512);
	assert_int_equal(plan.kernel_size, IMAGE_SIZE - 5 * 512);
	assert_int_equal(plan.initrd_gpa, 0);
}

static void initrd_lies_at_the_top_on_a_page(void **state)
{
	(void)state;
	assert_int_equal(linux_plan(&vm, &kernel, &initrd, &plan), OK);
	assert_int_equal(plan.initrd_gpa, MIB(256) - 4 * PAGE_SIZE);
	assert_int_equal(plan.initrd_size, 12345);
}

static void initrd_stays_below_what_the_kernel_reaches(void **state)
{
	(void)state;
	put(0x22c, MIB(128) - 1, 4);
	assert_int_equal(linux_plan(&vm, &kernel, &initrd, &plan), OK);
	assert_true(plan.initrd_gpa + plan.initrd_size <= MIB(128));
}

static void initrd_stays_below_the_hole(void **state)
{
	(void)state;
	vm.memory.size = GIB(6);
	put(0x22c, 0xffffffff, 4);
	assert_int_equal(linux_plan(&vm, &kernel, &initrd, &plan), OK);
	assert_true(plan.initrd_gpa + plan.initrd_size <= GMEM_HOLE_START);
}

static void zero_setup_sectors_mean_four(void **state)
{
	(void)state;
	put(0x1f1, 0, 1);
	assert_int_equal(linux_plan(&vm, &kernel, NULL, &plan), OK);
	assert_ptr_equal(plan.kernel, image + 5 * 512);
}

static void what_is_no_kernel_is_refused(void **state)
{
	(void)state;
	put(0x202, 0, 4);
	refused(ERR_INVALID, "vmlinuz: not a Linux bzImage");
	make_image();
	put(0x1fe, 0, 2);
	refused(ERR_INVALID, "not a Linux bzImage");
	make_image();
	put(0x206, 0x020b, 2);
	refused(ERR_INVALID, "boot protocol");
	make_image();
	put(0x236, 0, 2);
	refused(ERR_INVALID, "64-bit");
}

static void a_cut_file_is_refused(void **state)
{
	(void)state;
	for (kernel.size = 0; kernel.size < 5 * 512 + 0x200; kernel.size += 64)
		assert_int_equal(linux_plan(&vm, &kernel, NULL, &plan), ERR_INVALID);
}

static void addresses_that_are_no_memory_are_refused(void **state)
{
	static const u64 wrong[] = { 0, PAGE_SIZE, MIB(16) + 1, 0xfffff000 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		put(0x258, wrong[i], 8);
		assert_int_not_equal(linux_plan(&vm, &kernel, NULL, &plan), OK);
	}
	put(0x258, ~0ULL << 12, 8);
	assert_int_not_equal(linux_plan(&vm, &kernel, NULL, &plan), OK);
	put(0x258, MIB(16), 8);
	put(0x260, 0xffffffff, 4);
	refused(ERR_NO_MEMORY, "needs");
}

static void too_little_memory_is_said(void **state)
{
	(void)state;
	vm.memory.size = MIB(32);
	refused(ERR_NO_MEMORY, "vmlinuz needs 41 MiB of memory, the guest has 32");
	vm.memory.size = MIB(40);
	refused(ERR_NO_MEMORY, "init.gz (12 KiB) and the kernel do not fit in 40 MiB");
	vm.memory.size = MIB(42);
	initrd.size = ~0ULL;
	refused(ERR_NO_MEMORY, "init.gz");
}

static void a_command_line_that_is_too_long_is_refused(void **state)
{
	(void)state;
	put(0x238, 10, 4);
	refused(ERR_INVALID, "command line");
}

/* ---- what the kernel finds ---- */

static void finish(u64 memory)
{
	vm.memory.size = memory;
	assert_int_equal(linux_plan(&vm, &kernel, &initrd, &plan), OK);
	assert_int_equal(linux_finish(&vm, &plan), OK);
}

static void zero_page_has_header_initrd_and_command_line(void **state)
{
	u64 zp = LAYOUT_ZERO_PAGE;

	(void)state;
	finish(MIB(256));
	assert_int_equal(get(zp + 0x202, 4), 0x53726448);
	assert_int_equal(get(zp + 0x210, 1), 0xff);
	assert_int_equal(get(zp + 0x218, 4), plan.initrd_gpa);
	assert_int_equal(get(zp + 0x21c, 4), 12345);
	assert_int_equal(get(zp + 0x228, 4), LAYOUT_CMDLINE);
	assert_int_equal(get(zp + 0x258, 8), MIB(16));
	assert_int_equal(get(zp + 0x070, 8), LAYOUT_RSDP);
	assert_string_equal((char *)ram + LAYOUT_CMDLINE, "console=ttyS0 quiet");
}

static u64 map_covers(u32 type)
{
	u64 total = 0;

	for (u64 i = 0; i < get(LAYOUT_ZERO_PAGE + 0x1e8, 1); i++) {
		u64 entry = LAYOUT_ZERO_PAGE + 0x2d0 + i * 20;

		if (get(entry + 16, 4) == type)
			total += get(entry + 8, 8);
	}
	return total;
}

static void memory_map_is_sorted_and_complete(void **state)
{
	static const u64 sizes[] = { MIB(256), GIB(3), GIB(4) };

	(void)state;
	for (u32 s = 0; s < ARRAY_SIZE(sizes); s++) {
		u64 end = 0;

		finish(sizes[s]);
		for (u64 i = 0; i < get(LAYOUT_ZERO_PAGE + 0x1e8, 1); i++) {
			u64 entry = LAYOUT_ZERO_PAGE + 0x2d0 + i * 20;

			assert_true(get(entry, 8) >= end);
			end = get(entry, 8) + get(entry + 8, 8);
		}
		/* All RAM, less what lies between the end of low memory and 1 MiB. */
		assert_int_equal(map_covers(1), sizes[s] - (MIB(1) - LAYOUT_LOW_END));
	}
}

static void kernel_is_entered_in_long_mode(void **state)
{
	(void)state;
	finish(MIB(256));
	assert_int_equal(entered.rip, MIB(16) + 0x200);
	assert_int_equal(entered.gpr[GPR_RSI], LAYOUT_ZERO_PAGE);
	assert_int_equal(entered.rflags & BIT(9), 0); /* IF */
	assert_true(entered.cr0 & CR0_PG && entered.cr0 & CR0_PE);
	assert_true(entered.cr4 & CR4_PAE);
	assert_int_equal(entered.efer, EFER_LME | EFER_LMA);
	assert_int_equal(entered.cs.selector, 0x10);
	assert_int_equal(entered.ds.selector, 0x18);
	assert_int_equal(entered.cs.attributes & 0x200, 0x200);	  /* L */
	assert_int_equal(get(LAYOUT_GDT + 0x10, 8) >> 53 & 1, 1); /* and in the GDT */
	assert_int_equal(get(LAYOUT_GDT + 0x18, 8) >> 41 & 1, 1); /* writable data */
}

/* Where the tables at `cr3` lead. */
static u64 translate(u64 cr3, u64 address)
{
	u64 table = cr3;

	for (u32 shift = 39;; shift -= 9) {
		u64 entry = get(table + (address >> shift & 511) * 8, 8);
		u64 offset = address & (BIT(shift) - 1);

		if (!(entry & 1))
			return ~0ULL;
		if (shift == 12 || entry & 0x80)
			return (entry & ~0xfffULL) + offset;
		table = entry & ~0xfffULL;
	}
}

static void first_4_gib_are_mapped_one_to_one(void **state)
{
	static const u64 places[] = { 0, 0x123456, MIB(16) + 0x200, 0xbfffffff, 0xffffffff };

	(void)state;
	finish(MIB(256));
	for (u32 i = 0; i < ARRAY_SIZE(places); i++)
		assert_int_equal(translate(entered.cr3, places[i]), places[i]);
	assert_int_equal(translate(entered.cr3, GIB(4)), ~0ULL);
}

static void a_header_that_claims_to_be_long_is_cut(void **state)
{
	(void)state;
	put(0x201, 0xff, 1);
	finish(MIB(256));
	assert_int_equal(get(LAYOUT_ZERO_PAGE + 0x268, 8), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kernel_goes_where_it_wants),
		TEST(initrd_lies_at_the_top_on_a_page),
		TEST(initrd_stays_below_what_the_kernel_reaches),
		TEST(initrd_stays_below_the_hole),
		TEST(zero_setup_sectors_mean_four),
		TEST(what_is_no_kernel_is_refused),
		TEST(a_cut_file_is_refused),
		TEST(addresses_that_are_no_memory_are_refused),
		TEST(too_little_memory_is_said),
		TEST(a_command_line_that_is_too_long_is_refused),
		TEST(zero_page_has_header_initrd_and_command_line),
		TEST(memory_map_is_sorted_and_complete),
		TEST(kernel_is_entered_in_long_mode),
		TEST(first_4_gib_are_mapped_one_to_one),
		TEST(a_header_that_claims_to_be_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
