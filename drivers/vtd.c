/* SPDX-License-Identifier: Apache-2.0 */
/* Intel VT-d: registers, root and context tables, queued invalidation, interrupt table. */
#include "drivers/vtd.h"

#include "arch/x86/io.h"

/* Registers, chapter 11. */
#define REG_VER	   0x00
#define REG_CAP	   0x08
#define REG_ECAP   0x10
#define REG_GCMD   0x18
#define REG_GSTS   0x1c
#define REG_RTADDR 0x20
#define REG_FSTS   0x34
#define REG_FECTL  0x38
#define REG_FEDATA 0x3c
#define REG_PMEN   0x64
#define REG_IQH	   0x80
#define REG_IQT	   0x88
#define REG_IQA	   0x90
#define REG_IRTA   0xb8

#define CAP_DOMAINS(cap)      (1U << (4 + 2 * ((cap)&7)))
#define CAP_RWBF	      BIT(4)
#define CAP_PLMR	      BIT(5)
#define CAP_PHMR	      BIT(6)
#define CAP_CM		      BIT(7)
#define CAP_SAGAW_39	      BIT(9)
#define CAP_SAGAW_48	      BIT(10)
#define CAP_FRO(cap)	      ((u32)((cap) >> 24 & 0x3ff) * 16)
#define CAP_SLLPS_2M	      BIT(34)
#define CAP_SLLPS_1G	      BIT(35)
#define CAP_PSI		      BIT(39)
#define CAP_NFR(cap)	      ((u32)((cap) >> 40 & 0xff) + 1)
#define CAP_MAMV(cap)	      ((u32)((cap) >> 48 & 0x3f))
#define ECAP_C		      BIT(0)
#define ECAP_QI		      BIT(1)
#define ECAP_IR		      BIT(3)
#define ECAP_EIM	      BIT(4)
#define ECAP_SC		      BIT(7)
#define ECAP_IOTLB_OFFSET(ec) ((u32)((ec) >> 8 & 0x3ff) * 16)

/* The same bits in GCMD (command) and GSTS (state), 11.4.4. */
#define GCMD_TE	   BIT(31)
#define GCMD_SRTP  BIT(30)
#define GCMD_WBF   BIT(27)
#define GCMD_QIE   BIT(26)
#define GCMD_IRE   BIT(25)
#define GCMD_SIRTP BIT(24)
#define GCMD_CFI   BIT(23)
/* These act once: the state that is read back must not be written again. */
#define GCMD_ONE_SHOT (BIT(30) | BIT(29) | BIT(27) | BIT(24))

#define FSTS_PFO      BIT(0)
#define FSTS_PPF      BIT(1)
#define FSTS_QUEUE    (BIT(4) | BIT(5) | BIT(6)) /* IQE, ICE, ITE: what the queue met */
#define FECTL_IM      BIT(31)
#define PMEN_EPM      BIT(31)
#define PMEN_PRS      BIT(0)
#define FAULT_BYTES   16
#define FAULT_F	      BIT(63)
#define FAULT_READ    BIT(62)
#define FAULT_IR_LOW  0x20 /* reasons 20h to 2Fh are of interrupt remapping */
#define FAULT_IR_HIGH 0x2f

/* Root and context entries, 9.1 and 9.3. */
#define ROOT_P		BIT(0)
#define CONTEXT_P	BIT(0)
#define CONTEXT_AW_39	1ULL
#define CONTEXT_AW_48	2ULL
#define CONTEXT_DID(id) ((u64)(id) << 8)

/* Invalidation descriptors, 6.5.2. */
#define INV_CONTEXT_GLOBAL (1ULL | 1ULL << 4)
#define INV_CONTEXT_DEVICE (1ULL | 3ULL << 4)
#define INV_IOTLB_GLOBAL   (2ULL | 1ULL << 4)
#define INV_IOTLB_DOMAIN   (2ULL | 2ULL << 4)
#define INV_IOTLB_PAGE	   (2ULL | 3ULL << 4)
#define INV_IOTLB_DRAIN	   (3ULL << 6) /* wait for writes and reads under way */
#define INV_IRQ_GLOBAL	   4ULL
#define INV_IRQ_ENTRY	   (4ULL | 1ULL << 4)
#define INV_DOMAIN(id)	   ((u64)(id) << 16)
#define INV_SOURCE(bdf)	   ((u64)(bdf) << 32)
#define INV_INDEX(index)   ((u64)(index) << 32)
#define INV_WAIT_STATUS	   (5ULL | 1ULL << 5)

