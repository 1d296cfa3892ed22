/* SPDX-License-Identifier: Apache-2.0 */
/* The list of MSRs that guests have, each with its rule for reading and for writing. */
#include "guest/msr.h"

#include "arch/x86/cpu.h"
#include "core/log.h"
#include "core/timer.h"
#include "core/virt.h"
#include "core/vm.h"
#include "guest/lapic.h"
#include "guest/platform.h"
#include "guest/pvclock.h"

#define MSR_PLATFORM_ID	    0x00000017u
#define MSR_MICROCODE	    0x0000008bu
#define MSR_MTRR_CAP	    0x000000feu
#define MSR_MCG_CAP	    0x00000179
#define MSR_MCG_STATUS	    0x0000017a
#define MSR_MISC_ENABLE	    0x000001a0u
#define MSR_MTRR_DEFAULT    0x000002ffu
#define MSR_TSC_DEADLINE    0x000006e0u
#define MSR_X2APIC	    0x00000800u
#define MSR_X2APIC_LAST	    0x0000083fu
#define MSR_AMD_SYSCFG	    0xc0010010u
#define MSR_AMD_HWCR	    0xc0010015u
#define MSR_AMD_NB_CFG	    0xc001001fu
#define MSR_AMD_INT_PENDING 0xc0010055u
#define MSR_AMD_DE_CFG	    0xc0011029u

#define MTRR_CAP_WC	    BIT(10)
#define MTRR_DEFAULT_ENABLE BIT(11)
#define MTRR_DEFAULT_BITS   (MTRR_DEFAULT_ENABLE | 0xff)
#define MTRR_TYPE_WB	    6
#define HWCR_TSC_FREQ_SEL   BIT(24) /* the TSC counts at the P0 frequency */
#define DE_CFG_LFENCE	    BIT(1)  /* LFENCE serialises */
#define MISC_FAST_STRINGS   BIT(0)
#define MISC_BTS_PEBS_NONE  (BIT(11) | BIT(12))

/* Which processors have it. */
enum msr_vendor {
	VENDOR_AMD = BIT(0),
	VENDOR_INTEL = BIT(1),
	VENDOR_ANY = VENDOR_AMD | VENDOR_INTEL,
};

struct msr_entry {
	u32 index;
	enum msr_vendor vendor;
	u64 value;
	bool read_only; /* writes are #GP; else they are accepted and lost */
};

/*
 * What reads as a constant, and who asks. Of what is not here, arch/x86 knows what lies
 * in the VMCB or VMCS and checks values; the rest guests do not have.
 *   MICROCODE     every Linux; updates are the host's business
 *   MTRR_CAP      no ranges: see mtrr_default below
 *   DEBUGCTL      Linux clears it when stepping; branch tracing is not offered
 *   SYSCFG, HWCR, NB_CFG, INT_PENDING  Linux on AMD reads them without a net;
 *                 HWCR without bit 24 would make it warn about the firmware
 *   DE_CFG        Linux wants bit 1 before it trusts LFENCE as a barrier
 */
static const struct msr_entry entries[] = {
	{ MSR_PLATFORM_ID, VENDOR_INTEL, 0, true },
	{ MSR_MICROCODE, VENDOR_ANY, 0, false },
	{ MSR_MTRR_CAP, VENDOR_ANY, MTRR_CAP_WC, true },
	{ MSR_MCG_CAP, VENDOR_ANY, 0, true }, /* no banks */
	{ MSR_MCG_STATUS, VENDOR_ANY, 0, false },
	{ MSR_MISC_ENABLE, VENDOR_INTEL, MISC_FAST_STRINGS | MISC_BTS_PEBS_NONE, false },
	{ MSR_DEBUGCTL, VENDOR_ANY, 0, false },
	{ MSR_AMD_SYSCFG, VENDOR_AMD, 0, false },
	{ MSR_AMD_HWCR, VENDOR_AMD, HWCR_TSC_FREQ_SEL, false },
	{ MSR_AMD_NB_CFG, VENDOR_AMD, 0, false },
	{ MSR_AMD_INT_PENDING, VENDOR_AMD, 0, false },
	{ MSR_AMD_DE_CFG, VENDOR_AMD, DE_CFG_LFENCE, false },
};

