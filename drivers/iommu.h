/* SPDX-License-Identifier: Apache-2.0 */
/* What devices may reach: domains, deny by default, remapped interrupts, faults. */
#ifndef DRIVERS_IOMMU_H
#define DRIVERS_IOMMU_H

#include "arch/x86/spinlock.h"
#include "core/lib/error.h"
#include "core/lib/types.h"
#include "core/ptab.h"
#include "drivers/acpi.h"
#include "drivers/pci.h"

/*
 *   function (BDF) --attach--> domain --ptab--> host memory
 *
 * A function without a domain reaches nothing: each of its accesses is blocked
 * and recorded. A domain may hold several functions.
 */

#define IOMMU_MAX_UNITS	  8
#define IOMMU_MAX_DOMAINS 255U
#define IOMMU_IRQ_ENTRIES 256U /* for each unit */

/* What a unit can do; a domain uses what all of them can. */
enum iommu_feature {
	IOMMU_LEVELS_3 = BIT(0),
	IOMMU_LEVELS_4 = BIT(1),
	IOMMU_PAGES_2M = BIT(2),
	IOMMU_PAGES_1G = BIT(3),
	IOMMU_SNOOP = BIT(4),	 /* a DMA access can be forced to snoop */
	IOMMU_COHERENT = BIT(5), /* the unit snoops when it reads its tables */
	IOMMU_REMAPS_IRQ = BIT(6),
	IOMMU_FORGETS_ABSENT = BIT(7), /* no flush is due when something is mapped */
};

/* Rights, as a device sees them. */
enum iommu_right {
	IOMMU_READ = BIT(0),
	IOMMU_WRITE = BIT(1),
};

/* A blocked access. Of an interrupt: `iova` is the entry's number, on AMD what the unit tells. */
struct iommu_fault {
	u16 bdf;
	bool write;
	bool interrupt;
	u8 code; /* the reason as the unit gives it */
	const char *reason;
	iova_t iova; /* of the page */
};

/* Where an interrupt goes. */
struct iommu_irq {
	u16 source; /* requester id of who may raise it */
	u32 apic_id;
	u8 vector;
	bool level;
	bool extended; /* iommu.c's to set: see struct iommu_unit */
};

struct iommu_domain;
struct iommu_unit;

/* A command for a unit, as it stands in its queue. */
struct iommu_command {
	u64 low;
	u64 high;
};

/*
 * What a vendor's driver offers to iommu.c, which holds the unit's lock; `rid` is a
 * requester id.
 */
struct iommu_ops {
	enum err (*enable)(struct iommu_unit *unit);
	/* Forgets 2^order pages from `iova`, which is a multiple of that. */
	enum err (*flush)(struct iommu_unit *unit, u16 domain_id, u64 iova, u32 order);
	bool (*poll_fault)(struct iommu_unit *unit, struct iommu_fault *fault);
	/* Has it send its message at faults, or not. True: there are some that send none now. */
	bool (*listen)(struct iommu_unit *unit, bool on);
	u32 fault_message; /* registers: data, address, upper address; 0: its function's MSI */

	/* The two words that say what rid reaches; NULL: there is no memory for them. */
	u64 *(*device_entry)(struct iommu_unit *unit, u16 rid);
	u64 deny; /* the first word of one that reaches nothing */
	/* Fills in the second word and returns the first one. */
	u64 (*fill_device)(const struct iommu_domain *domain, u64 *entry);
	/* Forgets the entry, as it was in that domain (0: in none), and the domain's pages. */
	enum err (*forget_device)(struct iommu_unit *unit, u16 rid, u16 domain_id);

	/* The queue: its register, and the command that stores `ticket` at `status`. */
	u32 queue_tail;
	struct iommu_command (*ticket)(const struct iommu_unit *unit);
	bool (*has_stopped)(struct iommu_unit *unit); /* on a command that it refused */

	/*
	 * Interrupts. IOMMU_IRQ_ENTRIES entries of `irq_words` words, which rid's messages
	 * index; NULL: there are none, and no memory to `make` them. Bit 0 of the first word
	 * says that an entry is in force.
	 */
	u32 *(*irq_table)(struct iommu_unit *unit, u16 rid, bool make);
	u32 irq_words;
	u32 irq_source; /* the word with the requester id; 0: the table is the function's own */
	/* Fills in the other words and returns the first one, not in force. */
	u32 (*fill_irq)(const struct iommu_irq *irq, u32 *entry);
	enum err (*forget_irq)(struct iommu_unit *unit, u16 rid, u32 index);
	/* Gives a table of the function's own back if it is empty; NULL: there are none. */
	enum err (*trim_irqs)(struct iommu_unit *unit, u16 rid);
	u32 msi_address; /* of a message, from FEE00000h; and what each index adds */
	u32 msi_address_step;
	u32 msi_data_step;
};

