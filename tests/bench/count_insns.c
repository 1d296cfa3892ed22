// SPDX-License-Identifier: Apache-2.0
/*
 * A plugin for QEMU: counts the instructions that the emulated processors execute.
 *
 *	cc -O2 -shared -fPIC -o count_insns.so count_insns.c
 *	qemu-system-x86_64 -plugin file=count_insns.so,counters=FILE ...
 *
 * FILE is made of two 64-bit numbers that grow as the machine runs: of those that lie where
 * Facet does (arch/x86/facet.lds), the second, and of all others. Linux puts its kernel 16 MiB
 * above that at the least. A block that is left early counts whole.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORTED    __attribute__((visibility("default")))
#define OPTION	    "counters="
#define FACET_AT    0xffffffff80000000ULL
#define FACET_BYTES 0x1000000ULL

enum {
	OTHERS,
	FACETS,
	COUNTERS
};

/* QEMU's interface to plugins, version 1 (docs/devel/tcg-plugins). */
EXPORTED extern int qemu_plugin_version;
EXPORTED int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);
struct qemu_plugin_tb;
typedef void translated_function(uint64_t id, struct qemu_plugin_tb *block);
typedef void executed_function(unsigned int cpu, void *data);
enum {
	QEMU_PLUGIN_CB_NO_REGS
};
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_function *function);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed_function *function,
					  int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);

int qemu_plugin_version = 1;

static uint64_t *counters;

/* `data`: bit 0 says whose the block is, those above how many instructions it has. */
static void executed(unsigned int cpu, void *data)
{
	uintptr_t what = (uintptr_t)data;

	(void)cpu;
	__atomic_fetch_add(&counters[what & 1], what >> 1, __ATOMIC_RELAXED);
}

static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
	uintptr_t facets = qemu_plugin_tb_vaddr(block) - FACET_AT < FACET_BYTES;
	uintptr_t what = (uintptr_t)qemu_plugin_tb_n_insns(block) << 1 | facets;

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS, (void *)what);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	const size_t bytes = COUNTERS * sizeof(*counters);
	int file = -1;

	(void)info;
	if (argc == 1 && !strncmp(argv[0], OPTION, strlen(OPTION)))
		file = open(argv[0] + strlen(OPTION), O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || ftruncate(file, (off_t)bytes)) {
		fputs("count_insns: give it a file, counters=FILE\n", stderr);
		return -1;
	}
	counters = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (counters == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
