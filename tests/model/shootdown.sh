#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks shootdown.pml with spin: the protocol is right, and each broken variant is found.
set -euo pipefail

model=$(realpath "$(dirname "$0")/shootdown.pml")
work=${BUILD:-$PWD/build}/model/shootdown.work
states=0 found=0

# check VARIANT safety|progress: 0 when spin finds no error; anything but a verdict ends the run.
check() {
	local dir=$work/$1-$2 options=(-DSAFETY -DNOCLAIM) run=() said
	local rounds=2
	if [[ $2 == progress ]]; then
		options=(-DNFAIR=3)
		run=(-a -f -N progress)
		rounds=1
	fi
	mkdir -p "$dir"
	cd "$dir"
	spin -a -D"$1" -DROUNDS=$rounds "$model" >spin.log
	"${CC:-gcc}" -O2 -w "${options[@]}" -DVECTORSZ=256 -o pan pan.c
	./pan -m1000000 "${run[@]}" >pan.log 2>&1 || true
	said=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log)
	if [[ -z $said ]] || grep -q 'max search depth too small\|out of memory' pan.log; then
		cat pan.log
		exit 1
	fi
	states=$((states + $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)))
	[[ $said == 0 ]]
}

rm -rf "$work"
for property in safety progress; do
	if ! check RIGHT $property; then
		cat "$work/RIGHT-$property/pan.log"
		echo "shootdown: $property does not hold"
		exit 1
	fi
done
for broken in BROKEN_EPOCH_FIRST:safety BROKEN_ORDER:safety BROKEN_NO_WAIT:safety \
	BROKEN_MOVE:safety BROKEN_NO_KICK:progress BROKEN_STARVE:progress; do
	if check "${broken%:*}" "${broken#*:}"; then
		echo "shootdown: ${broken%:*} is not found wrong"
		exit 1
	fi
	found=$((found + 1))
done
echo "shootdown: safe, and the waiter ends; $found broken variants found, $states states"
