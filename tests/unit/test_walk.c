// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/walk.c
/* Rules of the walker of guests' page tables (SDM vol. 3, 4.3 to 4.6), and a plain model of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/walk.h"

#define RAM_PAGES 32
#define P	  1ULL
#define W	  2ULL
#define U	  4ULL
#define PS	  0x80ULL
#define NX	  BIT(63)
#define PF_P	  1u

/* A guest's RAM, and how often it was read in one walk. */
static u8 ram[RAM_PAGES * 4096];
static u32 reads;

enum err host_guest_read(struct arch_vcpu *vcpu, gpa_t gpa, void *dst, size_t size)
{
	(void)vcpu;
	reads++;
	if (gpa.raw > sizeof(ram) - size)
		return ERR_FAULT;
	memcpy(dst, ram + gpa.raw, size);
	return OK;
}

enum err host_guest_locate(struct arch_vcpu *vcpu, gpa_t gpa, hpa_t *hpa);
enum err host_guest_locate(struct arch_vcpu *vcpu, gpa_t gpa, hpa_t *hpa)
{
	(void)vcpu;
	*hpa = HPA(gpa.raw);
	return gpa.raw < sizeof(ram) ? OK : ERR_FAULT;
}

static const struct walk_mode flat = { .cr0 = CR0_PE };
static const struct walk_mode two_level = { .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000 };
static const struct walk_mode two_level_pse = {
	.cr0 = CR0_PE | CR0_PG,
	.cr3 = 0x1000,
	.cr4 = CR4_PSE,
};
static const struct walk_mode pae = { .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1020, .cr4 = CR4_PAE };
static const struct walk_mode long_mode = {
	.cr0 = CR0_PE | CR0_PG | CR0_WP,
	.cr3 = 0x1000,
	.cr4 = CR4_PAE,
	.efer = EFER_LME | EFER_LMA | EFER_NXE,
};

static int empty(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	return 0;
}

static void put32(u64 at, u64 value)
{
	u32 entry = (u32)value;

	memcpy(ram + at, &entry, 4);
}

static void put64(u64 at, u64 value)
{
	memcpy(ram + at, &value, 8);
}

static void goes_to(const struct walk_mode *mode, u64 gva, u64 access, u64 expected)
{
	gpa_t gpa = GPA(~0ULL);
	u32 code = 0;

	reads = 0;
	assert_int_equal(walk_translate(NULL, mode, GVA(gva), access, &gpa, &code, NULL), OK);
	assert_int_equal(gpa.raw, expected);
	assert_in_range(reads, 0, 4);
}

static void is_refused(const struct walk_mode *mode, u64 gva, u64 access, u32 expected)
{
	gpa_t gpa;
	u32 code = 0;

	assert_int_equal(walk_translate(NULL, mode, GVA(gva), access, &gpa, &code, NULL),
			 ERR_DENIED);
	assert_int_equal(code, expected);
}

/* ---- each mode ---- */

static void without_paging_addresses_are_one_to_one(void **state)
{
	(void)state;
	goes_to(&flat, 0, WALK_WRITE, 0);
	goes_to(&flat, 0xfee00020, WALK_USER | WALK_WRITE, 0xfee00020);
	goes_to(&flat, 0x100001234, 0, 0x1234);
	assert_int_equal(reads, 0);
}

static void two_levels_of_1024_entries(void **state)
{
	(void)state;
	put32(0x1000 + 0x300 * 4, 0x2000 | P | W | U);
	put32(0x2000 + 0x155 * 4, 0xabcde000 | P | W | U);
	goes_to(&two_level, 0xc0155678, 0, 0xabcde678);
	assert_int_equal(reads, 2);
	is_refused(&two_level, 0xc0156000, 0, 0);
	is_refused(&two_level, 0xc0400000, WALK_WRITE, WALK_WRITE);
}

static void a_4_mib_page_needs_pse(void **state)
{
	(void)state;
	put32(0x1000, 0x00400000 | P | W | PS);
	put32(0x1004, 0xffc00000 | P | W | PS);
	goes_to(&two_level_pse, 0x00123456, 0, 0x00523456);
	goes_to(&two_level_pse, 0x007fffff, 0, 0xffffffff);
	assert_int_equal(reads, 1);
	/* Without CR4.PSE the bit means nothing and the entry names a table. */
	put32(0x1000, 0x3000 | P | W | PS);
	put32(0x3000 + 0x123 * 4, 0x7000 | P);
	goes_to(&two_level, 0x00123456, 0, 0x7456);
}

