/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a GL program of a test guest: keeps the command streams that Mesa's virgl
 * driver hands to the kernel, as seeds for the fuzzer of the audit.
 *
 * RECORD3D=PREFIX in the environment. The program's submission number N, counted from 0, becomes
 *
 *	PREFIX-N.bin		the stream: 32-bit words, little-endian
 *	PREFIX-N.resources.txt	the context's resources at that time, one a line; each number
 *				is as in RESOURCE_CREATE_3D, in decimal
 *
 * Of them all it keeps the first FIRST, so that a context's history is whole up to there, and
 * then those whose sequence of commands did not occur before.
 */

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <virtgpu_drm.h>

#define FIRST	  24
#define SEQUENCES 64
#define RESOURCES 4096
#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u

static struct {
	pthread_mutex_t lock; /* guards all the rest */
	unsigned int submissions;
	uint64_t sequences[SEQUENCES];
	unsigned int sequence_count;
	struct drm_virtgpu_resource_create resources[RESOURCES]; /* bo_handle 0: none */
} record = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* FNV-1a over commands and their object types; how long each is does not count. */
static uint64_t sequence_of(const uint32_t *words, uint32_t count)
{
	uint64_t hash = FNV_BASIS;

	for (uint32_t at = 0; at < count; at += 1 + (words[at] >> 16))
		hash = (hash ^ (words[at] & 0xffff)) * FNV_PRIME;
	return hash;
}

static bool is_new(const uint32_t *words, uint32_t count)
{
	uint64_t sequence = sequence_of(words, count);

	for (unsigned int i = 0; i < record.sequence_count; i++)
		if (record.sequences[i] == sequence)
			return false;
	if (record.sequence_count == SEQUENCES)
		return false;
	record.sequences[record.sequence_count++] = sequence;
	return true;
}

static FILE *open_file(const char *prefix, const char *suffix)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s-%05u%s", prefix, record.submissions, suffix);
	file = fopen(path, "w");
	if (!file)
		perror(path);
	return file;
}

static void keep_resources(const char *prefix)
{
	FILE *file = open_file(prefix, ".resources.txt");

	if (!file)
		return;
	fputs("# id target format bind width height depth array_size last_level nr_samples "
	      "flags\n",
	      file);
	for (unsigned int i = 0; i < RESOURCES; i++) {
		const struct drm_virtgpu_resource_create *r = &record.resources[i];

		if (r->bo_handle)
			fprintf(file, "%u %u %u %u %u %u %u %u %u %u %u\n", r->res_handle,
				r->target, r->format, r->bind, r->width, r->height, r->depth,
				r->array_size, r->last_level, r->nr_samples, r->flags);
	}
	fclose(file);
}

static void keep_stream(const struct drm_virtgpu_execbuffer *e)
{
	const char *prefix = getenv("RECORD3D");
	const uint32_t *words = (const uint32_t *)(uintptr_t)e->command;
	bool new = is_new(words, e->size / 4);
	FILE *file;

	if (prefix && e->size && (new || record.submissions < FIRST)) {
		file = open_file(prefix, ".bin");
		if (file) {
			fwrite(words, 1, e->size, file);
			fclose(file);
			keep_resources(prefix);
		}
	}
	record.submissions++;
}

static void add_resource(const struct drm_virtgpu_resource_create *created)
{
	for (unsigned int i = 0; i < RESOURCES; i++) {
		if (!record.resources[i].bo_handle) {
			record.resources[i] = *created;
			return;
		}
	}
	fputs("record3d: too many resources\n", stderr);
}

static void remove_resource(uint32_t bo_handle)
{
	for (unsigned int i = 0; i < RESOURCES; i++)
		if (record.resources[i].bo_handle == bo_handle)
			record.resources[i].bo_handle = 0;
}

/* By number alone: the size of the argument, which is part of a request, grows with versions. */
static bool is(unsigned long request, unsigned int number)
{
	return _IOC_TYPE(request) == DRM_IOCTL_BASE && _IOC_NR(request) == number;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;
	int result;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);

	pthread_mutex_lock(&record.lock);
	if (is(request, DRM_COMMAND_BASE + DRM_VIRTGPU_EXECBUFFER))
		keep_stream(argument);
	else if (is(request, _IOC_NR(DRM_IOCTL_GEM_CLOSE)))
		remove_resource(((struct drm_gem_close *)argument)->handle);
	pthread_mutex_unlock(&record.lock);

	result = (int)syscall(SYS_ioctl, fd, request, argument);

	pthread_mutex_lock(&record.lock);
	if (!result && is(request, DRM_COMMAND_BASE + DRM_VIRTGPU_RESOURCE_CREATE))
		add_resource(argument);
	pthread_mutex_unlock(&record.lock);
	return result;
}
