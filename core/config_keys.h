/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys each section of facet.conf knows, and how each one's value is read. */
#ifndef CORE_CONFIG_KEYS_H
#define CORE_CONFIG_KEYS_H

#include "core/lib/parse.h"
#include "core/lib/types.h"

#define CONFIG_KEYS_MAX 23 /* in one section */

enum config_section {
	CONFIG_SECTION_HOST,  /* fills a struct config_host */
	CONFIG_SECTION_GPU,   /* fills a struct config_gpu */
	CONFIG_SECTION_GUEST, /* fills a struct config_guest */
	CONFIG_SECTION_NONE,
};

enum config_value {
	CONFIG_VALUE_WORD, /* one of those in `allowed`; its index is stored */
	CONFIG_VALUE_NUMBER,
	CONFIG_VALUE_RATE,   /* a number, or 0 */
	CONFIG_VALUE_SIZE,   /* bytes */
	CONFIG_VALUE_TIME,   /* ns */
	CONFIG_VALUE_WEIGHT, /* a number, or a share in hundredths of a percent */
	CONFIG_VALUE_SHARE,  /* tenths of a percent */
	CONFIG_VALUE_BAUD,
	CONFIG_VALUE_PORT,    /* com1 to com4 or a port number */
	CONFIG_VALUE_DEVICES, /* functions with commas between them: struct config_devices */
	CONFIG_VALUE_FILE,
	CONFIG_VALUE_TEXT,
};

struct config_key {
	const char *name;
	const char *allowed; /* for messages: what the value may be */
	enum config_value type;
	bool mandatory;
	u16 offset, size;   /* of the field in the section's struct, bytes */
	u64 min, max, step; /* inclusive; of numbers, sizes, times, lengths of text and of lists */
	u64 initial;	    /* the field without this key; texts are empty */
};

/* For rows of tables: where a field is in the section's struct; a key that takes one of some words.
 */
#define CONFIG_FIELD(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)
#define CONFIG_HOST(field)	  CONFIG_FIELD(struct config_host, field)
#define CONFIG_GPU(field)	  CONFIG_FIELD(struct config_gpu, field)
#define CONFIG_GUEST(field)	  CONFIG_FIELD(struct config_guest, field)
#define CONFIG_WORD(key, field, first, words) \
	{ \
		key, words, CONFIG_VALUE_WORD, false, field, 0, 0, 0, first \
	}
#define CONFIG_WEIGHT_ALLOWED "a weight from 1 to 10000, or a share from 1% to 100%"

/* The field of `key` in the section's struct. */
static inline const void *config_field(const struct config_key *key, const void *target)
{
	return (const u8 *)target + key->offset;
}

/* The keys of a section; *count at most CONFIG_KEYS_MAX. NONE has no keys. */
const struct config_key *config_keys(enum config_section section, u32 *count);

/* The fields of a zeroed `target`, the section's struct, as they are without keys. */
void config_set_defaults(enum config_section section, void *target);

/* At start: keys of a room above core/ behind those of a section. Copied; for ever. */
void config_add_keys(enum config_section section, const struct config_key *keys, u32 count);

/*
 * Read `value` into the field of `key` in `target`, the section's struct. False:
 * it is not what key->allowed says, and the field has not changed.
 */
bool config_key_set(const struct config_key *key, struct text value, void *target);

/* [0000:]bb:dd.f as a requester ID; segment 0 is the only one there is. OK; ERR_INVALID. */
enum err config_read_pci(struct text value, u64 *requester);

/* Is this weight written as a share, such as 50%? */
bool config_is_share(struct text value);

#endif