static void pse_36_reaches_beyond_4_gib(void **state)
{
	(void)state;
	put32(0x1000, 0x00c00000 | 0x0a << 13 | P | W | PS);
	goes_to(&two_level_pse, 0x00000042, 0, 0xa00c00042);
}

static void pae_begins_with_four_pointers(void **state)
{
	(void)state;
	put64(0x1020 + 3 * 8, 0x2000 | P);
	put64(0x2000 + 5 * 8, 0x3000 | P | W | U);
	put64(0x3000 + 7 * 8, 0x123456000 | P | W | U);
	goes_to(&pae, 0xc0a07abc, WALK_USER | WALK_WRITE, 0x123456abc);
	assert_int_equal(reads, 3);
	is_refused(&pae, 0x40a07abc, 0, 0);
	/* CR3 holds a 32-byte aligned address of 32 bits; the rest is not part of it. */
	goes_to(&(struct walk_mode){ CR0_PE | CR0_PG, 0x103f, CR4_PAE, 0 }, 0xc0a07abc, 0,
		0x123456abc);
}

static void pae_has_2_mib_pages_whatever_pse_says(void **state)
{
	(void)state;
	put64(0x1020, 0x2000 | P);
	put64(0x2000 + 8, 0x740000000 | P | PS);
	goes_to(&pae, 0x3fffff, 0, 0x7401fffff);
	assert_int_equal(reads, 2);
}

static void four_levels(void **state)
{
	const u64 gva = 0x7ULL << 39 | 0x1ffULL << 30 | 0x3ULL << 21 | 0x100ULL << 12 | 0xfff;

	(void)state;
	put64(0x1000 + 7 * 8, 0x2000 | P | W | U);
	put64(0x2000 + 0x1ff * 8, 0x3000 | P | W | U);
	put64(0x3000 + 3 * 8, 0x4000 | P | W | U);
	put64(0x4000 + 0x100 * 8, 0x000ffffffffff000ULL | P | W | U);
	goes_to(&long_mode, gva, WALK_USER | WALK_WRITE | WALK_FETCH, 0x000fffffffffffffULL);
	assert_int_equal(reads, 4);
	/* The bits above 47 do not take part. */
	goes_to(&long_mode, gva | 0xffff000000000000ULL, 0, 0x000fffffffffffffULL);
	is_refused(&long_mode, gva + 4096, WALK_FETCH, WALK_FETCH);
}

static void large_pages_of_long_mode(void **state)
{
	(void)state;
	put64(0x1000, 0x2000 | P | W | U);
	put64(0x2000 + 8, 0x4000000000 | P | W | U | PS);
	put64(0x2000, 0x3000 | P | W | U);
	put64(0x3000 + 8, 0x5000200000 | P | W | U | PS);
	goes_to(&long_mode, GIB(1) + 0x12345678, 0, 0x4012345678);
	assert_int_equal(reads, 2);
	goes_to(&long_mode, MIB(2) + 0x1edcba, 0, 0x50003edcba);
	assert_int_equal(reads, 3);
}

static void the_pat_bit_of_a_large_page_is_no_address(void **state)
{
	(void)state;
	put64(0x1000, 0x2000 | P | W | U);
	put64(0x2000, 0x3000 | P | W | U);
	put64(0x3000, 0x5000200000 | P | BIT(12) | PS);
	goes_to(&long_mode, 0x1234, 0, 0x5000201234);
	/* In a PTE the same bit 7 is PAT, not size. */
	put64(0x3000, 0x4000 | P);
	put64(0x4000 + 8, 0x9000 | P | PS);
	goes_to(&long_mode, 0x1234, 0, 0x9234);
}

/* ---- rights ---- */

static void map_rights(u64 pml4e, u64 pdpte, u64 pde, u64 pte)
{
	put64(0x1000, 0x2000 | P | pml4e);
	put64(0x2000, 0x3000 | P | pdpte);
	put64(0x3000, 0x4000 | P | pde);
	put64(0x4000, 0x5000 | P | pte);
}