void msr_reset(struct msr_state *msrs)
{
	msrs->version = MSR_STATE_VERSION;
	/*
	 * As firmware leaves it, without ranges: all memory write-back, which is
	 * what nested paging makes of it anyway. Linux needs MTRRs to be present
	 * and enabled before it programs PAT, and with it write-combining.
	 */
	msrs->mtrr_default = MTRR_DEFAULT_ENABLE | MTRR_TYPE_WB;
}

static const struct msr_entry *find(const struct vcpu *vcpu, u32 index)
{
	const struct platform *platform = vcpu->vm->platform;
	enum msr_vendor vendor = platform->cpuid.amd ? VENDOR_AMD : VENDOR_INTEL;

	for (u32 i = 0; i < ARRAY_SIZE(entries); i++)
		if (entries[i].index == index)
			return entries[i].vendor & vendor ? &entries[i] : NULL;
	return NULL;
}

static bool refused(struct vcpu *vcpu, u32 index, bool write)
{
	struct platform_vcpu *own = platform_vcpu(vcpu);

	if (log_allowed(&own->msr_limit, 4))
		log_debug("%s: MSR 0x%x %s: not offered", vcpu->vm->name, index,
			  write ? "written" : "read");
	return false;
}

static bool write_tsc(struct vcpu *vcpu, u64 value)
{
	vcpu->arch.tsc_offset = value - rdtsc();
	lapic_timer_tsc_changed(vcpu->lapic);
	pvclock_publish_time(vcpu);
	return true;
}

/* SDM 3A 12.11.2.1: types 0, 1, 4, 5 and 6 exist; there are no fixed ranges to enable. */
static bool write_mtrr_default(struct msr_state *msrs, u64 value)
{
	u64 type = value & 0xff;

	if ((value & ~MTRR_DEFAULT_BITS) || type > 6 || type == 2 || type == 3)
		return false;
	msrs->mtrr_default = value;
	return true;
}

bool msr_read(struct vcpu *vcpu, u32 index, u64 *value)
{
	struct platform_vcpu *own = platform_vcpu(vcpu);
	const struct msr_entry *entry;
	const u64 *clock;

	if (index >= MSR_X2APIC && index <= MSR_X2APIC_LAST)
		return lapic_read_msr(&own->lapic, index - MSR_X2APIC, value);
	switch (index) {
	case MSR_TSC_DEADLINE:
		*value = lapic_timer_deadline(&own->lapic);
		return true;
	case MSR_TSC:
		*value = rdtsc() + vcpu->arch.tsc_offset;
		return true;
	case MSR_APIC_BASE:
		*value = own->lapic.s.base;
		return true;
	case MSR_KVM_PV_EOI:
		*value = own->lapic.s.pv_eoi_msr;
		return true;
	case MSR_MTRR_DEFAULT:
		*value = own->msrs.mtrr_default;
		return true;
	}
	clock = pvclock_msr(&own->clock, index);
	if (clock) {
		*value = *clock;
		return true;
	}
	entry = find(vcpu, index);
	if (entry == NULL)
		return !virt->read_msr(&vcpu->arch, index, value) || refused(vcpu, index, false);
	*value = entry->value;
	return true;
}

bool msr_write(struct vcpu *vcpu, u32 index, u64 value)
{
	struct platform_vcpu *own = platform_vcpu(vcpu);
	const struct msr_entry *entry;
	u64 *clock;
	enum err e;

	if (index >= MSR_X2APIC && index <= MSR_X2APIC_LAST)
		return lapic_write_msr(&own->lapic, index - MSR_X2APIC, value);
	switch (index) {
	case MSR_TSC_DEADLINE:
		lapic_timer_set_deadline(&own->lapic, value);
		return true;
	case MSR_TSC:
		return write_tsc(vcpu, value);
	case MSR_APIC_BASE:
		return lapic_write_base(&own->lapic, value);
	case MSR_KVM_PV_EOI:
		return lapic_write_pv_eoi(&own->lapic, value);
	case MSR_MTRR_DEFAULT:
		return write_mtrr_default(&own->msrs, value);
	}
	clock = pvclock_msr(&own->clock, index);
	if (clock)
		return pvclock_write_msr(vcpu, clock, value);
	entry = find(vcpu, index);
	if (entry != NULL)
		return !entry->read_only;
	e = virt->write_msr(&vcpu->arch, index, value);
	return e == ERR_NOT_FOUND ? refused(vcpu, index, true) : !e;
}
