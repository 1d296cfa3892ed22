// SPDX-License-Identifier: Apache-2.0
/* The files of the boot volume, mapped read-only. */
#include "core/files.h"

#include "core/lib/string.h"
#include "core/vmap.h"

/* Written at start only. */
static struct boot_file files[HANDOVER_FILES_MAX];
static u32 file_count;

static const char *const errors[] = {
	[HANDOVER_FILE_READ] = NULL,
	[HANDOVER_FILE_MISSING] = "it is not in \\facet on the boot volume, or is empty",
	[HANDOVER_FILE_NO_MEMORY] = "there was not enough memory to read it",
	[HANDOVER_FILE_IO_ERROR] = "the boot volume could not be read",
};

enum err files_init(const struct handover *record)
{
	for (u64 i = 0; i < record->file_count; i++) {
		const struct handover_file *from = &record->files[i];
		struct boot_file *file = &files[file_count++];

		file->name = from->name;
		file->size = from->size;
		file->error = errors[MIN(from->status, HANDOVER_FILE_IO_ERROR)];
		if (file->error)
			continue;
		file->data = vmap_readonly(HPA(from->base), from->size);
		if (!file->data)
			return ERR_NO_MEMORY;
	}
	return OK;
}

const struct boot_file *boot_file_find(const char *name)
{
	for (u32 i = 0; i < file_count; i++)
		if (str_equal(files[i].name, name))
			return &files[i];
	return NULL;
}
