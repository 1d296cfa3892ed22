/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a virgl command stream, command by command; see virgl.h. */
#include "gpu/virtio/virgl.h"

#include "core/lib/string.h"
#include "gpu/virtio/virgl_proto.h"
#include "gpu/virtio/virgl_rules.h"

#define AT(position)   ((position)&0x7f) /* of VIRGL_RESOURCE() and VIRGL_OBJECT() */
#define WHAT(position) ((position) >> 16)

const struct virgl_budget virgl_job_limit = {
	.dwords = VIRGL_JOB_DWORDS,
	.commands = VIRGL_JOB_COMMANDS,
	.vertices = VIRGL_JOB_VERTICES,
	.pixels = VIRGL_JOB_PIXELS,
};

void virgl_audit_start(struct virgl_audit *audit, struct virgl_objects *objects, u32 context,
		       u32 *stream, u32 dwords, const struct virgl_names *names,
		       const struct virgl_budget *limit)
{
	memset(audit, 0, sizeof(*audit));
	audit->stream = stream;
	audit->count = dwords;
	audit->objects = objects;
	audit->context = context;
	audit->names = *names;
	audit->limit = limit ? *limit : virgl_job_limit;
}

/* ---- cutting ---- */

static struct virgl_budget sum(const struct virgl_budget *a, const struct virgl_budget *b)
{
	return (struct virgl_budget){
		.dwords = a->dwords + b->dwords,
		.commands = a->commands + b->commands,
		.vertices = a->vertices + b->vertices,
		.pixels = a->pixels + b->pixels,
	};
}

static bool within(const struct virgl_budget *cost, const struct virgl_budget *limit)
{
	return cost->dwords <= limit->dwords && cost->commands <= limit->commands &&
	       cost->vertices <= limit->vertices && cost->pixels <= limit->pixels;
}

/* The piece that grows is behind the last cut; `cut_count` counts it once it is begun. */
static bool begin_piece(struct virgl_audit *audit)
{
	if (audit->cut_count == VIRGL_CUTS_MAX)
		return false;
	audit->cuts[audit->cut_count++] = (struct virgl_cut){ .end = audit->at };
	return true;
}

/* Add a command that ends at `end` to the last piece, or to a new one. */
static const char *add_to_piece(struct virgl_audit *audit, const struct virgl_budget *cost, u32 end,
				bool new_sub)
{
	struct virgl_cut *last = audit->cut_count ? &audit->cuts[audit->cut_count - 1] : NULL;
	struct virgl_budget more;

	if (!within(cost, &audit->limit))
		return "one command above the budget of a job";
	if (last)
		more = sum(&last->cost, cost);
	if (!last || last->new_sub || !within(&more, &audit->limit)) {
		if (!begin_piece(audit))
			return "more pieces than a stream may have";
		last = &audit->cuts[audit->cut_count - 1];
		more = *cost;
	}
	last->cost = more;
	last->end = end;
	last->new_sub = new_sub;
	audit->total = sum(&audit->total, cost);
	return NULL;
}

/* ---- one command ---- */

static const char *check_length(const struct virgl_rule *rule, struct virgl_command *command)
{
	u32 more;

	if (command->length < rule->least)
		return "command too short";
	more = command->length - rule->least;
	if (!rule->step)
		return more ? "command too long" : NULL;
	if (more % rule->step)
		return "not a whole number of elements";
	command->count = more / rule->step;
	return command->count <= rule->most ? NULL : "too many elements";
}

static bool is_for(const struct virgl_resource *resource, u32 use)
{
	bool buffer = virgl_is_buffer(resource);
	bool results = buffer && resource->bind == VIRGL_BIND_CUSTOM;
	bool gl_buffer = buffer && !results && resource->bind != VIRGL_BIND_STAGING;

	switch (use) {
	case VIRGL_USE_ANY:
		return true;
	case VIRGL_USE_BUFFER:
		return gl_buffer;
	case VIRGL_USE_TEXTURE:
		return !buffer;
	case VIRGL_USE_EITHER:
		return gl_buffer || !buffer;
	case VIRGL_USE_RESULTS:
		return results;
	default:
		return false;
	}
}

/* Look up the resource that `word` names and replace the name by the device's. */
static const char *take_resource(struct virgl_audit *audit, u32 position, u32 *word,
				 const struct virgl_resource **named)
{
	*named = NULL;
	if (!*word && (position & VIRGL_OR_ZERO))
		return NULL;
	*named = *word ? audit->names.find(audit->names.ctx, *word) : NULL;
	if (!*named)
		return "no such resource of this guest";
	if (!is_for(*named, WHAT(position)))
		return "a resource of another kind";
	*word = (*named)->host_id;
	return NULL;
}

static const char *check_object(struct virgl_audit *audit, u32 position, u32 handle)
{
	const struct virgl_object *object;

	if (!handle)
		return position & VIRGL_OR_ZERO ? NULL : "no object";
	object = virgl_object_find(audit->objects, audit->context, handle);
	if (!object)
		return "no such object";
	return object->type == WHAT(position) ? NULL : "an object of another type";
}

/* What the rule says of the fixed part (`each` false) or of a group at `words`. */
static const char *take_names(struct virgl_command *command, const struct virgl_rule *rule,
			      bool each, u32 *words)
{
	const char *why = NULL;

	for (u32 i = 0; i < ARRAY_SIZE(rule->resources) && !why; i++) {
		u32 position = rule->resources[i];

		if (position && !(position & VIRGL_EACH) == !each)
			why = take_resource(command->audit, position, &words[AT(position)],
					    &command->named[i]);
	}
	for (u32 i = 0; i < ARRAY_SIZE(rule->objects) && !why; i++) {
		u32 position = rule->objects[i];

		if (position && !(position & VIRGL_EACH) == !each)
			why = check_object(command->audit, position, words[AT(position)]);
	}
	return why;
}