static void every_level_must_allow_users(void **state)
{
	(void)state;
	for (u32 level = 0; level < 4; level++) {
		map_rights(W | (level == 0 ? 0 : U), W | (level == 1 ? 0 : U),
			   W | (level == 2 ? 0 : U), W | (level == 3 ? 0 : U));
		is_refused(&long_mode, 0, WALK_USER, PF_P | WALK_USER);
		goes_to(&long_mode, 0, WALK_WRITE, 0x5000);
	}
	map_rights(W | U, W | U, W | U, W | U);
	goes_to(&long_mode, 0, WALK_USER | WALK_WRITE, 0x5000);
}

static void every_level_must_allow_writes(void **state)
{
	(void)state;
	for (u32 level = 0; level < 4; level++) {
		map_rights(U | (level == 0 ? 0 : W), U | (level == 1 ? 0 : W),
			   U | (level == 2 ? 0 : W), U | (level == 3 ? 0 : W));
		is_refused(&long_mode, 0, WALK_USER | WALK_WRITE, PF_P | WALK_USER | WALK_WRITE);
		is_refused(&long_mode, 0, WALK_WRITE, PF_P | WALK_WRITE);
		goes_to(&long_mode, 0, WALK_USER, 0x5000);
	}
}

static void the_kernel_writes_everywhere_without_wp(void **state)
{
	struct walk_mode mode = long_mode;

	(void)state;
	mode.cr0 &= ~CR0_WP;
	map_rights(U, U, U, U);
	goes_to(&mode, 0, WALK_WRITE, 0x5000);
	is_refused(&mode, 0, WALK_USER | WALK_WRITE, PF_P | WALK_USER | WALK_WRITE);
}

static void one_level_may_forbid_fetches(void **state)
{
	struct walk_mode no_nxe = long_mode;

	(void)state;
	no_nxe.efer &= ~EFER_NXE;
	for (u32 level = 0; level < 4; level++) {
		map_rights(U | (level == 0 ? NX : 0), U | (level == 1 ? NX : 0),
			   U | (level == 2 ? NX : 0), U | (level == 3 ? NX : 0));
		is_refused(&long_mode, 0, WALK_FETCH, PF_P | WALK_FETCH);
		goes_to(&long_mode, 0, 0, 0x5000);
		goes_to(&no_nxe, 0, WALK_FETCH, 0x5000);
	}
	map_rights(U, U, U, U);
	goes_to(&long_mode, 0, WALK_FETCH | WALK_USER, 0x5000);
}

static void the_four_pointers_of_pae_carry_no_rights(void **state)
{
	(void)state;
	put64(0x1020, 0x2000 | P); /* R/W and U/S are reserved here */
	put64(0x2000, 0x3000 | P | W | U);
	put64(0x3000, 0x4000 | P | W | U);
	goes_to(&pae, 0, WALK_USER | WALK_WRITE, 0x4000);
}

/* ---- a hostile guest's tables ---- */

static void a_table_outside_ram_is_a_fault(void **state)
{
	struct walk_mode mode = long_mode;
	gpa_t gpa;
	u32 code;

	(void)state;
	mode.cr3 = sizeof(ram);
	assert_int_equal(walk_translate(NULL, &mode, GVA(0), 0, &gpa, &code, NULL), ERR_FAULT);
	mode.cr3 = 0x000ffffffffff000ULL;
	assert_int_equal(walk_translate(NULL, &mode, GVA(0), 0, &gpa, &code, NULL), ERR_FAULT);
	put64(0x1000, 0xfee00000 | P);
	assert_int_equal(walk_translate(NULL, &long_mode, GVA(0), 0, &gpa, &code, NULL), ERR_FAULT);
}

static void a_table_that_names_itself_ends_the_walk(void **state)
{
	(void)state;
	put64(0x1000 + 0x1ff * 8, 0x1000 | P | W);
	goes_to(&long_mode, 0xfffffffffffff123ULL, WALK_WRITE, 0x1123);
	assert_int_equal(reads, 4);
}

/* ---- comparison with a plain model: one function a mode, nothing shared ---- */

struct answer {
	enum err result;
	u32 code;
	u64 gpa;
};

/* Entry of 4 or 8 bytes; false: not RAM. */
static bool fetch(u64 at, u32 size, u64 *entry)
{
	*entry = 0;
	if (at + size > sizeof(ram))
		return false;
	memcpy(entry, ram + at, size);
	return true;
}

