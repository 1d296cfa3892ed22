/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vGPU that works without doorbells: gpu/virtio/intake.c (intake_step, choose_doorbells),
 * gpu/virtio/teardown.c (virtio_vgpu_job_done), gpu/virtio/vring.c (vring_ask_notify,
 * vring_has_more), core/vm.c (vcpu_queue_work), core/sched.c (vcpu_request, put),
 * core/vcpu_run.c (run_until_leave, enter). tests/model/doorbells.sh runs it.
 *
 * The driver makes requests available, one after another or no more, on any vCPU: behind each it
 * looks at the used ring's flags, and rings if they let it. vCPU 0 runs the intake; its guest stays
 * in for ever, exits at any time or halts for ever. The owner CPU ends jobs one by one, the last
 * among them, and sends one of our own behind some. Another vGPU wants the GPU or not, at any
 * moment. Left out: resets, guests that are slowed, and the cursor's queue, which keeps its doorbells.
 *
 * What is between two semicolons is one step, and so is what only the holder of a lock sees.
 * Memory is sequentially consistent: the driver has a full barrier between the index and the
 * flags (2.7.13.4.1), and vring_has_more() one between the flags and the index.
 *
 * To show: each request is taken some day. So it is without vcpu.at_exit (NO_AT_EXIT), by which
 * requests are found sooner. Each BROKEN_ variant leaves one thing out and must be found wrong.
 */
#define RING  2 /* requests in the ring */
#define LIMIT 2 /* jobs of the guest that may be out: queue_limit */

byte ready;	     /* in the ring and not taken: the available index less next_avail */
byte watched;	     /* one of them, by its place in the ring, 1 is the next; 0: none */
bool silent;	     /* the used ring's flags: VIRTQ_USED_F_NO_NOTIFY */

bool locked;	     /* vgpu.lock, held by a step of the intake */
bool drawn;	     /* the owner CPU has a ticket for it */
byte jobs;	     /* guarded by it, as are the next three: guest_jobs() */
bool ours;	     /* internal->taken */
bool wait_job, wait_idle;
bool looks;
bool at_exit;	     /* vcpu.at_exit is not NULL */

bool queued;	     /* the intake is in vcpu.work */
bool request;	     /* VCPU_REQ_WORK in vcpu.requests */
bool running = true; /* vcpu.state, guarded by the scheduler's lock; READY is as good here */
bool kick;	     /* an interrupt is pending on its CPU */

/* vcpu_queue_work() and vcpu_request() */
inline queue()
{
	was = queued;
	queued = true
}

inline send_request(from_afar)
{
	if
	:: !was && !request ->
		request = true;
		if
#ifdef BROKEN_NO_KICK
		:: from_afar -> running = true
#else
		:: from_afar ->
			kick = running;
			running = true
#endif
		:: else
		fi
	:: else
	fi;
	was = false
}

proctype driver()
{
	bool was, rings;

	do
	:: true -> skip /* it has nothing to draw */
	:: ready < RING ->
#ifdef BROKEN_NO_BARRIER
		rings = !silent;
#endif
		atomic {
			ready++;
			if
			:: watched == 0 -> watched = ready
			:: true
			fi
		}
#ifndef BROKEN_NO_BARRIER
		rings = !silent;
#endif
		if
		:: atomic { rings ->
				rings = false;
				queue() };
			atomic { send_request(true) }
		:: else
		fi
	od
}

/* One request: an answer now, a job, or what has to wait. */
inline take_command()
{
	if
	:: jobs == LIMIT ->
		wait_job = true;
		more = false
	:: jobs < LIMIT && ready > 0 && (jobs > 0 || ours) -> /* the answer to a fence */
		wait_idle = true;
		more = false
	:: jobs < LIMIT && ready > 0 ->
		ready--;
		watched = (watched > 0 -> watched - 1 : 0);
		if
		:: jobs++
		:: true
		fi
	:: jobs < LIMIT && ready == 0 -> more = false
	fi
}

inline choose_doorbells()
{
	atomic {
		if
		:: jobs > 0 -> want = true /* alone */
		:: want = false
		fi
	}
	if
	:: want != looks ->
#ifdef BROKEN_RECHECK_FIRST
		more = more || ready > 0;
		silent = want;
#else
		silent = want;
#ifndef BROKEN_NO_RECHECK
		more = more || ready > 0;
#endif
#endif
		atomic {
			looks = want;
#ifndef NO_AT_EXIT
			at_exit = want;
#endif
			want = false
		}
	:: atomic { else -> want = false }
	fi
}

inline intake_step()
{
	atomic {
		!locked && !drawn ->
			locked = true;
			more = true;
			wait_job = false;
			wait_idle = false
	}
	do
	:: atomic { more ->
			take_command();
			if
			:: more -> break /* COMMANDS_A_STEP, or a stage that is a step */
			:: true
			fi }
	:: else -> break
	od;
	if
	:: !wait_job && !wait_idle -> choose_doorbells()
	:: else
	fi;
	locked = false
}

proctype vcpu0()
{
	bool was, more, want, halted;

again:	kick = false;	 /* interrupts_take_pending() */
	request = false; /* take_requests() */
	if
	:: atomic { queued -> queued = false };
		intake_step();
		if
		:: atomic { more ->
				more = false;
				queue() };
			atomic { send_request(false) }
		:: else
		fi;
		goto again
	:: else
	fi;
	if
	:: halted ->
		atomic { /* put() */
#ifdef BROKEN_PUT
			running = false
#else
			running = request
#endif
		}
		do
		:: running -> break
		:: !running /* for ever, if nobody wants it */
		:: atomic { !running -> /* an interrupt for the guest */
				running = true;
				halted = false;
				break }
		od;
		goto again
	:: else
	fi;
	if
	:: request -> goto again
	:: else
	fi;
	do
	:: !kick /* for ever, if nobody wants it out */
	:: kick -> break
	:: true -> break
	:: atomic { true ->
			halted = true;
			break }
	od;
	if
	:: atomic { at_exit -> queue() };
		atomic { send_request(false) }
	:: else
	fi;
	goto again
}

proctype owner()
{
	bool was, wakes;

end:	do
	:: jobs > 0 || ours ->
		drawn = true;
		atomic {
			!locked ->
				drawn = false;
				if
				:: jobs > 0 ->
					jobs--;
#ifndef BROKEN_LAST_JOB
					wakes = looks && jobs == 0;
#endif
					if /* internal_advance() */
					:: ours = true
					:: true
					fi
				:: ours ->
					ours = false;
#ifndef BROKEN_LAST_JOB
					wakes = looks && jobs == 0
#endif
				fi;
				wakes = wakes || wait_job || (wait_idle && jobs == 0 && !ours);
				if
				:: wakes -> queue()
				:: else
				fi
		}
		if
		:: atomic { wakes ->
				wakes = false;
				send_request(true) }
		:: else
		fi
	od
}

init
{
	atomic {
		run driver();
		run vcpu0();
		run owner()
	}
}

ltl taken { [] (watched > 0 -> <> (watched == 0)) }
