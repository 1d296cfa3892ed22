// SPDX-License-Identifier: Apache-2.0
/* What the processor offers (SDM vol. 3, appendix A), and switching VMX on (24.7). */
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx.h"
#include "core/lib/string.h"

#define MSR_FEATURE_CONTROL 0x0000003au
#define MSR_VMX_BASIC	    0x00000480u
#define MSR_VMX_PIN	    0x00000481u
#define MSR_VMX_PRIMARY	    0x00000482u
#define MSR_VMX_EXIT	    0x00000483u
#define MSR_VMX_ENTRY	    0x00000484u
#define MSR_VMX_MISC	    0x00000485u
#define MSR_VMX_CR0_FIXED0  0x00000486u
#define MSR_VMX_CR4_FIXED0  0x00000488u
#define MSR_VMX_SECONDARY   0x0000048bu
#define MSR_VMX_EPT_VPID    0x0000048cu
#define TRUE_CONTROLS	    0x0000000cu /* distance of the true MSRs from the old ones */

#define FEATURE_LOCKED	BIT(0)
#define FEATURE_VMX	BIT(2)
#define BASIC_IO_INFO	BIT(54)
#define BASIC_HAVE_TRUE BIT(55)

#define EPT_FOUR_LEVELS	    BIT(6)
#define EPT_WRITE_BACK	    BIT(14)
#define EPT_2M		    BIT(16)
#define EPT_1G		    BIT(17)
#define EPT_INVEPT	    BIT(20)
#define EPT_ACCESSED_DIRTY  BIT(21)
#define EPT_INVEPT_SINGLE   BIT(25)
#define EPT_INVEPT_ALL	    BIT(26)
#define VPID_INVVPID	    BIT(32)
#define VPID_INVVPID_SINGLE BIT(41)
#define VPID_INVVPID_ALL    BIT(42)
#define EPT_REQUIRED	    (EPT_FOUR_LEVELS | EPT_WRITE_BACK | EPT_2M | EPT_INVEPT | EPT_INVEPT_ALL)
#define VPID_REQUIRED	    (VPID_INVVPID | VPID_INVVPID_SINGLE | VPID_INVVPID_ALL)
#define EPTP_WRITE_BACK	    6
#define EPTP_FOUR_LEVELS    (3 << 3)
#define EPTP_ACCESSED_DIRTY BIT(6)

#define PIN_WANTED (PIN_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI)
#define PRIMARY_WANTED \
	(PRIMARY_TSC_OFFSET | PRIMARY_HLT | PRIMARY_MWAIT | PRIMARY_RDPMC | PRIMARY_CR8_LOAD | \
	 PRIMARY_TPR_SHADOW | PRIMARY_IO_BITMAPS | PRIMARY_MSR_BITMAPS | PRIMARY_MONITOR | \
	 PRIMARY_SECONDARY)
#define SECONDARY_WANTED (SECONDARY_EPT | SECONDARY_VPID | SECONDARY_UNRESTRICTED)
#define EXIT_WANTED \
	(EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | \
	 EXIT_LOAD_EFER)
#define ENTRY_WANTED	(ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)
#define DELIVERY_WANTED (SECONDARY_X2APIC | SECONDARY_DELIVERY)

/*
 * The longest stay in a guest, in parts of a second: host interrupts end it sooner,
 * this holds even if one is lost. Quirk of Bochs 2.7: a guest that is entered with
 * IF = 0 is not interrupted until it changes IF; its stays are short.
 */
#define STAYS_LONG  100
#define STAYS_SHORT 2000

#define MSR_BITMAP_HIGH	 1024 /* C0000000h and up; the low MSRs before */
#define MSR_BITMAP_WRITE 2048
#define X2APIC_TPR	 0x808u
#define X2APIC_PPR	 0x80au
#define X2APIC_EOI	 0x80bu
#define X2APIC_ISR	 0x810u /* eight; then TMR, which the page does not hold */
#define X2APIC_IRR	 0x820u
#define X2APIC_SELF_IPI	 0x83fu

struct vmx_features vmx_features;
hpa_t vmx_io_bitmaps, vmx_msr_bitmap, vmx_msr_bitmap_x2apic;

