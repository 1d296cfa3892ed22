/* SPDX-License-Identifier: Apache-2.0 */
/* The physical serial port (16550A), polled. */
#ifndef DRIVERS_UART_H
#define DRIVERS_UART_H

#include "core/lib/types.h"

#define UART_COM1 0x3f8

/* Set the port up: 8N1, FIFOs on. `baud` divides 115200. */
void uart_init(u16 port, u32 baud);

/* Waits for room, at most some milliseconds: a missing port must not hang us. */
void uart_write(const char *text, size_t size);

/* Waits until the last byte is on the line, at most some milliseconds. */
void uart_drain(void);

/* A received byte, or -1. */
int uart_read(void);

#endif
