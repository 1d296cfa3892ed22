// SPDX-License-Identifier: Apache-2.0
/* Carries out instructions on device memory: no processor names their operands. */
#include "arch/x86/mmio.h"

#include "arch/x86/host.h"
#include "core/lib/string.h"

void code_forget(struct arch_vcpu *vcpu)
{
	for (u32 i = 0; i < CODE_PATHS; i++)
		vcpu->paths[i].key = ~0ULL;
	for (u32 i = 0; i < CODE_INSNS; i++)
		vcpu->insns[i].mode = (u8)~0;
}

/*
 * The usual case: 64-bit mode, all bytes in one page. Bounded by one walk; by
 * four comparisons where the way has been noted and still stands.
 */
static inline bool fetch_long(struct arch_vcpu *vcpu, struct cpu_view *view, u64 *out)
{
	u64 page = view->rip >> PAGE_SHIFT;
	u64 key = page << 1 | (view->cpl == 3);
	struct code_path *path = &vcpu->paths[page % CODE_PATHS];

	if (path->key != key || path->cr3 != view->cr3 ||
	    !host_words_unchanged(path->words, path->count)) {
		gpa_t gpa;
		u32 code;

		path->key = ~0ULL;
		path->count = 0;
		view_rest(vcpu, view);
		if (walk_translate(vcpu, &view->walk, GVA(page << PAGE_SHIFT),
				   view_user(view) | WALK_FETCH, &gpa, &code, path) ||
		    host_guest_locate(vcpu, gpa, &path->page))
			return false;
		path->key = key;
		path->cr3 = view->cr3;
	}
	host_read_code(HPA(path->page.raw + (view->rip & PAGE_MASK)), out);
	return true;
}

static u32 fetch_bytes(struct arch_vcpu *vcpu, struct cpu_view *view, u8 *bytes)
{
	u64 linear = view->rip;
	u32 done = 0;

	memset(bytes, 0, CODE_FETCH_BYTES); /* fewer than all may come */
	view_rest(vcpu, view);
	if (view->mode != CPU_MODE_64)
		linear += view->segment_base[X86_CS];
	while (done < INSN_MAX_BYTES) {
		u32 part = (u32)MIN(INSN_MAX_BYTES - done, PAGE_SIZE - (linear & PAGE_MASK));
		gpa_t gpa;
		u32 code;

		if (walk_translate(vcpu, &view->walk, GVA(linear), view_user(view) | WALK_FETCH,
				   &gpa, &code, NULL) ||
		    host_guest_read(vcpu, gpa, bytes + done, part))
			break;
		done += part;
		linear += part;
	}
	return done;
}

/* Inline: the way of a known instruction is short. */
static inline u32 fetch(struct arch_vcpu *vcpu, struct cpu_view *view, u8 *bytes)
{
	if (view->mode == CPU_MODE_64 && (view->rip & PAGE_MASK) <= PAGE_SIZE - CODE_FETCH_BYTES &&
	    fetch_long(vcpu, view, (u64 *)(void *)bytes))
		return INSN_MAX_BYTES;
	return fetch_bytes(vcpu, view, bytes);
}

u32 code_fetch(struct arch_vcpu *vcpu, struct cpu_view *view, u8 *bytes)
{
	return fetch(vcpu, view, bytes);
}

static void fill_emu_cpu(struct arch_vcpu *vcpu, struct cpu_view *view, struct emu_cpu *cpu)
{
	view_rest(vcpu, view);
	cpu->gpr = vcpu->gpr;
	cpu->rip = view->rip;
	cpu->rflags = view->rflags;
	cpu->mode = view->mode;
	for (u32 i = view->mode == CPU_MODE_64 ? X86_FS : X86_ES; i < X86_SEG_COUNT; i++)
		cpu->seg_base[i] = view->segment_base[i];
}

static inline enum emu_result to_device(struct vm_exit *exit, gpa_t gpa, u8 size, bool write,
					u64 value)
{
	exit->kind = VM_EXIT_MMIO;
	exit->mmio.address = gpa.raw;
	exit->mmio.size = size;
	exit->mmio.write = write;
	exit->mmio.value = value;
	return EMU_EXIT;
}

/*
 * Is this the very access that faulted? Then the processor has translated it
 * already. An instruction with two memory operands, or a bit string, may be
 * about another page.
 */
