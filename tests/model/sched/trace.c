/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler notes: counted, and written as `trace dump` prints it. */
#include "tests/model/sched/sim.h"

#include <stdlib.h>

#define LINE 48 /* bytes a line */

static void note(void *ctx, const struct gpu_sched_event *event)
{
	struct sim *s = ctx;

	s->notes[event->kind % ARRAY_SIZE(s->notes)]++;
	if (event->time_ns > s->now_ns || event->in_flight != s->sched.in_flight)
		broken(s, "events", "kind %u has a wrong time or count", event->kind);
	if (!s->trace_file)
		return;
	if (s->record_count == s->record_room) {
		s->record_room = s->record_room ? 2 * s->record_room : 4096;
		s->records = realloc(s->records, s->record_room * sizeof(*event));
		if (!s->records)
			broken(s, "events", "no memory");
	}
	s->records[s->record_count++] = *event;
}

void trace_begin(struct sim *s, FILE *file)
{
	s->trace_file = file;
	s->sched.note = note;
	s->sched.note_ctx = s;
	if (!file)
		return;
	gpu_sched_note_all(&s->sched, s->now_ns);
	for (u32 i = 0; i < ARRAY_SIZE(s->notes); i++)
		s->notes[i] = 0;
}

static u32 crc32(const u8 *data, size_t size)
{
	u32 crc = ~0U;

	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (u32 bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
	}
	return ~crc;
}

static void base64_line(FILE *file, const u8 *data, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < size; i += 3) {
		u32 three = (u32)data[i] << 16;

		three |= i + 1 < size ? (u32)data[i + 1] << 8 : 0;
		three |= i + 2 < size ? data[i + 2] : 0;
		fputc(digits[three >> 18], file);
		fputc(digits[three >> 12 & 63], file);
		fputc(i + 1 < size ? digits[three >> 6 & 63] : '=', file);
		fputc(i + 2 < size ? digits[three & 63] : '=', file);
	}
	fputc('\n', file);
}

void trace_end(struct sim *s)
{
	const u8 *data = (const u8 *)s->records;
	size_t size = s->record_count * sizeof(struct gpu_sched_event);

	if (!s->trace_file)
		return;
	fprintf(s->trace_file, "trace gpu 0 version 1 records %llu lost 0\n",
		(unsigned long long)s->record_count);
	for (size_t at = 0; at < size; at += LINE)
		base64_line(s->trace_file, data + at, MIN(LINE, size - at));
	fprintf(s->trace_file, "trace end crc32 %08x\n", crc32(data, size));
	free(s->records);
	s->records = NULL;
}

void trace_expect(struct sim *s, enum gpu_sched_event_kind kind, u64 times)
{
	s->expected_notes[kind] += times;
}

void trace_check(struct sim *s)
{
	for (u32 i = 0; i < ARRAY_SIZE(s->notes); i++)
		if (s->sched.note && s->notes[i] != s->expected_notes[i])
			broken(s, "events", "kind %u was noted %llu times, not %llu", i,
			       (unsigned long long)s->notes[i],
			       (unsigned long long)s->expected_notes[i]);
}
