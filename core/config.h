/* SPDX-License-Identifier: Apache-2.0 */
/* The user's configuration: facet.conf, parsed and checked. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "core/lib/types.h"

#define CONFIG_MAX_GUESTS  16
#define CONFIG_MAX_GPUS	   4
#define CONFIG_MAX_DEVICES 8	/* given to one guest */
#define CONFIG_NAME_MAX	   16	/* characters of a guest's name */
#define CONFIG_PATH_MAX	   127	/* characters of a file name */
#define CONFIG_CMDLINE_MAX 1023 /* characters of a kernel command line */
#define CONFIG_ERRORS_KEPT 32

enum config_idle {
	CONFIG_IDLE_WAIT,
	CONFIG_IDLE_POWEROFF,
};

enum config_iommu {
	CONFIG_IOMMU_AUTO, /* required for hardware that masters the bus */
	CONFIG_IOMMU_NONE, /* the user accepts to go without */
};

enum config_dma_fault {
	CONFIG_DMA_FAULT_REPORT,
	CONFIG_DMA_FAULT_STOP,
};

enum config_policy { /* the order of enum gpu_sched_policy */
	CONFIG_POLICY_FAIR,
	CONFIG_POLICY_EQUAL,
	CONFIG_POLICY_FIXED,
};

/* Functions; their requester IDs: bus << 8 | device << 3 | function. */
struct config_devices {
	u16 count;
	u16 bdf[CONFIG_MAX_DEVICES];
};

struct config_host {
	u16 console_port; /* I/O port of the 16550A */
	u32 baud;	  /* divides 115200 */
	u32 log_level;	  /* enum log_level */
	enum config_idle when_idle;
	enum config_iommu iommu;
	bool guests_on_cpu0;
	bool assign_without_ir;	     /* devices that can write their own interrupt messages */
	bool assign_without_reset;   /* devices that nothing resets between two guests */
	struct config_devices sriov; /* physical functions whose virtual ones are switched on */
	u32 vfs;		     /* so many of each; 0: all that it offers */
};

struct config_gpu {
	struct config_devices pci; /* one, or none */
	enum config_policy policy;
	u64 slice_ns;
	u32 line; /* of the section, for messages; 0: there is none in the file */
};

#define CONFIG_NO_GPU (~0U)

struct config_guest {
	char name[CONFIG_NAME_MAX + 1];
	char kernel[CONFIG_PATH_MAX + 1];
	char initrd[CONFIG_PATH_MAX + 1]; /* empty: none */
	char cmdline[CONFIG_CMDLINE_MAX + 1];
	u64 memory; /* bytes, a multiple of 2 MiB */
	u32 cpus;
	u32 cpu_weight;	    /* 1 to 10000 */
	u32 gpu;	    /* number or CONFIG_NO_GPU */
	u32 gpu_weight;	    /* 1 to 10000 */
	u32 gpu_reserve;    /* per mille of the engine that it is sure of, 0: none */
	u32 gpu_cap;	    /* per mille that it never exceeds, 1000: none */
	u64 gpu_latency_ns; /* bound on queueing while within its reserve, 0: none */
	u64 gpu_memory;	    /* bytes */
	u32 gpu_queue;	    /* jobs that it may have out, 1 to 64 */
	/* In a second, 0: no limit. */
	u32 gpu_doorbells, gpu_resets, gpu_refused, gpu_interrupts;
	u64 gpu_timeout_ns;		    /* how long one job may hold the engine */
	struct config_devices devices;	    /* functions of its own */
	enum config_dma_fault on_dma_fault; /* what a blocked access of theirs does */
	bool autostart;
	u32 line; /* of the section */
};

struct config {
	struct config_host host;
	u32 gpu_count; /* highest number in the file + 1; gpu/ counts */
	struct config_gpu gpus[CONFIG_MAX_GPUS];
	u32 guest_count;
	struct config_guest guests[CONFIG_MAX_GUESTS];
};

/* What is wrong with the file, one text for each error in the order of lines. */
struct config_errors {
	u32 count; /* may exceed CONFIG_ERRORS_KEPT: the rest is only counted */
	struct {
		u32 line;
		char text[320];
	} kept[CONFIG_ERRORS_KEPT];
};

/*
 * Parse `size` bytes of text; `file` is the name for messages. Fills both
 * structs whatever the text is; the configuration may be used only when
 * errors->count is 0 (its [host] values are always usable: defaults where the
 * file has none or wrong ones). No allocation, no locks; bounded by `size`.
 */
void config_parse(const char *file, const char *text, size_t size, struct config *config,
		  struct config_errors *errors);

#endif
