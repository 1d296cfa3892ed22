/* SPDX-License-Identifier: Apache-2.0 */
/* Storm guards; see guard.h. */
#include "gpu/guard.h"

#include "core/lib/string.h"

void guard_init(struct guard *guard)
{
	*guard = (struct guard){ .state = GUARD_FREE };
}

static bool is_quiet(const struct guard *guard)
{
	for (u32 i = 0; i < GUARD_KINDS; i++)
		if (guard->limits[i] && guard->counts[i] >= MAX(guard->limits[i] / 2, 1U))
			return false;
	return true;
}

/* `windows` in a row were quiet; true: it is free again. */
static bool add_quiet(struct guard *guard, u64 windows)
{
	u64 before = guard->quiet, after = MIN(before + windows, (u64)UINT32_MAX);
	u64 forgiven = after / GUARD_FORGIVEN - before / GUARD_FORGIVEN;

	guard->quiet = (u32)after;
	guard->strikes -= (u32)MIN(forgiven, (u64)guard->strikes);
	if (guard->state != GUARD_SLOWED || after < GUARD_CALM)
		return false;
	guard->state = GUARD_FREE;
	return true;
}

bool guard_look(struct guard *guard, u64 now_ns)
{
	u64 windows = now_ns > guard->window_ns ? (now_ns - guard->window_ns) / GUARD_WINDOW_NS : 0;
	bool quiet = is_quiet(guard);

	if (!windows)
		return false;
	guard->window_ns += windows * GUARD_WINDOW_NS;
	memset(guard->counts, 0, sizeof(guard->counts));
	guard->over = false;
	if (!quiet)
		guard->quiet = 0;
	/* The windows behind the one that was counted in had no event at all. */
	return add_quiet(guard, windows - !quiet);
}

bool guard_count(struct guard *guard, enum guard_kind kind, u32 count, u64 now_ns)
{
	bool changed = guard_look(guard, now_ns);
	u32 room = UINT32_MAX - guard->counts[kind];

	guard->counts[kind] += MIN(count, room);
	if (!guard->limits[kind] || guard->counts[kind] <= guard->limits[kind] || guard->over ||
	    guard->state == GUARD_FROZEN)
		return changed;
	guard->over = true;
	guard->quiet = 0;
	guard->blame = kind;
	if (++guard->strikes >= GUARD_STRIKES) {
		guard->state = GUARD_FROZEN;
		guard->frozen++;
		return true;
	}
	if (guard->state == GUARD_SLOWED)
		return changed;
	guard->state = GUARD_SLOWED;
	guard->slowed++;
	return true;
}

void guard_release(struct guard *guard, u64 now_ns)
{
	guard->state = GUARD_FREE;
	guard->window_ns = now_ns;
	memset(guard->counts, 0, sizeof(guard->counts));
	guard->over = false;
	guard->strikes = guard->quiet = 0;
}

const char *guard_kind_name(enum guard_kind kind)
{
	static const char *const names[] = {
		[GUARD_DOORBELLS] = "doorbells",
		[GUARD_RESETS] = "resets",
		[GUARD_REFUSED] = "refused commands",
		[GUARD_INTERRUPTS] = "interrupts",
	};

	return names[kind];
}

const char *guard_state_name(enum guard_state state)
{
	static const char *const names[] = {
		[GUARD_FREE] = "free",
		[GUARD_SLOWED] = "slowed",
		[GUARD_FROZEN] = "frozen",
	};

	return names[state];
}
