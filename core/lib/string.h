/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and string functions; on the build host the C library's own. */
#ifndef CORE_LIB_STRING_H
#define CORE_LIB_STRING_H

#include "core/lib/types.h"

#ifdef FACET_HOST
#include <string.h>
#else
void *memcpy(void *dst, const void *src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
#endif

/* Copies and always terminates (size > 0). False: it was cut. */
bool str_copy(char *dst, size_t size, const char *src);
bool str_equal(const char *a, const char *b);

#endif
