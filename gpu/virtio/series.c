/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that one job is for the device: most are one, some a series. */
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

static u32 fill_constants(const struct virtio_gpu_job *job, union virtio_gpu_command *command,
			  struct job_data *data)
{
	memset(command, 0, sizeof(*command));
	command->hdr.type = VIRTIO_GPU_CMD_SUBMIT_3D;
	command->hdr.ctx_id = job->command.hdr.ctx_id;
	command->submit_3d.size = VIRGL_CONSTANTS_DWORDS * sizeof(u32);
	data->constants = true;
	return sizeof(command->submit_3d);
}

/* What follows a job's own command; 0: nothing more. */
static u32 follower(const struct virtio_gpu_job *job, u32 i, union virtio_gpu_command *command,
		    struct job_data *data)
{
	if (job->series == SERIES_CLEAR)
		return audit_make_clear(job->resource, i - 1, command, &data->zero_entries);
	if (job->series == SERIES_FILL && i == 1)
		return fill_constants(job, command, data);
	return 0;
}

bool job_command(const struct virtio_gpu_job *job, u32 i, union virtio_gpu_command *command,
		 u32 *length, struct job_data *data)
{
	*data = (struct job_data){ 0 };
	if (job->series == SERIES_LAYERS) {
		*length = audit_make_layer(job->resource, &job->command, i, command);
	} else if (i) {
		*length = follower(job, i, command, data);
	} else {
		*command = job->command;
		*length = job->length;
		data->stream_bytes = job->stream_bytes;
	}
	return *length != 0;
}
