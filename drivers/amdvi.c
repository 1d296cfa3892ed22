/* SPDX-License-Identifier: Apache-2.0 */
/* AMD-Vi: registers, device table, command buffer, interrupt tables, event log. */
#include "drivers/amdvi.h"

#include "arch/x86/io.h"
#include "core/frame.h"

/* Registers, 3.4. */
#define REG_DEVICE_TABLE    0x00
#define REG_COMMAND_BASE    0x08
#define REG_EVENT_BASE	    0x10
#define REG_CONTROL	    0x18
#define REG_EXCLUSION_BASE  0x20
#define REG_EXCLUSION_LIMIT 0x28
#define REG_FEATURES	    0x30
#define REG_COMMAND_HEAD    0x2000
#define REG_COMMAND_TAIL    0x2008
#define REG_EVENT_HEAD	    0x2010
#define REG_EVENT_TAIL	    0x2018
#define REG_STATUS	    0x2020
#define REGISTER_BYTES	    0x4000

#define CONTROL_ENABLE	    BIT(0)
#define CONTROL_HT_TUNNEL   BIT(1)
#define CONTROL_EVENT_LOG   BIT(2)
#define CONTROL_EVENT_INT   BIT(3)
#define CONTROL_PASS_PW	    BIT(8)
#define CONTROL_RES_PASS_PW BIT(9)
#define CONTROL_COHERENT    BIT(10)
#define CONTROL_ISOCHRONOUS BIT(11)
#define CONTROL_COMMANDS    BIT(12)
#define CONTROL_QUEUES	    (CONTROL_EVENT_LOG | CONTROL_COMMANDS)
/* Bits without a mode of the tables; GTEn, GAEn and all others of such a kind are above. */
#define CONTROL_HARMLESS 0x7fffULL

#define STATUS_OVERFLOW	   BIT(0)
#define STATUS_EVENT_INT   BIT(1)
#define STATUS_EVENT_RUN   BIT(3)
#define STATUS_COMMAND_RUN BIT(4)
#define STATUS_CLEAR	   0x67U /* these are cleared by writing 1 */

#define FEATURE_INVALIDATE_ALL BIT(6)
#define FEATURE_LEVELS(efr)    ((efr) >> 10 & 3) /* 0: 4, 1: 5, 2: 6 */

/* What IVHD asks for, 5.2.2.1. */
#define IVHD_HT_TUNNEL	 BIT(0)
#define IVHD_PASS_PW	 BIT(1)
#define IVHD_RES_PASS_PW BIT(2)
#define IVHD_ISOCHRONOUS BIT(3)

/* Both queues have IOMMU_QUEUE_ENTRIES of 16 bytes: a frame. */
#define QUEUE_SIZE (8ULL << 56)

/*
 * Device table entries, 2.2.2.1: four words each. Valid, with an empty translation
 * (mode 0) and no rights: DMA is aborted. An entry of zeros would let everything through.
 * The third word says the same for interrupts: IntCtl 0 aborts them.
 *
 * SysMgt, IOCtl, EX, SD and the pass bits for INIT, ExtInt, NMI and LINT stay 0: nothing
 * of that gets past the tables.
 */
#define DEVICES		   65536U
#define DEVICE_ENTRY_BYTES 32U
#define DEVICE_TABLE_PAGES (DEVICES * DEVICE_ENTRY_BYTES / PAGE_SIZE)
#define DTE0_DENY	   (BIT(0) | BIT(1)) /* V and TV */
#define DTE0_MODE(levels)  ((u64)(levels) << 9)
#define DTE0_RIGHTS	   (BIT(61) | BIT(62))
#define DTE2_DENY	   BIT(0)	/* IV */
#define DTE2_LENGTH_256	   (8ULL << 1)	/* of the interrupt table */
#define DTE2_REMAP	   (2ULL << 60) /* IntCtl: fixed and arbitrated ones */
#define DTE2_TABLE	   (BIT(52) - 64)

/* Entries of the interrupt tables, 2.2.5.2, in their 32-bit form. */
#define IRTE_DESTINATION(d) ((u32)(d) << 8)
#define IRTE_VECTOR(v)	    ((u32)(v) << 16)