/* Interrupt remapping table entries, 9.9; a table of 2^(S+1) entries. */
#define IRTA_SIZE_256  7ULL
#define IRTA_EIME      BIT(11) /* destinations of 32 bits */
#define IRTE_WORDS     4U
#define IRTE_LEVEL     (1U << 4)
#define IRTE_VECTOR(v) ((u32)(v) << 16)
#define IRTE_SOURCE    2	  /* the word with the requester id */
#define IRTE_SVT_SID   (1U << 18) /* ... which must match as a whole */

/* Remappable messages, 5.1.2.2; an index here has 8 bits. The sub-handle, in the data, is 0. */
#define MSI_REMAPPABLE	    16U
#define MSI_SUBHANDLE_VALID 8U
#define MSI_INDEX_STEP	    32U

static struct vtd *vtd_of(struct iommu_unit *unit)
{
	return container_of(unit, struct vtd, unit);
}

/* ---- commands and the invalidation queue ------------------------------------------ */

/* Changes one bit of GCMD and waits until GSTS says so; 11.4.4 allows one at a time. */
static enum err command(struct vtd *vtd, u32 bit, bool on)
{
	u32 state = mmio_read32(vtd->unit.regs + REG_GSTS) & ~(u32)GCMD_ONE_SHOT;

	mmio_write32(vtd->unit.regs + REG_GCMD, on ? state | bit : state & ~bit);
	if (bit == GCMD_WBF)
		on = false; /* the state is set while the flush is under way */
	return iommu_wait(vtd->unit.regs + REG_GSTS, (u32)bit, on ? (u32)bit : 0);
}

static struct iommu_command ticket(const struct iommu_unit *unit)
{
	return (struct iommu_command){ INV_WAIT_STATUS | (u64)unit->ticket << 32,
				       unit->status.raw };
}

static bool has_stopped(struct iommu_unit *unit)
{
	u32 faults = mmio_read32(unit->regs + REG_FSTS) & FSTS_QUEUE;

	if (faults)
		mmio_write32(unit->regs + REG_FSTS, faults);
	return faults;
}

/*
 * Has the unit forget what the descriptors say, once every change to a table has reached
 * memory: old chipsets hold writes back in a buffer, 6.8.
 */
static enum err flush(struct vtd *vtd, const struct iommu_command *descriptors, u32 count)
{
	enum err err = vtd->cap & CAP_RWBF ? command(vtd, GCMD_WBF, true) : OK;

	return err ? err : iommu_run(&vtd->unit, descriptors, count);
}

static enum err flush_everything(struct vtd *vtd)
{
	static const struct iommu_command all[] = {
		{ INV_CONTEXT_GLOBAL, 0 },
		{ INV_IOTLB_GLOBAL | INV_IOTLB_DRAIN, 0 },
		{ INV_IRQ_GLOBAL, 0 },
	};

	return flush(vtd, all, ARRAY_SIZE(all));
}

static enum err flush_pages(struct iommu_unit *unit, u16 domain_id, u64 iova, u32 order)
{
	struct vtd *vtd = vtd_of(unit);
	u64 domain = INV_DOMAIN(domain_id) | INV_IOTLB_DRAIN;
	struct iommu_command pages = { INV_IOTLB_DOMAIN | domain, 0 };

	if ((vtd->cap & CAP_PSI) && order <= CAP_MAMV(vtd->cap))
		pages = (struct iommu_command){ INV_IOTLB_PAGE | domain, iova | order };
	return flush(vtd, &pages, 1);
}

/* ---- switching on ----------------------------------------------------------------- */

/* Protected memory regions (11.4.8) would block what our tables allow. */
static enum err drop_protected_regions(struct vtd *vtd)
{
	if (!(vtd->cap & (CAP_PLMR | CAP_PHMR)))
		return OK;
	mmio_write32(vtd->unit.regs + REG_PMEN,
		     mmio_read32(vtd->unit.regs + REG_PMEN) & ~(u32)PMEN_EPM);
	return iommu_wait(vtd->unit.regs + REG_PMEN, PMEN_PRS, 0);
}

