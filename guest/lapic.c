/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the local APIC, as xAPIC page and as x2APIC MSRs. */
#include "guest/lapic.h"

#include "core/lib/string.h"
#include "core/virt.h"
#include "core/vm.h"
#include "guest/platform.h"

#define REG_COUNT	0x40
#define SVR_ENABLE	BIT(8)
#define DFR_FLAT	0xffffffffu
#define ICR_PENDING	BIT(12)
#define PV_EOI_ENABLE	BIT(0) /* of the MSR */
#define PV_EOI_RESERVED BIT(1)
#define PV_EOI_LENT	1u /* in the word */
#define APIC_BASE_KNOWN (APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE)

/* Writable bits (SDM 3A 11.5.1, 11.6.1): of ICR, and of the registers that both modes have. */
#define ICR_XAPIC_BITS	0xff000000000ccfffULL
#define ICR_X2APIC_BITS 0xffffffff000ccfffULL
#define LVT_READ_ONLY	(BIT(12) | BIT(14)) /* delivery status, remote IRR */

static const u32 writable[REG_COUNT] = {
	[LAPIC_TPR] = 0xff,
	[LAPIC_SVR] = 0x1ff,
	[LAPIC_LVT_TIMER] = 0x700ff,
	[LAPIC_LVT_TIMER + 1 ... LAPIC_LVT_TIMER + 2] = 0x107ff,
	[LAPIC_LVT_TIMER + 3 ... LAPIC_LVT_TIMER + 4] = 0x1a7ff,
	[LAPIC_LVT_ERROR] = 0x100ff,
	[LAPIC_TIMER_INITIAL] = 0xffffffff,
	[LAPIC_TIMER_DIVIDE] = 0xb,
};

/* ---- ISR and IRR: here, or in the page that the processor works on ---- */

static u32 bits_read(const u64 *bits, u32 index)
{
	return (u32)(__atomic_load_n(&bits[index / 2], __ATOMIC_RELAXED) >> (index % 2 * 32));
}

static u32 *page_word(const struct lapic *apic, u32 reg)
{
	return &apic->vcpu->arch.apic_page[reg * 4];
}

/* Highest vector of a 256-bit register in the page. */
static int page_highest(const struct lapic *apic, u32 reg)
{
	for (int i = 7; i >= 0; i--) {
		u32 word = __atomic_load_n(page_word(apic, reg + (u32)i), __ATOMIC_RELAXED);

		if (word)
			return i * 32 + 31 - __builtin_clz(word);
	}
	return -1;
}

int lapic_in_service(const struct lapic *apic)
{
	if (apic->vcpu->arch.apic_delivers)
		return page_highest(apic, LAPIC_ISR);
	return lapic_highest(apic->s.isr);
}

int lapic_requested(const struct lapic *apic)
{
	int vector = lapic_highest(apic->s.irr);

	if (apic->vcpu->arch.apic_delivers)
		vector = MAX(vector, page_highest(apic, LAPIC_IRR));
	return vector;
}

/*
 * What other CPUs have set since goes to the processor's IRR, which this CPU alone
 * writes. False: nothing has.
 */
static bool move_requests(struct lapic *apic)
{
	bool moved = false;

	for (u32 i = 0; i < 4; i++) {
		u64 bits;

		if (!__atomic_load_n(&apic->s.irr[i], __ATOMIC_RELAXED))
			continue;
		bits = __atomic_exchange_n(&apic->s.irr[i], 0, __ATOMIC_ACQ_REL);
		*page_word(apic, LAPIC_IRR + 2 * i) |= (u32)bits;
		*page_word(apic, LAPIC_IRR + 2 * i + 1) |= (u32)(bits >> 32);
		moved = true;
	}
	return moved;
}

