/* SPDX-License-Identifier: Apache-2.0 */
/* A 16550A UART at COM1 (National PC16550D data sheet), its far end on the console. */
#ifndef GUEST_UART_H
#define GUEST_UART_H

#include "arch/x86/spinlock.h"
#include "core/lib/types.h"
#include "core/region.h"
#include "drivers/uart_regs.h"

struct vm;

#define UART_STATE_VERSION 1
#define UART_PORT	   0x3f8
#define UART_PORTS	   8
#define UART_IRQ	   4
/*
 * Characters on the line that the receive FIFO has not taken yet. The far end
 * stops by itself (console input says how much was taken), so none is lost.
 */
#define UART_RX_QUEUE 512

/* Plain data: what a saved VM needs. */
struct uart_state {
	u32 version;
	u8 ier, fcr, lcr, mcr, scr, dll, dlm;
	u8 lsr_errors; /* overrun, cleared by reading LSR */
	u8 msr_delta;  /* MSR[3:0] */
	bool thr_interrupt;
	bool irq;
	u16 rx_head, rx_count;
	u8 tx_head, tx_count;
	u8 tx[UART_FIFO];
	u8 rx[UART_RX_QUEUE];
};

struct uart {
	/* Guards what follows; the I/O APIC's lock, vcpu_request() and console output inside. */
	struct spinlock lock;
	struct uart_state s;
	struct vm *vm;
};

void uart_reset(struct uart *uart, struct vm *vm);

/* Handler of the eight ports; `ctx` is the UART. */
enum access_result uart_port(struct vcpu *vcpu, void *ctx, struct access *access);

/* Characters for the guest; any CPU. Returns how many were taken. */
size_t uart_receive(struct uart *uart, const u8 *data, size_t size);

/* The console takes bytes of this guest again. Any CPU, no console lock held. */
void uart_console_drained(struct vm *vm);

#endif
