/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of records of who had the engine; see ledger.h. */
#include "gpu/ledger.h"

#include "core/lib/fmt.h"
#include "core/lib/string.h"

void ledger_init(struct ledger *ledger, u32 gpu)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->gpu = gpu;
	ledger->due_ns = LEDGER_MINUTE_NS;
}

static struct ledger_record *nth(const struct ledger *ledger, u64 number)
{
	return (struct ledger_record *)&ledger->records[number % LEDGER_RECORDS];
}

void ledger_hex(const u8 hash[SHA256_BYTES], char hex[LEDGER_HEX_MAX])
{
	for (u32 i = 0; i < SHA256_BYTES; i++)
		fmt_snprintf(hex + 2 * (size_t)i, 3, "%02x", hash[i]);
}

size_t ledger_text(const struct ledger *ledger, const struct ledger_record *record,
		   char text[LEDGER_TEXT_MAX])
{
	char hex[LEDGER_HEX_MAX];
	size_t used;

	used = (size_t)fmt_snprintf(
		text, LEDGER_TEXT_MAX, "ledger gpu %u minute %lu start %lu end %lu busy %lu",
		ledger->gpu, record->minute, record->start_ns, record->end_ns, record->busy_ns);
	for (u32 i = 0; i < LEDGER_MEMBERS; i++)
		if (record->names[i])
			used += (size_t)fmt_snprintf(text + used, LEDGER_TEXT_MAX - used, " %s %lu",
						     record->names[i], record->engine_ns[i]);
	ledger_hex(record->prev, hex);
	used += (size_t)fmt_snprintf(text + used, LEDGER_TEXT_MAX - used, " prev %s", hex);
	return used;
}

const struct ledger_record *ledger_close(struct ledger *ledger, const struct ledger_sums *sums,
					 u64 now_ns)
{
	struct ledger_record *record = nth(ledger, ledger->count);
	char text[LEDGER_TEXT_MAX];

	ledger->due_ns = (now_ns / LEDGER_MINUTE_NS + 1) * LEDGER_MINUTE_NS;
	if (sums->busy_ns == ledger->busy_ns)
		return NULL;
	*record = (struct ledger_record){
		.minute = (now_ns + LEDGER_MINUTE_NS / 2) / LEDGER_MINUTE_NS,
		.start_ns = ledger->end_ns,
		.end_ns = now_ns,
		.busy_ns = sums->busy_ns - ledger->busy_ns,
	};
	for (u32 i = 0; i < LEDGER_MEMBERS; i++) {
		record->names[i] = sums->names[i];
		record->engine_ns[i] = sums->engine_ns[i] - ledger->engine_ns[i];
		ledger->engine_ns[i] = sums->engine_ns[i];
	}
	if (ledger->count)
		memcpy(record->prev, nth(ledger, ledger->count - 1)->hash, SHA256_BYTES);
	sha256(text, ledger_text(ledger, record, text), record->hash);
	ledger->busy_ns = sums->busy_ns;
	ledger->end_ns = now_ns;
	ledger->count++;
	return record;
}

void ledger_forget(struct ledger *ledger, u32 member)
{
	ledger->engine_ns[member] = 0;
}

const struct ledger_record *ledger_kept(const struct ledger *ledger, u32 index)
{
	u64 kept = MIN(ledger->count, (u64)LEDGER_RECORDS);

	return index < kept ? nth(ledger, ledger->count - kept + index) : NULL;
}
