// SPDX-License-Identifier: Apache-2.0
/*
 * A plugin for QEMU 7: its vhost-user-gpu refuses to work without KVM, though nothing
 * in it needs KVM (later versions do not refuse). The function that checks is entered
 * through here once, with the two variables set that it looks at.
 *
 *	cc -O2 -shared -fPIC -o vhost_shim.so vhost_shim.c
 *	qemu-system-x86_64 -accel tcg -plugin file=vhost_shim.so ...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED extern int qemu_plugin_version;
EXPORTED int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

int qemu_plugin_version = 1;

typedef int init_function(void *backend, void *device, unsigned int queues, void *error);

enum {
	JUMP_BYTES = 13
};

static init_function *init; /* QEMU's vhost_user_backend_dev_init() */
static uint8_t entry[JUMP_BYTES];
static bool *kvm_allowed, *kvm_eventfds_allowed;

static bool write_entry(const uint8_t *code)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)init & ~(page - 1);
	size_t bytes = (((uintptr_t)init + JUMP_BYTES + page - 1) & ~(page - 1)) - start;

	if (mprotect((void *)start, bytes, PROT_READ | PROT_WRITE | PROT_EXEC))
		return false;
	memcpy((void *)(uintptr_t)init, code, JUMP_BYTES);
	return !mprotect((void *)start, bytes, PROT_READ | PROT_EXEC);
}

static int init_as_with_kvm(void *backend, void *device, unsigned int queues, void *error)
{
	int result;

	if (!write_entry(entry)) {
		fputs("vhost_shim: QEMU's code cannot be restored\n", stderr);
		_exit(1);
	}
	*kvm_allowed = *kvm_eventfds_allowed = true;
	result = init(backend, device, queues, error);
	*kvm_allowed = *kvm_eventfds_allowed = false;
	return result;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	/* movabs r11, the address; jmp r11 */
	uint8_t jump[JUMP_BYTES] = { 0x49, 0xbb, [10] = 0x41, 0xff, 0xe3 };
	uint64_t target = (uintptr_t)init_as_with_kvm;

	(void)id, (void)info, (void)argc, (void)argv;
	init = (init_function *)dlsym(RTLD_DEFAULT, "vhost_user_backend_dev_init");
	kvm_allowed = dlsym(RTLD_DEFAULT, "kvm_allowed");
	kvm_eventfds_allowed = dlsym(RTLD_DEFAULT, "kvm_eventfds_allowed");
	if (!init || !kvm_allowed || !kvm_eventfds_allowed) {
		fputs("vhost_shim: this is not the QEMU that it was written for\n", stderr);
		return -1;
	}
	memcpy(entry, (void *)(uintptr_t)init, JUMP_BYTES);
	memcpy(jump + 2, &target, sizeof(target));
	return write_entry(jump) ? 0 : -1;
}
