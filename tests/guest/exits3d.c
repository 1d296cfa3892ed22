/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exit to the hypervisor costs a program that works on some memory: CPUID, which a guest
 * of Facet cannot execute without one, between two looks at each of N pages. The time of the looks
 * alone is taken off; what is left is the exit and what the processor had to find anew after it.
 */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE	  4096
#define PAGES_MAX 512
#define ROUNDS	  2000
#define TIMES	  5

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The least of a few: others use the machine, too. */
static double round_ns(const volatile uint8_t *memory, unsigned pages, int exits)
{
	double least = 1e18;

	for (int time = 0; time < TIMES; time++) {
		double start = now_ns();

		for (int round = 0; round < ROUNDS; round++) {
			uint32_t a, b, c, d;

			for (unsigned page = 0; page < pages; page++)
				(void)memory[page * PAGE];
			if (exits)
				__cpuid(0, a, b, c, d);
		}
		start = (now_ns() - start) / ROUNDS;
		least = start < least ? start : least;
	}
	return least;
}

int main(void)
{
	static const unsigned sizes[] = { 0, 64, 256, PAGES_MAX };
	uint8_t *memory = mmap(NULL, PAGES_MAX * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		double without = round_ns(memory, sizes[i], 0);

		printf("exit with %u pages: %.0f ns\n", sizes[i],
		       round_ns(memory, sizes[i], 1) - without);
		fflush(stdout);
	}
	return 0;
}
