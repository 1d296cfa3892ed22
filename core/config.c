// SPDX-License-Identifier: Apache-2.0
/* Reads facet.conf: lines, sections and keys, and lists everything that is wrong. */
#include "core/config.h"

#include "core/config_keys.h"
#include "core/config_part.h"
#include "core/lib/fmt.h"
#include "core/lib/parse.h"
#include "core/lib/string.h"

#define FOUND_SHOWN 40 /* characters of the user's text in a message */
#define LABEL_SHOWN 24
#define NAMED_MAX   ((CONFIG_MAX_GPUS + CONFIG_MAX_GUESTS) * CONFIG_MAX_DEVICES)
#define SECTIONS    "[host], [gpu 0] to [gpu 3], [guest NAME]"

/* Shares are kept as weights, in hundredths of a percent. */
#define SHARE_PERCENT 100
#define SHARE_TOTAL   10000

/* Written at start. */
static const struct config_part *part;

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* How one section writes its keys. */
struct notes {
	u32 lines[CONFIG_KEYS_MAX];   /* 0: it is not in the file */
	bool shares[CONFIG_KEYS_MAX]; /* a weight is written as a share */
};

/* One run over one file; on the stack of config_parse(). */
struct parser {
	const char *file;
	struct config *config;
	struct config_errors *errors;
	u32 line; /* that is being read, from 1 */

	enum config_section section;
	char label[LABEL_SHOWN + 3]; /* "[guest alpha]", for messages; or empty */
	void *target;		     /* the struct that the section's keys go to */
	struct notes *notes;	     /* of this section */
	bool ignore;		     /* no rule of its keys is known: one message was enough */
	bool incomplete;	     /* what is missing may stand in a line that was refused */
	u32 section_line;
	u32 host_line;

	struct notes gpu_notes[CONFIG_MAX_GPUS], guest_notes[CONFIG_MAX_GUESTS];
	struct {
		u16 bdf;
		u32 line;
	} named[NAMED_MAX]; /* the functions that sections are given for themselves */
	u32 named_count;

	/* What sections that cannot be kept are read into, so that their errors are told. */
	struct config_gpu spare_gpu;
	struct config_guest spare_guest;
	struct notes spare_notes;
};

/* ---- errors ---- */

/* Make room in the order of lines; NULL: there is none. */
static char *new_error(struct parser *p, u32 line)
{
	struct config_errors *errors = p->errors;
	u32 at = MIN(errors->count, CONFIG_ERRORS_KEPT);
	u32 last = MIN(errors->count, CONFIG_ERRORS_KEPT - 1);

	errors->count++;
	while (at && errors->kept[at - 1].line > line)
		at--;
	if (at == CONFIG_ERRORS_KEPT)
		return NULL;
	memmove(&errors->kept[at + 1], &errors->kept[at], (last - at) * sizeof(errors->kept[0]));
	errors->kept[at].line = line;
	return errors->kept[at].text;
}

/* FILE:LINE: [SECTION] KEY: found FOUND, allowed: ALLOWED */
static void report(struct parser *p, u32 line, const char *key, const char *found,
		   const char *allowed)
{
	char *text = new_error(p, line);
	bool both = *p->label && *key, any = *p->label || *key;

	if (text)
		fmt_snprintf(text, sizeof(p->errors->kept[0].text),
			     "%.32s:%u: %s%s%s%sfound %s, allowed: %s", p->file, line, p->label,
			     both ? " " : "", key, any ? ": " : "", found, allowed);
}

/* As much of the user's text as there is room for, with nothing unprintable in it. */
static const char *clean_copy(char *dst, size_t size, struct text text)
{
	(void)text_copy(dst, size, text);
	for (size_t i = 0; i < MIN(text.size, size - 1); i++)
		if (dst[i] < ' ' || dst[i] > '~')
			dst[i] = '?';
	return dst;
}

/* The same between quotation marks. */
static const char *quote(struct text text, char *buf, size_t size)
{
	char shown[FOUND_SHOWN + 1];

	clean_copy(shown, sizeof(shown), text);
	if (text.size > FOUND_SHOWN)
		fmt_snprintf(buf, size, "\"%s...\" (%lu characters)", shown, text.size);
	else
		fmt_snprintf(buf, size, "\"%s\"", shown);
	return buf;
}

