/* SPDX-License-Identifier: Apache-2.0 */
/* What facet.conf says of GPUs and of guests' parts of them. */
#ifndef GPU_CONFIG_H
#define GPU_CONFIG_H

#include "core/config_part.h"

/* For config_add(), and for the same keys on the console. */
extern const struct config_part gpu_config_part;

#endif