struct tlb_pool vmx_tlb_pools[TRAP_CPUS_MAX];

/* Low half: bits that must be 1; high half: bits that may be. */
static u64 capability(u32 msr)
{
	bool has_true = rdmsr(MSR_VMX_BASIC) & BASIC_HAVE_TRUE && msr <= MSR_VMX_ENTRY;

	return rdmsr(has_true ? msr + TRUE_CONTROLS : msr);
}

static u32 controls(u32 msr, u32 wanted)
{
	return wanted | (u32)capability(msr);
}

#define MAY_BE(bits) ((u64)(bits) << 32)

/* The secondary controls' MSR exists where the primary ones have their bit. */
static const struct {
	u32 msr;
	u64 bits;
	const char *name;
} required[] = {
	{ MSR_VMX_PRIMARY, MAY_BE(PRIMARY_SECONDARY), "EPT" },
	{ MSR_VMX_SECONDARY, MAY_BE(SECONDARY_EPT), "EPT" },
	{ MSR_VMX_SECONDARY, MAY_BE(SECONDARY_UNRESTRICTED), "unrestricted guest" },
	{ MSR_VMX_SECONDARY, MAY_BE(SECONDARY_VPID), "VPID" },
	{ MSR_VMX_EPT_VPID, EPT_REQUIRED,
	  "EPT with four levels, write-back tables, 2 MiB pages and INVEPT" },
	{ MSR_VMX_EPT_VPID, VPID_REQUIRED, "INVVPID of one and of all contexts" },
	{ MSR_VMX_PIN, MAY_BE(PIN_WANTED), "virtual NMIs" },
	{ MSR_VMX_PRIMARY, MAY_BE(PRIMARY_WANTED), "TPR shadow or bitmaps for ports and MSRs" },
	{ MSR_VMX_EXIT, MAY_BE(EXIT_WANTED), "switching of PAT and EFER" },
	{ MSR_VMX_ENTRY, MAY_BE(ENTRY_WANTED), "switching of PAT and EFER" },
};

static void note_options(void)
{
	u64 allowed = capability(MSR_VMX_SECONDARY) >> 32;
	u64 ept = rdmsr(MSR_VMX_EPT_VPID);
	struct vmx_features *f = &vmx_features;

	f->pin = controls(MSR_VMX_PIN, PIN_WANTED);
	f->primary = controls(MSR_VMX_PRIMARY, PRIMARY_WANTED);
	f->secondary = controls(MSR_VMX_SECONDARY, SECONDARY_WANTED);
	f->exit = controls(MSR_VMX_EXIT, EXIT_WANTED);
	f->entry = controls(MSR_VMX_ENTRY, ENTRY_WANTED);
	f->revision = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	f->io_info = rdmsr(MSR_VMX_BASIC) & BASIC_IO_INFO;
	f->eptp_bits = EPTP_WRITE_BACK | EPTP_FOUR_LEVELS |
		       (ept & EPT_ACCESSED_DIRTY ? EPTP_ACCESSED_DIRTY : 0);
	f->invept_type = ept & EPT_INVEPT_SINGLE ? INVALIDATE_SINGLE : INVALIDATE_ALL;
	f->largest = ept & EPT_1G ? 3 : 2;
	f->delivery = (allowed & DELIVERY_WANTED) == DELIVERY_WANTED;
	f->apic_reads = f->delivery && allowed & SECONDARY_APIC_REGISTER;
	if (capability(MSR_VMX_PIN) >> 32 & PIN_PREEMPTION_TIMER) {
		u64 ticks = host_tsc_hz() >> (rdmsr(MSR_VMX_MISC) & 0x1f);

		f->pin |= PIN_PREEMPTION_TIMER;
		f->stay_long = (u32)MAX(ticks / STAYS_LONG, 1ULL);
		f->stay_short = (u32)MAX(ticks / STAYS_SHORT, 1ULL);
	}
	f->tlb = (struct tlb_caps){ .flush_tag = true, .nested_by_space = true };
}