struct iommu_unit {
	const struct iommu_ops *ops;
	const struct ptab_memory *memory;
	volatile u8 *regs;
	u32 features;  /* enum iommu_feature */
	u32 domains;   /* ids from 1 to below this */
	bool extended; /* interrupts name processors by 32 bits, as local APICs in x2APIC mode do */
	bool include_all;
	u8 first_scope; /* in the ACPI table that the unit is from */
	u8 scope_count;
	struct spinlock lock; /* registers, tables and queues of this unit; innermost */
	hpa_t queue;	      /* a frame of commands */
	u32 queue_tail;
	u32 ticket;   /* what the last command of the queue stores */
	hpa_t status; /* ... and where */
};

struct iommu {
	struct pci *pci;
	struct acpi_iommus acpi;
	struct ptab_memory memory;
	const struct ptab_format *format;
	u8 max_leaf_level;
	bool irq_remapping;
	u32 features;
	u32 domain_limit;	 /* ids are below this */
	u64 faults, fault_ticks; /* told so far, and what time of the TSC they took */
	u64 next_look_ns;	 /* for faults: no earlier than this, */
	bool look_due;		 /* ... and only then */
	bool polled;		 /* a unit cannot send a message: a look is always due */
	u32 unit_count;
	struct iommu_unit *units[IOMMU_MAX_UNITS];
	struct spinlock lock;			 /* what follows; before a unit's lock */
	bool domain_used[IOMMU_MAX_DOMAINS + 1]; /* by id; 0 is no domain's: VT-d has CAP.CM */
	u32 attached_count;
	struct iommu_attached {
		u16 bdf;
		u16 rid; /* what its requests bear: another's number where IVRS says so */
		u16 domain_id;
	} attached[PCI_MAX_FUNCTIONS];
};

struct iommu_domain {
	struct iommu *iommu;
	u16 id;
	struct spinlock lock; /* guards `pt`; before a unit's lock, after none of struct iommu's */
	struct ptab pt;
};

/*
 * Takes over every unit of `acpi` and switches translation and interrupt
 * remapping on. From then on no function reaches any memory and (where
 * iommu->irq_remapping is true) none raises an interrupt, I/O APICs included,
 * until it is told to. `memory` is for tables and queues: frames that the units may
 * read and write; its `flush` is not used. `map` is vmap_mmio(). `x2apic`: apic_is_x2apic().
 * At start only, with bus mastering switched off everywhere.
 *
 * OK; ERR_NOT_FOUND: no DMAR and no IVRS table; ERR_UNSUPPORTED: a unit lacks what is
 * needed; ERR_NO_MEMORY; ERR_TIMEOUT or ERR_DEVICE: a unit does not obey.
 * After an error what has been switched on stays on, with everything denied.
 */
enum err iommu_start(struct iommu *iommu, const struct acpi_iommus *acpi, struct pci *pci,
		     const struct ptab_memory *memory, pci_map_fn map, bool x2apic) must_check;

/* An empty domain. OK; ERR_FULL: no id is left; ERR_NO_MEMORY. */
enum err iommu_domain_init(struct iommu *iommu, struct iommu_domain *domain) must_check;

/*
 * Lets the function reach what the domain maps.
 * OK; ERR_EXISTS: it is in a domain, or another function is in another domain whose
 * requests bear the same number; ERR_DENIED: firmware demands memory of
 * its own for it (RMRR, IVMD); ERR_NOT_FOUND: no unit serves it; ERR_FULL;
 * ERR_NO_MEMORY; ERR_TIMEOUT, ERR_DEVICE: it is denied as before.
 */
enum err iommu_attach(struct iommu_domain *domain, u16 bdf) must_check;

/*
 * Denies the function again, and waits until its unit has forgotten what it could
 * reach and accesses under way have ended. Of functions whose requests bear the same
 * number, the last one's detaching denies them all.
 * OK; ERR_NOT_FOUND: it is not in this domain; ERR_TIMEOUT, ERR_DEVICE: the unit
 * does not obey. The function then still counts as attached; try again, or never
 * let the domain's memory change hands.
 */
enum err iommu_detach(struct iommu_domain *domain, u16 bdf) must_check;

/* The id of the domain that the function is in, or 0. Any CPU. */
u16 iommu_domain_of(struct iommu *iommu, u16 bdf);

/*
 * Gives the domain's tables and id back, whatever it maps. Nobody else may use it.
 * OK: `domain` may be initialised anew; ERR_BUSY: a function is attached;
 * ERR_TIMEOUT, ERR_DEVICE: a unit may remember the id, which stays taken with all tables.
 */