static bool is_the_fault(const struct arch_vcpu *vcpu, const struct cpu_view *view)
{
	const struct insn *insn = &vcpu->emu.insn;

	if (insn->flags & (INSN_STRING | INSN_BIT_STRING))
		return false;
	return !((vcpu->emu.access.gva.raw ^ view->fault_gpa.raw) & PAGE_MASK);
}

/* EMU_RETIRED: done here, in RAM; go on with the instruction. */
static enum emu_result access_memory(struct arch_vcpu *vcpu, struct cpu_view *view,
				     struct vm_exit *exit, bool write)
{
	struct emu_access *access = &vcpu->emu.access;
	u64 offset = access->gva.raw & PAGE_MASK;
	enum err e;
	gpa_t gpa;

	if (offset + access->size > PAGE_SIZE) {
		view_stop(exit, "access to device memory across a page", access->gva.raw);
		return EMU_EXIT;
	}
	if (is_the_fault(vcpu, view))
		return to_device(exit, view->fault_gpa, access->size, write, access->value);
	e = walk_translate(vcpu, &view->walk, access->gva,
			   view_user(view) | (write ? WALK_WRITE : 0), &gpa, &view->fault_code,
			   NULL);
	if (e == ERR_DENIED) {
		view->fault_address = access->gva.raw;
		return EMU_FAULT;
	}
	if (e) {
		view_stop(exit, "page tables outside its memory", access->gva.raw);
		return EMU_EXIT;
	}
	if (!write)
		access->value = 0;
	e = write ? host_guest_write(vcpu, gpa, &access->value, access->size)
		  : host_guest_read(vcpu, gpa, &access->value, access->size);
	return e ? to_device(exit, gpa, access->size, write, access->value) : EMU_RETIRED;
}

/* Begin or go on with the instruction, up to its next device access, its fault or its end. */
static enum emu_result advance(struct arch_vcpu *vcpu, struct cpu_view *view, struct vm_exit *exit,
			       const struct insn *begin)
{
	struct emu_cpu cpu;

	fill_emu_cpu(vcpu, view, &cpu);
	if (begin)
		emu_begin(&vcpu->emu, begin, &cpu);
	for (;;) {
		enum emu_step step = emu_next(&vcpu->emu, &cpu);
		enum emu_result result;

		if (step == EMU_DONE) {
			view->rflags = cpu.rflags;
			view->rip = cpu.rip;
			return EMU_RETIRED;
		}
		result = access_memory(vcpu, view, exit, step == EMU_WRITE);
		if (result != EMU_RETIRED)
			return result;
	}
}

enum emu_result mmio_next(struct arch_vcpu *vcpu, struct cpu_view *view, struct vm_exit *exit)
{
	vcpu->emu.access.value = exit->mmio.value;
	return advance(vcpu, view, exit, NULL);
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
static bool plain_move(struct arch_vcpu *vcpu, gpa_t gpa, const struct insn *insn,
		       struct vm_exit *exit)
{
	if (!move_is_plain(insn) || (gpa.raw & PAGE_MASK) + insn->mem_size > PAGE_SIZE)
		return false;
	/* The fault may be about the second page of an operand that begins in the first. */
	if (!(gpa.raw & PAGE_MASK) && insn->mem_size > 1)
		return false;
	(void)to_device(exit, gpa, insn->mem_size, insn->flags & INSN_WRITE,
			insn->flags & INSN_WRITE ? move_value(insn, vcpu->gpr, insn->mem_size) : 0);
	vcpu->move = insn;
	return true;
}

enum emu_result mmio_begin(struct arch_vcpu *vcpu, struct cpu_view *view, struct vm_exit *exit)
{
	const struct insn *insn;
	u64 bytes[CODE_FETCH_BYTES / 8];
	u32 count;

	vcpu->move = NULL;
	count = fetch(vcpu, view, (u8 *)bytes);
	if (!count) /* another vCPU changed the tables under us */
		return EMU_RETRY;
	insn = decode(vcpu, view->rip, bytes, count, view->mode);
	if (!insn) {
		view_stop(exit, "unknown instruction for device memory", view->rip);
		return EMU_EXIT;
	}
	if (plain_move(vcpu, view->fault_gpa, insn, exit))
		return EMU_EXIT;
	return advance(vcpu, view, exit, insn);
}