/* Commands, 2.4. */
#define COMMAND(code)	   ((u64)(code) << 60)
#define COMPLETION_WAIT	   (COMMAND(1) | BIT(0)) /* with a store to memory */
#define INVALIDATE_DEVICE  COMMAND(2)
#define INVALIDATE_PAGES   COMMAND(3)
#define INVALIDATE_IRQS	   COMMAND(5)
#define INVALIDATE_ALL	   COMMAND(8)
#define COMMAND_DOMAIN(id) ((u64)(id) << 32)
#define PAGES_SIZE	   BIT(0)
#define PAGES_TABLES	   BIT(1) /* what is remembered of upper levels too */
#define ALL_PAGES	   (0x7ffffffffffff000ULL | PAGES_SIZE | PAGES_TABLES)

static struct amdvi *amdvi_of(struct iommu_unit *unit)
{
	return container_of(unit, struct amdvi, unit);
}

/* ---- commands --------------------------------------------------------------------- */

/* Done once accesses that used what it forgot have ended, too. */
static struct iommu_command ticket(const struct iommu_unit *unit)
{
	return (struct iommu_command){ COMPLETION_WAIT | unit->status.raw, unit->ticket };
}

static bool has_stopped(struct iommu_unit *unit)
{
	return !(mmio_read64(unit->regs + REG_STATUS) & STATUS_COMMAND_RUN);
}

/* Old units cannot forget all at once: each function, and each domain that is ever used. */
static enum err flush_everything(struct amdvi *amdvi)
{
	const struct iommu_command all = { INVALIDATE_ALL, 0 };
	enum err err = OK;

	if (amdvi->features & FEATURE_INVALIDATE_ALL)
		return iommu_run(&amdvi->unit, &all, 1);
	for (u32 i = 0; i < DEVICES && !err; i++) {
		const struct iommu_command one[] = {
			{ INVALIDATE_DEVICE | i, 0 },
			{ INVALIDATE_IRQS | i, 0 },
			{ INVALIDATE_PAGES | COMMAND_DOMAIN(i % (IOMMU_MAX_DOMAINS + 1)),
			  ALL_PAGES },
		};

		err = iommu_run(&amdvi->unit, one, i <= IOMMU_MAX_DOMAINS ? 3 : 2);
	}
	return err;
}

/* The lowest address bit that is 0 tells the size, where it is more than a page. */
static enum err flush_pages(struct iommu_unit *unit, u16 domain_id, u64 iova, u32 order)
{
	struct iommu_command pages = { INVALIDATE_PAGES | COMMAND_DOMAIN(domain_id), ALL_PAGES };

	if (order == 0)
		pages.high = iova | PAGES_TABLES;
	else if (order < 51)
		pages.high = iova | (((PAGE_SIZE << order) / 2 - 1) & ~PAGE_MASK) | PAGES_SIZE |
			     PAGES_TABLES;
	return iommu_run(unit, &pages, 1);
}

/* ---- device table ----------------------------------------------------------------- */

static u64 *device_entry(struct iommu_unit *unit, u16 rid)
{
	u64 offset = (u64)rid * DEVICE_ENTRY_BYTES;
	hpa_t page = HPA(amdvi_of(unit)->device_table.raw + ALIGN_DOWN(offset, PAGE_SIZE));

	return (u64 *)((u8 *)iommu_frame(unit, page) + (offset & PAGE_MASK));
}

/* The domain's number counts only once the word with the rights is there: it goes first. */
static u64 fill_device(const struct iommu_domain *domain, u64 *entry)
{
	entry[1] = domain->id;
	return DTE0_DENY | DTE0_MODE(domain->pt.format->levels) | domain->pt.root.raw | DTE0_RIGHTS;
}

static enum err forget_device(struct iommu_unit *unit, u16 rid, u16 domain_id)
{
	const struct iommu_command forget[] = {
		{ INVALIDATE_DEVICE | rid, 0 },
		{ INVALIDATE_PAGES | COMMAND_DOMAIN(domain_id), ALL_PAGES },
	};

	return iommu_run(unit, forget, ARRAY_SIZE(forget));
}

/* ---- interrupt remapping ---------------------------------------------------------- */

