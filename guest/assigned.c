// SPDX-License-Identifier: Apache-2.0
/* Physical functions given whole to guests: taken, reset, let loose, taken back. */
#include "guest/assigned.h"

#include "core/frame.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/timer.h"
#include "drivers/iommu_ram.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"
#include "guest/assigned_parts.h"

#define ASSIGNED_PAGES ((u32)((sizeof(struct assigned) + PAGE_MASK) >> PAGE_SHIFT))
#define PCI_BDF_FORMAT "%02x:%02x.%x"
#define DRAIN_NS       (2 * PCI_RESET_DRAIN_NS)

/* What one guest has. */
struct assignment {
	char owner[CONFIG_NAME_MAX + 8]; /* "guest NAME" */
	struct iommu_domain domain;
	u64 mapped_bytes; /* of its RAM */
	u32 count;
	struct assigned *devices[CONFIG_MAX_DEVICES];
	struct log_limit limit;
};

/* Housekeeping's own, as `live` of a function is for device_lock. */
static struct assignment assignments[VM_MAX]; /* by vm->id - 1 */
static struct assigned *records;
static const struct config_host *host;
static struct pci *pci;
static struct iommu *iommu;

static struct assignment *assignment_of(const struct vm *vm)
{
	return &assignments[vm->id - 1];
}

void assigned_init(const struct config_host *config, struct pci *functions, struct iommu *units)
{
	memset(assignments, 0, sizeof(assignments));
	records = NULL;
	host = config;
	pci = functions;
	iommu = units;
}

static bool is_live(const struct assigned *a)
{
	return __atomic_load_n(&a->live, __ATOMIC_ACQUIRE);
}

/* ---- running ---- */

/* The guest changed something that the function shall know; device_lock is held. */
static void config_written(struct vpci_function *function, u32 offset, u32 size)
{
	struct assigned *a = container_of(function, struct assigned, function);
	bool master = is_live(a) && function->bus_master;

	(void)offset;
	(void)size;
	if (master && !a->master_on)
		pci_enable(pci, a->device, PCI_COMMAND_BUS_MASTER);
	if (!master && a->master_on)
		pci_disable(pci, a->device, PCI_COMMAND_BUS_MASTER);
	a->master_on = master;
	assigned_sync_irqs(a);
}

