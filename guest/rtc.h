/* SPDX-License-Identifier: Apache-2.0 */
/* The clock and RAM behind ports 70h and 71h (Motorola MC146818A data sheet). */
#ifndef GUEST_RTC_H
#define GUEST_RTC_H

#include "core/lib/types.h"
#include "core/region.h"

#define RTC_STATE_VERSION 1
#define RTC_PORT	  0x70
#define RTC_PORTS	  2
#define RTC_RAM_SIZE	  128
#define RTC_CENTURY	  0x32 /* as the FADT says */

struct rtc_time {
	u16 year;		/* 1900.. */
	u8 month, day, weekday; /* from 1; Sunday is 1 */
	u8 hour, minute, second;
};

/*
 * Plain data: what a saved VM needs. There are no alarm, periodic or update
 * interrupts: their enable bits read as 0. The time is the host's: it runs while
 * SET, too, and what a guest writes to it is not kept.
 */
struct rtc_state {
	u32 version;
	u8 index;
	u8 control; /* register B: SET, DM, 24/12 */
	u8 ram[RTC_RAM_SIZE];
};

void rtc_reset(struct rtc_state *rtc);

/* Handler of the two ports; `ctx` is the state. The device lock guards it. */
enum access_result rtc_port(struct vcpu *vcpu, void *ctx, struct access *access);

/* Seconds since 1970 to calendar (proleptic Gregorian, UTC); up to the year 9999. */
struct rtc_time rtc_from_seconds(u64 seconds);

#endif
