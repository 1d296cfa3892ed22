/* SPDX-License-Identifier: Apache-2.0 */
/* Writes clock, wall clock and steal time into the guest's memory. */
#include "guest/pvclock.h"

#include "core/lib/string.h"
#include "core/timer.h"
#include "core/vm.h"
#include "guest/platform.h"

#define NS_PER_SECOND	1000000000ULL
#define MSR_ENABLE	BIT(0)
#define TIME_ALIGN_MASK 0x3ULL /* besides the enable bit */
#define STEAL_MASK	0x3eULL
#define TSC_STABLE	BIT(0)

/* Layouts in guest memory. */
struct time_info {
	u32 version;
	u32 pad;
	u64 tsc_timestamp;
	u64 system_time;
	u32 multiplier;
	s8 shift;
	u8 flags;
	u8 pad2[2];
};
_Static_assert(sizeof(struct time_info) == 32, "pvclock_vcpu_time_info");

struct wall_clock {
	u32 version;
	u32 seconds;
	u32 nanoseconds;
};
_Static_assert(sizeof(struct wall_clock) == 12, "pvclock_wall_clock");

struct steal_time {
	u64 steal;
	u32 version;
	u32 flags;
	u8 preempted;
	u8 pad[47];
};
_Static_assert(sizeof(struct steal_time) == 64, "kvm_steal_time");

void pvclock_scale(u64 tsc_hz, u32 *multiplier, s8 *shift)
{
	u64 scaled = tsc_hz;
	s8 by = 0;

	/* Bring it into (1e9, 2e9], so that the multiplier has all its 32 bits. */
	while (scaled > 2 * NS_PER_SECOND) {
		scaled >>= 1;
		by--;
	}
	while (scaled <= NS_PER_SECOND) {
		scaled <<= 1;
		by++;
	}
	*multiplier = (u32)((NS_PER_SECOND << 32) / scaled);
	*shift = by;
}

void pvclock_base_init(struct pvclock_base *base)
{
	base->ns = now_ns();
	base->host_tsc = time_ns_to_tsc(base->ns);
	pvclock_scale(time_tsc_hz(), &base->multiplier, &base->shift);
}

void pvclock_reset(struct pvclock_state *clock)
{
	memset(clock, 0, sizeof(*clock));
	clock->version = PVCLOCK_STATE_VERSION;
}

static bool guest_write(struct vcpu *vcpu, u64 gpa, const void *src, size_t size)
{
	return gmem_write(&vcpu->vm->memory, GPA(gpa), src, size) == OK;
}

/*
 * Odd version, content, even version: a reader on another vCPU that meets an
 * odd or a changed version tries again. `version` lies in the record. Failures mean
 * that the guest gave an address that is not RAM, which is its own loss.
 */
static void publish(struct vcpu *vcpu, u64 gpa, const void *record, size_t size, u32 *version)
{
	u64 version_gpa = gpa + (u64)((const u8 *)version - (const u8 *)record);

	++*version;
	if (!guest_write(vcpu, version_gpa, version, sizeof(*version)))
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!guest_write(vcpu, gpa, record, size))
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	++*version;
	(void)guest_write(vcpu, version_gpa, version, sizeof(*version));
}

void pvclock_publish_time(struct vcpu *vcpu)
{
	const struct platform *platform = vcpu->vm->platform;
	const struct pvclock_base *base = &platform->clock;
	struct pvclock_state *clock = &platform_vcpu(vcpu)->clock;
	struct time_info info = {
		.version = clock->time_version,
		.tsc_timestamp = base->host_tsc + vcpu->arch.tsc_offset,
		.system_time = base->ns,
		.multiplier = base->multiplier,
		.shift = base->shift,
		.flags = TSC_STABLE,
	};

	if ((clock->time_msr & MSR_ENABLE) == 0)
		return;
	clock->time_version += 2;
	publish(vcpu, clock->time_msr & ~MSR_ENABLE, &info, sizeof(info), &info.version);
}

/* The time of day when system time was 0. */
static void publish_wall_clock(struct vcpu *vcpu, u64 gpa)
{
	struct wall_clock wall = {
		.version = 2, /* even; the guest asks for it each time, alone */
		.seconds = (u32)wallclock_boot_seconds(),
	};

	(void)guest_write(vcpu, gpa, &wall, sizeof(wall));
}

/* `preempted` stays 0: nobody hears of it when a vCPU loses its CPU. */
static void publish_steal(struct vcpu *vcpu, struct pvclock_state *clock)
{
	struct steal_time record = { .steal = vcpu->ready_ns, .version = clock->steal_version };

	if ((clock->steal_msr & MSR_ENABLE) == 0)
		return;
	clock->steal_ns = record.steal;
	clock->steal_version += 2;
	publish(vcpu, clock->steal_msr & ~(MSR_ENABLE | STEAL_MASK), &record,
		offsetof(struct steal_time, pad), &record.version);
}

void pvclock_scheduled_in(struct vcpu *vcpu)
{
	struct pvclock_state *clock = &platform_vcpu(vcpu)->clock;

	if (vcpu->ready_ns != clock->steal_ns)
		publish_steal(vcpu, clock);
}

u64 *pvclock_msr(struct pvclock_state *clock, u32 index)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_OLD:
		return &clock->wall_msr;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_OLD:
		return &clock->time_msr;
	case MSR_KVM_STEAL_TIME:
		return &clock->steal_msr;
	default:
		return NULL;
	}
}

bool pvclock_write_msr(struct vcpu *vcpu, u64 *msr, u64 value)
{
	struct pvclock_state *clock = &platform_vcpu(vcpu)->clock;
	u64 reserved = msr == &clock->wall_msr	 ? TIME_ALIGN_MASK
		       : msr == &clock->time_msr ? TIME_ALIGN_MASK & ~MSR_ENABLE
						 : STEAL_MASK;

	if (value & reserved)
		return false;
	*msr = value;
	if (msr == &clock->wall_msr)
		publish_wall_clock(vcpu, value);
	else if (msr == &clock->time_msr)
		pvclock_publish_time(vcpu);
	else
		publish_steal(vcpu, clock);
	return true;
}