/*
 * The message keeps the form that the processor knows; its data is the index. With 8 bits
 * of index its delivery mode stays "fixed", the only one that is remapped everywhere. Level
 * or edge is what the message says.
 */
static u32 fill_irq(const struct iommu_irq *irq, u32 *entry)
{
	(void)entry;
	return IRTE_DESTINATION(irq->apic_id) | IRTE_VECTOR(irq->vector);
}

static enum err forget_irq(struct iommu_unit *unit, u16 rid, u32 index)
{
	const struct iommu_command forget[] = {
		{ INVALIDATE_DEVICE | rid, 0 },
		{ INVALIDATE_IRQS | rid, 0 },
	};

	(void)index;
	return iommu_run(unit, forget, ARRAY_SIZE(forget));
}

static u32 *irq_table(struct iommu_unit *unit, u16 rid, bool make)
{
	u64 *entry = &device_entry(unit, rid)[2];
	hpa_t table = HPA(*entry & DTE2_TABLE);

	if (!table.raw && make) {
		table = iommu_new_frame(unit);
		if (table.raw)
			iommu_store(unit, entry,
				    DTE2_DENY | DTE2_LENGTH_256 | table.raw | DTE2_REMAP);
	}
	return table.raw ? iommu_frame(unit, table) : NULL;
}

static enum err trim_irqs(struct iommu_unit *unit, u16 rid)
{
	u64 *entry = &device_entry(unit, rid)[2];
	const u32 *table = irq_table(unit, rid, false);
	hpa_t hpa = HPA(*entry & DTE2_TABLE);
	enum err err;

	for (u32 i = 0; i < IOMMU_IRQ_ENTRIES; i++)
		if (table[i])
			return OK;
	iommu_store(unit, entry, DTE2_DENY);
	err = forget_irq(unit, rid, 0);
	if (!err)
		unit->memory->free_table(hpa);
	return err;
}

/* ---- switching on ----------------------------------------------------------------- */

/*
 * Bus mastering is off everywhere. Still, a unit that firmware left on stays on while its
 * tables change, unless it is in a mode (other entries, other tables) that may only change
 * while it is off.
 */
static enum err stop_queues(struct amdvi *amdvi)
{
	u64 control = mmio_read64(amdvi->unit.regs + REG_CONTROL);

	mmio_write64(amdvi->unit.regs + REG_CONTROL,
		     control & ~CONTROL_HARMLESS ? 0 : control & ~CONTROL_QUEUES);
	return iommu_wait(amdvi->unit.regs + REG_STATUS, STATUS_EVENT_RUN | STATUS_COMMAND_RUN, 0);
}

static enum err enable(struct iommu_unit *unit)
{
	struct amdvi *amdvi = amdvi_of(unit);
	enum err err = stop_queues(amdvi);

	if (err)
		return err;
	mmio_write64(amdvi->unit.regs + REG_DEVICE_TABLE,
		     amdvi->device_table.raw | (DEVICE_TABLE_PAGES - 1));
	/* An exclusion range would let through what our tables deny. */
	mmio_write64(amdvi->unit.regs + REG_EXCLUSION_BASE, 0);
	mmio_write64(amdvi->unit.regs + REG_EXCLUSION_LIMIT, 0);
	mmio_write64(amdvi->unit.regs + REG_COMMAND_BASE, amdvi->unit.queue.raw | QUEUE_SIZE);
	mmio_write64(amdvi->unit.regs + REG_COMMAND_HEAD, 0);
	mmio_write64(amdvi->unit.regs + REG_COMMAND_TAIL, 0);
	mmio_write64(amdvi->unit.regs + REG_EVENT_BASE, amdvi->events.raw | QUEUE_SIZE);
	mmio_write64(amdvi->unit.regs + REG_EVENT_HEAD, 0);
	mmio_write64(amdvi->unit.regs + REG_EVENT_TAIL, 0);
	mmio_write64(amdvi->unit.regs + REG_STATUS, STATUS_CLEAR);
	mmio_write64(amdvi->unit.regs + REG_CONTROL, amdvi->control);
	return flush_everything(amdvi);
}

/* ---- faults ----------------------------------------------------------------------- */

