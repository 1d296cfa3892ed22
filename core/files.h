/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the boot volume gave us, kept for restarts of guests. */
#ifndef CORE_FILES_H
#define CORE_FILES_H

#include "core/handover.h"
#include "core/lib/error.h"
#include "core/lib/types.h"

struct boot_file {
	const char *name;  /* as the configuration writes it */
	const void *data;  /* mapped read-only for good; NULL when `error` is set */
	u64 size;	   /* bytes */
	const char *error; /* why it is not there, for the user; NULL: it is */
};

/* Map what the hand-over record lists; at start only. `record` must stay. */
must_check enum err files_init(const struct handover *record);

/* The file called `name`, or NULL when the volume was not asked for it. */
const struct boot_file *boot_file_find(const char *name);

#endif