static struct answer decide(const struct walk_mode *mode, u64 access, bool write, bool user,
			    bool exec, u64 gpa)
{
	bool denied = false;

	if (access & WALK_USER)
		denied = !user || (access & WALK_WRITE && !write);
	else if (mode->cr0 & CR0_WP)
		denied = access & WALK_WRITE && !write;
	if (access & WALK_FETCH && mode->efer & EFER_NXE && !exec)
		denied = true;
	if (denied)
		return (struct answer){ ERR_DENIED, (u32)access | PF_P, 0 };
	return (struct answer){ OK, 0, gpa };
}

static struct answer model_32(const struct walk_mode *mode, u32 gva, u64 access)
{
	const struct answer missing = { ERR_DENIED, (u32)access, 0 };
	const struct answer fault = { ERR_FAULT, 0, 0 };
	u64 pde, pte;

	if (!fetch((mode->cr3 & 0xfffff000) + (gva >> 22) * 4, 4, &pde))
		return fault;
	if (!(pde & P))
		return missing;
	if (pde & PS && mode->cr4 & CR4_PSE)
		return decide(mode, access, pde & W, pde & U, true,
			      (pde >> 13 & 0xff) << 32 | (pde & 0xffc00000) | (gva & 0x3fffff));
	if (!fetch((pde & 0xfffff000) + (gva >> 12 & 0x3ff) * 4, 4, &pte))
		return fault;
	if (!(pte & P))
		return missing;
	return decide(mode, access, pde & pte & W, pde & pte & U, true,
		      (pte & 0xfffff000) | (gva & 0xfff));
}

#define ADDRESS 0x000ffffffffff000ULL

/* From the page directory on, as PAE and long mode have it in common. */
static struct answer model_wide(const struct walk_mode *mode, u64 gva, u64 access, u64 directory,
				bool write, bool user, bool exec)
{
	const struct answer missing = { ERR_DENIED, (u32)access, 0 };
	const struct answer fault = { ERR_FAULT, 0, 0 };
	u64 pde, pte;

	if (!fetch(directory + (gva >> 21 & 0x1ff) * 8, 8, &pde))
		return fault;
	if (!(pde & P))
		return missing;
	write = write && pde & W;
	user = user && pde & U;
	exec = exec && !(pde & NX);
	if (pde & PS)
		return decide(mode, access, write, user, exec,
			      (pde & ADDRESS & ~0x1fffffULL) + (gva & 0x1fffff));
	if (!fetch((pde & ADDRESS) + (gva >> 12 & 0x1ff) * 8, 8, &pte))
		return fault;
	if (!(pte & P))
		return missing;
	return decide(mode, access, write && pte & W, user && pte & U, exec && !(pte & NX),
		      (pte & ADDRESS) + (gva & 0xfff));
}

static struct answer model_pae(const struct walk_mode *mode, u64 gva, u64 access)
{
	u64 pdpte;

	if (!fetch((mode->cr3 & 0xffffffe0) + (gva >> 30 & 3) * 8, 8, &pdpte))
		return (struct answer){ ERR_FAULT, 0, 0 };
	if (!(pdpte & P))
		return (struct answer){ ERR_DENIED, (u32)access, 0 };
	return model_wide(mode, gva, access, pdpte & ADDRESS, true, true, true);
}

static struct answer model_long(const struct walk_mode *mode, u64 gva, u64 access)
{
	const struct answer missing = { ERR_DENIED, (u32)access, 0 };
	const struct answer fault = { ERR_FAULT, 0, 0 };
	u64 pml4e, pdpte;

	if (!fetch((mode->cr3 & ADDRESS) + (gva >> 39 & 0x1ff) * 8, 8, &pml4e))
		return fault;
	if (!(pml4e & P))
		return missing;
	if (!fetch((pml4e & ADDRESS) + (gva >> 30 & 0x1ff) * 8, 8, &pdpte))
		return fault;
	if (!(pdpte & P))
		return missing;
	if (pdpte & PS)
		return decide(mode, access, pml4e & pdpte & W, pml4e & pdpte & U,
			      !((pml4e | pdpte) & NX),
			      (pdpte & ADDRESS & ~0x3fffffffULL) + (gva & 0x3fffffff));
	return model_wide(mode, gva, access, pdpte & ADDRESS, pml4e & pdpte & W, pml4e & pdpte & U,
			  !((pml4e | pdpte) & NX));
}

