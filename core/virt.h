/* SPDX-License-Identifier: Apache-2.0 */
/* The vendor's virtualization that this machine uses. */
#ifndef CORE_VIRT_H
#define CORE_VIRT_H

#include "arch/x86/virt.h"

/* Set once at start, before the first VM; NULL where guests cannot run. */
extern const struct virt_ops *virt;

#endif
