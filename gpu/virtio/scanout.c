/* SPDX-License-Identifier: Apache-2.0 */
/* A vGPU has been given another scan-out: put its picture there. */
#include "gpu/virtio/virtio_gpu.h"

void virtio_vgpu_show(struct vgpu *vgpu, s32 hide)
{
	struct virtio_vgpu *v = virtio_of(vgpu);

	spin_lock(&vgpu->lock);
	if (hide != GPU_SCANOUT_NONE) {
		v->hide_scanout = hide;
		v->want |= WANT_HIDE;
	}
	if (v->phase == VGPU_RUN || v->phase == VGPU_REBUILD) {
		v->want |= WANT_SHOW | WANT_FLUSH;
		v->shown = true;
	}
	internal_advance(v);
	spin_unlock(&vgpu->lock);
}
