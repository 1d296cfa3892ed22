#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bounded model checking of the GPU scheduler's core functions: each harness in tests/model/cbmc
# holds, and each broken variant of the code is found. Without CBMC it says that it was skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath -m "${BUILD:-build}")
work=$build/model/gpu_sched_cbmc.work
harnesses=$PWD/tests/model/cbmc
object="gpu/sched.c gpu/sched_complete.c gpu/sched_note.c gpu/sched_admit.c"
held=0 found=0

# prove TREE HARNESS FUNCTION UNWIND [SOURCE...]: 0 when it holds; only a verdict does not end the run
prove() {
	local said=0
	(cd "$1" && timeout 300 "$OLDPWD/tools/cbmc.sh" "$build/cbmc" -I. --function "$3" --unwind "$4" \
		--no-standard-checks --bounds-check --pointer-check --div-by-zero-check \
		--slice-formula "$harnesses/$2.c" "${@:5}") >"$work/log" 2>&1 || said=$?
	if ((said == 77)); then
		echo "gpu_sched_cbmc: skipped: CBMC is neither installed nor to be had"
		exit 0
	fi
	if ((said != 0 && said != 10)); then
		tail -20 "$work/log"
		echo "gpu_sched_cbmc: $3: no verdict"
		exit 1
	fi
	return $said
}

# holds HARNESS FUNCTION UNWIND [SOURCE...]
holds() {
	if ! prove . "$@"; then
		grep FAILURE "$work/log"
		echo "gpu_sched_cbmc: $2 does not hold"
		exit 1
	fi
	held=$((held + 1))
}

# broken FILE EXPRESSION HARNESS FUNCTION UNWIND [SOURCE...]: sed makes it wrong
broken() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree"
	cp -r --parents gpu core/lib "$work/tree"
	sed -i "$2" "$work/tree/$1"
	if cmp -s "$1" "$work/tree/$1"; then
		echo "gpu_sched_cbmc: $1 has no '$2'"
		exit 1
	fi
	if prove "$work/tree" "${@:3}"; then
		echo "gpu_sched_cbmc: $1 with '$2' is not found wrong"
		exit 1
	fi
	found=$((found + 1))
}

rm -rf "$work"
mkdir -p "$work"
# shellcheck disable=SC2086 # a list of files
{
	holds sched_heap heap_order 5
	holds sched_scale scale_exact 4
	holds sched_scale scale_saturates 4
	holds sched_account account_in_order 3 $object
	holds sched_account account_overtaken 3 $object
	holds sched_account account_together 3 $object
	holds sched_admit admit_sound 4
	broken gpu/sched_heap.h 's/if (gpu_sched_before(parent, node))/if (gpu_sched_before(node, parent))/' \
		sched_heap heap_order 5
	broken gpu/sched_heap.h 's/child = least->at;//' sched_heap heap_order 5
	broken gpu/sched_scale.h 's/ns \* times + \*rest/ns * times/' sched_scale scale_exact 4
	broken gpu/sched_complete.c 's/carried_ns += job/carried_ns = 0 * job/' \
		sched_account account_overtaken 3 $object
	broken gpu/sched_complete.c 's/shared_ns % work \* done \/ work/0/' \
		sched_account account_together 3 $object
	broken gpu/sched_admit.c 's/p->latency_ns > interval_ns/p->latency_ns >= interval_ns/' \
		sched_admit admit_sound 4
}
echo "gpu_sched_cbmc: $held harnesses hold; $found broken variants found"