const char *vmx_missing(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(required); i++)
		if (~capability(required[i].msr) & required[i].bits)
			return required[i].name;
	note_options();
	return NULL;
}

static void allow_msr(hpa_t map, u32 index, bool read, bool write)
{
	u8 *bytes = host_frame_ptr(map);
	u32 byte = (index & 0x1fff) / 8 + (index >> 31 ? MSR_BITMAP_HIGH : 0);

	if (read)
		bytes[byte] &= (u8) ~(1u << index % 8);
	if (write)
		bytes[byte + MSR_BITMAP_WRITE] &= (u8) ~(1u << index % 8);
}

/* MSRs in the VMCS or switched with the vCPU: the guest's own. */
static void allow_direct_msrs(hpa_t map)
{
	memset(host_frame_ptr(map), 0xff, PAGE_SIZE);
	for (u32 i = 0; i < VMX_MSR_FIELDS; i++)
		if (vmx_msr_fields[i].own)
			allow_msr(map, vmx_msr_fields[i].index, true, true);
	for (u32 i = 0; i < VMX_MSRS; i++)
		allow_msr(map, vmx_msr_indices[i], true, true);
}

/* SDM vol. 3, 30.5: these the processor carries out on the virtual-APIC page. */
static void allow_apic_msrs(hpa_t map)
{
	allow_msr(map, X2APIC_TPR, true, true);
	allow_msr(map, X2APIC_EOI, false, true);
	allow_msr(map, X2APIC_SELF_IPI, false, true);
	if (!vmx_features.apic_reads)
		return;
	allow_msr(map, X2APIC_PPR, true, false);
	for (u32 i = 0; i < 8; i++) {
		allow_msr(map, X2APIC_ISR + i, true, false);
		allow_msr(map, X2APIC_IRR + i, true, false);
	}
}

static enum err make_maps(void)
{
	vmx_io_bitmaps = host_frames_alloc(2);
	vmx_msr_bitmap = host_frame_alloc();
	vmx_msr_bitmap_x2apic = host_frame_alloc();
	if (!vmx_io_bitmaps.raw || !vmx_msr_bitmap.raw || !vmx_msr_bitmap_x2apic.raw)
		return ERR_NO_MEMORY;
	memset(host_frame_ptr(vmx_io_bitmaps), 0xff, 2 * PAGE_SIZE);
	allow_direct_msrs(vmx_msr_bitmap);
	allow_direct_msrs(vmx_msr_bitmap_x2apic);
	allow_apic_msrs(vmx_msr_bitmap_x2apic);
	return OK;
}

/* Firmware may have left the choice to us (SDM vol. 3, 24.7). */
static bool feature_control_allows(void)
{
	u64 value = rdmsr(MSR_FEATURE_CONTROL);

	if (!(value & FEATURE_LOCKED)) {
		value |= FEATURE_LOCKED | FEATURE_VMX;
		wrmsr(MSR_FEATURE_CONTROL, value);
	}
	return value & FEATURE_VMX;
}

enum err vmx_cpu_enable(void)
{
	hpa_t region = host_frame_alloc();

	if (!vmx_io_bitmaps.raw && make_maps())
		return ERR_NO_MEMORY;
	if (!region.raw)
		return ERR_NO_MEMORY;
	if (!feature_control_allows()) {
		host_log(0, "VMX is switched off by firmware (IA32_FEATURE_CONTROL)");
		return ERR_UNSUPPORTED;
	}
	fpu_init_cpu();
	write_cr0(read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0));
	write_cr4(read_cr4() | rdmsr(MSR_VMX_CR4_FIXED0)); /* VMXE among them */
	*(u32 *)host_frame_ptr(region) = vmx_features.revision;
	if (!vmx_on(region)) {
		host_log(0, "this processor refuses VMXON");
		return ERR_UNSUPPORTED;
	}
	vmx_tlb_pools[this_cpu_number()] = (struct tlb_pool){ .count = 0x10000 };
	/* What came before us on this CPU may have left translations (SDM vol. 3, 29.4.3.4). */
	vmx_invept(INVALIDATE_ALL, 0);
	vmx_invvpid(INVALIDATE_ALL, 0);
	return OK;
}
