#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks doorbells.pml with spin: no request is lost, and each broken variant is found.
set -euo pipefail

model=$(realpath "$(dirname "$0")/doorbells.pml")
work=${BUILD:-$PWD/build}/model/doorbells.work
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
for right in RIGHT NO_AT_EXIT; do
	if ! check $right; then
		cat "$work/$right/pan.log"
		echo "doorbells: $right: a request is not taken"
		exit 1
	fi
done
for broken in BROKEN_NO_RECHECK BROKEN_RECHECK_FIRST BROKEN_LAST_JOB BROKEN_NO_KICK BROKEN_PUT \
	BROKEN_NO_BARRIER; do
	if check $broken; then
		echo "doorbells: $broken is not found wrong"
		exit 1
	fi
	found=$((found + 1))
done
echo "doorbells: no request is lost; $found broken variants found, $states states"
