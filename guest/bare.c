// SPDX-License-Identifier: Apache-2.0
/* Loads a flat 64-bit image. */
#include "guest/bare.h"

#include "core/lib/string.h"
#include "core/log.h"
#include "guest/layout.h"
#include "guest/longmode.h"

enum err bare_plan(const struct vm *vm, const struct boot_file *image, struct linux_plan *plan)
{
	*plan = (struct linux_plan){
		.kernel = image->data,
		.kernel_size = image->size,
		.kernel_gpa = LAYOUT_HIGH,
		.kernel_file = image,
	};
	if (image->size <= MIN(vm->memory.size, GMEM_HOLE_START) - LAYOUT_HIGH)
		return OK;
	log_error("guest %s: %s does not fit in %lu MiB of memory", vm->name, image->name,
		  vm->memory.size >> 20);
	return ERR_NO_MEMORY;
}

enum err bare_finish(struct vm *vm, const struct linux_plan *plan)
{
	struct bare_info info = { vm->memory.size, vm->vcpu_count, LAYOUT_RSDP, { 0 } };
	enum err e;

	(void)str_copy(info.cmdline, sizeof(info.cmdline), vm->config->cmdline);
	e = gmem_write(&vm->memory, GPA(LAYOUT_ZERO_PAGE), &info, sizeof(info));
	return e ? e : longmode_enter(vm, plan->kernel_gpa);
}
