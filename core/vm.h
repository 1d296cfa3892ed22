/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual machines and their vCPUs, as every room sees them. What makes a VM a
 * PC (APICs, PCI, tables) lives in guest/ behind vm_ops.
 */
#ifndef CORE_VM_H
#define CORE_VM_H

#include "arch/x86/spinlock.h"
#include "arch/x86/virt.h"
#include "core/config.h"
#include "core/gmem.h"
#include "core/lib/error.h"
#include "core/lib/list.h"
#include "core/lib/types.h"
#include "core/ptab.h"
#include "core/region.h"
#include "core/virt.h"

#define VM_MAX	     CONFIG_MAX_GUESTS
#define VM_MAX_VCPUS 8

struct vm;
struct vcpu;

/* Why a vCPU should look up from its guest; bits of vcpu.requests. */
enum vcpu_request {
	VCPU_REQ_EVENT = BIT(0), /* an interrupt may be pending */
	VCPU_REQ_NMI = BIT(1),
	VCPU_REQ_INIT = BIT(2),
	VCPU_REQ_SIPI = BIT(3), /* vector in vcpu.sipi_vector */
	VCPU_REQ_WORK = BIT(4), /* vcpu.work is not empty */
};

enum vcpu_state {
	VCPU_OFF,	/* the VM does not run */
	VCPU_WAIT_INIT, /* waits for INIT/SIPI */
	VCPU_READY,	/* in the run queue */
	VCPU_RUNNING,	/* on vcpu.cpu */
	VCPU_HALTED,	/* HLT: waits for a request */
};

/*
 * Work that a guest caused and that is done on its own CPU time, in bounded
 * steps, before it is entered again.
 */
struct vcpu_work {
	struct list_node node; /* guarded by vcpu.work_lock */
	/* At most some 20 microseconds of work; true: more is left, call again. */
	bool (*step)(struct vcpu *vcpu, struct vcpu_work *work);
};

struct vcpu {
	struct arch_vcpu arch; /* first */
	struct vm *vm;
	u32 index;   /* also its APIC id */
	void *lapic; /* guest/lapic.c's */

	/* Guarded by the scheduler's lock. */
	enum vcpu_state state;
	u32 cpu; /* where it runs or ran last */
	u64 vruntime;
	u64 run_start_ns;
	struct list_node queue_node;
	u64 weight;
	bool parked;	 /* kept from running: vcpu_stop, vm_freeze */
	bool thaw_ready; /* was runnable when it ran last, or when parked */

	/* Atomic. */
	u32 requests;
	u8 sipi_vector;
	bool kicked;   /* paravirtual unhalt came: the next HLT does not wait */
	bool in_guest; /* or about to enter it with requests checked */

	bool waits_for_sipi; /* its CPU's own */
	bool halted;	     /* has executed HLT, nothing was delivered since; its CPU's own */
	bool nmi_pending;    /* taken from requests, not injected yet; its CPU's own */

	struct spinlock work_lock;
	struct list_node work; /* struct vcpu_work */

	/* Counters: written by the CPU that runs it. */
	u64 exits[VM_EXIT_KIND_COUNT];
	u64 run_ns;   /* time that it had a processor */
	u64 ready_ns; /* time that it was runnable and waited: steal time */
	u64 ready_since_ns;
};

/* What guest/ supplies: the machine around the vCPUs. */
struct vm_ops {
	/*
	 * The highest-priority interrupt that the local APIC would deliver now,
	 * -1 if none. On the vCPU's own CPU, before each entry.
	 */
	int (*pending_interrupt)(struct vcpu *vcpu);
	/* That interrupt has been injected: IRR to ISR. */
	void (*accept_interrupt)(struct vcpu *vcpu, u8 vector);
	/* It was accepted, but has not reached the guest. */
	void (*return_interrupt)(struct vcpu *vcpu, u8 vector);
	/* A level-triggered interrupt, which the processor delivered, has ended. */
	void (*eoi)(struct vcpu *vcpu, u8 vector);
	void (*cpuid)(struct vcpu *vcpu, struct vm_exit *exit);
	/* False: the guest gets #GP(0). */
	bool (*msr)(struct vcpu *vcpu, struct vm_exit *exit);
	void (*hypercall)(struct vcpu *vcpu, struct vm_exit *exit);
	/* INIT arrived: reset the local APIC too. */
	void (*vcpu_init)(struct vcpu *vcpu);
	/* Before each entry that follows a stay in the run queue (steal time, clocks). */
	void (*scheduled_in)(struct vcpu *vcpu);
	/* Deliver a message-signalled interrupt (SDM 3A 11.11); any CPU. */
	void (*msi)(struct vm *vm, u64 address, u32 data);
	/* Drive global system interrupt `gsi` (I/O APIC pin); any CPU. */
	void (*irq_line)(struct vm *vm, u32 gsi, bool level);
	/* Typed bytes for its serial port; so many are taken. Housekeeping. */
	size_t (*console_input)(struct vm *vm, const u8 *data, size_t size);
	/* guest_console_ready() would be true again. Housekeeping, no lock held. */
	void (*console_drained)(struct vm *vm);
};