/* Events, 2.5: a code, and in most of them the function and what it did. */
#define EVENT_CODE(low)	 ((u8)((low) >> 60))
#define EVENT_PAGE_FAULT 2
#define EVENT_INTERRUPT	 BIT(51)
#define EVENT_PRESENT	 BIT(52)
#define EVENT_WRITE	 BIT(53)

static const char *reason_text(u64 low)
{
	static const char *const reasons[] = {
		[0x1] = "invalid device entry",
		[0x2] = "it belongs to no domain, or nothing is mapped there",
		[0x3] = "device table cannot be read",
		[0x4] = "page table cannot be read",
		[0x5] = "the unit was given an unknown command",
		[0x6] = "command queue cannot be read",
		[0x7] = "the device does not answer invalidations",
		[0x8] = "not a request that a device may make",
		[0x9] = "page request is not allowed",
		[0xa] = "a counter has run out",
		[0xb] = "guest event",
		[0xc] = "virtual unit cannot be read",
		[0xd] = "page is another owner's",
		[0xe] = "table of owners cannot be read",
	};
	u8 code = EVENT_CODE(low);

	if (code == EVENT_PAGE_FAULT && (low & EVENT_INTERRUPT))
		return "interrupt is not allowed";
	if (code == EVENT_PAGE_FAULT && (low & EVENT_PRESENT))
		return "no right to read or write";
	return iommu_reason(reasons, ARRAY_SIZE(reasons), code);
}

static void decode_event(u64 low, u64 high, struct iommu_fault *fault)
{
	bool interrupt = EVENT_CODE(low) == EVENT_PAGE_FAULT && (low & EVENT_INTERRUPT);

	*fault = (struct iommu_fault){
		.bdf = (u16)low,
		.write = low & EVENT_WRITE,
		.interrupt = interrupt,
		.code = EVENT_CODE(low),
		.reason = reason_text(low),
		.iova = IOVA(interrupt ? high : ALIGN_DOWN(high, PAGE_SIZE)),
	};
}

/*
 * The tail may be ahead of the event's words. They are cleared once read, so that a code
 * of 0 tells that they have not come yet; an event that never comes is one without a reason.
 */
static void take_event(struct amdvi *amdvi, struct iommu_fault *fault)
{
	volatile u64 *event =
		(u64 *)iommu_frame(&amdvi->unit, amdvi->events) + 2 * amdvi->event_head;
	u64 low;

	for (u32 i = 0; i < IOMMU_MAX_POLLS && !EVENT_CODE(event[0]); i++)
		cpu_relax();
	low = event[0];
	decode_event(low, event[1], fault);
	event[0] = 0;
	event[1] = 0;
	amdvi->event_head = (amdvi->event_head + 1) % IOMMU_QUEUE_ENTRIES;
	mmio_write64(amdvi->unit.regs + REG_EVENT_HEAD, (u64)amdvi->event_head * 2 * sizeof(u64));
}

/* The log stops when it is full, and starts again once it has been off. */
static void restart_log(struct amdvi *amdvi)
{
	mmio_write64(amdvi->unit.regs + REG_CONTROL, amdvi->control & ~CONTROL_EVENT_LOG);
	if (!iommu_wait(amdvi->unit.regs + REG_STATUS, STATUS_EVENT_RUN, 0)) {
		mmio_write64(amdvi->unit.regs + REG_STATUS, STATUS_OVERFLOW);
		mmio_write64(amdvi->unit.regs + REG_CONTROL, amdvi->control);
	}
}

/* EventLogInt goes before the tail is read: it stands again for an event that comes later. */
static bool poll_fault(struct iommu_unit *unit, struct iommu_fault *fault)
{
	struct amdvi *amdvi = amdvi_of(unit);
	u64 tail;

	mmio_write64(unit->regs + REG_STATUS, STATUS_EVENT_INT);
	tail = mmio_read64(unit->regs + REG_EVENT_TAIL) / (2 * sizeof(u64)) % IOMMU_QUEUE_ENTRIES;
	if (tail == amdvi->event_head)
		return false;
	take_event(amdvi, fault);
	if (mmio_read64(amdvi->unit.regs + REG_STATUS) & STATUS_OVERFLOW)
		restart_log(amdvi);
	return true;
}

