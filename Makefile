# SPDX-License-Identifier: Apache-2.0
# Builds Facet, its disk image and its tests. `make help` lists the targets.

BUILD   ?= build
PYTHON  ?= /usr/bin/python3
GPU     ?=
BENCH   ?= $(if $(filter virgl,$(GPU)),qemu-virgl,qemu-virtio)
KVM     ?= 0
FUZZ_SECONDS ?= 60
JOBS    ?= $(shell nproc)

ifeq ($(origin CC),default)
CC := gcc
endif
FUZZ_CC ?= clang
V ?= 0
# For the programs in Python that start an emulator.
export BENCH KVM
Q := $(if $(filter 0,$(V)),@,)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' $(1) $(2))

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

BENCH_NAMES := $(PYTHON) tests/system/benches.py
BENCHES := $(shell $(BENCH_NAMES) names)

# ---- what a person types ------------------------------------------------------------

.PHONY: help
help:
	@echo 'Facet: one UEFI image that owns a GPU and shares it among virtual machines.'
	@echo
	@echo '  make run           build, start in an emulator, console in this terminal; BENCH=bochs'
	@echo '  make demo          the same unattended; pictures and log in $(BUILD)/demo'
	@echo '                     GPU=virgl: two guests that render in 3D'
	@echo '  make image         $(BUILD)/facet.img, fit to be written to a stick'
	@echo '  make check         every test: unit, tools, model, fuzz, system on every bench'
	@echo '  make check-unit    tests on this host (cmocka)'
	@echo '  make check-tools   tools/facetctl and the checker of traces'
	@echo '  make check-model   simulations on this host'
	@echo '  make check-fuzz    fuzzers, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo '  make check-system  Facet on one bench, BENCH=$(BENCH); TESTS="-k name" to choose'
	@echo '  make soak          ten minutes of hostile command streams beside a guest that renders,'
	@echo '                     and of exits, a device plugged in and pulled out a thousand times,'
	@echo '                     and a million seeds of the scheduler'"'"'s simulation'
	@echo '  make bench         instructions for each kind of exit and more, against their bounds'
	@echo '  make bench-sched   instructions for each decision of the GPU scheduler'
	@echo '  make bench-3d      frames a second and latency through Facet and directly on QEMU'
	@echo '  make bench-neighbour  what a guest has of the GPU beside each kind of bad neighbour'
	@echo '  make bench-assign  an NVMe disk given to a guest against the same guest directly on QEMU'
	@echo '  make lint          layering, style, static analysis; CHECKS="format tidy" to choose'
	@echo '  make format        clang-format on every C file'
	@echo '  make clean         remove $(BUILD)'
	@echo
	@echo 'Benches: $(BENCHES). KVM=1 runs those of QEMU on'
	@echo 'the host'"'"'s own processor, where it lends nested virtualization.'
	@echo 'Missing packages are installed by name through apt. V=1 shows the commands.'

.PHONY: image run demo
image: $(BUILD)/facet.img

# With the guests of that machine: GPU=virgl needs those that render.
run: setup-run
	$(Q)$(MAKE) image $$($(BENCH_NAMES) programs)
	$(Q)BUILD=$(abspath $(BUILD)) $(PYTHON) tools/run.py

demo: setup-run
	$(Q)$(MAKE) image $$($(BENCH_NAMES) programs)
	$(Q)BUILD=$(abspath $(BUILD)) $(PYTHON) tools/demo.py

.PHONY: clean
clean:
	rm -rf $(BUILD)

# ---- packages -----------------------------------------------------------------------

.PHONY: setup-build setup-run setup-3d setup-check setup-lint
setup-build:
	@tools/setup.sh build
setup-run:
	@tools/setup.sh build run
setup-3d:
	@tools/setup.sh build run 3d
setup-check:
	@tools/setup.sh build run check
setup-lint:
	@tools/setup.sh build check lint

# ---- the hypervisor -----------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wundef \
	-Wvla -Wimplicit-fallthrough
