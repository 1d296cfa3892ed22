#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks gpu_handoff.pml with spin: no wake-up is lost, and each broken variant is found.
set -euo pipefail

model=$(realpath "$(dirname "$0")/gpu_handoff.pml")
work=${BUILD:-$PWD/build}/model/gpu_handoff.work
states=0 found=0

# check VARIANT: 0 when spin finds no error; anything but a verdict ends the run.
check() {
	local dir=$work/$1 said
	mkdir -p "$dir"
	cd "$dir"
	spin -a -D"$1" "$model" >spin.log
	"${CC:-gcc}" -O2 -w -DNFAIR=3 -o pan pan.c
	./pan -m1000000 -a -f >pan.log 2>&1 || true
	said=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log)
	if [[ -z $said ]] || grep -q 'max search depth too small\|out of memory' pan.log; then
		cat pan.log
		exit 1
	fi
	states=$((states + $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)))
	[[ $said == 0 ]]
}

rm -rf "$work"
mkdir -p "$work"
work=$(realpath "$work")
if ! check RIGHT; then
	cat "$work/RIGHT/pan.log"
	echo "gpu_handoff: a job that may be picked is not"
	exit 1
fi
for broken in BROKEN_NO_RAISE BROKEN_RAISE_FIRST BROKEN_CLEAR_LATE BROKEN_BUDGET BROKEN_NO_TIMER \
	BROKEN_TIMER_ONLY_IDLE; do
	if check $broken; then
		echo "gpu_handoff: $broken is not found wrong"
		exit 1
	fi
	found=$((found + 1))
done
echo "gpu_handoff: no wake-up is lost; $found broken variants found, $states states"