enum err iommu_domain_fini(struct iommu_domain *domain) must_check;

/*
 * Maps `size` bytes (all multiples of 4 KiB) with `rights`. `hpa` must be RAM.
 * The errors of ptab_map(); ERR_RANGE also for the interrupt range FEExxxxxh,
 * which no unit translates. ERR_TIMEOUT, ERR_DEVICE: mapped, but a unit
 * does not obey.
 */
enum err iommu_map(struct iommu_domain *domain, iova_t iova, hpa_t hpa, u64 size,
		   u32 rights) must_check;

/*
 * Unmaps, and waits until every unit has forgotten the range and accesses
 * under way have ended.
 * The errors of ptab_unmap(); ERR_TIMEOUT, ERR_DEVICE: unmapped, but the memory
 * must not change hands.
 */
enum err iommu_unmap(struct iommu_domain *domain, iova_t iova, u64 size) must_check;

/*
 * Makes the message that raises `irq`, and no other source can use; it stands until
 * iommu_irq_clear().
 * Without remapping the message is the processor's own (SDM vol. 3, 11.11).
 * OK; ERR_FULL; ERR_NO_MEMORY; ERR_NOT_FOUND: no unit serves the source; ERR_RANGE: an
 * APIC id of more than 8 bits; ERR_TIMEOUT, ERR_DEVICE.
 */
enum err iommu_irq_set(struct iommu *iommu, const struct iommu_irq *irq, u64 *address,
		       u32 *data) must_check;

/*
 * Takes a message of iommu_irq_set() back: `source` cannot raise it any more once this
 * returns OK, and another may get its entry.
 * Without remapping there is nothing to take back: OK.
 * ERR_NOT_FOUND: `source` has no such message; ERR_TIMEOUT, ERR_DEVICE: it is
 * taken back, unless the unit remembers it, and its entry is not used again.
 */
enum err iommu_irq_clear(struct iommu *iommu, u16 source, u64 address, u32 data) must_check;

/* Takes one recorded fault; false where there is none. One caller at a time: iommu_look(). */
bool iommu_poll_fault(struct iommu *iommu, struct iommu_fault *fault) must_check;

/*
 * Has units send their faults' message to the first CPU from the next look on. Where one cannot,
 * looks follow each other (`polled`). Once, after iommu_start().
 */
void iommu_tell_faults(struct iommu *iommu);

/*
 * Gives faults to `tell` if a unit has sent its message: IOMMU_FAULTS_A_LOOK at the most, and
 * again no earlier than after IOMMU_LOOK_NS, whatever devices do; units lose what they have no
 * room for meanwhile. Housekeeping, often: a message wakes it by SOFTIRQ_CONSOLE.
 */
#define IOMMU_LOOK_NS	    10000000ULL
#define IOMMU_FAULTS_A_LOOK 8U
void iommu_look(struct iommu *iommu, void (*tell)(const struct iommu_fault *fault));

/*
 * For the vendors' drivers, with the unit's lock. How often a register or memory is read before
 * the unit counts as dead. A read of a register takes 100 ns or more: this is at least 0.1 s, and
 * a unit answers within microseconds.
 */
#define IOMMU_MAX_POLLS 1000000U

/* Waits until the register, masked, is as `expected`. OK, ERR_TIMEOUT. */
enum err iommu_wait(const volatile void *reg, u32 mask, u32 expected) must_check;

/* One of the unit's tables, to read and write. */
void *iommu_frame(const struct iommu_unit *unit, hpa_t hpa);

/* The unit sees either the old or the new word, and whatever was stored before it. */
void iommu_store(const struct iommu_unit *unit, u64 *slot, u64 value);

/* A zeroed table that the unit sees as such; HPA(0): there is no memory. */
hpa_t iommu_new_frame(const struct iommu_unit *unit);

/* The same for all of `frames`, or none. OK, ERR_NO_MEMORY. */
enum err iommu_take_frames(const struct iommu_unit *unit, hpa_t *const frames[],
			   u32 count) must_check;

/*
 * Hands the commands over, fewer than IOMMU_QUEUE_ENTRIES, and waits until the unit has done
 * them. The queue is empty at begin and end.
 * OK; ERR_DEVICE: it has stopped; ERR_TIMEOUT. What it remembers is not known then.
 */
enum err iommu_run(struct iommu_unit *unit, const struct iommu_command *commands,
		   u32 count) must_check;

#define IOMMU_QUEUE_ENTRIES 256U

/* Element `code` of the vendor's `reasons`, or that it is unknown. */
const char *iommu_reason(const char *const reasons[], u32 count, u32 code);

#endif