/* The EOI of a level-triggered vector has to come to us. */
static void tell_levels(struct lapic *apic)
{
	bool changed = false;

	for (u32 i = 0; i < 4; i++) {
		u64 bits = __atomic_load_n(&apic->s.tmr[i], __ATOMIC_RELAXED);

		changed |= bits != apic->eoi_exits[i];
		apic->eoi_exits[i] = bits;
	}
	if (changed)
		virt->apic_eoi_exits(&apic->vcpu->arch, apic->eoi_exits);
}

/* The mode may have changed: the processor takes the registers over or gives them back. */
static void choose_delivery(struct lapic *apic)
{
	struct arch_vcpu *arch = &apic->vcpu->arch;
	int in_service = lapic_highest(apic->s.isr);

	if (!virt->apic_mode)
		return;
	virt->apic_mode(arch, lapic_enabled(apic) && lapic_is_x2apic(apic),
			in_service < 0 ? 0 : (u8)in_service);
	if (!arch->apic_delivers)
		return;
	for (u32 i = 0; i < 8; i++) {
		*page_word(apic, LAPIC_ISR + i) = bits_read(apic->s.isr, i);
		*page_word(apic, LAPIC_IRR + i) = 0;
	}
	memset(apic->s.isr, 0, sizeof(apic->s.isr));
	memset(apic->eoi_exits, 0, sizeof(apic->eoi_exits));
}

/* ---- reset ---- */

void lapic_init(struct lapic *apic)
{
	apic->s = (struct lapic_state){
		.version = LAPIC_STATE_VERSION,
		.id = apic->s.id,
		.base = apic->s.base,
		.dfr = DFR_FLAT,
		.svr = 0xff,
	};
	*apic->vcpu->arch.tpr = 0;
	apic->eoi_lent = false;
	for (u32 i = 0; i < LAPIC_LVT_COUNT; i++)
		apic->s.lvt[i] = LVT_MASKED;
	lapic_timer_reset(apic);
	choose_delivery(apic);
}

void lapic_reset(struct lapic *apic, struct vcpu *vcpu, u32 id, bool bsp)
{
	apic->vcpu = vcpu;
	if (!vcpu->arch.tpr)
		vcpu->arch.tpr = &apic->s.tpr;
	apic->s.id = id;
	apic->s.base = LAPIC_BASE | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0);
	lapic_init(apic);
}

/* ---- priorities and delivery ---- */

static u32 processor_priority(const struct lapic *apic)
{
	int in_service = lapic_in_service(apic);
	u32 isrv = in_service < 0 ? 0 : (u32)in_service & 0xf0;
	u32 tpr = *apic->vcpu->arch.tpr;

	return (tpr & 0xf0) >= isrv ? tpr : isrv;
}

/* The highest request after the processor has been told of all; -1 if nobody has to know it. */
static __attribute__((noinline)) int requested_of_processor(struct lapic *apic)
{
	struct vcpu *vcpu = apic->vcpu;
	int vector;

	if (!move_requests(apic) && !vcpu->halted)
		return -1;
	tell_levels(apic);
	vector = page_highest(apic, LAPIC_IRR);
	virt->apic_request(&vcpu->arch, vector < 0 ? 0 : (u8)vector);
	return vector;
}

/* ---- end of interrupt by a bit in the guest's memory, without an exit ---- */

static gpa_t pv_eoi_word(const struct lapic *apic)
{
	return GPA(apic->s.pv_eoi_msr & ~PV_EOI_ENABLE);
}

/* False: the guest named no RAM. */
static bool write_word(struct lapic *apic, u32 word)
{
	return gmem_write(&apic->vcpu->vm->memory, pv_eoi_word(apic), &word, sizeof(word)) == OK;
}

/*
 * `vector` is the only one that is requested, and none is in service: when the guest ends it,
 * nobody has to know at once. Until it is delivered there is nothing that the bit could end.
 */