static void report_value(struct parser *p, const char *key, struct text found, const char *allowed)
{
	char buf[FOUND_SHOWN + 32];

	report(p, p->line, key, quote(found, buf, sizeof(buf)), allowed);
}

static void report_twice(struct parser *p, const char *key, u32 first_line)
{
	char allowed[40];

	fmt_snprintf(allowed, sizeof(allowed), "once (it is in line %u)", first_line);
	report(p, p->line, key, "a second time", allowed);
}

/* ---- sections ---- */

/* The section ends: are its mandatory keys there? */
static void close_section(struct parser *p)
{
	u32 count;
	const struct config_key *keys = config_keys(p->section, &count);

	if (p->ignore || p->incomplete)
		return;
	for (u32 i = 0; i < count; i++)
		if (keys[i].mandatory && !p->notes->lines[i])
			report(p, p->section_line, keys[i].name, "nothing, but it must be there",
			       keys[i].allowed);
}

static void open_host(struct parser *p)
{
	p->section = CONFIG_SECTION_HOST;
	p->target = &p->config->host;
	if (p->host_line)
		report_twice(p, "", p->host_line);
	else
		p->host_line = p->line;
}

static void open_gpu(struct parser *p, struct text argument)
{
	struct config *config = p->config;
	u64 number;

	p->section = CONFIG_SECTION_GPU;
	p->target = &p->spare_gpu;
	if (parse_number(argument, &number) || number >= CONFIG_MAX_GPUS) {
		report(p, p->line, "", "no such GPU", "[gpu 0] to [gpu 3]");
	} else if (config->gpus[number].line) {
		report_twice(p, "", config->gpus[number].line);
	} else {
		p->target = &config->gpus[number];
		p->notes = &p->gpu_notes[number];
		config->gpus[number].line = p->line;
	}
}

static bool is_guest_name(struct text name)
{
	if (!name.size || name.size > CONFIG_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return true;
}

static const struct config_guest *find_guest(const struct config *config, struct text name)
{
	for (u32 i = 0; i < config->guest_count; i++)
		if (text_equal(name, config->guests[i].name))
			return &config->guests[i];
	return NULL;
}

static void open_guest(struct parser *p, struct text name)
{
	struct config *config = p->config;
	const struct config_guest *other = find_guest(config, name);
	struct config_guest *guest = &p->spare_guest;

	p->section = CONFIG_SECTION_GUEST;
	if (!is_guest_name(name)) {
		report_value(p, "", name, "a name of 1 to 16 letters, digits, - and _");
	} else if (other) {
		report_twice(p, "", other->line);
		p->incomplete = true; /* the first one has what is missing here */
	} else if (config->guest_count == CONFIG_MAX_GUESTS) {
		report(p, p->line, "", "one guest more", "16 guests");
	} else {
		p->notes = &p->guest_notes[config->guest_count];
		guest = &config->guests[config->guest_count++];
	}
	*guest = (struct config_guest){ .line = p->line };
	config_set_defaults(CONFIG_SECTION_GUEST, guest);
	(void)text_copy(guest->name, sizeof(guest->name), name);
	p->target = guest;
}

/* `inner` is what stands between the brackets. */
static void open_section(struct parser *p, struct text inner)
{
	struct text word = { inner.at, 0 }, argument;
	char clean[LABEL_SHOWN + 1];

	while (word.size < inner.size && inner.at[word.size] != ' ' && inner.at[word.size] != '\t')
		word.size++;
	argument = text_trim((struct text){ inner.at + word.size, inner.size - word.size });
	fmt_snprintf(p->label, sizeof(p->label), "[%s]", clean_copy(clean, sizeof(clean), inner));

	if (text_equal(word, "host") && !argument.size) {
		open_host(p);
	} else if (text_equal(word, "gpu")) {
		open_gpu(p, argument);
	} else if (text_equal(word, "guest")) {
		open_guest(p, argument);
	} else {
		p->ignore = true;
		report(p, p->line, "", "an unknown section", SECTIONS);
	}
}

static void section_line(struct parser *p, struct text line)
{
	close_section(p);
	p->section = CONFIG_SECTION_NONE;
	p->section_line = p->line;
	p->label[0] = 0;
	p->ignore = false;
	p->incomplete = false;
	memset(&p->spare_notes, 0, sizeof(p->spare_notes));
	p->notes = &p->spare_notes;
	if (line.at[line.size - 1] == ']') {
		open_section(p, text_trim((struct text){ line.at + 1, line.size - 2 }));
		return;
	}
	p->ignore = true;
	report_value(p, "", line, "[SECTION] or KEY = VALUE");
}

/* ---- keys ---- */

static void report_unknown_key(struct parser *p, struct text name)
{
	char names[256] = "", shown[LABEL_SHOWN + 1];
	u32 count, used = 0;
	const struct config_key *keys = config_keys(p->section, &count);

	for (u32 i = 0; i < count && used < sizeof(names); i++)
		used += (u32)fmt_snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					  keys[i].name);
	report(p, p->line, clean_copy(shown, sizeof(shown), name), "an unknown key", names);
}