static u64 seed = 0x9e3779b97f4a7c15ULL;

static u64 draw(u64 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

/* An entry that mostly is present, allows things, and names a page of RAM or the one behind. */
static u64 draw_entry(bool wide)
{
	u64 entry = draw(RAM_PAGES + 1) << 12;

	entry |= draw(16) ? P : 0;
	entry |= draw(4) ? W : 0;
	entry |= draw(4) ? U : 0;
	entry |= draw(6) ? 0 : PS;
	entry |= draw(4) ? 0 : draw(BIT(20)) << 20 & (wide ? ADDRESS : 0xfffff000);
	if (wide && !draw(6))
		entry |= NX;
	return entry;
}

static void fill_ram(bool wide)
{
	for (u64 at = 0; at < sizeof(ram); at += wide ? 8 : 4) {
		if (wide)
			put64(at, draw_entry(true));
		else
			put32(at, draw_entry(false));
	}
}

static void a_model_agrees_on_random_tables(void **state)
{
	u32 outcomes[3] = { 0 };

	(void)state;
	for (u32 round = 0; round < 60000; round++) {
		struct walk_mode mode = { .cr0 = CR0_PE | CR0_PG | (draw(2) ? CR0_WP : 0) };
		u64 gva = draw(BIT(24)) << 24 | draw(BIT(24));
		u64 access = draw(2) * WALK_WRITE | draw(2) * WALK_USER | draw(2) * WALK_FETCH;
		u32 kind = round / 1000 % 3;
		struct answer expected;
		gpa_t gpa = GPA(0);
		u32 code = 0;
		enum err result;

		if (!(round % 1000))
			fill_ram(kind != 0);
		mode.cr3 = draw(RAM_PAGES) << 12 | (draw(2) ? 0x18 : 0);
		mode.cr4 = (draw(2) ? CR4_PSE : 0) | (kind ? CR4_PAE : 0);
		mode.efer =
			(kind == 2 ? EFER_LME | EFER_LMA : 0) | (kind && draw(2) ? EFER_NXE : 0);
		gva = kind == 2 ? gva : gva & 0xffffffff;
		expected = kind == 0   ? model_32(&mode, (u32)gva, access)
			   : kind == 1 ? model_pae(&mode, gva, access)
				       : model_long(&mode, gva, access);
		result = walk_translate(NULL, &mode, GVA(gva), access, &gpa, &code, NULL);
		assert_int_equal(result, expected.result);
		if (result == ERR_DENIED)
			assert_int_equal(code, expected.code);
		if (result == OK)
			assert_int_equal(gpa.raw, expected.gpa);
		outcomes[result == OK ? 0 : result == ERR_DENIED ? 1 : 2]++;
	}
	for (u32 i = 0; i < 3; i++) /* all outcomes were met, many times */
		assert_in_range(outcomes[i], 1000, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_paging_addresses_are_one_to_one, empty),
		cmocka_unit_test_setup(two_levels_of_1024_entries, empty),
		cmocka_unit_test_setup(a_4_mib_page_needs_pse, empty),
		cmocka_unit_test_setup(pse_36_reaches_beyond_4_gib, empty),
		cmocka_unit_test_setup(pae_begins_with_four_pointers, empty),
		cmocka_unit_test_setup(pae_has_2_mib_pages_whatever_pse_says, empty),
		cmocka_unit_test_setup(four_levels, empty),
		cmocka_unit_test_setup(large_pages_of_long_mode, empty),
		cmocka_unit_test_setup(the_pat_bit_of_a_large_page_is_no_address, empty),
		cmocka_unit_test_setup(every_level_must_allow_users, empty),
		cmocka_unit_test_setup(every_level_must_allow_writes, empty),
		cmocka_unit_test_setup(the_kernel_writes_everywhere_without_wp, empty),
		cmocka_unit_test_setup(one_level_may_forbid_fetches, empty),
		cmocka_unit_test_setup(the_four_pointers_of_pae_carry_no_rights, empty),
		cmocka_unit_test_setup(a_table_outside_ram_is_a_fault, empty),
		cmocka_unit_test_setup(a_table_that_names_itself_ends_the_walk, empty),
		cmocka_unit_test_setup(a_model_agrees_on_random_tables, empty),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
