/* SPDX-License-Identifier: Apache-2.0 */
/* The project's own error values; every function that can fail returns one. */
#ifndef CORE_LIB_ERROR_H
#define CORE_LIB_ERROR_H

enum err {
	OK = 0,
	ERR_INVALID,   /* an argument or a record is malformed */
	ERR_RANGE,     /* a number is outside what is allowed */
	ERR_NO_MEMORY, /* the pool that serves this is empty */
	ERR_QUOTA,     /* the owner's own limit is reached */
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_BUSY, /* not now: try again after an event */
	ERR_FULL,
	ERR_DENIED,	 /* well-formed, but not permitted */
	ERR_FAULT,	 /* a guest address that is not the guest's RAM */
	ERR_UNSUPPORTED, /* the hardware or this version cannot */
	ERR_TIMEOUT,
	ERR_DEVICE, /* the device answered with an error */
};

/* A short lower-case text for `e`, never NULL. */
const char *err_name(enum err e);

#endif
