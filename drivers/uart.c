// SPDX-License-Identifier: Apache-2.0
/* The physical serial port (16550A data sheet), polled. */
#include "drivers/uart.h"

#include "arch/x86/io.h"
#include "arch/x86/spinlock.h"

#define REG_DATA       0
#define REG_IER	       1
#define REG_FCR	       2
#define REG_LCR	       3
#define REG_MCR	       4
#define REG_LSR	       5
#define LCR_8N1	       0x03
#define LCR_DLAB       0x80
#define FCR_ON_CLEAR   0x07
#define MCR_DTR_RTS    0x03
#define LSR_DATA       0x01
#define LSR_FIFO_EMPTY 0x20
#define LSR_ALL_SENT   0x40
#define FIFO_SIZE      16
#define CLOCK_BAUD     115200u
#define WAIT_ROUNDS    100000

/* Set at start; the console's lock serialises its use. */
static u16 base = UART_COM1;

void uart_init(u16 port, u32 baud)
{
	u32 divisor = CLOCK_BAUD / baud;

	base = port;
	outb(base + REG_IER, 0);
	outb(base + REG_LCR, LCR_DLAB | LCR_8N1);
	outb(base + REG_DATA, (u8)divisor);
	outb(base + REG_IER, (u8)(divisor >> 8));
	outb(base + REG_LCR, LCR_8N1);
	outb(base + REG_FCR, FCR_ON_CLEAR);
	outb(base + REG_MCR, MCR_DTR_RTS);
}

static void wait_for(u8 status)
{
	for (int i = 0; i < WAIT_ROUNDS && !(inb(base + REG_LSR) & status); i++)
		cpu_relax();
}

void uart_drain(void)
{
	wait_for(LSR_ALL_SENT);
}

void uart_write(const char *text, size_t size)
{
	while (size) {
		size_t part = MIN(size, FIFO_SIZE);

		wait_for(LSR_FIFO_EMPTY);
		size -= part;
		while (part--)
			outb(base + REG_DATA, (u8)*text++);
	}
}

int uart_read(void)
{
	u8 status = inb(base + REG_LSR);

	if (status == 0xff || !(status & LSR_DATA)) /* 0xff: there is no port */
		return -1;
	return inb(base + REG_DATA);
}
