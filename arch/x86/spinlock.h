/* SPDX-License-Identifier: Apache-2.0 */
/* Ticket spin locks; the order in which locks nest is in docs/locking.md. */
#ifndef ARCH_X86_SPINLOCK_H
#define ARCH_X86_SPINLOCK_H

#include "core/lib/types.h"

/* Zero-initialised is unlocked. FIFO, so waiting is bounded by the holders. */
struct spinlock {
	u32 next;  /* ticket that the next taker draws */
	u32 owner; /* ticket that may enter */
};

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* The hypervisor runs with IF = 0 throughout, so no flags are saved. */
static inline void spin_lock(struct spinlock *lock)
{
	u32 ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		cpu_relax();
}

static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
}

/*
 * Holds `lock` from here to the end of the block, whichever way that is left. One a block, and
 * only where the lock may be held until then.
 */
#define spin_guard(lock) \
	struct spinlock *guard __attribute__((cleanup(spin_release), unused)) = spin_hold(lock)

static inline struct spinlock *spin_hold(struct spinlock *lock)
{
	spin_lock(lock);
	return lock;
}

static inline void spin_release(struct spinlock **held)
{
	spin_unlock(*held);
}

static inline bool spin_try_lock(struct spinlock *lock)
{
	u32 owner = __atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE);
	u32 expected = owner;

	return __atomic_compare_exchange_n(&lock->next, &expected, owner + 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

#endif