FREESTANDING := -std=gnu17 -ffreestanding -fno-builtin -mno-red-zone -mgeneral-regs-only \
	-fno-pic -fno-stack-protector -fno-strict-aliasing -O2 -g -fno-omit-frame-pointer \
	-fcf-protection=none -fno-asynchronous-unwind-tables $(WARNINGS) -I.
CFLAGS_HYPERVISOR := $(FREESTANDING) -mcmodel=kernel $(EXTRA_CFLAGS)
ASFLAGS_HYPERVISOR := -I. -D__ASSEMBLY__ -g -Wa,-I$(BUILD)
LDSCRIPT := arch/x86/facet.lds
LDFLAGS_HYPERVISOR := -nostdlib -static -z max-page-size=0x1000 -z noexecstack \
	--build-id=none --fatal-warnings

ROOMS := arch core drivers gpu guest
SOURCES := $(sort $(shell find $(ROOMS) -name '*.c' -o -name '*.S' 2>/dev/null))
OBJECTS := $(addprefix $(BUILD)/obj/,$(addsuffix .o,$(SOURCES)))

$(BUILD)/obj/%.c.o: %.c Makefile | setup-build
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HYPERVISOR) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.S.o: %.S Makefile | setup-build
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ASFLAGS_HYPERVISOR) -MMD -MP -c -o $@ $<

# The tables that guests find: compiled each for itself, and carried by one object.
ACPI_TABLES := $(patsubst guest/%.asl,$(BUILD)/%.aml,$(wildcard guest/acpi/*.asl))

$(BUILD)/acpi/%.aml: guest/acpi/%.asl guest/layout.h Makefile | setup-build
	$(call say,IASL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -E -P -x assembler-with-cpp -I. -D__ASSEMBLY__ -o $(@:.aml=.asl) $<
	$(Q)iasl -vs -vi -p $@ $(@:.aml=.asl) >/dev/null

$(BUILD)/obj/guest/acpi/tables.S.o $(BUILD)/unit/obj/guest/acpi/tables.S.o: $(ACPI_TABLES)

# Linked twice: the first link tells where functions are, the second carries their names.
$(BUILD)/stage1.S: tools/symbols.py
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) $< table /dev/null > $@

$(BUILD)/stage1.elf: $(OBJECTS) $(LDSCRIPT) $(BUILD)/stage1.S
	$(Q)$(CC) -c -o $(BUILD)/stage1.o $(BUILD)/stage1.S
	$(Q)ld $(LDFLAGS_HYPERVISOR) -T $(LDSCRIPT) -o $@ $(OBJECTS) $(BUILD)/stage1.o
	$(Q)nm -n $@ > $(BUILD)/stage1.nm

$(BUILD)/facet.elf: $(BUILD)/stage1.elf tools/symbols.py
	$(call say,LD,$@)
	$(Q)$(PYTHON) tools/symbols.py table $(BUILD)/stage1.nm > $(BUILD)/symbols.S
	$(Q)$(CC) -c -o $(BUILD)/symbols.o $(BUILD)/symbols.S
	$(Q)ld $(LDFLAGS_HYPERVISOR) -T $(LDSCRIPT) -o $@ $(OBJECTS) $(BUILD)/symbols.o
	$(Q)nm -n $@ > $(BUILD)/facet.nm
	$(Q)$(PYTHON) tools/symbols.py verify $(BUILD)/stage1.nm $(BUILD)/facet.nm

$(BUILD)/facet.stripped.elf: $(BUILD)/facet.elf
	$(Q)objcopy --strip-all --remove-section=.comment $< $@

# ---- the UEFI application -----------------------------------------------------------

EFI_LIB := $(firstword $(dir $(wildcard /usr/lib/crt0-efi-x86_64.o \
	/usr/lib/*/gnuefi/crt0-efi-x86_64.o /usr/lib/gnuefi/crt0-efi-x86_64.o)) /usr/lib/)
CFLAGS_BOOT := -std=gnu17 -O2 -g -fpic -fshort-wchar -mno-red-zone -ffreestanding \
	-fno-stack-protector -fno-strict-aliasing -fcf-protection=none -DGNU_EFI_USE_MS_ABI \
	-maccumulate-outgoing-args -mgeneral-regs-only $(WARNINGS) -I. \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64
