/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the hypervisor's own scheduler object under seeded random loads and checks its promises. */
// HYPERVISOR_OBJECTS: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// HYPERVISOR_OBJECTS: gpu/sched_note.c gpu/sched_order.c
// SOURCES: tests/model/sched/activity.c tests/model/sched/check_fixed.c
// SOURCES: tests/model/sched/check_limits.c tests/model/sched/check_share.c
// SOURCES: tests/model/sched/check_window.c tests/model/sched/engine.c
// SOURCES: tests/model/sched/isolation.c tests/model/sched/load.c tests/model/sched/random.c
// SOURCES: tests/model/sched/run.c tests/model/sched/trace.c
//
// 9,900 seeds of up to 32 vGPUs, 100 of 1,024, and some that last a minute of their own time.
// FACET_SEED=N runs that seed alone, FACET_SEEDS=N that many from 1 (each 100th with 1,024 vGPUs),
// FACET_FIRST=N from N. FACET_TRACE=path writes the schedule of the seed as `trace dump` does.
//
// The rules, each checked at every step, stand in tests/model/sched/check_*.c, and with formulas
// and proofs in docs/scheduler.md. Beside those:
//   conserving  nobody that may be picked waits while the engine is idle, nor beside a job in
//               flight unless a long one is next
//   timer       gpu_sched_next_ns() is never too late
//   account     each job is charged its engine time; the sum is the engine's busy time
//   order       the jobs of one vGPU start in the order in which they came

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "tests/model/sched/sim.h"

#define SEEDS	   10000
#define MINUTES	   16 /* runs of a minute each */
#define SMALL	   32
#define BIG_JOBS   20000
#define SMALL_JOBS 1000

struct totals total;

void broken(const struct sim *s, const char *rule, const char *format, ...)
{
	va_list args;

	printf("gpu_sched_sim: rule `%s` is broken at %llu ns after %llu jobs: ", rule,
	       (unsigned long long)s->now_ns, (unsigned long long)s->done);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nrepeat with FACET_SEED=%llu\n", (unsigned long long)s->seed);
	exit(1);
}

void within(const struct sim *s, const char *rule, u32 vgpu, s128 value, s128 allowed,
	    double *worst)
{
	if (value > allowed)
		broken(s, rule, "vGPU %u: %.3f, allowed %.3f", vgpu, (double)value,
		       (double)allowed);
	if (value > 0)
		*worst = MAX(*worst, (double)value / (double)allowed);
}

static enum gpu_sched_policy policy_of(u64 seed)
{
	switch (seed % 8) {
	case 5:
		return GPU_SCHED_EQUAL;
	case 6:
		return GPU_SCHED_FIXED;
	default:
		return GPU_SCHED_FAIR;
	}
}

/* What kind of run a seed is. */
static void describe(struct sim *s, bool big)
{
	u64 seed = s->seed;

	s->switching = seed % 8 == 7;
	s->limits = seed % 3 == 1 || seed % 8 == 7;
	s->steady = seed % 3 == 0 && !s->switching && policy_of(seed) != GPU_SCHED_FIXED && !big;
	s->changing = !s->steady && seed % 5 < 2;
	s->churn = !s->steady && seed % 2 == 0;
	s->count = big	       ? MAX_VGPUS
		   : s->steady ? (u32)between(&s->random, 2, 8)
			       : (u32)between(&s->random, 1, SMALL);
	s->depth = seed % 7 == 0 ? (u32)between(&s->random, 1, 4) : GPU_SCHED_DEPTH;
	s->overtaking = seed % 11 == 0 && !s->switching && policy_of(seed) != GPU_SCHED_FIXED;
	s->late = seed % 5 == 0 && !s->overtaking && !s->switching &&
		  policy_of(seed) != GPU_SCHED_FIXED;
	s->jobs = big ? BIG_JOBS : s->steady ? 3 * SMALL_JOBS : SMALL_JOBS;
}