static enum err start_queue(struct vtd *vtd)
{
	enum err err = OK;

	/* A queue that firmware left running must be empty before it is switched off, 6.5.2. */
	if (mmio_read32(vtd->unit.regs + REG_GSTS) & GCMD_QIE) {
		err = iommu_wait(vtd->unit.regs + REG_IQH, ~0U,
				 mmio_read32(vtd->unit.regs + REG_IQT));
		if (!err)
			err = command(vtd, GCMD_QIE, false);
	}
	if (err)
		return err;
	vtd->unit.queue_tail = 0;
	mmio_write32(vtd->unit.regs + REG_FSTS, FSTS_QUEUE);
	mmio_write64(vtd->unit.regs + REG_IQT, 0);
	mmio_write64(vtd->unit.regs + REG_IQA, vtd->unit.queue.raw);
	return command(vtd, GCMD_QIE, true);
}

static enum err set_tables(struct vtd *vtd)
{
	enum err err;

	mmio_write64(vtd->unit.regs + REG_RTADDR, vtd->root.raw);
	err = command(vtd, GCMD_SRTP, true);
	if (err || !(vtd->ecap & ECAP_IR))
		return err;
	mmio_write64(vtd->unit.regs + REG_IRTA,
		     vtd->irq_table.raw | IRTA_SIZE_256 | (vtd->unit.extended ? IRTA_EIME : 0));
	return command(vtd, GCMD_SIRTP, true);
}

/*
 * The new tables are in force, and the old ones forgotten, before translation
 * is (or stays) on: at no moment does a device see a mixture.
 */
static enum err enable(struct iommu_unit *unit)
{
	struct vtd *vtd = vtd_of(unit);
	enum err err;

	mmio_write32(vtd->unit.regs + REG_FECTL, FECTL_IM); /* there is no message yet */
	err = drop_protected_regions(vtd);
	if (!err)
		err = start_queue(vtd);
	if (!err)
		err = set_tables(vtd);
	if (!err)
		err = flush_everything(vtd);
	if (!err)
		err = command(vtd, GCMD_TE, true);
	if (err || !(vtd->ecap & ECAP_IR))
		return err;
	/* Without CFI a message in the old format, which names any vector, is blocked. */
	if (mmio_read32(vtd->unit.regs + REG_GSTS) & GCMD_CFI)
		err = command(vtd, GCMD_CFI, false);
	return err ? err : command(vtd, GCMD_IRE, true);
}

/* ---- root and context tables ------------------------------------------------------ */

/*
 * A root entry has two words, of which legacy mode uses the first; a context
 * table has two words for each function. A bus or function that was never
 * attached has no entry: its accesses end in a fault that is recorded (reasons
 * 1 and 2), and it needs no memory. NULL: none is left for the bus's table.
 */
static u64 *context_entry(struct iommu_unit *unit, u16 bdf)
{
	u64 *root = (u64 *)iommu_frame(unit, vtd_of(unit)->root) + 2 * PCI_BUS(bdf);
	hpa_t table;

	if (!(*root & ROOT_P)) {
		table = iommu_new_frame(unit);
		if (!table.raw)
			return NULL;
		iommu_store(unit, root, table.raw | ROOT_P);
	}
	table = HPA(ALIGN_DOWN(*root, PAGE_SIZE));
	return (u64 *)iommu_frame(unit, table) + 2 * (bdf & 0xff);
}

static u64 fill_context(const struct iommu_domain *domain, u64 *entry)
{
	u64 width = domain->pt.format->levels == 3 ? CONTEXT_AW_39 : CONTEXT_AW_48;

	entry[1] = width | CONTEXT_DID(domain->id);
	return domain->pt.root.raw | CONTEXT_P;
}

/* With CM set, entries that are not present may be cached too, under domain 0. */
static enum err forget_context(struct iommu_unit *unit, u16 bdf, u16 domain_id)
{
	const struct iommu_command forget[] = {
		{ INV_CONTEXT_DEVICE | INV_DOMAIN(domain_id) | INV_SOURCE(bdf), 0 },
		{ INV_IOTLB_DOMAIN | INV_IOTLB_DRAIN | INV_DOMAIN(domain_id), 0 },
	};

	return flush(vtd_of(unit), forget, ARRAY_SIZE(forget));
}

/* ---- interrupt remapping ---------------------------------------------------------- */

