// SPDX-License-Identifier: Apache-2.0
/* MMIO and port instructions on a processor that names neither length nor operands. */
#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/move.h"
#include "arch/x86/svm/svm.h"
#include "arch/x86/walk.h"

#define SEGMENT_LONG BIT(9)  /* CS.L in the VMCB's attribute format */
#define SEGMENT_BIG  BIT(10) /* CS.D */

enum cpu_mode svm_cpu_mode(const struct vmcb *vmcb)
{
	if (vmcb->efer & EFER_LMA && vmcb->cs.attributes & SEGMENT_LONG)
		return CPU_MODE_64;
	if (vmcb->cr0 & CR0_PE && !(vmcb->rflags & RFLAGS_VM) && vmcb->cs.attributes & SEGMENT_BIG)
		return CPU_MODE_32;
	return CPU_MODE_16;
}

static struct walk_mode walk_mode_of(const struct vmcb *vmcb)
{
	return (struct walk_mode){ vmcb->cr0, vmcb->cr3, vmcb->cr4, vmcb->efer };
}

static u64 user_access(const struct vmcb *vmcb)
{
	return vmcb->cpl == 3 ? WALK_USER : 0;
}

void svm_set_rip(struct arch_vcpu *vcpu, u64 rip)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->rip = svm_cpu_mode(vmcb) == CPU_MODE_64 ? rip : rip & 0xffffffffULL;
	vmcb->interrupt_shadow = 0;
}

/*
 * The usual case: 64-bit mode, all bytes in one page. Bounded by one walk; by
 * four comparisons where the way has been noted and still stands.
 */
static bool fetch_long(struct arch_vcpu *vcpu, const struct vmcb *vmcb, u64 *out)
{
	u64 page = vmcb->rip >> PAGE_SHIFT;
	u64 key = page << 1 | (vmcb->cpl == 3);
	struct code_path *path = &vcpu->paths[page % CODE_PATHS];

	if (path->key != key || path->cr3 != vmcb->cr3 ||
	    !host_words_unchanged(path->words, path->count)) {
		struct walk_mode mode = walk_mode_of(vmcb);
		gpa_t gpa;

		path->key = ~0ULL;
		if (walk_long(vcpu, &mode, GVA(page << PAGE_SHIFT), user_access(vmcb) | WALK_FETCH,
			      &gpa, path) ||
		    host_guest_locate(vcpu, gpa, &path->page))
			return false;
		path->key = key;
		path->cr3 = vmcb->cr3;
	}
	host_read_code(HPA(path->page.raw + (vmcb->rip & PAGE_MASK)), out);
	return true;
}

u32 svm_fetch(struct arch_vcpu *vcpu, u8 *bytes)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);
	struct walk_mode mode;
	u64 linear = vmcb->rip;
	u32 done = 0;

	if (svm_cpu_mode(vmcb) != CPU_MODE_64)
		linear += vmcb->cs.base;
	else if ((linear & PAGE_MASK) <= PAGE_SIZE - SVM_FETCH_BYTES &&
		 fetch_long(vcpu, vmcb, (u64 *)(void *)bytes))
		return INSN_MAX_BYTES;
	mode = walk_mode_of(vmcb);
	while (done < INSN_MAX_BYTES) {
		u32 part = (u32)MIN(INSN_MAX_BYTES - done, PAGE_SIZE - (linear & PAGE_MASK));
		gpa_t gpa;
		u32 code;

		if (walk_translate(vcpu, &mode, GVA(linear), user_access(vmcb) | WALK_FETCH, &gpa,
				   &code) ||
		    host_guest_read(vcpu, gpa, bytes + done, part))
			break;
		done += part;
		linear += part;
	}
	return done;
}

