/* SPDX-License-Identifier: Apache-2.0 */
/* What a room above core/ adds to facet.conf. */
#ifndef CORE_CONFIG_PART_H
#define CORE_CONFIG_PART_H

#include "core/config.h"
#include "core/config_keys.h"

struct parser;

/* Keys in sections that core/ knows, and rules that span several of them. */
struct config_part {
	const struct config_key *gpu_keys, *guest_keys;
	u32 gpu_key_count, guest_key_count;
	/* The whole file has been read; told of errors by the functions below. */
	void (*check)(struct parser *parser, struct config *config);
};

/* At start, once, before config_parse(). Static storage. */
void config_add(const struct config_part *added);

/* From config_part.check: `key` of `guest`, which stands in `line`, is wrong. */
void config_complain(struct parser *parser, const struct config_guest *guest, u32 line,
		     const char *key, const char *found, const char *allowed);

/*
 * Of the guests in the bit mask `members`, who divide something among them by the key `name`,
 * a weight: once one asks for a share of it, all must, since a share beside a weight means
 * nothing; and together they may ask for all of it at the most.
 */
void config_check_shares(struct parser *parser, const char *name, u32 members);

#endif