BOOT_SOURCES := $(filter-out boot/payload.S,$(sort $(wildcard boot/*.c boot/*.S)))
BOOT_OBJECTS := $(addprefix $(BUILD)/efi/,$(addsuffix .o,$(BOOT_SOURCES)))

$(BUILD)/efi/%.c.o: %.c Makefile | setup-build
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_BOOT) -MMD -MP -c -o $@ $<

$(BUILD)/efi/%.S.o: %.S Makefile | setup-build
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -I. -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

$(BUILD)/efi/boot/payload.S.o: boot/payload.S $(BUILD)/facet.stripped.elf
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Wa,-I$(BUILD) -c -o $@ $<

# $(1): the shared object that becomes the application
define efi_link
	$(call say,EFI,$@)
	$(Q)ld -nostdlib -znocombreloc -shared -Bsymbolic -z noexecstack --no-undefined \
		-T $(EFI_LIB)elf_x86_64_efi.lds \
		$(EFI_LIB)crt0-efi-x86_64.o $^ -o $(1) \
		-L$(EFI_LIB) -L/usr/lib -lefi -lgnuefi
	$(Q)objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j '.rel*' \
		-j .reloc --target=efi-app-x86_64 --subsystem=10 $(1) $@
endef

$(BUILD)/BOOTX64.EFI: $(BOOT_OBJECTS) $(BUILD)/efi/boot/payload.S.o
	$(call efi_link,$(BUILD)/boot.so)

# What stands in for firmware in tests.
$(BUILD)/remap.efi: $(BUILD)/efi/tests/efi/remap.c.o
	$(call efi_link,$(BUILD)/remap.so)

# ---- guest software and the disk image ----------------------------------------------

# $(call field,FILE,NAME): what a program of a guest's or a test says after `// NAME:`
field = $(shell sed -n '1,40s@^// *$(2): *@@p' $(1))

GUEST := $(BUILD)/guest
GUEST_CONF := tests/guest/facet.conf

$(GUEST)/vmlinuz: tools/guest.sh | setup-run
	$(call say,FETCH,'guest kernel from the distribution')
	$(Q)tools/guest.sh $(GUEST)

$(GUEST)/vmlinux.flat: $(GUEST)/vmlinuz tools/flatkernel.py
	$(call say,KERNEL,$@)
	$(Q)$(PYTHON) tools/flatkernel.py $< $@

$(GUEST)/drawer: tests/guest/drawer.c Makefile | setup-run
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -static -O2 -Wall -Wextra -Werror -Wno-missing-field-initializers \
		-isystem /usr/include/libdrm -o $@ $<

$(GUEST)/guest.cpio.gz: tools/initramfs.sh tests/guest/init $(GUEST)/drawer $(GUEST)/vmlinuz
	$(call say,CPIO,$@)
	$(Q)tools/initramfs.sh $(GUEST) $(GUEST)/drawer tests/guest/init $@

# The same with the drivers of devices that are given to it whole.
$(GUEST)/guestdev.cpio.gz: tools/initramfs.sh tests/guest/initdev $(GUEST)/drawer $(GUEST)/vmlinuz
	$(call say,CPIO,$@)
	$(Q)tools/initramfs.sh $(GUEST) $(GUEST)/drawer tests/guest/initdev $@ $(GUEST)/devices

# A guest that renders in 3D: Mesa with virgl, kmscube and glmark2 as the distribution has them.
GUEST3D_PROGRAMS := $(addprefix $(GUEST)/,render3d medley3d mutate3d exits3d)
GUEST3D_LIBRARIES := $(addprefix $(GUEST)/,shim3d.so record3d.so trap3d.so)
GUEST3D_STREAMS := tests/guest/streams
CFLAGS_GUEST3D := -std=gnu17 -O2 -Wall -Wextra -Werror -I. -isystem /usr/include/libdrm

# What it is linked with besides its own file, a program says as a test does (SOURCES).
define guest3d_program
$(1): $(2) $(call field,$(2),SOURCES) $(wildcard tests/guest/*3d.h) Makefile | setup-3d
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_GUEST3D) -Wl,--as-needed -o $$@ $$(filter %.c,$$^) \
		-lEGL -lGLESv2 -lgbm -ldrm -lm
endef
$(foreach p,$(GUEST3D_PROGRAMS),$(eval $(call guest3d_program,$(p),tests/guest/$(notdir $(p)).c)))

$(GUEST3D_LIBRARIES): $(GUEST)/%.so: tests/guest/%.c Makefile | setup-3d
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_GUEST3D) -shared -fPIC -o $@ $<

$(GUEST)/guest3d.cpio: tools/guest3d.sh tests/guest/init3d $(GUEST3D_PROGRAMS) \
		$(GUEST3D_LIBRARIES) $(wildcard $(GUEST3D_STREAMS)/*) $(GUEST)/vmlinuz
	$(call say,CPIO,$@)
	$(Q)tools/guest3d.sh $(GUEST)/3d $(GUEST) tests/guest/init3d $@ $(GUEST3D_PROGRAMS) \
		$(GUEST3D_LIBRARIES) $(GUEST3D_STREAMS)

# The same guest directly on QEMU, without Facet: TEST="glmark2 facet.scene=build"
.PHONY: direct3d
direct3d: $(GUEST)/guest3d.cpio
	$(Q)BUILD=$(abspath $(BUILD)) $(PYTHON) tests/system/direct3d.py $(or $(TEST),kmscube)

# A guest without an operating system, in the form of a Linux kernel image.
BARE := tests/guest/bare
BARE_OBJECTS := $(patsubst %,$(GUEST)/obj/%.o,$(sort $(wildcard $(BARE)/*.c)))
BARE_LINK := $(shell sed -n 's/^.define BARE_LINK *\([0-9a-fx]*\).*/\1/p' $(BARE)/layout.h)
BARE_MEMORY := $(shell sed -n 's/^.define BARE_MEMORY *\([0-9a-fx]*\).*/\1/p' $(BARE)/layout.h)

$(GUEST)/obj/%.c.o: %.c Makefile | setup-build
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FREESTANDING) -Wno-missing-prototypes -MMD -MP -c -o $@ $<

$(GUEST)/bare: $(BARE_OBJECTS) $(BARE)/start.S $(BARE)/setup.S $(BARE)/bare.lds $(BARE)/layout.h
	$(call say,GUEST,$@)
	$(Q)$(CC) -I. -c -o $(GUEST)/obj/start.o $(BARE)/start.S
	$(Q)$(CC) -E -P -x assembler-with-cpp -I. -o $(GUEST)/obj/bare.lds $(BARE)/bare.lds
	$(Q)ld -nostdlib -static -z noexecstack --no-warn-rwx-segments -T $(GUEST)/obj/bare.lds \
		-o $@.elf $(GUEST)/obj/start.o $(BARE_OBJECTS)
	$(Q)objcopy -O binary -j .text -j .rodata -j .data $@.elf $(GUEST)/obj/bare.bin
	$(Q)$(CC) -c -DBARE_LINK=$(BARE_LINK) -DBARE_MEMORY=$(BARE_MEMORY) \
		-DBARE_PARAGRAPHS="($$(stat -c %s $(GUEST)/obj/bare.bin)+15)/16" \
		-o $(GUEST)/obj/setup.o $(BARE)/setup.S
	$(Q)ld -Ttext 0 --oformat binary -o $(GUEST)/obj/setup.bin $(GUEST)/obj/setup.o
	$(Q)cat $(GUEST)/obj/setup.bin $(GUEST)/obj/bare.bin > $@

$(BUILD)/facet.img: $(BUILD)/BOOTX64.EFI $(GUEST_CONF) $(GUEST)/vmlinuz $(GUEST)/guest.cpio.gz \
		tools/mkimage.sh
	$(call say,IMAGE,$@)
	$(Q)tools/mkimage.sh $@ $(BUILD)/BOOTX64.EFI $(GUEST_CONF) $(GUEST)/vmlinuz \
		$(GUEST)/guest.cpio.gz

# ---- tests on this host -------------------------------------------------------------
#
# A test names what it is linked with in its first comments:
#   // SOURCES: core/lib/string.c           repository sources, compiled for the host
#   // HYPERVISOR_OBJECTS: gpu/sched.c      compiled with the hypervisor's own flags
#   // LDLIBS: -lcapstone
# and any of these may stand on several lines.

CFLAGS_HOST := -std=gnu17 -g -fno-omit-frame-pointer -fno-strict-aliasing -I. -DFACET_HOST \
	-Wall -Wextra -Werror -Wshadow -Wundef -Wimplicit-fallthrough
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_UNIT := $(CFLAGS_HOST) -O1 $(SANITIZE)
CFLAGS_MODEL := $(CFLAGS_HOST) -O2
CFLAGS_FUZZ := $(CFLAGS_HOST) -O1 $(SANITIZE) -fsanitize=fuzzer-no-link

UNIT_TESTS := $(sort $(wildcard tests/unit/test_*.c))
MODEL_TESTS := $(sort $(wildcard tests/model/*.c))
MODEL_SCRIPTS := $(sort $(wildcard tests/model/*.sh))
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))

# $(1) kind, $(2) compiler, $(3) flags
define host_object
$(BUILD)/$(1)/obj/%.c.o: %.c Makefile | setup-check
	$$(call say,CC,'$$< ($(1))')
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(2) $(3) -MMD -MP -c -o $$@ $$<

$(BUILD)/$(1)/obj/%.S.o: %.S Makefile | setup-check
	$$(call say,AS,'$$< ($(1))')
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(2) $$(ASFLAGS_HYPERVISOR) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call host_object,unit,$$(CC),$$(CFLAGS_UNIT)))
$(eval $(call host_object,model,$$(CC),$$(CFLAGS_MODEL)))
$(eval $(call host_object,fuzz,$$(FUZZ_CC),$$(CFLAGS_FUZZ)))

# The hypervisor's own flags; only the code model differs, since the host links low.
$(BUILD)/model/hypervisor/%.c.o: %.c Makefile | setup-check
	$(call say,CC,'$< (as in the hypervisor)')
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FREESTANDING) -mcmodel=small -MMD -MP -c -o $@ $<

# $(1) kind, $(2) source of the test, $(3) command that links
define host_program
$(BUILD)/$(1)/$(basename $(notdir $(2))): $(BUILD)/$(1)/obj/$(2).o \
		$(patsubst %,$(BUILD)/$(1)/obj/%.o,$(call field,$(2),SOURCES)) \
		$(patsubst %,$(BUILD)/model/hypervisor/%.o,$(call field,$(2),HYPERVISOR_OBJECTS))
	$$(Q)$(3) -o $$@ $$^ $(call field,$(2),LDLIBS) $(if $(filter unit,$(1)),-lcmocka) -lm
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call host_program,unit,$(t),$$(CC) $$(SANITIZE))))
$(foreach t,$(MODEL_TESTS),$(eval $(call host_program,model,$(t),$$(CC) -no-pie)))
$(foreach t,$(FUZZERS),$(eval $(call host_program,fuzz,$(t),$$(FUZZ_CC) $$(SANITIZE) -fsanitize=fuzzer)))

UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_TESTS))
MODEL_PROGRAMS := $(patsubst tests/model/%.c,$(BUILD)/model/%,$(MODEL_TESTS))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZERS))

# What Mesa was recorded to say, as seeds in the form that the fuzzer takes.
FUZZ_SEEDS := $(BUILD)/fuzz/seeds/virgl
$(FUZZ_SEEDS): $(BUILD)/model/virgl_recorded $(wildcard $(GUEST3D_STREAMS)/*)
	$(call say,SEEDS,$@)
	$(Q)rm -rf $@
	$(Q)mkdir -p $@
	$(Q)FACET_CORPUS=$@ $<

.PHONY: unit-programs model-programs fuzz-programs
unit-programs: $(UNIT_PROGRAMS)
model-programs: $(MODEL_PROGRAMS)
fuzz-programs: $(FUZZ_PROGRAMS) $(FUZZ_SEEDS)

RUNTESTS := $(PYTHON) tools/runtests.py --results $(BUILD)/results --jobs $(JOBS)

.PHONY: check check-unit check-tools check-model check-fuzz check-system bench
# Programs are linked anew each time: what no longer compiles must not run as it was.
check-unit: setup-check
	$(Q)rm -f $(UNIT_PROGRAMS)
	$(Q)$(MAKE) -k -j$(JOBS) unit-programs || true
	$(Q)$(RUNTESTS) unit $(UNIT_PROGRAMS)

# tools/facetctl and the checker of traces, which also looks at some of the simulation's.
check-tools: setup-check
	$(Q)rm -f $(BUILD)/model/gpu_sched_sim
	$(Q)$(MAKE) -j$(JOBS) $(BUILD)/model/gpu_sched_sim
	$(Q)mkdir -p $(BUILD)/results
	$(Q)BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q -rs -p no:cacheprovider \
		--junitxml=$(BUILD)/results/tools.xml tests/tools

check-model: setup-check
	$(Q)rm -f $(MODEL_PROGRAMS)
	$(Q)$(MAKE) -k -j$(JOBS) model-programs || true
	$(Q)BUILD=$(abspath $(BUILD)) $(RUNTESTS) model $(MODEL_PROGRAMS) $(MODEL_SCRIPTS)

check-fuzz: setup-check
	$(Q)rm -f $(FUZZ_PROGRAMS)
	$(Q)$(MAKE) -k -j$(JOBS) fuzz-programs || true
	$(Q)$(RUNTESTS) --seconds $(FUZZ_SECONDS) fuzz $(FUZZ_PROGRAMS)

check-system: setup-check check-kvm
	$(Q)programs=$$($(BENCH_NAMES) programs) || exit 2; $(MAKE) -j$(JOBS) image $$programs
	$(Q)mkdir -p $(BUILD)/results
	$(Q)name=$$($(BENCH_NAMES) current) || exit 2; \
	BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q -rs -p no:cacheprovider \
		--junitxml=$(BUILD)/results/system-$$name.xml tests/system $(TESTS)

# KVM=1 on a host that cannot: said before anything else is done.
.PHONY: check-kvm
check-kvm:
	$(Q)test '$(KVM)' = 0 -o -z '$(KVM)' || $(BENCH_NAMES) kvm

# Every bench. QEMU has a thread for each processor of its machine, Bochs has one for all:
# QEMU's benches run one after the other, Bochs's at the same time.
.PHONY: check-benches
check-benches: setup-check check-kvm
	$(Q)$(MAKE) -j$(JOBS) image guest-programs
	$(Q)failed=; for bench in $$($(BENCH_NAMES) qemu); do echo "-- $$bench"; \
		$(MAKE) check-system BENCH=$$bench || failed=1; done; \
	echo "-- $$($(BENCH_NAMES) bochs)"; \
	$(MAKE) -k -j2 --output-sync=target $$($(BENCH_NAMES) bochs | sed 's/[^ ]*/check-on-&/g') \
		|| failed=1; \
	test -z "$$failed"

check-on-%:
	$(Q)$(MAKE) check-system BENCH=$*

# What is made of a minute or less in `make check`, for ten minutes; twenty times as many devices
# plugged in; and a hundred times as many seeds of the scheduler's simulation, an hour of one processor's time.
.PHONY: soak soak-streams soak-exits soak-plug soak-sched
soak:
	$(Q)failed=; for part in soak-streams soak-exits soak-plug soak-sched; do $(MAKE) $$part || failed=1; done; \
	test -z "$$failed"

soak-streams:
	$(Q)SOAK_SECONDS=600 $(MAKE) check-system BENCH=qemu-virgl TESTS='-k hostile_streams -s'

soak-exits:
	$(Q)SOAK_EXITS_S=600 $(MAKE) check-system TESTS='-k exits_without_end'

soak-plug:
	$(Q)SOAK_PLUGS=1000 $(MAKE) check-system TESTS='-k test_plug'

SOAK_SEEDS ?= 1000000
SOAK_PARTS := $(shell seq 1 $(JOBS))
soak-sched: setup-check
	$(Q)$(MAKE) $(BUILD)/model/gpu_sched_sim
	$(Q)$(MAKE) -k -j$(JOBS) $(addprefix soak-sched-,$(SOAK_PARTS))

soak-sched-%:
	$(Q)each=$$(($(SOAK_SEEDS) / $(JOBS))); \
	FACET_FIRST=$$((($* - 1) * each + 1)) FACET_SEEDS=$$each $(BUILD)/model/gpu_sched_sim

.PHONY: guest-programs guest3d-programs
guest-programs: $(GUEST)/guest.cpio.gz $(GUEST)/guestdev.cpio.gz $(GUEST)/bare \
	$(GUEST)/vmlinux.flat $(BUILD)/remap.efi
guest3d-programs: $(GUEST)/guest3d.cpio

# Each part runs even when one before it failed; the last line counts them all.
check: check-kvm
	$(Q)rm -rf $(BUILD)/results
	$(Q)failed=; for part in check-unit check-tools check-model check-fuzz check-benches; do \
		echo "== $$part"; $(MAKE) $$part || failed="$$failed $$part"; done; \
	$(PYTHON) tools/summary.py $(BUILD)/results; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

bench: setup-run
	$(Q)$(MAKE) image guest-programs $(BUILD)/model/iommu_cost
	$(Q)failed=; $(BUILD)/model/iommu_cost || failed=1; for bench in qemu-virtio bochs-vmx; do \
		BENCH=$$bench BUILD=$(abspath $(BUILD)) $(PYTHON) tests/bench/bench.py || failed=1; done; \
	test -z "$$failed"

# Instructions of a decision of the GPU scheduler, against their bounds; a part of check-model.
.PHONY: bench-sched
bench-sched: setup-check
	$(Q)$(MAKE) $(BUILD)/model/gpu_sched_cost
	$(Q)$(BUILD)/model/gpu_sched_cost

# 3D through Facet against the same guest directly on QEMU; not for a machine that others use.
.PHONY: bench-3d
bench-3d: setup-run
	$(Q)$(MAKE) image guest3d-programs
	$(Q)BENCH=qemu-virgl BUILD=$(abspath $(BUILD)) $(PYTHON) tests/bench/bench3d.py $(ARGS)

.PHONY: bench-neighbour
bench-neighbour: setup-run
	$(Q)$(MAKE) image guest-programs
	$(Q)BUILD=$(abspath $(BUILD)) $(PYTHON) tests/bench/neighbour.py $(ARGS)

# An assigned NVMe controller against the same guest directly on QEMU; not for a machine that others use.
.PHONY: bench-assign
bench-assign: setup-run
	$(Q)$(MAKE) image guest-programs
	$(Q)BUILD=$(abspath $(BUILD)) $(PYTHON) tests/bench/benchassign.py $(ARGS)

.PHONY: lint format
lint: setup-lint
	$(Q)HYPERVISOR_FLAGS='$(CFLAGS_HYPERVISOR)' BOOT_FLAGS='$(CFLAGS_BOOT)' tools/lint.sh $(CHECKS)

format: setup-lint
	$(Q)find $(ROOMS) boot tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

DEPENDENCIES := $(wildcard $(patsubst %.o,%.d,$(OBJECTS) $(BOOT_OBJECTS) $(BARE_OBJECTS)) \
	$(BUILD)/efi/tests/efi/remap.c.d)
ifneq ($(wildcard $(BUILD)/unit $(BUILD)/model $(BUILD)/fuzz),)
DEPENDENCIES += $(shell find $(BUILD)/unit $(BUILD)/model $(BUILD)/fuzz -name '*.d' 2>/dev/null)
endif
-include $(DEPENDENCIES)