static void fill_emu_cpu(struct arch_vcpu *vcpu, struct emu_cpu *cpu)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);

	cpu->gpr = vcpu->gpr;
	cpu->rip = vmcb->rip;
	cpu->rflags = vmcb->rflags;
	cpu->mode = svm_cpu_mode(vmcb);
	cpu->seg_base[X86_FS] = vmcb->fs.base;
	cpu->seg_base[X86_GS] = vmcb->gs.base;
	if (cpu->mode == CPU_MODE_64)
		return;
	cpu->seg_base[X86_ES] = vmcb->es.base;
	cpu->seg_base[X86_CS] = vmcb->cs.base;
	cpu->seg_base[X86_SS] = vmcb->ss.base;
	cpu->seg_base[X86_DS] = vmcb->ds.base;
}

static void stop(struct vm_exit *exit, const char *reason, u64 detail)
{
	exit->kind = VM_EXIT_STOP;
	exit->stop.reason = reason;
	exit->stop.detail = detail;
}

/* What one access of the instruction led to. */
enum outcome {
	OUTCOME_RAM,   /* done here: go on with the instruction */
	OUTCOME_EXIT,  /* `exit` describes it */
	OUTCOME_FAULT, /* an exception has been injected */
};

static enum outcome to_device(struct vm_exit *exit, gpa_t gpa, const struct emu_access *access,
			      bool write)
{
	exit->kind = VM_EXIT_MMIO;
	exit->mmio.gpa = gpa;
	exit->mmio.size = access->size;
	exit->mmio.write = write;
	exit->mmio.value = access->value;
	return OUTCOME_EXIT;
}

/*
 * Is this the very access that faulted? Then the processor has translated it
 * already. An instruction with two memory operands, or a bit string, may be
 * about another page.
 */
static bool is_the_fault(const struct arch_vcpu *vcpu)
{
	const struct insn *insn = &vcpu->emu.insn;

	if (insn->flags & (INSN_STRING | INSN_BIT_STRING))
		return false;
	return !((vcpu->emu.access.gva.raw ^ vmcb_of(vcpu)->exit_info2) & PAGE_MASK);
}

static enum outcome access_memory(struct arch_vcpu *vcpu, struct vm_exit *exit, bool write)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct emu_access *access = &vcpu->emu.access;
	struct walk_mode mode = walk_mode_of(vmcb);
	u64 offset = access->gva.raw & PAGE_MASK;
	enum err e;
	gpa_t gpa;
	u32 code;

	if (offset + access->size > PAGE_SIZE) {
		stop(exit, "access to device memory across a page", access->gva.raw);
		return OUTCOME_EXIT;
	}
	if (is_the_fault(vcpu))
		return to_device(exit, GPA(vmcb->exit_info2), access, write);
	e = walk_translate(vcpu, &mode, access->gva, user_access(vmcb) | (write ? WALK_WRITE : 0),
			   &gpa, &code);
	if (e == ERR_DENIED) {
		vmcb->cr2 = access->gva.raw;
		svm_inject_exception(vcpu, X86_PF, true, code);
		return OUTCOME_FAULT;
	}
	if (e) {
		stop(exit, "page tables outside its memory", access->gva.raw);
		return OUTCOME_EXIT;
	}
	if (!write)
		access->value = 0;
	e = write ? host_guest_write(vcpu, gpa, &access->value, access->size)
		  : host_guest_read(vcpu, gpa, &access->value, access->size);
	return e ? to_device(exit, gpa, access, write) : OUTCOME_RAM;
}

/* Go on with the instruction up to its next device access; false: it has retired or faulted. */
static bool advance(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct emu_cpu cpu;

	fill_emu_cpu(vcpu, &cpu);
	for (;;) {
		enum emu_step step = emu_next(&vcpu->emu, &cpu);
		enum outcome outcome;

		if (step == EMU_DONE) {
			vmcb_of(vcpu)->rflags = cpu.rflags;
			svm_set_rip(vcpu, cpu.rip);
			vcpu->emulating = false;
			return false;
		}
		outcome = access_memory(vcpu, exit, step == EMU_WRITE);
		if (outcome == OUTCOME_RAM)
			continue;
		vcpu->emulating = outcome == OUTCOME_EXIT && exit->kind == VM_EXIT_MMIO;
		return outcome == OUTCOME_EXIT;
	}
}

