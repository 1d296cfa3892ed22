/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part of video memory is whose. It follows from the configuration alone,
 * so each vGPU can be made without knowing the others.
 */
#include "gpu/vbe/vbe.h"

static u64 power_of_two_within(u64 size)
{
	return size ? 1ULL << (63 - __builtin_clzll(size)) : 0;
}

static u64 wanted(const struct config_guest *guest, u64 memory)
{
	return power_of_two_within(MIN(guest->gpu_memory, memory));
}

/* Everyone gets what the file says, or nobody more than an equal part. */
static u64 largest_slice(const struct config *config, u32 gpu, u64 memory)
{
	u64 sum = 0, count = 0;

	for (u32 i = 0; i < config->guest_count; i++)
		if (config->guests[i].gpu == gpu) {
			sum += wanted(&config->guests[i], memory);
			count++;
		}
	return sum > memory ? power_of_two_within(memory / count) : memory;
}

/* From the end downwards, larger ones first: so each is aligned to its size. */
enum err vbe_slice_of(const struct config *config, u32 gpu, u32 guest, u64 memory,
		      struct vbe_slice *slice)
{
	u64 largest = largest_slice(config, gpu, memory);
	u64 size = MIN(wanted(&config->guests[guest], memory), largest);
	u64 above = 0;

	if (size < VBE_SLICE_MIN)
		return ERR_NO_MEMORY;
	for (u32 i = 0; i < config->guest_count; i++) {
		u64 other = MIN(wanted(&config->guests[i], memory), largest);

		if (config->guests[i].gpu == gpu && (other > size || (other == size && i < guest)))
			above += other;
	}
	*slice = (struct vbe_slice){ memory - above - size, size };
	return OK;
}

u64 vbe_slices_begin(const struct config *config, u32 gpu, u64 memory)
{
	u64 largest = largest_slice(config, gpu, memory);
	u64 taken = 0;

	for (u32 i = 0; i < config->guest_count; i++)
		if (config->guests[i].gpu == gpu)
			taken += MIN(wanted(&config->guests[i], memory), largest);
	return memory - taken;
}

#define NEUTRAL_WIDTH	 640
#define NEUTRAL_HEIGHT	 480
#define NEUTRAL_BYTES	 2
#define NEUTRAL_LINE_MAX 16000 /* what QEMU's VGA takes, pixels */

/* Lines as long as there is room for: the offset that leads to the slice is then small. */
void vbe_neutral_mode(struct vbe_mode *mode, const struct vbe_slice *slice)
{
	u64 line = slice->size / (NEUTRAL_HEIGHT * NEUTRAL_BYTES);

	_Static_assert(NEUTRAL_WIDTH * NEUTRAL_HEIGHT * NEUTRAL_BYTES <= VBE_SLICE_MIN, "it fits");
	*mode = (struct vbe_mode){
		.width = NEUTRAL_WIDTH,
		.height = NEUTRAL_HEIGHT,
		.virt_width = (u32)MIN(line, NEUTRAL_LINE_MAX) & ~7U,
		.bytes = NEUTRAL_BYTES,
		.offset = slice->base,
	};
}