static __attribute__((noinline)) void lend_eoi(struct lapic *apic, u8 vector)
{
	if (!(apic->s.pv_eoi_msr & PV_EOI_ENABLE) || lapic_in_service(apic) >= 0 ||
	    (__atomic_load_n(&apic->s.tmr[vector / 64], __ATOMIC_RELAXED) & BIT(vector % 64)))
		return;
	for (u32 i = 0; i < 4; i++)
		if (__atomic_load_n(&apic->s.irr[i], __ATOMIC_RELAXED) !=
		    (i == vector / 64U ? BIT(vector % 64) : 0))
			return;
	apic->eoi_lent = write_word(apic, PV_EOI_LENT);
}

/* What the guest did with it; taken back where another interrupt waits for the EOI. */
static __attribute__((noinline)) void look_at_lent_eoi(struct lapic *apic)
{
	const struct gmem *mem = &apic->vcpu->vm->memory;
	u32 word = PV_EOI_LENT;

	if (gmem_read(mem, pv_eoi_word(apic), &word, sizeof(word)) || word & PV_EOI_LENT) {
		if (lapic_highest(apic->s.irr) < 0 || !write_word(apic, 0))
			return;
	} else {
		lapic_eoi(apic);
	}
	apic->eoi_lent = false;
}

/* What it depends on changes: an end by the bit counts, and the rest is ended by EOI. */
static void end_lending(struct lapic *apic)
{
	if (apic->eoi_lent)
		look_at_lent_eoi(apic);
	if (apic->eoi_lent && write_word(apic, 0))
		apic->eoi_lent = false;
}

bool lapic_write_pv_eoi(struct lapic *apic, u64 value)
{
	if (value & PV_EOI_RESERVED)
		return false;
	end_lending(apic);
	apic->s.pv_eoi_msr = value;
	return true;
}

bool lapic_write_base(struct lapic *apic, u64 value)
{
	bool was_enabled = lapic_enabled(apic);
	bool was_x2apic = lapic_is_x2apic(apic);
	bool enabled = (value & APIC_BASE_ENABLE) != 0;
	bool x2apic = (value & APIC_BASE_X2APIC) != 0;

	if ((value & ~APIC_BASE_KNOWN) != LAPIC_BASE)
		return false;
	/* SDM 3A figure 11-27: x2APIC is entered from xAPIC and left by disabling. */
	if (x2apic && (!enabled || !was_enabled))
		return false;
	if (was_x2apic && enabled && !x2apic)
		return false;

	end_lending(apic);
	apic->s.base = value;
	if (was_enabled && !enabled)
		lapic_init(apic);
	else if (x2apic != was_x2apic)
		choose_delivery(apic);
	return true;
}

int lapic_pending(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	int vector;

	if (apic->eoi_lent)
		look_at_lent_eoi(apic);
	if (__atomic_load_n(&apic->timer_fired, __ATOMIC_RELAXED))
		lapic_timer_follow_up(apic);
	vector = apic->vcpu->arch.apic_delivers ? requested_of_processor(apic)
						: lapic_highest(apic->s.irr);
	if (vector < 0 || !lapic_enabled(apic))
		return -1;
	if (((u32)vector & 0xf0) <= (processor_priority(apic) & 0xf0))
		return -1;
	if (!apic->vcpu->arch.apic_delivers)
		lend_eoi(apic, (u8)vector);
	return vector;
}

void lapic_accept(struct vcpu *vcpu, u8 vector)
{
	struct lapic *apic = vcpu->lapic;

	/* ISR first: the vector is never in neither. */
	apic->s.isr[vector / 64] |= BIT(vector % 64);
	__atomic_fetch_and(&apic->s.irr[vector / 64], ~BIT(vector % 64), __ATOMIC_ACQ_REL);
}

void lapic_return(struct vcpu *vcpu, u8 vector)
{
	struct lapic *apic = vcpu->lapic;

	__atomic_fetch_or(&apic->s.irr[vector / 64], BIT(vector % 64), __ATOMIC_ACQ_REL);
	apic->s.isr[vector / 64] &= ~BIT(vector % 64);
}