static const char *check_groups(struct virgl_command *command, const struct virgl_rule *rule,
				u32 *words)
{
	const char *why = NULL;
	bool named = (rule->resources[0] | rule->objects[0] | rule->objects[1]) & VIRGL_EACH;

	if (!named && !rule->check_group)
		return NULL; /* plain data */
	for (u32 i = 0; i < command->count && !why; i++) {
		u32 *group = &words[1 + rule->least + i * rule->step];

		why = take_names(command, rule, true, group);
		if (!why && rule->check_group)
			why = rule->check_group(command, i, group, command->named[0]);
	}
	return why;
}

/* A shader that has not come in full must be neither replaced nor destroyed nor used. */
bool virgl_is_unfinished(struct virgl_audit *audit, u32 handle)
{
	return handle && virgl_sub_current(audit->objects, audit->context)->shader.handle == handle;
}

static const char *create_object(struct virgl_command *command)
{
	struct virgl_audit *audit = command->audit;
	u32 handle = command->words[VIRGL_AT_HANDLE];
	u32 type = virgl_header_type(command->words[0]);

	if (!handle)
		return "object without a handle";
	command->object = virgl_object_find(audit->objects, audit->context, handle);
	/* Only a later part of it may follow, which virgl_check_shader() sees to. */
	if (virgl_is_unfinished(audit, handle))
		return type == VIRGL_OBJECT_SHADER ? NULL : "a shader is not complete";
	if (command->object &&
	    virgl_object_is_bound(audit->objects, audit->context, command->object))
		return "an object in use is replaced";
	return virgl_object_insert(audit->objects, audit->context, handle, type, &command->object)
		       ? "too many objects"
		       : NULL;
}

static const char *check_command(struct virgl_command *command, u32 *words)
{
	const struct virgl_rule *rule = virgl_rule_of(words[0]);
	const char *why;

	if (!rule)
		return "unknown command or object type";
	if (rule->refused)
		return rule->refused;
	why = check_length(rule, command);
	if (!why && virgl_opcode(words[0]) == VIRGL_CREATE_OBJECT)
		why = create_object(command);
	if (!why)
		why = take_names(command, rule, false, words);
	if (!why && rule->check)
		why = rule->check(command);
	return why ? why : check_groups(command, rule, words);
}

static const char *audit_one(struct virgl_audit *audit)
{
	u32 *words = &audit->stream[audit->at];
	u32 left = audit->count - audit->at;
	struct virgl_command command = {
		.audit = audit,
		.words = words,
		.length = virgl_length(words[0]),
	};
	u32 subs = audit->objects->sub_count;
	struct virgl_budget cost;
	const char *why;

	audit->opcode = virgl_opcode(words[0]);
	audit->object_type = 0;
	if (audit->opcode == VIRGL_CREATE_OBJECT || audit->opcode == VIRGL_BIND_OBJECT)
		audit->object_type = virgl_header_type(words[0]);
	if (command.length >= left)
		return "command beyond the end of the stream";
	why = check_command(&command, words);
	if (why)
		return why;
	if (command.drop)
		words[0] = virgl_header(VIRGL_NOP, 0, command.length);
	cost = (struct virgl_budget){
		.dwords = 1 + command.length,
		.commands = 1,
		.vertices = command.vertices,
		.pixels = command.pixels,
	};
	why = add_to_piece(audit, &cost, audit->at + cost.dwords, audit->objects->sub_count > subs);
	if (!why)
		audit->at += cost.dwords;
	return why;
}

enum virgl_verdict virgl_audit_step(struct virgl_audit *audit, u32 dwords)
{
	u32 start = audit->at;

	if (!audit->why && !virgl_context_is_live(audit->objects, audit->context))
		audit->why = "no such context";
	if (!audit->why && virgl_context_has_failed(audit->objects, audit->context))
		audit->why = "the context has failed before";
	while (!audit->why && audit->at < audit->count) {
		audit->why = audit_one(audit);
		if (audit->at - start >= dwords)
			break;
	}
	if (audit->why)
		return VIRGL_REFUSED;
	return audit->at < audit->count ? VIRGL_MORE : VIRGL_DONE;
}

void virgl_fill_constants(u32 *stream)
{
	memset(stream, 0, VIRGL_CONSTANTS_DWORDS * sizeof(*stream));
	for (u32 stage = 0; stage < VIRGL_STAGE_COMPUTE; stage++) {
		stream[0] = virgl_header(VIRGL_SET_CONSTANT_BUFFER, 0, 2 + VIRGL_CONSTANTS);
		stream[1] = stage;
		stream += 3 + VIRGL_CONSTANTS;
	}
}

const char *virgl_command_name(u32 opcode)
{
	const struct virgl_rule *rule = virgl_rule_of(opcode & 0xff);

	if (opcode == VIRGL_CREATE_OBJECT)
		return "CREATE_OBJECT";
	if (opcode == VIRGL_BIND_OBJECT)
		return "BIND_OBJECT";
	return rule && opcode < VIRGL_OPCODES ? rule->name : "unknown";
}

const char *virgl_object_name(u32 type)
{
	static const char prefix[] = "CREATE_OBJECT ";
	const struct virgl_rule *rule = NULL;

	if (type < VIRGL_OBJECT_TYPES)
		rule = virgl_rule_of(virgl_header(VIRGL_CREATE_OBJECT, type, 0));
	return rule ? rule->name + sizeof(prefix) - 1 : "";
}