static void set_live(struct assigned *a, bool live)
{
	spin_guard(&a->vm->device_lock);
	if (live)
		pci_enable(pci, a->device, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	__atomic_store_n(&a->live, live, __ATOMIC_RELEASE);
	config_written(&a->function, 0, 0);
}

/*
 * One that nothing resets: what it has under way at least runs into its switched-off bus
 * mastering. A function that does not come back is given to nobody any more.
 */
static enum err reset(struct assigned *a)
{
	enum err e = OK;

	if (pci_reset_kind(pci, a->device)) {
		e = pci_reset(pci, a->device);
	} else {
		pci_wait_ns(pci, DRAIN_NS);
		assigned_clear_video(a);
	}
	if (e) {
		a->lost = true;
		log_error("guest %s: " PCI_BDF_FORMAT " did not come back from its reset (%s): it "
			  "is not used again",
			  a->vm->name, PCI_BDF_ARGS(a->device->bdf), err_name(e));
	}
	return e;
}

/* Let the function reach the guest's RAM, and the guest the function. No DMA comes before. */
static enum err open(struct assignment *to, struct assigned *a)
{
	enum err e = a->lost || a->attached ? ERR_DEVICE : reset(a);

	if (!e && !to->mapped_bytes)
		e = iommu_map_ram(&to->domain, 0, &a->vm->memory, &to->mapped_bytes);
	if (!e)
		e = iommu_attach(&to->domain, a->device->bdf);
	if (e)
		return e;
	a->attached = true;
	set_live(a, true);
	return OK;
}

/* The other way round: it is reset before it counts as gone. */
static void close(struct assignment *to, struct assigned *a)
{
	if (!a->attached)
		return;
	set_live(a, false);
	(void)!reset(a);
	a->attached = iommu_detach(&to->domain, a->device->bdf);
}

/* When no function can write it any more, the RAM's frames are let go. */
static void release_ram(struct vm *vm, struct assignment *to)
{
	bool held = false;

	for (u32 i = 0; i < to->count; i++)
		held |= to->devices[i]->attached;
	if (held || iommu_unmap_ram(&to->domain, 0, &vm->memory, &to->mapped_bytes))
		log_error("guest %s: the IOMMU does not obey: its memory stays taken", vm->name);
}

enum err assigned_start(struct vm *vm)
{
	struct assignment *to = assignment_of(vm);
	enum err e = to->mapped_bytes ? ERR_BUSY : OK; /* see release_ram() */

	for (u32 i = 0; i < to->count && !e; i++)
		e = open(to, to->devices[i]);
	for (u32 i = to->count; i && !e; i--) /* the first display's is the one that stays */
		assigned_shadow_rom(to->devices[i - 1]);
	if (e) {
		log_error("guest %s: it cannot have its devices: %s", vm->name, err_name(e));
		assigned_stop(vm);
	}
	return e;
}

void assigned_stop(struct vm *vm)
{
	struct assignment *to = assignment_of(vm);

	for (u32 i = 0; i < to->count; i++)
		close(to, to->devices[i]);
	if (to->mapped_bytes)
		release_ram(vm, to);
}

void assigned_housekeeping(void)
{
	u64 now = now_ns();

	for (u32 i = 0; i < vm_slots; i++)
		for (u32 j = 0; j < assignments[i].count; j++)
			if (is_live(assignments[i].devices[j]))
				assigned_release_held(assignments[i].devices[j], now);
	assigned_watch_intx();
}

/* ---- faults ---- */

static struct assigned *find(u16 bdf)
{
	for (u32 i = 0; i < VM_MAX; i++)
		for (u32 j = 0; j < assignments[i].count; j++)
			if (assignments[i].devices[j]->device->bdf == bdf)
				return assignments[i].devices[j];
	return NULL;
}

void assigned_fault(const struct iommu_fault *fault)
{
	static struct log_limit others;
	struct assigned *a = find(fault->bdf);
	const char *what = fault->interrupt ? "raising interrupt entry"
			   : fault->write   ? "writing"
					    : "reading";

	if (log_allowed(a ? &assignment_of(a->vm)->limit : &others, 4))
		log_warn("%s%s: %sdevice " PCI_BDF_FORMAT " was kept from %s 0x%lx: %s",
			 a ? "guest " : "", a ? a->vm->name : "IOMMU", a ? "its " : "",
			 PCI_BDF_ARGS(fault->bdf), what, fault->iova.raw, fault->reason);
	if (a && is_live(a) && a->vm->config->on_dma_fault == CONFIG_DMA_FAULT_STOP)
		vm_end(a->vm, VM_END_CRASH, "its device " PCI_BDF_FORMAT " was kept from %s 0x%lx",
		       PCI_BDF_ARGS(fault->bdf), what, fault->iova.raw);
}

/* ---- giving and taking ---- */

static char why_text[64]; /* housekeeping's own */

/* Make it the guest's. NULL; or why it cannot be. */
static const char *claim(struct assignment *to, u16 bdf)
{
	struct pci_function *device = pci_find(pci, bdf);
	enum err e = device ? pci_claim(pci, device, to->owner) : ERR_NOT_FOUND;

	if (e == ERR_EXISTS && device->vfs)
		return "its virtual functions are on (`sriov` in [host]): give one of those";
	if (e == ERR_EXISTS || (!e && find(bdf))) {
		fmt_snprintf(why_text, sizeof(why_text), "%s has it", device->owner);
		return why_text;
	}
	return e == ERR_DENIED ? "it is a bridge" : e ? "there is no such function" : NULL;
}

/* Why a function that is claimed, with all that are to come with it, cannot be given; or NULL. */
static const char *refusal(struct assignment *to, const struct pci_function *device)
{
	const struct pci_function *other = pci_group_conflict(pci, device, to->owner);
	enum err e;

	if (other) {
		fmt_snprintf(why_text, sizeof(why_text),
			     "its group is not whole without " PCI_BDF_FORMAT,
			     PCI_BDF_ARGS(other->bdf));
		return why_text;
	}
	if (!pci_reset_kind(pci, device) && !host->assign_without_reset)
		return "nothing resets it, so a guest would find what the one before left in it "
		       "(`assign-without-reset = yes` in [host] allows it)";
	/* Into the empty domain and out again, to know that it can be. */
	e = iommu_attach(&to->domain, device->bdf);
	if (!e)
		e = iommu_detach(&to->domain, device->bdf);
	if (e == ERR_DENIED)
		return "firmware demands memory of its own for it (RMRR)";
	return e ? err_name(e) : NULL;
}

/* The record of a function: made when it is first given to somebody, and kept. */
static enum err record_of(struct pci_function *device, struct assigned **out)
{
	struct assigned *a = records;
	hpa_t frame;
	enum err e;

	for (; a; a = a->next)
		if (a->device == device) {
			*out = a;
			return a->lost ? ERR_DEVICE : OK;
		}
	frame = frame_alloc_contiguous(ASSIGNED_PAGES);
	if (!frame.raw)
		return ERR_NO_MEMORY;
	a = frame_ptr(frame);
	a->pci = pci;
	a->iommu = iommu;
	a->device = device;
	a->function.config_written = config_written;
	e = assigned_make_irqs(a);
	if (!e)
		e = assigned_make_bars(a);
	if (e)
		return e;
	assigned_make_rom(a);
	a->next = records;
	records = a;
	*out = a;
	return OK;
}

/* NULL; or why nothing can be given to guests, or to this one. */
static const char *prepare(struct vm *vm, struct assignment *to)
{
	fmt_snprintf(to->owner, sizeof(to->owner), "guest %s", vm->name);
	if (!iommu)
		return "no IOMMU would confine it";
	if (!iommu->irq_remapping && !host->assign_without_ir)
		return "interrupts are not remapped, so it could raise any of them "
		       "(`assign-without-ir = yes` in [host] allows it)";
	if (!to->domain.iommu && iommu_domain_init(iommu, &to->domain))
		return "there is no room for another domain";
	return NULL;
}

static void forget(struct assignment *to, struct assigned *a)
{
	for (u32 i = 0; i < to->count; i++)
		if (to->devices[i] == a)
			to->devices[i--] = to->devices[--to->count];
}

/* What is lost stays in nobody's hand. */
static void give_back(struct vm *vm, struct assignment *to, struct assigned *a)
{
	static const char lost[] = "lost";

	close(to, a);
	if (!a->attached)
		forget(to, a);
	if (to->mapped_bytes && !to->count)
		release_ram(vm, to);
	pci_release(pci, a->device, to->owner);
	if (a->lost || a->attached)
		(void)!pci_claim(pci, a->device, lost);
}

/* A function that may be given gets its record, and is put before the guest. */
static enum err give(struct vm *vm, struct guest_pci *bus, u16 bdf, bool in_slot)
{
	struct assignment *to = assignment_of(vm);
	struct assigned *a;
	enum err e = to->count == CONFIG_MAX_DEVICES ? ERR_FULL : record_of(pci_find(pci, bdf), &a);

	if (e)
		return e;
	a->vm = vm;
	a->in_slot = in_slot;
	assigned_make_config(a, in_slot);
	to->devices[to->count++] = a;
	if (vm->state != VM_STOPPED)
		e = open(to, a);
	if (!e)
		e = in_slot ? guest_pci_plug(bus, &a->function) : guest_pci_add(bus, &a->function);
	return e;
}

/* All of them, or none. */
static enum err give_all(struct vm *vm, struct guest_pci *bus, const struct config_devices *devices,
			 bool in_slot)
{
	struct assignment *to = assignment_of(vm);
	const char *why = prepare(vm, to);
	u32 had = to->count, claimed = 0, at = 0;
	enum err e = ERR_DENIED;

	/* All claims first: a group, or a bus that is reset as a whole, must be one guest's. */
	while (claimed < devices->count && !why) {
		why = claim(to, devices->bdf[at = claimed]);
		claimed += !why;
	}
	for (u32 i = 0; i < devices->count && !why; i++)
		why = refusal(to, pci_find(pci, devices->bdf[at = i]));
	for (u32 i = 0; i < devices->count && !why; i++) {
		e = give(vm, bus, devices->bdf[at = i], in_slot);
		why = e ? err_name(e) : NULL;
	}
	if (!why)
		return OK;
	log_error("guest %s: " PCI_BDF_FORMAT " is not given to it: %s", vm->name,
		  PCI_BDF_ARGS(devices->bdf[at]), why);
	for (u32 i = to->count; i-- > had;)
		give_back(vm, to, to->devices[i]);
	while (claimed)
		pci_release(pci, pci_find(pci, devices->bdf[--claimed]), to->owner);
	return e;
}

enum err assigned_create(struct vm *vm, struct guest_pci *bus)
{
	return vm->config->devices.count ? give_all(vm, bus, &vm->config->devices, false) : OK;
}

enum err assigned_attach(struct vm *vm, struct guest_pci *bus, u16 bdf)
{
	const struct config_devices one = { .count = 1, .bdf = { bdf } };
	enum err e = give_all(vm, bus, &one, true);

	if (!e)
		log_info("guest %s: " PCI_BDF_FORMAT " is plugged in", vm->name, PCI_BDF_ARGS(bdf));
	return e;
}

enum err assigned_detach(struct vm *vm, struct guest_pci *bus, u16 bdf)
{
	struct assigned *a = find(bdf);

	if (!a || a->vm != vm || !a->in_slot)
		return ERR_NOT_FOUND;
	guest_pci_unplug(bus, &a->function);
	a->in_slot = false;
	give_back(vm, assignment_of(vm), a);
	log_info("guest %s: " PCI_BDF_FORMAT " is pulled out", vm->name, PCI_BDF_ARGS(bdf));
	return OK;
}