static const struct config_key *find_key(const struct parser *p, struct text name, u32 *index)
{
	u32 count;
	const struct config_key *keys = config_keys(p->section, &count);

	for (*index = 0; *index < count; ++*index)
		if (text_equal(name, keys[*index].name))
			return &keys[*index];
	return NULL;
}

/* A section's functions are its own: none may have been named by another one before. */
static void name_devices(struct parser *p, const char *key, const struct config_devices *devices)
{
	char found[64], allowed[64];

	for (u32 i = 0; i < devices->count; i++) {
		u16 bdf = devices->bdf[i];
		u32 at = 0;

		while (at < p->named_count && p->named[at].bdf != bdf)
			at++;
		if (at == p->named_count) {
			p->named[at].bdf = bdf;
			p->named[p->named_count++].line = p->line;
			continue;
		}
		fmt_snprintf(found, sizeof(found), "%02x:%02x.%x, which another section names",
			     bdf >> 8, bdf >> 3 & 31, bdf & 7);
		fmt_snprintf(allowed, sizeof(allowed), "each function once (it is in line %u)",
			     p->named[at].line);
		report(p, p->line, key, found, allowed);
	}
}

static void key_line(struct parser *p, struct text name, struct text value)
{
	u32 index;
	const struct config_key *key = find_key(p, name, &index);
	char shown[LABEL_SHOWN + 1];

	if (p->ignore)
		return;
	if (p->section == CONFIG_SECTION_NONE) {
		report(p, p->line, clean_copy(shown, sizeof(shown), name), "no section before it",
		       SECTIONS);
	} else if (!key) {
		report_unknown_key(p, name);
	} else if (p->notes->lines[index]) {
		report_twice(p, key->name, p->notes->lines[index]);
	} else {
		p->notes->lines[index] = p->line;
		p->notes->shares[index] = config_is_share(value);
		if (!config_key_set(key, value, p->target))
			report_value(p, key->name, value, key->allowed);
		else if (key->type == CONFIG_VALUE_DEVICES && p->section != CONFIG_SECTION_HOST &&
			 p->notes != &p->spare_notes)
			name_devices(p, key->name, config_field(key, p->target));
	}
}

/* ---- lines ---- */

/* Where the comment begins: at # as first character or after a blank or tab. */
static size_t find_comment(struct text line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.at[i] == '#' && (!i || line.at[i - 1] == ' ' || line.at[i - 1] == '\t'))
			return i;
	return line.size;
}

/* The first byte that must not stand here, or line.size. Comments may be UTF-8. */
static size_t find_bad_byte(struct text line, size_t comment)
{
	for (size_t i = 0; i < line.size; i++) {
		u8 c = (u8)line.at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f || (c >= 0x80 && i < comment))
			return i;
	}
	return line.size;
}

/* The line's text before `=`, and what is behind it. False: there is no `=`. */
static bool split(struct text line, struct text *name, struct text *value)
{
	size_t at = 0;

	while (at < line.size && line.at[at] != '=')
		at++;
	*name = text_trim((struct text){ line.at, at });
	if (at == line.size)
		return false;
	*value = text_trim((struct text){ line.at + at + 1, line.size - at - 1 });
	return name->size > 0;
}

