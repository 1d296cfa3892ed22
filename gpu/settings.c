/* SPDX-License-Identifier: Apache-2.0 */
/* What vGPUs and GPUs are given: by the file, and by the console while guests run. */
#include "core/lib/fmt.h"
#include "core/lib/parse.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "gpu/config.h"
#include "gpu/control.h"

#define MS 1000000ULL

/* Vgpus that the file puts on this GPU: each has a slot. */
static u32 configured(const struct config *config, u32 gpu)
{
	u32 count = 0;

	for (u32 i = 0; i < config->guest_count; i++)
		count += config->guests[i].gpu == gpu;
	return MAX(count, 1U);
}

void control_gpu_config(const struct config *config, u32 gpu, struct gpu_sched_config *out)
{
	*out = (struct gpu_sched_config){
		.policy = (enum gpu_sched_policy)config->gpus[gpu].policy,
		.slice_ns = config->gpus[gpu].slice_ns,
		.depth = GPU_SCHED_DEPTH,
		.slots = configured(config, gpu),
	};
}

static void params_of(const struct config_guest *guest, struct gpu_sched_params *params)
{
	*params = (struct gpu_sched_params){
		.weight = guest->gpu_weight,
		.reserve = guest->gpu_reserve,
		.cap = guest->gpu_cap,
		.latency_ns = guest->gpu_latency_ns,
	};
}

/* All but the scheduler's and the memory. */
static void take_rest(struct vgpu *vgpu, const struct config_guest *guest)
{
	vgpu->timeout_ns = guest->gpu_timeout_ns;
	__atomic_store_n(&vgpu->queue_limit, guest->gpu_queue, __ATOMIC_RELAXED);
	spin_lock(&vgpu->lock);
	vgpu->guard.limits[GUARD_DOORBELLS] = guest->gpu_doorbells;
	vgpu->guard.limits[GUARD_RESETS] = guest->gpu_resets;
	vgpu->guard.limits[GUARD_REFUSED] = guest->gpu_refused;
	vgpu->guard.limits[GUARD_INTERRUPTS] = guest->gpu_interrupts;
	spin_unlock(&vgpu->lock);
}

void control_init(struct vgpu *vgpu, const struct config_guest *config,
		  struct gpu_sched_params *params)
{
	guard_init(&vgpu->guard);
	vgpu->memory_quota = config->gpu_memory;
	take_rest(vgpu, config);
	params_of(config, params);
}

/* ---- why not ---- */

static u32 reserve_left(const struct vgpu *vgpu)
{
	const struct gpu_sched *s = &vgpu->gpu->sched;

	return GPU_SCHED_WHOLE -
	       (s->reserved - (vgpu->sched.sched ? vgpu->sched.params.reserve : 0));
}

/* The least latency bound that is admitted with all else as in `params`; 0: none is. */
static u64 least_latency(struct vgpu *vgpu, struct gpu_sched_params params)
{
	const struct gpu_sched *s = &vgpu->gpu->sched;
	const struct gpu_sched_vgpu *v = vgpu->sched.sched ? &vgpu->sched : NULL;
	u64 low = 0, high = GPU_SCHED_LATENCY_MAX_NS;

	params.latency_ns = high;
	if (gpu_sched_admit(s, v, &params))
		return 0;
	while (high - low > 1) {
		params.latency_ns = low + (high - low) / 2;
		if (gpu_sched_admit(s, v, &params))
			low = params.latency_ns;
		else
			high = params.latency_ns;
	}
	return high;
}

/* Whose bound it is that `slice_ns` (0: the present one) and `params` would break. */
static int denial_text(const struct gpu_sched *s, const struct vgpu *vgpu,
		       const struct gpu_sched_params *params, u64 slice_ns,
		       char why[CONTROL_WHY_MAX])
{
	const struct gpu_sched_vgpu *v = vgpu && vgpu->sched.sched ? &vgpu->sched : NULL;
	struct gpu_sched_denial denial = { 0 };
	const char *name = vgpu ? vgpu->vm->name : "";

	invariant(gpu_sched_why_denied(s, v, params, slice_ns, &denial));
	if (denial.whose)
		name = container_of(denial.whose, struct vgpu, sched)->vm->name;
	return fmt_snprintf(
		why, CONTROL_WHY_MAX,
		"%s: guest %s's bound of %lu us would not hold: %lu us of work may fall "
		"into it",
		slice_ns ? "slice" : "latency", name, denial.bound_ns / 1000,
		(denial.needs_ns + 999) / 1000);
}

