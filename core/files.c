// SPDX-License-Identifier: Apache-2.0
/* The files of the boot volume, mapped read-only. */
#include "core/files.h"

#include "core/lib/string.h"
#include "core/vmap.h"

/* Written at start only. */
static struct boot_file files[HANDOVER_FILES_MAX];
static u32 file_count;

static const char *error_text(u64 status)
{
	switch (status) {
	case HANDOVER_FILE_READ:
		return NULL;
	case HANDOVER_FILE_MISSING:
		return "it is not in \\facet on the boot volume, or is empty";
	case HANDOVER_FILE_NO_MEMORY:
		return "there was not enough memory to read it";
	default:
		return "the boot volume could not be read";
	}
}

enum err files_init(const struct handover *record)
{
	for (u64 i = 0; i < record->file_count; i++) {
		const struct handover_file *from = &record->files[i];
		struct boot_file *file = &files[file_count++];

		file->name = from->name;
		file->size = from->size;
		file->error = error_text(from->status);
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