/* While EventLogInt stands, no event sends a message; some units set it just as it is cleared. */
static bool listen(struct iommu_unit *unit, bool on)
{
	struct amdvi *amdvi = amdvi_of(unit);

	amdvi->control = (amdvi->control & ~CONTROL_EVENT_INT) | (on ? CONTROL_EVENT_INT : 0);
	mmio_write64(unit->regs + REG_CONTROL, amdvi->control);
	return mmio_read64(unit->regs + REG_STATUS) & STATUS_EVENT_INT;
}

/* ---- what the unit can do --------------------------------------------------------- */

static const struct iommu_ops amdvi_ops = {
	.enable = enable,
	.flush = flush_pages,
	.poll_fault = poll_fault,
	.listen = listen,
	.device_entry = device_entry,
	.deny = DTE0_DENY,
	.fill_device = fill_device,
	.forget_device = forget_device,
	.queue_tail = REG_COMMAND_TAIL,
	.ticket = ticket,
	.has_stopped = has_stopped,
	.irq_table = irq_table,
	.irq_words = 1,
	.fill_irq = fill_irq,
	.forget_irq = forget_irq,
	.trim_irqs = trim_irqs,
	.msi_data_step = 1,
};

static u64 control_of(u8 flags)
{
	return CONTROL_ENABLE | CONTROL_COHERENT | CONTROL_QUEUES |
	       (flags & IVHD_HT_TUNNEL ? CONTROL_HT_TUNNEL : 0) |
	       (flags & IVHD_PASS_PW ? CONTROL_PASS_PW : 0) |
	       (flags & IVHD_RES_PASS_PW ? CONTROL_RES_PASS_PW : 0) |
	       (flags & IVHD_ISOCHRONOUS ? CONTROL_ISOCHRONOUS : 0);
}

static void deny_all(struct amdvi *amdvi)
{
	for (u32 rid = 0; rid < DEVICES; rid++) {
		u64 *entry = device_entry(&amdvi->unit, (u16)rid);

		entry[0] = DTE0_DENY;
		entry[2] = DTE2_DENY;
	}
}

/* All or none of the unit's own memory. */
static enum err take_memory(struct amdvi *amdvi, const struct amdvi *first)
{
	hpa_t *const frames[] = { &amdvi->unit.queue, &amdvi->events, &amdvi->unit.status };
	enum err err;

	amdvi->device_table =
		first ? first->device_table : frame_alloc_contiguous(DEVICE_TABLE_PAGES);
	if (!amdvi->device_table.raw)
		return ERR_NO_MEMORY;
	err = iommu_take_frames(&amdvi->unit, frames, ARRAY_SIZE(frames));
	if (!first && err)
		frame_free_contiguous(amdvi->device_table, DEVICE_TABLE_PAGES);
	else if (!first)
		deny_all(amdvi);
	return err;
}

/*
 * Whether units remember what is not mapped (NpCache) stands in configuration space; one
 * flush too many when something is mapped costs less than to look there.
 */
enum err amdvi_init(struct amdvi *amdvi, const struct acpi_iommu_unit *acpi,
		    const struct ptab_memory *memory, pci_map_fn map, const struct amdvi *first)
{
	*amdvi = (struct amdvi){
		.control = control_of(acpi->flags),
		.unit.ops = &amdvi_ops,
		.unit.regs = map(acpi->base, REGISTER_BYTES),
		.unit.memory = memory,
		.unit.domains = 65536,
		.unit.features = IOMMU_LEVELS_4 | IOMMU_PAGES_2M | IOMMU_PAGES_1G | IOMMU_SNOOP |
				 IOMMU_COHERENT | IOMMU_REMAPS_IRQ,
	};
	if (!amdvi->unit.regs)
		return ERR_NO_MEMORY;
	amdvi->features = mmio_read64(amdvi->unit.regs + REG_FEATURES);
	/* All ones: nothing answers there. */
	if (amdvi->features == ~0ULL || FEATURE_LEVELS(amdvi->features) == 3)
		return ERR_UNSUPPORTED;
	return take_memory(amdvi, first);
}