static void latency_reason(struct vgpu *vgpu, const struct gpu_sched_params *params,
			   char why[CONTROL_WHY_MAX])
{
	u64 least = params->latency_ns ? least_latency(vgpu, *params) : 0;
	int used = denial_text(&vgpu->gpu->sched, vgpu, params, 0, why);

	if (least)
		fmt_snprintf(why + used, CONTROL_WHY_MAX - (size_t)used, "; %lu us would do for %s",
			     (least + 999) / 1000, vgpu->vm->name);
}

void control_reason(struct vgpu *vgpu, const struct gpu_sched_params *params, enum err e,
		    char why[CONTROL_WHY_MAX])
{
	u32 left = reserve_left(vgpu);

	if (e == ERR_RANGE)
		fmt_snprintf(why, CONTROL_WHY_MAX, "%s",
			     params->cap < params->reserve ? "cap is below reserve"
							   : "latency needs a reserve");
	else if (e == ERR_FULL)
		fmt_snprintf(why, CONTROL_WHY_MAX,
			     "reserve: %u.%u%% of gpu %u is left beside the others' reserves",
			     left / 10, left % 10, vgpu->gpu->index);
	else if (e == ERR_DENIED)
		latency_reason(vgpu, params, why);
	else
		fmt_snprintf(why, CONTROL_WHY_MAX, "%s", err_name(e));
}

/* ---- reading `key=value` ---- */

/* Those of gpu/: nothing else changes while guests run. */
static const struct config_key *keys_of(enum config_section section, u32 *count)
{
	const struct config_part *part = &gpu_config_part;
	bool gpu = section == CONFIG_SECTION_GPU;

	*count = gpu ? part->gpu_key_count : part->guest_key_count;
	return gpu ? part->gpu_keys : part->guest_keys;
}

static const struct config_key *find_key(enum config_section section, const char *prefix,
					 struct text name)
{
	u32 count;
	size_t length = strlen(prefix);
	const struct config_key *keys = keys_of(section, &count);

	for (u32 i = 0; i < count; i++)
		if (!strncmp(keys[i].name, prefix, length) &&
		    text_equal(name, keys[i].name + length))
			return &keys[i];
	return NULL;
}

static void list_keys(enum config_section section, const char *prefix, char why[CONTROL_WHY_MAX],
		      size_t used)
{
	u32 count;
	size_t length = strlen(prefix);
	const struct config_key *keys = keys_of(section, &count);
	const char *separator = "";

	for (u32 i = 0; i < count && used < CONTROL_WHY_MAX; i++) {
		if (strncmp(keys[i].name, prefix, length) != 0)
			continue;
		used += (size_t)fmt_snprintf(why + used, CONTROL_WHY_MAX - used, "%s%s", separator,
					     keys[i].name + length);
		separator = ", ";
	}
}

static bool read_word(enum config_section section, const char *prefix, struct text word,
		      void *target, char why[CONTROL_WHY_MAX])
{
	struct text name = { word.at, 0 }, value;
	const struct config_key *key;
	int used;

	while (name.size < word.size && name.at[name.size] != '=')
		name.size++;
	key = find_key(section, prefix, name);
	if (!key || name.size == word.size) {
		used = fmt_snprintf(why, CONTROL_WHY_MAX,
				    "found \"%.*s\", allowed: KEY=VALUE with ",
				    (int)MIN(word.size, (size_t)24), word.at);
		list_keys(section, prefix, why, (size_t)used);
		return false;
	}
	value = (struct text){ word.at + name.size + 1, word.size - name.size - 1 };
	if (config_key_set(key, value, target))
		return true;
	fmt_snprintf(why, CONTROL_WHY_MAX, "%s: found \"%.*s\", allowed: %s",
		     key->name + strlen(prefix), (int)MIN(value.size, (size_t)24), value.at,
		     key->allowed);
	return false;
}

/* At least one. */
static bool read_words(enum config_section section, const char *prefix, const char *words,
		       void *target, char why[CONTROL_WHY_MAX])
{
	do {
		struct text word = { words, 0 };

		while (word.at[word.size] && word.at[word.size] != ' ')
			word.size++;
		if (!read_word(section, prefix, word, target, why))
			return false;
		for (words += word.size; *words == ' ';)
			words++;
	} while (*words);
	return true;
}

/* ---- a vGPU ---- */