static void report_bad_byte(struct parser *p, struct text line, size_t at, struct text content)
{
	const struct config_key *key = NULL;
	struct text name, value;
	char found[64];
	u32 index;

	if (split(content, &name, &value))
		key = find_key(p, name, &index);
	p->incomplete = true;
	fmt_snprintf(found, sizeof(found), "the byte 0x%02x in column %lu", (u8)line.at[at],
		     at + 1);
	report(p, p->line, key ? key->name : "", found, "printable ASCII, and UTF-8 in comments");
}

static void content_line(struct parser *p, struct text content)
{
	struct text name, value;

	if (split(content, &name, &value)) {
		key_line(p, name, value);
		return;
	}
	if (p->ignore)
		return;
	p->incomplete = true;
	report_value(p, "", content, "[SECTION] or KEY = VALUE");
}

static void read_line(struct parser *p, struct text line)
{
	struct text content;
	size_t comment, bad;

	if (line.size && line.at[line.size - 1] == '\r')
		line.size--;
	comment = find_comment(line);
	content = text_trim((struct text){ line.at, comment });
	bad = find_bad_byte(line, comment);
	if (bad < line.size)
		report_bad_byte(p, line, bad, content);
	if (content.size && content.at[0] == '[')
		section_line(p, content);
	else if (content.size && bad == line.size)
		content_line(p, content);
}

/* ---- rules that span sections ---- */

void config_complain(struct parser *p, const struct config_guest *guest, u32 line, const char *key,
		     const char *found, const char *allowed)
{
	fmt_snprintf(p->label, sizeof(p->label), "[guest %s]", guest->name);
	report(p, line, key, found, allowed);
}

void config_check_shares(struct parser *p, const char *name, u32 members)
{
	u32 index, sum = 0, sharers = 0;
	const struct config_key *key;

	p->section = CONFIG_SECTION_GUEST;
	key = find_key(p, (struct text){ name, strlen(name) }, &index);
	for (u32 i = 0; i < p->config->guest_count; i++)
		if (members & BIT(i) && p->guest_notes[i].shares[index])
			sharers |= (u32)BIT(i);
	for (u32 i = 0; i < p->config->guest_count && sharers; i++) {
		const struct config_guest *guest = &p->config->guests[i];
		u32 key_line = p->guest_notes[i].lines[index];
		u32 line = key_line ? key_line : guest->line;
		char found[40];

		if (!(members & BIT(i)))
			continue;
		if (!p->guest_notes[i].shares[index]) {
			config_complain(p, guest, line, name,
					"a weight beside other guests' shares",
					"a share, such as 50%");
			continue;
		}
		sum += *(const u32 *)config_field(key, guest);
		fmt_snprintf(found, sizeof(found), "shares of %u%% up to here",
			     sum / SHARE_PERCENT);
		if (sum > SHARE_TOTAL)
			config_complain(p, guest, line, name, found,
					"100% for all guests together");
	}
}

void config_add(const struct config_part *added)
{
	part = added;
	config_add_keys(CONFIG_SECTION_GPU, added->gpu_keys, added->gpu_key_count);
	config_add_keys(CONFIG_SECTION_GUEST, added->guest_keys, added->guest_key_count);
}

void config_parse(const char *file, const char *text, size_t size, struct config *config,
		  struct config_errors *errors)
{
	struct parser p = {
		.file = file, .config = config, .errors = errors, .section = CONFIG_SECTION_NONE
	};
	size_t start = 0, end;

	memset(config, 0, sizeof(*config));
	memset(errors, 0, sizeof(*errors));
	config_set_defaults(CONFIG_SECTION_HOST, &config->host);
	for (u32 i = 0; i < CONFIG_MAX_GPUS; i++)
		config_set_defaults(CONFIG_SECTION_GPU, &config->gpus[i]);
	if (size >= sizeof(byte_order_mark) - 1 &&
	    !memcmp(text, byte_order_mark, sizeof(byte_order_mark) - 1))
		start = sizeof(byte_order_mark) - 1;
	for (; start < size; start = end + 1) {
		for (end = start; end < size && text[end] != '\n'; end++)
			;
		p.line++;
		read_line(&p, (struct text){ text + start, end - start });
	}
	close_section(&p);
	config_check_shares(&p, "cpu.weight", ~0U);
	if (part)
		part->check(&p, config);
}