enum vm_state {
	VM_STOPPED,
	VM_STARTING, /* memory is cleared and files are copied in steps */
	VM_RUNNING,
	VM_PAUSED,
	VM_STOPPING,
};

/* What a VM asked for or met; acted on by the life-cycle code (guest/machine.c). */
enum vm_end {
	VM_END_NONE,
	VM_END_POWEROFF,
	VM_END_RESET,
	VM_END_CRASH,
};

struct vm {
	char name[CONFIG_NAME_MAX + 1];
	u16 id; /* 1..VM_MAX; also the frame owner */
	const struct config_guest *config;
	const struct vm_ops *ops;
	void *machine;	/* guest/machine.c's */
	void *platform; /* guest/platform.c's */
	void *vgpu;	/* gpu/'s, NULL without */

	struct spinlock device_lock; /* regions, device state; see docs/locking.md */
	struct region_table mmio;
	struct region_table ports;
	struct ptab nested;	   /* EPT or NPT; guarded by device_lock */
	struct nested_space space; /* which processor may remember what of `nested` */
	struct gmem memory;

	struct vcpu *vcpus[VM_MAX_VCPUS];
	u32 vcpu_count;

	enum vm_state state;	 /* written by the housekeeping CPU alone */
	enum vm_end end_claimed; /* atomic: the first writer wins and writes the reason */
	enum vm_end end;	 /* atomic; set once end_reason is complete */
	char end_reason[128];
};

/* ---- core/vm.c ---- */

/*
 * A VM with its RAM (not cleared) and nested tables, without vCPUs. NULL: no
 * room; one line has been logged. At start or from housekeeping only.
 */
struct vm *vm_create(const struct config_guest *config);
void vm_destroy(struct vm *vm);

/* The VM with number `index` (0..VM_MAX-1) or NULL. */
struct vm *vm_get(u32 index);

/* No VM has a number from here on: what looks at all of them often stops here. It only grows. */
extern u32 vm_slots;
struct vm *vm_find(const char *name);

/*
 * The guest did something that ends it. Any CPU, any lock. The first reason
 * wins; the vCPUs leave the guest soon and stay out.
 */
void vm_end(struct vm *vm, enum vm_end end, const char *fmt, ...) printf_like(3, 4);

/* Set a request bit and make sure that it is seen: wakes or interrupts. Any CPU. */
void vcpu_request(struct vcpu *vcpu, u32 request);

/* Make a vCPU that is in the guest leave it, and no more. Any CPU. */
void vcpu_kick(struct vcpu *vcpu);

/* Queue `work` on the vCPU; a no-op while it is queued already. Any CPU. */
void vcpu_queue_work(struct vcpu *vcpu, struct vcpu_work *work);

/* Take queued work back; false if it was not queued. It may still run one step. */
bool vcpu_cancel_work(struct vcpu *vcpu, struct vcpu_work *work);

/*
 * Map host memory straight into the guest (direct spans), or take it away.
 * Unmapping returns after every CPU has left the old translation. The caller
 * holds device_lock.
 */
must_check enum err vm_map_direct(struct vm *vm, gpa_t gpa, hpa_t hpa, u64 size,
				  struct ptab_attr attr);
must_check enum err vm_unmap_direct(struct vm *vm, gpa_t gpa, u64 size);

/* Interrupts towards the guest; any CPU. */
static inline void vm_msi(struct vm *vm, u64 address, u32 data)
{
	vm->ops->msi(vm, address, data);
}

static inline void vm_irq_line(struct vm *vm, u32 gsi, bool level)
{
	vm->ops->irq_line(vm, gsi, level);
}

#endif
