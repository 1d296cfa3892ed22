/* SPDX-License-Identifier: Apache-2.0 */
/* Time of day in the guest's CMOS clock, computed from the host's clock. */
#include "guest/rtc.h"

#include "core/lib/string.h"
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
	s64 offset = rtc->offset_seconds; /* the battery keeps the time */

	memset(rtc, 0, sizeof(*rtc));
	rtc->version = RTC_STATE_VERSION;
	rtc->control = B_24H;
	rtc->offset_seconds = offset;
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

bool rtc_to_seconds(const struct rtc_time *time, u64 *seconds)
{
	u32 year = time->year - (time->month <= 2);
	u32 march_month = time->month > 2 ? time->month - 3u : time->month + 9u;
	u32 days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * march_month + 2) / 5 +
		   time->day - 1 - UNIX_EPOCH_DAYS;
	struct rtc_time same;

	if (time->year < 1970 || time->year > 9999 || time->month < 1 || time->month > 12)
		return false;
	if (time->hour > 23 || time->minute > 59 || time->second > 59)
		return false;
	*seconds =
		(u64)days * SECONDS_PER_DAY + time->hour * 3600 + time->minute * 60 + time->second;
	/* A day that its month does not have comes back as another one. */
	same = rtc_from_seconds(*seconds);
	return same.month == time->month && same.day == time->day;
}

/* ---- the running clock ---- */

static u64 host_seconds(void)
{
	return wallclock_boot_seconds() + now_ns() / NS_PER_SECOND;
}

static struct rtc_time current_time(const struct rtc_state *rtc)
{
	if (rtc->control & B_SET)
		return rtc->frozen;
	return rtc_from_seconds(host_seconds() + (u64)rtc->offset_seconds);
}

/* A date that does not exist leaves the clock as it was. */
static void set_time(struct rtc_state *rtc, const struct rtc_time *time)
{
	u64 seconds;

	if (rtc_to_seconds(time, &seconds))
		rtc->offset_seconds = (s64)(seconds - host_seconds());
}

/* ---- number formats ---- */

static u8 encode(const struct rtc_state *rtc, u32 value)
{
	return rtc->control & B_BINARY ? (u8)value : (u8)(value / 10 % 10 << 4 | value % 10);
}

static u8 decode(const struct rtc_state *rtc, u8 value)
{
	return rtc->control & B_BINARY ? value : (u8)((value >> 4) * 10 + (value & 0xf));
}

static u8 encode_hour(const struct rtc_state *rtc, u32 hour)
{
	if (rtc->control & B_24H)
		return encode(rtc, hour);
	return encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

static u8 decode_hour(const struct rtc_state *rtc, u8 value)
{
	if (rtc->control & B_24H)
		return decode(rtc, value);
	return decode(rtc, value & ~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* ---- registers ---- */

/* The part of `time` that a register other than the year's two shows. */
static u8 *field_of(struct rtc_time *time, u32 reg)
{
	static const u8 offsets[] = {
		[RTC_SECOND] = offsetof(struct rtc_time, second),
		[RTC_MINUTE] = offsetof(struct rtc_time, minute),
		[RTC_HOUR] = offsetof(struct rtc_time, hour),
		[RTC_WEEKDAY] = offsetof(struct rtc_time, weekday),
		[RTC_DAY] = offsetof(struct rtc_time, day),
		[RTC_MONTH] = offsetof(struct rtc_time, month),
	};

	return (u8 *)time + offsets[reg];
}

static u8 read_time(const struct rtc_state *rtc, u32 reg)
{
	struct rtc_time time = current_time(rtc);

	if (reg == RTC_YEAR)
		return encode(rtc, time.year % 100);
	if (reg == RTC_CENTURY)
		return encode(rtc, time.year / 100);
	if (reg == RTC_HOUR)
		return encode_hour(rtc, time.hour);
	return encode(rtc, *field_of(&time, reg));
}

static void write_time(struct rtc_state *rtc, u32 reg, u8 value)
{
	struct rtc_time time = current_time(rtc);
	u8 number = decode(rtc, value);

	if (reg == RTC_YEAR)
		time.year = (u16)(time.year / 100 * 100 + number % 100);
	else if (reg == RTC_CENTURY)
		time.year = (u16)(number % 100 * 100 + time.year % 100);
	else
		*field_of(&time, reg) = reg == RTC_HOUR ? decode_hour(rtc, value) : number;
	if (rtc->control & B_SET)
		rtc->frozen = time;
	else
		set_time(rtc, &time);
}

static void write_control(struct rtc_state *rtc, u8 value)
{
	bool was_set = (rtc->control & B_SET) != 0;

	value &= B_SET | B_BINARY | B_24H;
	if (!was_set && (value & B_SET))
		rtc->frozen = current_time(rtc);
	rtc->control = value;
	if (was_set && (value & B_SET) == 0)
		set_time(rtc, &rtc->frozen);
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
		return read_time(rtc, reg);
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

static void write_register(struct rtc_state *rtc, u8 value)
{
	u32 reg = rtc->index;

	if (is_time(reg))
		write_time(rtc, reg, value);
	else if (reg == RTC_B)
		write_control(rtc, value);
	else if (reg != RTC_A && reg != RTC_C && reg != RTC_D)
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
