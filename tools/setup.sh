#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Finds out which packages are missing and installs them by name through apt.
#
#   tools/setup.sh [build] [run] [3d] [check] [lint]      (default: build run)
#
# It says what it installs, uses sudo when not root, and does nothing, fast, when
# everything is there. Debian 12 and current Ubuntu.
set -euo pipefail

declare -A group=(
	[build]="gcc binutils make acpica-tools gnu-efi gdisk mtools dosfstools python3"
	[run]="kmod libc6-dev libdrm-dev qemu-system-x86 ovmf cpio gzip xz-utils zstd
		bochs bochs-sdl bochs-x vgabios xvfb"
	[3d]="libegl-dev libgles-dev libgbm-dev libdrm-dev libegl1 libgl1 libgl1-mesa-dri
		qemu-system-gui qemu-system-modules-opengl"
	[check]="clang libclang-rt-dev libcmocka-dev libcapstone-dev python3-pytest spin
		prometheus e2fsprogs"
	[lint]="clang clang-format clang-tidy cppcheck"
)

# Names that a distribution gives to the same thing: the first that apt knows is taken.
declare -A instead=(
	[libclang-rt-dev]="libclang-rt-14-dev libclang-common-14-dev"
	# Debian 12 has these modules in qemu-system-gui, and both need this library.
	[qemu-system-modules-opengl]="libvirglrenderer1"
)

installed() {
	[[ -e /var/lib/dpkg/info/$1.list || -e /var/lib/dpkg/info/$1:amd64.list ]]
}

# The same thing by any of its names.
have() {
	local name
	for name in "$1" ${instead[$1]-}; do
		if installed "$name"; then
			return 0
		fi
	done
	return 1
}

known_to_apt() {
	[[ -n $(apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([^(].*\)/\1/p') ]]
}

pick() {
	local name
	for name in "$1" ${instead[$1]-}; do
		if known_to_apt "$name"; then
			echo "$name"
			return
		fi
	done
	echo "$1"
}

missing=()
for g in "${@:-build}"; do
	if [[ -z ${group[$g]-} ]]; then
		echo "setup: no group '$g'; there are: ${!group[*]}" >&2
		exit 2
	fi
	for p in ${group[$g]}; do
		have "$p" || missing+=("$p")
	done
done

((${#missing[@]})) || exit 0

sudo=()
if ((EUID != 0)); then
	sudo=(sudo)
	if ! command -v sudo >/dev/null; then
		echo "setup: these packages are missing, and there is no sudo: ${missing[*]}" >&2
		exit 1
	fi
fi

if ! command -v apt-get >/dev/null; then
	echo "setup: this is no Debian or Ubuntu; please install: ${missing[*]}" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# An index that was never fetched knows no package at all.
known_to_apt gcc && known_to_apt "${missing[0]}" || "${sudo[@]}" apt-get -qq update

wanted=()
for p in "${missing[@]}"; do
	name=$(pick "$p")
	installed "$name" || wanted+=("$name")
done
((${#wanted[@]})) || exit 0

echo "setup: installing with apt-get: ${wanted[*]}"
install=("${sudo[@]}" apt-get -y -qq --no-install-recommends install "${wanted[@]}")
if ! "${install[@]}" >/dev/null; then
	echo "setup: once more after apt-get update"
	"${sudo[@]}" apt-get -qq update
	"${install[@]}" >/dev/null
fi
