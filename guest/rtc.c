/* SPDX-License-Identifier: Apache-2.0 */
/* Time of day in the guest's CMOS clock: the host's. */
#include "guest/rtc.h"

#include "core/timer.h"

enum rtc_reg {
	RTC_SECOND = 0x00,
	RTC_MINUTE = 0x02,
	RTC_HOUR = 0x04,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
};

#define A_DIVIDER 0x26 /* 32.768 kHz, 1024 Hz */
#define A_UIP	  0x80
#define B_24H	  0x02
#define B_BINARY  0x04
#define B_SET	  0x80
#define D_VALID	  0x80
#define HOUR_PM	  0x80

#define NS_PER_SECOND	     1000000000ULL
#define SECONDS_PER_DAY	     86400
#define DAYS_PER_ERA	     146097 /* 400 years */
#define UNIX_EPOCH_DAYS	     719468 /* from 1 March of year 0 */
#define UIP_BEFORE_UPDATE_NS 244000ULL
#define LAST_SECOND	     253402300799ULL /* 31 December 9999 */

void rtc_reset(struct rtc_state *rtc)
{
	*rtc = (struct rtc_state){ .version = RTC_STATE_VERSION, .control = B_24H };
}

/* ---- calendar ---- */

/* Years begin in March here, so that the leap day is the last of its year. */
struct rtc_time rtc_from_seconds(u64 seconds)
{
	u64 clamped = MIN(seconds, LAST_SECOND);
	u32 rest = (u32)(clamped % SECONDS_PER_DAY);
	u32 unix_days = (u32)(clamped / SECONDS_PER_DAY);
	u32 days = unix_days + UNIX_EPOCH_DAYS;
	u32 era = days / DAYS_PER_ERA;
	u32 day_of_era = days % DAYS_PER_ERA;
	u32 year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	u32 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	u32 march_month = (5 * day_of_year + 2) / 153;
	u32 month = march_month < 10 ? march_month + 3 : march_month - 9;

	return (struct rtc_time){
		.year = (u16)(era * 400 + year_of_era + (month <= 2)),
		.month = (u8)month,
		.day = (u8)(day_of_year - (153 * march_month + 2) / 5 + 1),
		.weekday = (u8)((unix_days + 4) % 7 + 1),
		.hour = (u8)(rest / 3600),
		.minute = (u8)(rest / 60 % 60),
		.second = (u8)(rest % 60),
	};
}

/* ---- number formats ---- */

static u8 encode(const struct rtc_state *rtc, u32 value)
{
	return rtc->control & B_BINARY ? (u8)value : (u8)(value / 10 % 10 << 4 | value % 10);
}

static u8 encode_hour(const struct rtc_state *rtc, u32 hour)
{
	if (rtc->control & B_24H)
		return encode(rtc, hour);
	return encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

/* ---- registers ---- */

static u8 read_time(const struct rtc_state *rtc)
{
	struct rtc_time time =
		rtc_from_seconds(wallclock_boot_seconds() + now_ns() / NS_PER_SECOND);

	switch (rtc->index) {
	case RTC_SECOND:
		return encode(rtc, time.second);
	case RTC_MINUTE:
		return encode(rtc, time.minute);
	case RTC_HOUR:
		return encode_hour(rtc, time.hour);
	case RTC_WEEKDAY:
		return encode(rtc, time.weekday);
	case RTC_DAY:
		return encode(rtc, time.day);
	case RTC_MONTH:
		return encode(rtc, time.month);
	case RTC_YEAR:
		return encode(rtc, time.year % 100);
	default:
		return encode(rtc, time.year / 100);
	}
}

static bool is_time(u32 reg)
{
	return reg == RTC_SECOND || reg == RTC_MINUTE || reg == RTC_HOUR ||
	       (reg >= RTC_WEEKDAY && reg <= RTC_YEAR) || reg == RTC_CENTURY;
}

static u8 read_register(const struct rtc_state *rtc)
{
	u32 reg = rtc->index;
	bool updating = now_ns() % NS_PER_SECOND >= NS_PER_SECOND - UIP_BEFORE_UPDATE_NS;

	if (is_time(reg))
		return read_time(rtc);
	switch (reg) {
	case RTC_A:
		return A_DIVIDER | (updating && (rtc->control & B_SET) == 0 ? A_UIP : 0);
	case RTC_B:
		return rtc->control;
	case RTC_C:
		return 0;
	case RTC_D:
		return D_VALID;
	default:
		return rtc->ram[reg];
	}
}

/* The time is not the guest's to set. */
static void write_register(struct rtc_state *rtc, u8 value)
{
	u32 reg = rtc->index;

	if (reg == RTC_B)
		rtc->control = value & (B_SET | B_BINARY | B_24H);
	else if (!is_time(reg) && reg != RTC_A && reg != RTC_C && reg != RTC_D)
		rtc->ram[reg] = value;
}

enum access_result rtc_port(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct rtc_state *rtc = ctx;
	u64 value = 0;

	(void)vcpu;
	for (u32 i = 0; i < access->size; i++) {
		bool data = ((access->offset + i) & 1) != 0;
		u8 byte = (u8)(access->value >> (8 * i));

		if (!access->write)
			value |= (u64)(data ? read_register(rtc) : 0xff) << (8 * i);
		else if (data)
			write_register(rtc, byte);
		else
			rtc->index = byte & (RTC_RAM_SIZE - 1); /* bit 7 masks NMI: none here */
	}
	if (!access->write)
		access->value = value;
	return ACCESS_HANDLED;
}
