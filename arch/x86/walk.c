// SPDX-License-Identifier: Apache-2.0
/* Walks a guest's own page tables: none, 32-bit, PAE and 4-level paging. */
#include "arch/x86/walk.h"

#include "arch/x86/cpu.h"
#include "arch/x86/host.h"

#define ENTRY_PRESENT BIT(0)
#define ENTRY_WRITE   BIT(1)
#define ENTRY_USER    BIT(2)
#define ENTRY_LARGE   BIT(7)
#define ENTRY_NX      BIT(63)
#define ADDRESS_64    0x000ffffffffff000ULL
#define PF_PRESENT    BIT(0)

/* Does an entry, or the sum of all on the way, allow the access? */
static bool allows(const struct walk_mode *mode, u64 rights, u64 access)
{
	if (access & WALK_USER && !(rights & ENTRY_USER))
		return false;
	if (access & WALK_WRITE && !(rights & ENTRY_WRITE) &&
	    (access & WALK_USER || mode->cr0 & CR0_WP))
		return false;
	return !(access & WALK_FETCH && rights & ENTRY_NX && mode->efer & EFER_NXE);
}

/*
 *   levels  index bits   entry
 *   4       9,9,9,9      8 bytes   4-level
 *   3       2,9,9        8 bytes   PAE
 *   2       10,10        4 bytes   32-bit
 */
enum err walk_translate(struct arch_vcpu *vcpu, const struct walk_mode *mode, gva_t gva, u64 access,
			gpa_t *gpa, u32 *code, struct code_path *path)
{
	bool wide = mode->cr4 & CR4_PAE;
	u32 bits = wide ? 9 : 10;
	u32 entry_size = wide ? 8 : 4;
	u32 level = !wide ? 2 : (mode->efer & EFER_LMA) ? 4 : 3;
	u64 table = mode->cr3 & (level == 3 ? 0xffffffe0ULL : wide ? ADDRESS_64 : 0xfffff000ULL);
	u64 rights = ENTRY_WRITE | ENTRY_USER;
	u64 entry, page_mask;

	if (!(mode->cr0 & CR0_PG)) {
		*gpa = GPA(gva.raw & 0xffffffffULL);
		return OK;
	}
	for (;; level--) {
		u32 shift = PAGE_SHIFT + bits * (level - 1);
		u64 index = gva.raw >> shift & (BIT(bits) - 1);
		gpa_t at;
		bool pdpte = wide && level == 3 && !(mode->efer & EFER_LMA);

		if (pdpte)
			index &= 3;
		entry = 0;
		at = GPA(table + index * entry_size);
		if (host_guest_read(vcpu, at, &entry, entry_size))
			return ERR_FAULT;
		if (path) {
			path->words[path->count].value = entry;
			if (host_guest_locate(vcpu, at, &path->words[path->count++].hpa))
				return ERR_FAULT;
		}
		*code = (u32)(access | (entry & PF_PRESENT)); /* the bit is the same in both */
		if (!(entry & ENTRY_PRESENT))
			return ERR_DENIED;
		if (!pdpte)
			rights = (rights & entry & (ENTRY_WRITE | ENTRY_USER)) |
				 ((rights | entry) & ENTRY_NX);
		page_mask = BIT(shift) - 1;
		if (level == 1 ||
		    (level < 4 && !pdpte && entry & ENTRY_LARGE && (wide || mode->cr4 & CR4_PSE)))
			break;
		table = entry & (wide ? ADDRESS_64 : 0xfffff000ULL);
	}
	if (!allows(mode, rights, access))
		return ERR_DENIED;
	if (!wide && level == 2) /* PSE-36: bits 13-20 are address bits 32-39 */
		entry = (entry & 0xffc00000ULL) | (entry & 0x1fe000ULL) << 19;
	*gpa = GPA((entry & ADDRESS_64 & ~page_mask) | (gva.raw & page_mask));
	return OK;
}
