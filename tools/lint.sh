#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Layering, style and static analysis of the whole tree. `make lint` calls it with the
# compilers' flags in the environment. Each check runs, whatever the others found.
#
#   tools/lint.sh [CHECK...]      includes size headers format scripts warnings tidy cppcheck
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

jobs=$(nproc)
rooms=()
for room in arch boot core drivers gpu guest; do
	[[ -d $room ]] && rooms+=("$room")
done
mapfile -t all < <(find "${rooms[@]}" tests -name '*.[ch]' | sort)
mapfile -t headers < <(find "${rooms[@]}" -name '*.h' | sort)
mapfile -t sources < <(find "${rooms[@]}" -name '*.c' ! -path 'boot/*' | sort)
mapfile -t boot_sources < <(find boot -name '*.c' | sort)

: "${HYPERVISOR_FLAGS:?is set by make lint}" "${BOOT_FLAGS:?is set by make lint}"
# What gcc alone knows.
boot_flags_clang=${BOOT_FLAGS/-maccumulate-outgoing-args/}
export HYPERVISOR_FLAGS BOOT_FLAGS boot_flags_clang

flags_for() { # FILE COMPILER
	case $1 in
	boot/*) if [[ $2 == clang* ]]; then echo "$boot_flags_clang"; else echo "$BOOT_FLAGS"; fi ;;
	*) echo "$HYPERVISOR_FLAGS" ;;
	esac
}

one_header() { # FILE: it must compile with nothing before it, and twice in a row
	local cc
	for cc in gcc clang; do
		# shellcheck disable=SC2046 # flags are words
		printf '#include "%s"\n#include "%s"\n' "$1" "$1" |
			$cc $(flags_for "$1" $cc) -Wno-unused-function -fsyntax-only -x c - || {
			echo "$1: does not compile alone with $cc"
			return 1
		}
	done
}

one_tidy() {
	# shellcheck disable=SC2046
	clang-tidy --quiet "$1" -- $(flags_for "$1" clang) -Wno-unknown-warning-option \
		2> >(grep -v 'warnings\? generated\|^Suppressed\|Use -header-filter' >&2)
}

one_clang() {
	# shellcheck disable=SC2046
	clang $(flags_for "$1" clang) -fsyntax-only "$1"
}
one_gcc() {
	# shellcheck disable=SC2046
	gcc $(flags_for "$1" gcc) -fsyntax-only "$1"
}
export -f flags_for one_header one_tidy one_clang one_gcc

each() { # FUNCTION FILE...: some at a time; xargs fails when one of them did
	local function=$1
	shift
	(($#)) || return 0
	printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" bash -c "$function \"\$1\"" -
}

check_includes() { tools/includes.py; }
check_size() { tools/size.py; }
check_headers() { each one_header "${headers[@]}"; }
check_format() { clang-format --dry-run -Werror "${all[@]}"; }
check_warnings() {
	local status=0
	each one_clang "${sources[@]}" "${boot_sources[@]}" || status=1
	each one_gcc "${sources[@]}" "${boot_sources[@]}" || status=1
	return $status
}
check_tidy() { each one_tidy "${sources[@]}" "${boot_sources[@]}"; }
check_cppcheck() {
	mkdir -p build/cppcheck
	cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 --suppress=missingInclude \
		--suppress=unmatchedSuppression --suppress=preprocessorErrorDirective \
		--suppress=nullPointerRedundantCheck:tests/* \
		--cppcheck-build-dir=build/cppcheck -j "$jobs" -I. "${sources[@]}" "${boot_sources[@]}"
}
check_scripts() {
	local status=0 f
	for f in tools/*.sh tests/model/*.sh .ci/run tests/guest/init*; do
		bash -n "$f" || status=1
	done
	for f in tools/*.py tools/facetctl tools/facetlib/*.py tests/system/*.py tests/bench/*.py \
		tests/tools/*.py; do
		[[ ! -e $f ]] || /usr/bin/python3 -c "import ast,sys; ast.parse(open('$f').read(), '$f')" || status=1
	done
	return $status
}

checks=("$@")
(($#)) || checks=(includes size headers format scripts warnings tidy cppcheck)
failed=()
for check in "${checks[@]}"; do
	start=$EPOCHSECONDS
	if "check_$check"; then
		echo "lint: $check: clean ($((EPOCHSECONDS - start)) s)"
	else
		echo "lint: $check: FAILED"
		failed+=("$check")
	fi
done
((${#failed[@]} == 0)) || { echo "lint: failed: ${failed[*]}"; exit 1; }
