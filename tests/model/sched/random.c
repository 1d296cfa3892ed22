/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers (splitmix64), and a heap of moments. */
#include "tests/model/sched/sim.h"

u64 next_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

u64 between(u64 *state, u64 least, u64 most)
{
	return least + next_random(state) % (most - least + 1);
}

bool one_in(u64 *state, u64 n)
{
	return next_random(state) % n == 0;
}

/* Evenly spread over the orders of magnitude. */
u64 magnitude(u64 *state, u64 least, u64 most)
{
	u64 bound = least;

	while (bound < most && !one_in(state, 5))
		bound *= 2;
	return between(state, least, MIN(bound, most));
}

static void put(struct alarms *a, u32 at, u32 id)
{
	a->heap[at] = id;
	a->at[id] = at;
}

static bool sooner(const struct alarms *a, u32 x, u32 y)
{
	return a->when[x] != a->when[y] ? a->when[x] < a->when[y] : a->order[x] < a->order[y];
}

static void sift(struct alarms *a, u32 at)
{
	u32 id = a->heap[at];

	while (at > 0 && sooner(a, id, a->heap[(at - 1) / 2])) {
		put(a, at, a->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		u32 child = 2 * at + 1;

		if (child >= a->count)
			break;
		if (child + 1 < a->count && sooner(a, a->heap[child + 1], a->heap[child]))
			child++;
		if (!sooner(a, a->heap[child], id))
			break;
		put(a, at, a->heap[child]);
		at = child;
	}
	put(a, at, id);
}

void alarms_clear(struct alarms *a)
{
	a->count = 0;
	a->orders = 0;
	for (u32 i = 0; i < MAX_VGPUS; i++)
		a->at[i] = NONE;
}

void alarm_set(struct alarms *a, u32 id, u64 when)
{
	u32 at = a->at[id];

	a->when[id] = when;
	if (when == NEVER && at == NONE)
		return;
	if (when == NEVER) {
		u32 last = a->heap[--a->count];

		a->at[id] = NONE;
		if (last == id)
			return;
		put(a, at, last);
		sift(a, at);
		return;
	}
	if (at == NONE) {
		at = a->count++;
		a->order[id] = a->orders++;
		put(a, at, id);
	}
	sift(a, at);
}

u64 alarm_next(const struct alarms *a, u32 *id)
{
	if (a->count == 0)
		return NEVER;
	*id = a->heap[0];
	return a->when[*id];
}