void lapic_eoi(struct lapic *apic)
{
	int vector = lapic_highest(apic->s.isr);
	u64 bit;

	if (vector < 0)
		return;
	bit = BIT(vector % 64);
	apic->s.isr[vector / 64] &= ~bit;
	if (__atomic_load_n(&apic->s.tmr[vector / 64], __ATOMIC_RELAXED) & bit)
		platform_eoi(apic->vcpu, (u8)vector);
}

/* ---- reading ---- */

static u32 logical_id(const struct lapic *apic)
{
	if (lapic_is_x2apic(apic))
		return (apic->s.id >> 4) << 16 | 1u << (apic->s.id & 0xf);
	return apic->s.ldr;
}

/* A register that both modes have, except ICR. False: there is none. */
static bool read_register(struct lapic *apic, u32 reg, u32 *value)
{
	struct lapic_state *s = &apic->s;
	bool delivers = apic->vcpu->arch.apic_delivers;

	if (apic->eoi_lent)
		look_at_lent_eoi(apic);
	*value = 0;
	if (reg >= LAPIC_ISR && reg < LAPIC_ISR + 8)
		*value = delivers ? *page_word(apic, reg) : bits_read(s->isr, reg - LAPIC_ISR);
	else if (reg >= LAPIC_TMR && reg < LAPIC_TMR + 8)
		*value = bits_read(s->tmr, reg - LAPIC_TMR);
	else if (reg >= LAPIC_IRR && reg < LAPIC_IRR + 8)
		*value =
			bits_read(s->irr, reg - LAPIC_IRR) | (delivers ? *page_word(apic, reg) : 0);
	else if (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR)
		*value = s->lvt[reg - LAPIC_LVT_TIMER];
	else if (reg == LAPIC_ID)
		*value = lapic_is_x2apic(apic) ? s->id : s->id << 24;
	else if (reg == LAPIC_VER)
		*value = LAPIC_VERSION;
	else if (reg == LAPIC_TPR)
		*value = *apic->vcpu->arch.tpr;
	else if (reg == LAPIC_PPR)
		*value = processor_priority(apic);
	else if (reg == LAPIC_LDR)
		*value = logical_id(apic);
	else if (reg == LAPIC_SVR)
		*value = s->svr;
	else if (reg == LAPIC_ESR)
		*value = s->esr;
	else if (reg == LAPIC_TIMER_INITIAL)
		*value = s->timer_initial;
	else if (reg == LAPIC_TIMER_CURRENT)
		*value = lapic_timer_current(apic);
	else if (reg == LAPIC_TIMER_DIVIDE)
		*value = s->timer_divide;
	else
		return false;
	return true;
}

bool lapic_read_msr(struct lapic *apic, u32 reg, u64 *value)
{
	u32 low;

	if (!lapic_is_x2apic(apic))
		return false;
	if (reg == LAPIC_ICR) {
		*value = apic->s.icr;
		return true;
	}
	if (!read_register(apic, reg, &low))
		return false;
	*value = low;
	return true;
}

static u32 read_page(struct lapic *apic, u32 reg)
{
	u32 value;

	if (read_register(apic, reg, &value))
		return value;
	if (reg == LAPIC_DFR)
		return apic->s.dfr;
	if (reg == LAPIC_ICR)
		return (u32)apic->s.icr;
	if (reg == LAPIC_ICR2)
		return (u32)(apic->s.icr >> 32);
	if (reg != LAPIC_APR && reg != LAPIC_EOI)
		lapic_error(apic, ESR_REGISTER);
	return 0;
}

/* ---- writing ---- */

static void write_lvt(struct lapic *apic, u32 index, u32 value)
{
	u32 old = apic->s.lvt[index];

	/* SDM 3A 11.4.7.2: every LVT entry is masked while disabled by software. */
	if ((apic->s.svr & SVR_ENABLE) == 0)
		value |= (u32)LVT_MASKED;
	__atomic_store_n(&apic->s.lvt[index], value, __ATOMIC_RELAXED);
	if (index == 0)
		lapic_timer_lvt_changed(apic, old);
}

