/* SPDX-License-Identifier: Apache-2.0 */
/* IN, OUT and their string forms, once the vendor has said what they are. */
#ifndef ARCH_X86_PIO_H
#define ARCH_X86_PIO_H

#include "arch/x86/view.h"

/*
 * vcpu->pio is filled in. Plain forms need no view: EMU_EXIT. String forms find
 * the memory element: EMU_EXIT; EMU_FAULT; EMU_RETIRED for a count of 0.
 */
void pio_begin(struct arch_vcpu *vcpu, struct vm_exit *exit);
enum emu_result pio_begin_string(struct arch_vcpu *vcpu, struct cpu_view *view,
				 struct vm_exit *exit);

/* The access is done. True: the instruction has retired, RIP goes to vcpu->pio.next_rip. */
bool pio_finish(struct arch_vcpu *vcpu, const struct vm_exit *exit);

#endif
