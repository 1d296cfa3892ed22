// SPDX-License-Identifier: Apache-2.0
/* Texts for the project's error values. */
#include "core/lib/error.h"

#include "core/lib/types.h"

static const char *const names[] = {
	[OK] = "ok",
	[ERR_INVALID] = "malformed",
	[ERR_RANGE] = "out of range",
	[ERR_NO_MEMORY] = "out of memory",
	[ERR_QUOTA] = "over its quota",
	[ERR_NOT_FOUND] = "not found",
	[ERR_EXISTS] = "exists already",
	[ERR_BUSY] = "busy",
	[ERR_FULL] = "full",
	[ERR_DENIED] = "not permitted",
	[ERR_FAULT] = "address outside the guest's memory",
	[ERR_UNSUPPORTED] = "not supported",
	[ERR_TIMEOUT] = "timed out",
	[ERR_DEVICE] = "device error",
};

const char *err_name(enum err e)
{
	if ((u32)e >= ARRAY_SIZE(names) || !names[e])
		return "unknown error";
	return names[e];
}