static void write_svr(struct lapic *apic, u32 value)
{
	apic->s.svr = value;
	if (apic->s.svr & SVR_ENABLE)
		return;
	for (u32 i = 0; i < LAPIC_LVT_COUNT; i++)
		write_lvt(apic, i, apic->s.lvt[i]); /* masks it */
}

/* A register that both modes have, except ICR. False: there is none, or it is read-only. */
static bool write_register(struct lapic *apic, u32 reg, u32 value)
{
	value &= writable[reg];
	if (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR)
		write_lvt(apic, reg - LAPIC_LVT_TIMER, value);
	else if (reg == LAPIC_TPR)
		*apic->vcpu->arch.tpr = value;
	else if (reg == LAPIC_EOI)
		lapic_eoi(apic);
	else if (reg == LAPIC_SVR)
		write_svr(apic, value);
	else if (reg == LAPIC_ESR)
		apic->s.esr = __atomic_exchange_n(&apic->s.esr_pending, 0, __ATOMIC_RELAXED);
	else if (reg == LAPIC_TIMER_INITIAL)
		lapic_timer_set_initial(apic, value);
	else if (reg == LAPIC_TIMER_DIVIDE)
		lapic_timer_set_divide(apic, value);
	else
		return false;
	return true;
}

bool lapic_write_msr(struct lapic *apic, u32 reg, u64 value)
{
	bool lvt = reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR;

	if (!lapic_is_x2apic(apic))
		return false;
	if (reg == LAPIC_ICR) {
		if (value & ~(ICR_X2APIC_BITS | ICR_PENDING))
			return false;
		apic->s.icr = value & ICR_X2APIC_BITS;
		lapic_send_icr(apic, apic->s.icr);
		return true;
	}
	if (reg == LAPIC_SELF_IPI) {
		if (value & ~0xffULL)
			return false;
		lapic_send_icr(apic, BIT(18) | BIT(14) | value);
		return true;
	}
	/* Those that are 0 in the table take only 0; what is read-only is not reserved. */
	if (value & ~(writable[reg] | (lvt ? LVT_READ_ONLY : 0)))
		return false;
	return write_register(apic, reg, (u32)value);
}

static void write_page(struct lapic *apic, u32 reg, u32 value)
{
	struct lapic_state *s = &apic->s;

	if (write_register(apic, reg, value))
		return;
	if (reg == LAPIC_LDR) {
		s->ldr = value & 0xff000000u;
	} else if (reg == LAPIC_DFR) {
		s->dfr = value | 0x0fffffffu;
	} else if (reg == LAPIC_ICR2) {
		s->icr = (s->icr & 0xffffffffULL) | (u64)(value & 0xff000000u) << 32;
	} else if (reg == LAPIC_ICR) {
		s->icr = ((s->icr & ~0xffffffffULL) | value) & ICR_XAPIC_BITS;
		lapic_send_icr(apic, s->icr);
	} else if (reg != LAPIC_ID) { /* which is fixed, as on processors since x2APIC */
		lapic_error(apic, ESR_REGISTER);
	}
}

enum access_result lapic_mmio(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct lapic *apic = vcpu->lapic;
	u32 reg = (u32)(access->offset >> 4);
	/* SDM 3A 11.4.1: aligned 32-bit accesses only; the rest is undefined: nothing happens. */
	bool good = access->size == 4 && !(access->offset & 0xf) && reg < REG_COUNT;

	(void)ctx;
	if (!lapic_enabled(apic) || lapic_is_x2apic(apic))
		return ACCESS_NOT_MINE;
	if (!access->write)
		access->value = good ? read_page(apic, reg) : 0;
	else if (good)
		write_page(apic, reg, (u32)access->value);
	return ACCESS_HANDLED;
}
