// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* A hostile guest at its fixed devices: random registers, MSRs, CPUID, hypercalls, time. */
#define assert_int_equal(a, b) \
	do { \
		if ((a) != (b)) \
			abort(); \
	} while (0)
#define assert_true(a) assert_int_equal(!(a), 0)
#define FAKE_WITHOUT_CMOCKA
#include "guest/hypercall.h"
#include "tests/unit/fake_vm.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct step {
	u8 what, vcpu, reg, size;
	u64 value;
};

static const u32 msrs[] = { 0x10,	0x1b,	    0x6e0,	0xfe,	    0x2ff,	0x277,
			    0x4b564d00, 0x4b564d01, 0x4b564d03, 0xc0000080, 0xc0010015, 0x11 };

static void access_port(region_handler handler, void *ctx, const struct step *step, u64 limit,
			u8 max_size)
{
	struct access access = { .value = step->value, .write = step->size & 0x80 };

	access.size = (u8)(1u << (step->size & 3));
	if (access.size > max_size)
		access.size = max_size;
	access.offset = (step->reg * 16u + (step->size >> 2 & 0xf)) % limit;
	if (access.offset + access.size > limit)
		access.offset = limit - access.size;
	handler(&fake_vcpus[step->vcpu], ctx, &access);
}

static void run(const struct step *step)
{
	struct vm_exit exit = { .kind = VM_EXIT_CPUID };
	u64 value;

	switch (step->what % 10) {
	case 0:
		access_port(lapic_mmio, NULL, step, PAGE_SIZE, 8);
		break;
	case 1:
		access_port(ioapic_mmio, &fake_platform.ioapic, step, PAGE_SIZE, 8);
		break;
	case 2:
		access_port(uart_port, &fake_platform.uart, step, UART_PORTS, 4);
		break;
	case 3:
		access_port(rtc_port, &fake_platform.rtc, step, RTC_PORTS, 2);
		break;
	case 4:
		if (step->size & 0x80)
			fake_wrmsr(step->vcpu, 0x800 + (step->reg & 0x3f), step->value);
		else
			fake_rdmsr(step->vcpu, 0x800 + (step->reg & 0x3f), &value);
		break;
	case 5:
		if (step->size & 0x80)
			fake_wrmsr(step->vcpu, msrs[step->reg % ARRAY_SIZE(msrs)], step->value);
		else
			fake_rdmsr(step->vcpu, msrs[step->reg % ARRAY_SIZE(msrs)], &value);
		break;
	case 6:
		exit.cpuid.leaf = (u32)step->value;
		exit.cpuid.subleaf = step->reg;
		platform_cpuid(&fake_vcpus[step->vcpu], &exit);
		break;
	case 7:
		vm_irq_line(&fake_vm, step->reg, step->size & 1);
		vm_msi(&fake_vm, step->value & 0xffffffff, step->size | step->reg << 8);
		break;
	case 8:
		fake_console_room = step->reg;
		uart_console_drained(&fake_vm);
		(void)platform_console_input(&fake_vm, (const u8 *)step, sizeof(*step));
		exit.hypercall.number = step->size;
		exit.hypercall.arg[1] = step->reg;
		hypercall(&fake_vcpus[step->vcpu], &exit);
		break;
	default:
		fake_advance(step->value & 0xffffffff);
	}
}

/* What holds whatever the guest does. */
static void check(void)
{
	for (u32 i = 0; i < fake_vm.vcpu_count; i++) {
		int vector = fake_take_interrupt(i);

		assert_true(vector == -1 || vector >= 16);
		assert_true(fake_own[i].lapic.s.id == i);
		assert_true((fake_own[i].lapic.s.base & ~0xfffULL) == LAPIC_BASE);
	}
	assert_true(fake_platform.uart.s.tx_count <= UART_FIFO);
	assert_true(fake_platform.uart.s.rx_count <= UART_RX_QUEUE);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	fake_vm_start(3);
	for (; size >= sizeof(struct step); size -= sizeof(struct step)) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		step.vcpu %= 3;
		run(&step);
		check();
	}
	return 0;
}