static u32 *irq_table(struct iommu_unit *unit, u16 bdf, bool make)
{
	(void)bdf;
	(void)make;
	return iommu_frame(unit, vtd_of(unit)->irq_table);
}

/* An 8-bit APIC id stands in bits 15:8 of the destination, one of 32 bits is all of it. */
static u32 fill_irq(const struct iommu_irq *irq, u32 *entry)
{
	entry[1] = irq->extended ? irq->apic_id : irq->apic_id << 8;
	entry[IRTE_SOURCE] = IRTE_SVT_SID | irq->source;
	return IRTE_VECTOR(irq->vector) | (irq->level ? IRTE_LEVEL : 0);
}

static enum err forget_irq(struct iommu_unit *unit, u16 bdf, u32 index)
{
	const struct iommu_command forget = { INV_IRQ_ENTRY | INV_INDEX(index), 0 };

	(void)bdf;
	return flush(vtd_of(unit), &forget, 1);
}

/* ---- faults ----------------------------------------------------------------------- */

/* Reasons of legacy mode, 7.2.3 and 5.1.4. */
static const char *reason_text(u8 code)
{
	static const char *const reasons[] = {
		[0x01] = "its bus has no root entry",
		[0x02] = "it belongs to no domain",
		[0x03] = "invalid context entry",
		[0x04] = "address is too wide",
		[0x05] = "no right to write",
		[0x06] = "no right to read",
		[0x07] = "page table cannot be read",
		[0x08] = "root table cannot be read",
		[0x09] = "context table cannot be read",
		[0x0a] = "reserved bit in the root entry",
		[0x0b] = "reserved bit in the context entry",
		[0x0c] = "reserved bit in a page-table entry",
		[0x0d] = "translation type is blocked",
		[0x0e] = "address is in the interrupt range",
		[0x20] = "reserved bit in an interrupt request",
		[0x21] = "interrupt index is beyond the table",
		[0x22] = "interrupt entry is not present",
		[0x23] = "interrupt table cannot be read",
		[0x24] = "reserved bit in the interrupt entry",
		[0x25] = "interrupt in compatibility format",
		[0x26] = "interrupt entry belongs to another source",
	};

	return iommu_reason(reasons, ARRAY_SIZE(reasons), code);
}

static void decode_fault(u64 low, u64 high, struct iommu_fault *fault)
{
	u8 code = (u8)(high >> 32);

	*fault = (struct iommu_fault){
		.bdf = (u16)high,
		.write = !(high & FAULT_READ),
		.code = code,
		.reason = reason_text(code),
		.interrupt = code >= FAULT_IR_LOW && code <= FAULT_IR_HIGH,
	};
	fault->iova = IOVA(fault->interrupt ? low >> 48 : ALIGN_DOWN(low, PAGE_SIZE));
}

/*
 * One register read where nothing has happened. Else once round the records, from where the
 * last call stopped; and nothing is recorded while PFO is set.
 */
static bool poll_fault(struct iommu_unit *unit, struct iommu_fault *fault)
{
	struct vtd *vtd = vtd_of(unit);
	u32 records = CAP_NFR(vtd->cap);
	bool found = false;

	if (!(mmio_read32(unit->regs + REG_FSTS) & (FSTS_PPF | FSTS_PFO)))
		return false;
	for (u32 i = 0; i < records && !found; i++) {
		volatile u8 *record =
			unit->regs + CAP_FRO(vtd->cap) + vtd->next_fault * FAULT_BYTES;
		u64 high = mmio_read64(record + 8);

		vtd->next_fault = (vtd->next_fault + 1) % records;
		if (!(high & FAULT_F))
			continue;
		decode_fault(mmio_read64(record), high, fault);
		/* F is cleared by writing 1; it is the top bit of the last dword. */
		mmio_write32(record + 12, (u32)(FAULT_F >> 32));
		found = true;
	}
	mmio_write32(unit->regs + REG_FSTS, FSTS_PFO);
	return found;
}

/* While one of these states stands, another one raises nothing, 11.4.7.2. */
static bool listen(struct iommu_unit *unit, bool on)
{
	mmio_write32(unit->regs + REG_FSTS, FSTS_QUEUE);
	mmio_write32(unit->regs + REG_FECTL, on ? 0 : FECTL_IM);
	return mmio_read32(unit->regs + REG_FSTS) & (FSTS_PPF | FSTS_PFO | FSTS_QUEUE);
}

