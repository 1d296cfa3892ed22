/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shooting translations down: core/vm.c (shoot_down), core/vcpu_run.c (enter),
 * core/sched.c (vcpu_kick), arch/x86/tlb.c (tlb_enter). docs/invalidation.md
 * explains; tests/model/shootdown.sh runs it.
 *
 * One space with one page, which is mapped and unmapped ROUNDS times; what is mapped
 * in round n is n, and is given away (reaped) when the shoot-down says so. vCPUs go
 * from CPU to CPU. A CPU remembers the page by the root of the tables until it is
 * told to forget; by tag (NPT) is the easier case of it, since a vCPU that moves
 * takes a fresh one.
 *
 * Memory is sequentially consistent here. On x86 a later load may overtake an
 * earlier store; the only such pair that counts is the store of in_guest and the load
 * of the epoch, and that store is an XCHG.
 *
 * Each BROKEN_ variant leaves one thing out and must be found wrong.
 */
#define VCPUS  2
#define CPUS   2
#ifndef ROUNDS
#define ROUNDS 2
#endif

byte mapped;	       /* the tables: what the page leads to, 0: nothing */
byte reaped;	       /* rounds up to this one have been given away */
byte epoch = 1;	       /* nested_space.epoch */
byte seen[CPUS];       /* nested_space.seen */
byte held[CPUS];       /* the TLB */
bool kick[CPUS];       /* an interrupt is pending */
bool busy[CPUS];
bool in_guest[VCPUS];
byte tag_epoch[VCPUS]; /* arch_vcpu.tag.epoch */
bool running[VCPUS];   /* guarded by the scheduler's lock: one atomic step each */
byte cpu_of[VCPUS];
bool waiting;

/* The guest uses what the TLB holds, or what a walk finds; a walk takes its time. */
inline guest_access(c, found)
{
	if
	:: held[c] -> assert(held[c] > reaped)
	:: else ->
		found = mapped;
		assert(!found || found > reaped);
		atomic {
			held[c] = found;
			found = 0 /* fewer states */
		}
	fi
}

inline tlb_enter(v, c, e, flush)
{
#ifndef BROKEN_EPOCH_FIRST
	e = epoch;
#endif
#ifdef BROKEN_MOVE /* as if one flush were good for every CPU */
	flush = tag_epoch[v] != e;
#else
	flush = seen[c] != e;
#endif
	seen[c] = e;
	tag_epoch[v] = e;
	if
	:: flush -> held[c] = 0
	:: else
	fi
}

proctype vcpu(byte v)
{
	byte c, e, found;
	bool flush;

picked:
	atomic { /* pick() */
		if
		:: !busy[0] -> c = 0
		:: !busy[1] -> c = 1
		fi;
		busy[c] = true;
		cpu_of[v] = c;
		running[v] = true
	}
	do
	:: kick[c] = false; /* interrupts_take_pending() */
#ifdef BROKEN_EPOCH_FIRST
		e = epoch;
#endif
		in_guest[v] = true;
		tlb_enter(v, c, e, flush);
		do /* in the guest; it may stay there for ever if nobody wants it out */
		:: !kick[c] -> guest_access(c, found)
		:: kick[c] -> break
		:: true -> break
		od;
		atomic {
			in_guest[v] = false;
			e = 0;
			flush = false
		}
	:: true -> break
	od;
	atomic { /* put() */
		running[v] = false;
		busy[c] = false;
		cpu_of[v] = 0;
		c = 0
	}
	goto picked
}

#ifdef BROKEN_STARVE /* a vCPU that comes back at once is never seen outside */
#define OLDER(v) (in_guest[v])
#else
#define OLDER(v) (in_guest[v] && tag_epoch[v] < mine)
#endif

inline vcpu_kick(v)
{
	atomic {
		if
		:: running[v] -> kick[cpu_of[v]] = true
		:: else
		fi
	}
}

proctype changer()
{
	byte round = 1, v, mine;

	do
	:: round <= ROUNDS ->
		mapped = round; /* absent before: nothing to flush */
#ifdef BROKEN_ORDER
		epoch++;
		mine = epoch;
		mapped = 0;
#else
		mapped = 0;
		epoch++;
		mine = epoch;
#endif
		waiting = true;
#ifndef BROKEN_NO_WAIT
#ifndef BROKEN_NO_KICK
		v = 0;
		do
		:: v < VCPUS ->
			if
			:: OLDER(v) -> vcpu_kick(v)
			:: else
			fi;
			v++
		:: else -> break
		od;
#endif
		v = 0;
		do
		:: v < VCPUS ->
#ifdef BROKEN_STARVE
			do /* it looks now and then; nobody makes it look at the right time */
			:: in_guest[v] -> skip
			:: !in_guest[v] -> break
			od;
#else
			do
			:: OLDER(v) -> skip
			:: else -> break
			od;
#endif
			v++
		:: else -> break
		od;
#endif
		reaped = round;
		waiting = false;
		round++
	:: else -> break
	od
}

init
{
	atomic {
		run vcpu(0);
		run vcpu(1);
		run changer()
	}
}

/* The waiter ends, if every process that can run does run now and then. */
ltl progress { [] (waiting -> <> !waiting) }
