/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who had the engine, minute by minute, in a chain of records: each one's hash stands in
 * the next, so whoever has written down a later hash sees when an earlier record is changed.
 */
#ifndef GPU_LEDGER_H
#define GPU_LEDGER_H

#include "core/config.h"
#include "core/lib/types.h"
#include "gpu/sha256.h"

#define LEDGER_MINUTE_NS 60000000000ULL
#define LEDGER_RECORDS	 120 /* that are kept */
#define LEDGER_MEMBERS	 CONFIG_MAX_GUESTS
/* A record as text: the longest names and numbers, and the hash before. */
#define LEDGER_TEXT_MAX (256 + LEDGER_MEMBERS * (CONFIG_NAME_MAX + 22))
#define LEDGER_HEX_MAX	(2 * SHA256_BYTES + 1)

/* Engine time of one GPU at one moment, in ns since it was started. */
struct ledger_sums {
	u64 busy_ns;			   /* that has been charged to anybody */
	u64 engine_ns[LEDGER_MEMBERS];	   /* to each member, since it joined */
	const char *names[LEDGER_MEMBERS]; /* NULL: no member; else as long as the ledger lives */
};

struct ledger_record {
	u64 minute, start_ns, end_ns, busy_ns;
	u64 engine_ns[LEDGER_MEMBERS];
	const char *names[LEDGER_MEMBERS];
	u8 prev[SHA256_BYTES], hash[SHA256_BYTES];
};

/* Owned by one CPU; all members are private but `count`. */
struct ledger {
	u32 gpu;
	u64 count;				/* records closed ever */
	u64 due_ns;				/* end of the minute that runs */
	u64 end_ns;				/* of the last record */
	u64 busy_ns, engine_ns[LEDGER_MEMBERS]; /* then */
	struct ledger_record records[LEDGER_RECORDS];
};

void ledger_init(struct ledger *ledger, u32 gpu);

/*
 * The minute is over or, whatever the time, a member leaves: make a record of what was charged
 * since the last one, up to `now_ns`. NULL: nothing was, and there is none.
 */
const struct ledger_record *ledger_close(struct ledger *ledger, const struct ledger_sums *sums,
					 u64 now_ns);

/* A member has left, after a record was closed: who comes in its place begins at 0. */
void ledger_forget(struct ledger *ledger, u32 member);

/* Record number `index` of those kept, oldest first; NULL: no more. */
const struct ledger_record *ledger_kept(const struct ledger *ledger, u32 index);

/* The text that is hashed, on one line without its end; returns its length. */
size_t ledger_text(const struct ledger *ledger, const struct ledger_record *record,
		   char text[LEDGER_TEXT_MAX]);

/* Hexadecimal digits and a terminator. */
void ledger_hex(const u8 hash[SHA256_BYTES], char hex[LEDGER_HEX_MAX]);

#endif