static enum err set_params(struct vgpu *vgpu, const struct gpu_sched_params *params,
			   char why[CONTROL_WHY_MAX])
{
	struct gpu *gpu = vgpu->gpu;
	enum err e;

	spin_lock(&gpu->lock);
	e = gpu_sched_set(&gpu->sched, &vgpu->sched, params, now_ns());
	if (e)
		control_reason(vgpu, params, e, why);
	spin_unlock(&gpu->lock);
	return e;
}

static bool set_memory(struct vgpu *vgpu, u64 bytes, char why[CONTROL_WHY_MAX])
{
	u64 used;

	if (bytes == vgpu->memory_quota)
		return true;
	if (!vgpu->gpu->ops->vgpu_set_memory(vgpu, bytes, &used)) {
		vgpu->memory_quota = bytes;
		return true;
	}
	fmt_snprintf(why, CONTROL_WHY_MAX, "memory: guest %s holds %lu KiB now", vgpu->vm->name,
		     (used + 1023) >> 10);
	return false;
}

/* The scheduler's first, as it may refuse; its old ones it had admitted. */
static bool apply(struct vgpu *vgpu, const struct config_guest *guest, char why[CONTROL_WHY_MAX])
{
	struct gpu_sched_params before = vgpu->sched.params, params;

	params_of(guest, &params);
	if (set_params(vgpu, &params, why))
		return false;
	if (!set_memory(vgpu, guest->gpu_memory, why)) {
		char ignored[CONTROL_WHY_MAX];

		invariant(!set_params(vgpu, &before, ignored));
		return false;
	}
	take_rest(vgpu, guest);
	gpu_wake(vgpu->gpu);
	return true;
}

bool vgpu_set(struct vgpu *vgpu, const char *words, char why[CONTROL_WHY_MAX])
{
	static struct config_guest guest; /* too large for the stack; one CPU sets */

	if (vgpu->gpu->ops->service) {
		fmt_snprintf(
			why, CONTROL_WHY_MAX,
			"gpu %u has no engine to share, and its guests' slices stay as they are",
			vgpu->gpu->index);
		return false;
	}
	guest = (struct config_guest){
		.gpu_weight = vgpu->sched.params.weight,
		.gpu_reserve = vgpu->sched.params.reserve,
		.gpu_cap = vgpu->sched.params.cap,
		.gpu_latency_ns = vgpu->sched.params.latency_ns,
		.gpu_memory = vgpu->memory_quota,
		.gpu_queue = vgpu->queue_limit,
		.gpu_doorbells = vgpu->guard.limits[GUARD_DOORBELLS],
		.gpu_resets = vgpu->guard.limits[GUARD_RESETS],
		.gpu_refused = vgpu->guard.limits[GUARD_REFUSED],
		.gpu_interrupts = vgpu->guard.limits[GUARD_INTERRUPTS],
		.gpu_timeout_ns = vgpu->timeout_ns,
	};
	return read_words(CONFIG_SECTION_GUEST, "gpu.", words, &guest, why) &&
	       apply(vgpu, &guest, why);
}

void control_restore(struct vgpu *vgpu)
{
	char why[CONTROL_WHY_MAX];

	if (!apply(vgpu, vgpu->vm->config, why))
		log_warn("guest %s: gpu %u: it keeps what `gpu set` gave it: %s", vgpu->vm->name,
			 vgpu->gpu->index, why);
}

/* ---- a GPU ---- */

bool gpu_set(struct gpu *gpu, const char *words, char why[CONTROL_WHY_MAX])
{
	struct gpu_sched_config config = gpu->sched.config;
	struct config_gpu section = { .policy = (enum config_policy)config.policy,
				      .slice_ns = config.slice_ns };
	enum err e;

	if (gpu->ops->service) {
		fmt_snprintf(why, CONTROL_WHY_MAX, "gpu %u has no engine to share", gpu->index);
		return false;
	}
	if (!read_words(CONFIG_SECTION_GPU, "", words, &section, why))
		return false;
	config.policy = (enum gpu_sched_policy)section.policy;
	config.slice_ns = section.slice_ns;
	config.slots = configured(gpu_config(), gpu->index);
	spin_lock(&gpu->lock);
	e = gpu_sched_configure(&gpu->sched, &config, now_ns());
	if (e == ERR_DENIED)
		(void)denial_text(&gpu->sched, NULL, NULL, config.slice_ns, why);
	else
		fmt_snprintf(why, CONTROL_WHY_MAX, "%s", err_name(e));
	spin_unlock(&gpu->lock);
	gpu_wake(gpu);
	return !e;
}
