/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550A: registers, FIFOs, interrupts, loopback; output to the guest's console. */
#include "guest/uart.h"

#include "core/guestcon.h"
#include "core/lib/string.h"
#include "core/vm.h"
#include "guest/platform.h"

#define FCR_KEPT 0xc9
#define MCR_KEPT 0x1f

void uart_reset(struct uart *uart, struct vm *vm)
{
	spin_guard(&uart->lock);
	uart->vm = vm;
	memset(&uart->s, 0, sizeof(uart->s));
	uart->s.version = UART_STATE_VERSION;
	uart->s.dll = 1; /* 115200 baud */
}

/* ---- interrupts; lock held ---- */

static u32 rx_trigger(const struct uart_state *s)
{
	static const u8 levels[4] = { 1, 4, 8, 14 };

	return s->fcr & FCR_ENABLE ? levels[s->fcr >> 6] : 1;
}

static u8 interrupt_id(const struct uart_state *s)
{
	if ((s->ier & IER_LINE) && s->lsr_errors)
		return IIR_LINE;
	if ((s->ier & IER_RX) && s->rx_count != 0) {
		/* Below the trigger level the time-out comes at once: nothing else will. */
		return s->rx_count >= rx_trigger(s) ? IIR_RX : IIR_TIMEOUT;
	}
	if ((s->ier & IER_THR) && s->thr_interrupt)
		return IIR_THR;
	if ((s->ier & IER_MODEM) && s->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_irq(struct uart *uart)
{
	struct uart_state *s = &uart->s;
	bool irq = interrupt_id(s) != IIR_NONE && (s->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	if (irq == s->irq)
		return;
	s->irq = irq;
	vm_irq_line(uart->vm, UART_IRQ, irq);
}

/* ---- receiving; lock held ---- */

static bool rx_push(struct uart_state *s, u8 byte)
{
	if (s->rx_count == UART_RX_QUEUE)
		return false;
	s->rx[(s->rx_head + s->rx_count) % UART_RX_QUEUE] = byte;
	s->rx_count++;
	return true;
}

static u8 rx_pop(struct uart_state *s)
{
	u8 byte;

	if (s->rx_count == 0)
		return 0;
	byte = s->rx[s->rx_head];
	s->rx_head = (u16)((s->rx_head + 1) % UART_RX_QUEUE);
	s->rx_count--;
	return byte;
}

size_t uart_receive(struct uart *uart, const u8 *data, size_t size)
{
	size_t taken = 0;

	spin_guard(&uart->lock);
	if (uart->s.mcr & MCR_LOOP)
		return 0;
	while (taken < size && rx_push(&uart->s, data[taken]))
		taken++;
	update_irq(uart);
	return taken;
}

/* ---- sending ---- */

/* Move bytes from the transmitter to the console, as far as it takes them. Lock held. */
static void pump(struct uart *uart)
{
	struct uart_state *s = &uart->s;

	while (s->tx_count != 0 && guest_console_ready(uart->vm)) {
		guest_console_output(uart->vm, s->tx[s->tx_head]);
		s->tx_head = (s->tx_head + 1) % UART_FIFO;
		if (--s->tx_count == 0) {
			s->thr_interrupt = true;
			update_irq(uart);
		}
	}
}

void uart_console_drained(struct vm *vm)
{
	struct platform *platform = vm->platform;

	if (platform == NULL)
		return;
	spin_guard(&platform->uart.lock);
	pump(&platform->uart);
}

/* ---- registers; lock held ---- */

static u8 modem_lines(const struct uart_state *s)
{
	if ((s->mcr & MCR_LOOP) == 0)
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
	       (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(struct uart_state *s, u8 value)
{
	u8 before = modem_lines(s);
	u8 changed, after;

	s->mcr = value & MCR_KEPT;
	after = modem_lines(s);
	changed = before ^ after;
	/* RI counts when it goes away, the others with each change. */
	s->msr_delta |= (changed & ~MSR_RI) >> 4 | (before & ~after & MSR_RI) >> 4;
}

static void write_fcr(struct uart_state *s, u8 value)
{
	/* Switching the FIFOs on or off empties them. */
	bool toggles = ((s->fcr ^ value) & FCR_ENABLE) != 0;

	if (toggles || (value & FCR_CLEAR_RX))
		s->rx_count = 0;
	if ((toggles || (value & FCR_CLEAR_TX)) && s->tx_count != 0) {
		s->tx_count = 0;
		s->thr_interrupt = true;
	}
	s->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
}

/* True: there is something to pump. */
static bool write_thr(struct uart_state *s, u8 value)
{
	u32 room = s->fcr & FCR_ENABLE ? UART_FIFO : 1;

	s->thr_interrupt = false;
	if (s->mcr & MCR_LOOP) {
		if (!rx_push(s, value))
			s->lsr_errors |= LSR_OVERRUN;
		s->thr_interrupt = true;
		return false;
	}
	if (s->tx_count >= room)
		return false; /* written without looking at THRE: lost, as on hardware */
	s->tx[(s->tx_head + s->tx_count) % UART_FIFO] = value;
	s->tx_count++;
	return true;
}

static u8 read_register(struct uart_state *s, u32 reg)
{
	bool dlab = (s->lcr & LCR_DLAB) != 0;
	u8 value;

	switch (reg) {
	case UART_DATA:
		return dlab ? s->dll : rx_pop(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR_FCR:
		value = interrupt_id(s);
		if (value == IIR_THR)
			s->thr_interrupt = false;
		return value | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		value = s->lsr_errors | (s->rx_count ? LSR_DATA : 0) |
			(s->tx_count == 0 ? LSR_THRE | LSR_TEMT : 0);
		s->lsr_errors = 0;
		return value;
	case UART_MSR:
		value = modem_lines(s) | s->msr_delta;
		s->msr_delta = 0;
		return value;
	default:
		return s->scr;
	}
}

static void write_ier(struct uart_state *s, u8 value)
{
	/* Enabling it with an empty transmitter interrupts at once. */
	if ((value & ~s->ier & IER_THR) && s->tx_count == 0)
		s->thr_interrupt = true;
	s->ier = value & 0x0f;
}

/* True: there is something to pump. */
static bool write_register(struct uart_state *s, u32 reg, u8 value)
{
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	if (reg == UART_DATA && !dlab)
		return write_thr(s, value);
	if (reg == UART_DATA)
		s->dll = value;
	else if (reg == UART_IER && dlab)
		s->dlm = value;
	else if (reg == UART_IER)
		write_ier(s, value);
	else if (reg == UART_IIR_FCR)
		write_fcr(s, value);
	else if (reg == UART_LCR)
		s->lcr = value;
	else if (reg == UART_MCR)
		write_mcr(s, value);
	else if (reg == UART_SCR)
		s->scr = value;
	/* LSR and MSR are read-only. */
	return false;
}

enum access_result uart_port(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct uart *uart = ctx;
	bool send = false;
	u64 value = 0;

	(void)vcpu;
	/* The bus splits wider accesses into bytes, low port first. */
	spin_guard(&uart->lock);
	for (u32 i = 0; i < access->size; i++) {
		u32 reg = (u32)(access->offset + i);

		if (access->write)
			send |= write_register(&uart->s, reg, (u8)(access->value >> (8 * i)));
		else
			value |= (u64)read_register(&uart->s, reg) << (8 * i);
	}
	/* Before sending, which may raise it anew: the line is edge-triggered. */
	update_irq(uart);
	if (send)
		pump(uart);
	if (!access->write)
		access->value = value;
	return ACCESS_HANDLED;
}
