// SPDX-License-Identifier: Apache-2.0
/* The physical serial port (16550A data sheet), polled. */
#include "drivers/uart.h"

#include "arch/x86/io.h"
#include "arch/x86/spinlock.h"
#include "drivers/uart_regs.h"

#define CLOCK_BAUD  115200u
#define WAIT_ROUNDS 100000

/* Set at start; the console's lock serialises its use. */
static u16 base = UART_COM1;

void uart_init(u16 port, u32 baud)
{
	u32 divisor = CLOCK_BAUD / baud;

	base = port;
	outb(base + UART_IER, 0);
	outb(base + UART_LCR, LCR_DLAB | LCR_8N1);
	outb(base + UART_DATA, (u8)divisor);
	outb(base + UART_IER, (u8)(divisor >> 8));
	outb(base + UART_LCR, LCR_8N1);
	outb(base + UART_IIR_FCR, FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX);
	outb(base + UART_MCR, MCR_DTR | MCR_RTS);
}

static void wait_for(u8 status)
{
	for (int i = 0; i < WAIT_ROUNDS && !(inb(base + UART_LSR) & status); i++)
		cpu_relax();
}

void uart_drain(void)
{
	wait_for(LSR_TEMT);
}

void uart_write(const char *text, size_t size)
{
	while (size) {
		size_t part = MIN(size, UART_FIFO);

		wait_for(LSR_THRE);
		size -= part;
		while (part--)
			outb(base + UART_DATA, (u8)*text++);
	}
}

int uart_read(void)
{
	u8 status = inb(base + UART_LSR);

	if (status == 0xff || !(status & LSR_DATA)) /* 0xff: there is no port */
		return -1;
	return inb(base + UART_DATA);
}
