/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing jobs to a GPU's owner CPU: gpu/gpu.c (gpu_enqueue, gpu_wake, service, the timer at
 * gpu_sched_next_ns()), core/irq.c (softirq_raise; the bit is cleared before its handler runs).
 * tests/model/gpu_handoff.sh runs it.
 *
 * Guests' CPUs queue jobs under gpu.lock and raise the softirq. The owner CPU takes back
 * what the device has finished, and picks and submits until the scheduler has
 * nothing, DEPTH are in flight or its budget is used up. A completion may send the vGPU to
 * sleep (its cap), and only time lets it on.
 *
 * What is between two semicolons is one step, and so is what gpu.lock guards. Memory is
 * sequentially consistent: the softirq's bit is set and cleared by locked instructions.
 *
 * To show: a job that may be picked while the engine is idle is picked some day.
 * Each BROKEN_ variant leaves one thing out and must be found wrong.
 */
#define GUESTS 2
#define DEPTH  2
#ifndef JOBS
#define JOBS   2 /* of each guest */
#endif
#define BUDGET 1 /* of one service */

byte queued;	/* gpu.sched, guarded by gpu.lock */
byte in_flight; /* the same, as the scheduler counts */
bool asleep;	/* the same: nothing may be picked */
byte running;	/* the device has them */
byte finished;	/* the device is done with them, nobody has looked */
bool raised;	/* the softirq's bit on the owner CPU */
bool armed;	/* the timer, for when the sleep ends */
bool over;	/* the time of the sleep has come */

proctype guest()
{
	byte left = JOBS;

	do
	:: left > 0 ->
#ifdef BROKEN_RAISE_FIRST
		raised = true;
		queued++;
#else
		queued++;
#ifndef BROKEN_NO_RAISE
		raised = true;
#endif
#endif
		left--
	:: else -> break
	od
}

proctype device()
{
end:	do
	:: atomic {
		running > 0 ->
			running--;
			finished++
	}
	raised = true /* its interrupt */
	od
}

/* Time goes on, and the timer's interrupt comes where one was set. */
proctype time()
{
end:	do
	:: asleep && !over -> over = true
	:: atomic {
		armed && over ->
			armed = false;
			raised = true
	}
	od
}

proctype owner()
{
	byte found, budget;
	bool picked;

end:	do
	:: raised ->
#ifndef BROKEN_CLEAR_LATE
		raised = false;
#endif
		/* take back what is finished, and charge */
		atomic {
			found = finished;
			finished = 0
		}
		atomic {
			in_flight = in_flight - found;
			if
			:: found > 0 && !asleep ->
				asleep = true;
				over = false
			:: true
			fi;
			found = 0
		}
		/* pick and submit */
		budget = BUDGET;
		do
		:: budget == 0 ->
#ifndef BROKEN_BUDGET
			raised = true;
#endif
			break
		:: budget > 0 ->
			atomic {
				if
				:: asleep && over -> asleep = false
				:: else
				fi;
				picked = queued > 0 && in_flight < DEPTH && !asleep;
				if
				:: picked ->
					queued--;
					in_flight++
				:: else
				fi
			}
			if
			:: picked ->
				if
				:: running++
				:: in_flight-- /* the device does not take it: complete at once */
				fi;
				budget--
			:: else -> break
			fi
		od;
#ifndef BROKEN_NO_TIMER
		/* what gpu_sched_next_ns() says */
		atomic {
			if
#ifdef BROKEN_TIMER_ONLY_IDLE /* set only where something was queued when it fell asleep */
			:: asleep && queued > 1 -> armed = true
#else
			:: asleep && in_flight < DEPTH -> armed = true
#endif
			:: else
			fi
		}
#endif
#ifdef BROKEN_CLEAR_LATE
		raised = false;
#endif
	od
}

init
{
	atomic {
		run guest();
		run guest();
		run device();
		run time();
		run owner()
	}
}

ltl picked { [] ((queued > 0 && in_flight == 0) -> <> (in_flight > 0)) }