bool svm_mmio_next(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	const struct insn *move = vcpu->move;

	if (move) {
		vcpu->move = NULL;
		if (!exit->mmio.write)
			move_load(move, vcpu->gpr, exit->mmio.value);
		svm_set_rip(vcpu, vmcb_of(vcpu)->rip + move->length);
		return false;
	}
	vcpu->emu.access.value = exit->mmio.value;
	return advance(vcpu, exit);
}

/* Decode, or find what these bytes were decoded to before; NULL: cannot be carried out. */
static const struct insn *decode(struct arch_vcpu *vcpu, u64 rip, const u64 *bytes, u32 count,
				 enum cpu_mode mode)
{
	struct code_insn *known = &vcpu->insns[(rip ^ rip >> PAGE_SHIFT) % CODE_INSNS];

	if (known->bytes[0] == bytes[0] && known->bytes[1] == bytes[1] && known->mode == mode)
		return &known->insn;
	known->mode = (u8)~0;
	if (insn_decode((const u8 *)bytes, count, mode, &known->insn))
		return NULL;
	known->bytes[0] = bytes[0];
	known->bytes[1] = bytes[1];
	if (count == INSN_MAX_BYTES)
		known->mode = (u8)mode;
	return &known->insn;
}

/* False: the operand crosses a page, which emulation refuses with a reason. */
static bool plain_move(struct arch_vcpu *vcpu, const struct insn *insn, struct vm_exit *exit)
{
	u64 gpa = vmcb_of(vcpu)->exit_info2;

	if (!move_is_plain(insn) || (gpa & PAGE_MASK) + insn->mem_size > PAGE_SIZE)
		return false;
	/* The fault may be about the second page of an operand that begins in the first. */
	if (!(gpa & PAGE_MASK) && insn->mem_size > 1)
		return false;
	exit->kind = VM_EXIT_MMIO;
	exit->mmio.gpa = GPA(gpa);
	exit->mmio.size = insn->mem_size;
	exit->mmio.write = insn->flags & INSN_WRITE;
	exit->mmio.value = exit->mmio.write ? move_value(insn, vcpu->gpr) : 0;
	vcpu->move = insn;
	return true;
}

void svm_mmio(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	enum cpu_mode mode = svm_cpu_mode(vmcb);
	const struct insn *insn;
	struct emu_cpu cpu;
	u64 bytes[SVM_FETCH_BYTES / 8] = { 0 };
	u32 count;

	exit->kind = VM_EXIT_INTERRUPT;
	vcpu->move = NULL;
	if (vmcb->exit_info1 & SVM_NPF_FETCH) {
		stop(exit, "executes outside its memory", vmcb->exit_info2);
		return;
	}
	if (vmcb->exit_info1 & SVM_NPF_TABLE_WALK) {
		stop(exit, "page tables outside its memory", vmcb->exit_info2);
		return;
	}
	if (vmcb->event_inj & SVM_EVENT_VALID) {
		stop(exit, "stack or tables of an interrupt outside its memory", vmcb->exit_info2);
		return;
	}
	count = svm_fetch(vcpu, (u8 *)bytes);
	if (!count) /* another vCPU changed the tables under us: let the processor look again */
		return;
	insn = decode(vcpu, vmcb->rip, bytes, count, mode);
	if (!insn) {
		stop(exit, "unknown instruction for device memory", vmcb->rip);
		return;
	}
	if (plain_move(vcpu, insn, exit))
		return;
	fill_emu_cpu(vcpu, &cpu);
	emu_begin(&vcpu->emu, insn, &cpu);
	if (!advance(vcpu, exit))
		exit->kind = VM_EXIT_INTERRUPT;
}

/* ---- ports ---- */

static u64 address_mask(u64 info)
{
	switch (SVM_IO_ADDR(info)) {
	case 1:
		return 0xffff;
	case 2:
		return 0xffffffff;
	default:
		return ~0ULL;
	}
}

static void add_masked(u64 *reg, u64 delta, u64 mask)
{
	*reg = (*reg & ~mask) | ((*reg + delta) & mask);
	if (mask == 0xffffffff)
		*reg &= mask;
}