static u64 run(struct sim *s, u64 seed, bool big, u64 minute_ns, FILE *trace)
{
	struct gpu_sched_config config = { .policy = policy_of(seed) };
	u64 end_ns;

	start(s, seed);
	describe(s, big);
	if (minute_ns) {
		s->steady = s->minute = true;
		s->limits = s->changing = s->churn = s->overtaking = s->late = s->switching = false;
		s->count = (u32)between(&s->random, 2, 8);
		s->jobs = NEVER;
		config.policy = seed % 4 ? GPU_SCHED_FAIR : GPU_SCHED_EQUAL;
	}
	s->now_ns = between(&s->random, 0, SECOND);
	end_ns = minute_ns ? s->now_ns + minute_ns : NEVER;
	config.slice_ns =
		s->limits ? magnitude(&s->random, GPU_SCHED_SLICE_MIN_NS, 8 * MS) : 2 * MS;
	config.depth = s->depth;
	config.slots = s->count;
	setup_run(s, &config);
	if (trace || seed % 16 == 0)
		trace_begin(s, trace);
	for (u32 i = 0; i < s->count; i++)
		join(s, i);
	dispatch(s);
	while (s->done < s->jobs && s->now_ns < end_ns)
		step(s);
	finish_run(s);
	return s->trace;
}

static FILE *trace_file(const char *path)
{
	FILE *file = path ? fopen(path, "w") : NULL;

	if (path && !file) {
		perror(path);
		exit(2);
	}
	return file;
}

static u64 number(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void report(u64 first, u64 count, double seconds)
{
	printf("sched.sim seeds %llu to %llu, %llu jobs, %.0f s\n", (unsigned long long)first,
	       (unsigned long long)(first + count - 1), (unsigned long long)total.jobs, seconds);
	printf("sched.sim checked: %llu lags, %llu of two, %llu newcomers, %llu waits, %llu reserves, "
	       "%llu latencies, %llu caps, %llu debts, %llu slots\n",
	       (unsigned long long)total.lags, (unsigned long long)total.pairs,
	       (unsigned long long)total.newcomers, (unsigned long long)total.waits,
	       (unsigned long long)total.guarantees, (unsigned long long)total.latencies,
	       (unsigned long long)total.caps, (unsigned long long)total.debts,
	       (unsigned long long)total.slots);
	printf("sched.sim done meanwhile: %llu parameters set (%llu refused), %llu holds and releases, "
	       "%llu policies; %llu runs isolated\n",
	       (unsigned long long)total.sets, (unsigned long long)total.refused,
	       (unsigned long long)total.holds, (unsigned long long)total.policies,
	       (unsigned long long)total.isolated);
	printf("sched.sim shares: error at most %.3f %% in %llu seconds (%llu more by the formula), "
	       "%.4f %% in %llu minutes (%llu more); Jain's index at least %.5f\n",
	       100 * total.worst_second,
	       (unsigned long long)(total.seconds - total.seconds_by_formula),
	       (unsigned long long)total.seconds_by_formula, 100 * total.worst_minute,
	       (unsigned long long)(total.minutes - total.minutes_by_formula),
	       (unsigned long long)total.minutes_by_formula, total.least_jain);
	printf("sched.sim latency: a job within its reserve waited %.1f ms at the most\n",
	       (double)total.worst_delay_ns / MS);
	printf("gpu_sched_sim: at most this part of each formula: lag %.3f (of two %.3f), wait %.3f, "
	       "reserve %.3f, latency %.3f, cap %.3f, debt %.3f\n",
	       total.worst_lag, total.worst_pair, total.worst_wait, total.worst_guarantee,
	       total.worst_latency, total.worst_cap, total.worst_debt);
}

int main(void)
{
	static struct sim s;
	FILE *file = trace_file(getenv("FACET_TRACE"));
	u64 one = number("FACET_SEED", 0);
	u64 first = one ? one : number("FACET_FIRST", 1);
	u64 count = one ? 1 : number("FACET_SEEDS", SEEDS);
	time_t began = time(NULL);

	for (u64 seed = first; seed < first + count; seed++) {
		bool big = seed % 100 == 0;
		u64 trace = run(&s, seed, big, 0, file);

		if (seed % 200 == 1 && run(&s, seed, big, 0, NULL) != trace)
			broken(&s, "order", "the run is not repeatable");
		if (seed % 10 == 3)
			isolation(&s, seed);
		if (seed % (SEEDS / MINUTES) == 4)
			run(&s, seed, false, 61 * SECOND, NULL);
	}
	report(first, count, difftime(time(NULL), began));
	return file ? fclose(file) : 0;
}