/* ---- what the unit can do --------------------------------------------------------- */

static const struct iommu_ops vtd_ops = {
	.enable = enable,
	.flush = flush_pages,
	.poll_fault = poll_fault,
	.listen = listen,
	.fault_message = REG_FEDATA,
	.device_entry = context_entry,
	.fill_device = fill_context,
	.forget_device = forget_context,
	.queue_tail = REG_IQT,
	.ticket = ticket,
	.has_stopped = has_stopped,
	.irq_table = irq_table,
	.irq_words = IRTE_WORDS,
	.irq_source = IRTE_SOURCE,
	.fill_irq = fill_irq,
	.forget_irq = forget_irq,
	.msi_address = MSI_REMAPPABLE | MSI_SUBHANDLE_VALID,
	.msi_address_step = MSI_INDEX_STEP,
};

static u32 features_of(u64 cap, u64 ecap)
{
	return (cap & CAP_SAGAW_39 ? IOMMU_LEVELS_3 : 0) |
	       (cap & CAP_SAGAW_48 ? IOMMU_LEVELS_4 : 0) |
	       (cap & CAP_SLLPS_2M ? IOMMU_PAGES_2M : 0) |
	       (cap & CAP_SLLPS_1G ? IOMMU_PAGES_1G : 0) | (ecap & ECAP_SC ? IOMMU_SNOOP : 0) |
	       (ecap & ECAP_C ? IOMMU_COHERENT : 0) | (ecap & ECAP_IR ? IOMMU_REMAPS_IRQ : 0) |
	       (cap & (CAP_CM | CAP_RWBF) ? 0 : IOMMU_FORGETS_ABSENT);
}

const struct ptab_format *vtd_format(u32 features)
{
	bool snoop = features & IOMMU_SNOOP;

	if (features & IOMMU_LEVELS_4)
		return snoop ? &ptab_format_vtd_snoop : &ptab_format_vtd;
	if (features & IOMMU_LEVELS_3)
		return snoop ? &ptab_format_vtd39_snoop : &ptab_format_vtd39;
	return NULL;
}

/* Bytes of registers that the unit has; `regs` is a mapping of the first page. */
static u64 register_bytes(volatile void *regs)
{
	u64 cap = mmio_read64((volatile u8 *)regs + REG_CAP);
	u64 ecap = mmio_read64((volatile u8 *)regs + REG_ECAP);
	u64 faults_end = CAP_FRO(cap) + (u64)CAP_NFR(cap) * FAULT_BYTES;
	u64 iotlb_end = ECAP_IOTLB_OFFSET(ecap) + 16ULL;

	return ALIGN_UP(MAX(faults_end, iotlb_end), PAGE_SIZE);
}

enum err vtd_init(struct vtd *vtd, const struct acpi_iommu_unit *acpi,
		  const struct ptab_memory *memory, pci_map_fn map, bool x2apic)
{
	hpa_t *const frames[] = { &vtd->root, &vtd->unit.queue, &vtd->unit.status,
				  &vtd->irq_table };
	volatile void *regs = map(acpi->base, PAGE_SIZE);

	if (regs && register_bytes(regs) > PAGE_SIZE)
		regs = map(acpi->base, register_bytes(regs));
	if (!regs)
		return ERR_NO_MEMORY;
	*vtd = (struct vtd){ .unit = { .ops = &vtd_ops, .regs = regs, .memory = memory } };
	vtd->cap = mmio_read64(vtd->unit.regs + REG_CAP);
	vtd->ecap = mmio_read64(vtd->unit.regs + REG_ECAP);
	vtd->unit.extended = x2apic && vtd->ecap & ECAP_EIM;
	vtd->unit.features = features_of(vtd->cap, vtd->ecap);
	vtd->unit.domains = CAP_DOMAINS(vtd->cap);
	/* Version 0, or all ones: nothing answers there. */
	if (mmio_read32(vtd->unit.regs + REG_VER) >> 4 == 0 || vtd->cap == ~0ULL ||
	    !(vtd->ecap & ECAP_QI) || !vtd_format(vtd->unit.features))
		return ERR_UNSUPPORTED;
	return iommu_take_frames(&vtd->unit, frames, ARRAY_SIZE(frames));
}