/* Where the memory element of a string instruction lies; false: exit or fault is prepared. */
static bool find_element(struct arch_vcpu *vcpu, u64 info, struct vm_exit *exit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct walk_mode mode = walk_mode_of(vmcb);
	const struct vmcb_segment *segments = &vmcb->es;
	bool in = info & SVM_IO_IN;
	u64 mask = address_mask(info);
	u64 linear = vcpu->gpr[in ? GPR_RDI : GPR_RSI] & mask;
	u64 size = SVM_IO_SIZE(info);
	u32 segment = in ? X86_ES : (u32)SVM_IO_SEG(info);
	enum err e;
	u32 code;

	if (svm_cpu_mode(vmcb) != CPU_MODE_64 || segment >= X86_FS)
		linear += segments[segment % X86_SEG_COUNT].base;
	if ((linear & PAGE_MASK) + size > PAGE_SIZE) {
		stop(exit, "string I/O across a page", linear);
		return false;
	}
	e = walk_translate(vcpu, &mode, GVA(linear), user_access(vmcb) | (in ? WALK_WRITE : 0),
			   &svm_of(vcpu)->io_gpa, &code);
	if (e == ERR_DENIED) {
		vmcb->cr2 = linear;
		svm_inject_exception(vcpu, X86_PF, true, code);
		exit->kind = VM_EXIT_INTERRUPT;
		return false;
	}
	if (e)
		stop(exit, "page tables outside its memory", linear);
	return !e;
}

void svm_pio(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u64 info = svm->vmcb->exit_info1;

	exit->kind = VM_EXIT_PIO;
	exit->pio.port = SVM_IO_PORT(info);
	exit->pio.size = (u8)SVM_IO_SIZE(info);
	exit->pio.write = !(info & SVM_IO_IN);
	exit->pio.value = 0;
	svm->io_info = info;
	if (!(info & SVM_IO_STRING)) {
		if (exit->pio.write)
			exit->pio.value = (u32)(vcpu->gpr[GPR_RAX] & (BIT(exit->pio.size * 8) - 1));
		return;
	}
	if (info & SVM_IO_REP && !(vcpu->gpr[GPR_RCX] & address_mask(info))) {
		svm_set_rip(vcpu, svm->vmcb->exit_info2);
		exit->kind = VM_EXIT_INTERRUPT;
		return;
	}
	if (!find_element(vcpu, info, exit))
		return;
	if (exit->pio.write && host_guest_read(vcpu, svm->io_gpa, &exit->pio.value, exit->pio.size))
		stop(exit, "string I/O outside its memory", svm->io_gpa.raw);
}

static void complete_string(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u64 mask = address_mask(svm->io_info);
	u64 delta = svm->vmcb->rflags & BIT(10) ? -(u64)exit->pio.size : exit->pio.size;
	bool in = svm->io_info & SVM_IO_IN;

	if (in)
		(void)!host_guest_write(vcpu, svm->io_gpa, &exit->pio.value, exit->pio.size);
	add_masked(&vcpu->gpr[in ? GPR_RDI : GPR_RSI], delta, mask);
	if (svm->io_info & SVM_IO_REP) {
		add_masked(&vcpu->gpr[GPR_RCX], ~0ULL, mask);
		if (vcpu->gpr[GPR_RCX] & mask)
			return; /* RIP stays: the guest takes its interrupts between elements */
	}
	svm_set_rip(vcpu, svm->vmcb->exit_info2);
}

bool svm_pio_complete(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u64 mask = BIT(exit->pio.size * 8) - 1;
	u64 *rax = &vcpu->gpr[GPR_RAX];

	if (svm->io_info & SVM_IO_STRING) {
		complete_string(vcpu, exit);
		return false;
	}
	if (!exit->pio.write)
		*rax = exit->pio.size == 4 ? exit->pio.value
					   : (*rax & ~mask) | (exit->pio.value & mask);
	svm_set_rip(vcpu, svm->vmcb->exit_info2);
	return false;
}
