#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a GPT disk image with an EFI system partition, without root.
#
#   tools/mkimage.sh OUT.img BOOTX64.EFI CONF|- [FILE | NAME=FILE]...
#
# The application becomes \EFI\BOOT\BOOTX64.EFI and CONF \facet\facet.conf ("-": none).
# Each FILE goes to \facet under its own name, or under NAME.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin MTOOLS_SKIP_CHECK=1

if (($# < 3)); then
	sed -n 's/^#   tools/usage: tools/p' "$0" >&2
	exit 2
fi
out=$1 application=$2 conf=$3
shift 3

sources=("$application")
[[ $conf == - ]] || sources+=("$conf")
for f in "$@"; do
	sources+=("${f#*=}")
done
bytes=0
for f in "${sources[@]}"; do
	size=$(stat -Lc %s "$f")
	bytes=$((bytes + size))
done

# FAT32 wants at least 65525 clusters: the volume is never smaller than 40 MiB, and the
# clusters are the biggest that still make a FAT32 of it.
mib=$((bytes * 102 / 100 / 1048576 + 4))
((mib >= 40)) || mib=40
cluster=1
while ((cluster < 8 && mib * 2048 / (cluster * 2) > 66600)); do
	cluster=$((cluster * 2))
done

first=2048 # sectors; the partition is aligned to 1 MiB
part=$out.esp.$$
trap 'rm -f "$part" "$out.tmp.$$"' EXIT
rm -f "$part"
truncate -s "${mib}M" "$part"
mkfs.fat -F 32 -s $cluster -n FACET -h $first "$part" >/dev/null
mmd -i "$part" ::/EFI ::/EFI/BOOT ::/facet
mcopy -i "$part" "$application" ::/EFI/BOOT/BOOTX64.EFI
[[ $conf == - ]] || mcopy -i "$part" "$conf" ::/facet/facet.conf
for f in "$@"; do
	if [[ $f == *=* ]]; then
		mcopy -i "$part" "${f#*=}" "::/facet/${f%%=*}"
	else
		mcopy -i "$part" "$f" "::/facet/$(basename "$f")"
	fi
done

truncate -s $((mib + 2))M "$out.tmp.$$"
sgdisk --clear --new=1:$first:$((first + mib * 2048 - 1)) --typecode=1:ef00 \
	--change-name=1:facet "$out.tmp.$$" >/dev/null
dd if="$part" of="$out.tmp.$$" bs=1M seek=1 conv=notrunc,sparse status=none
mv "$out.tmp.$$" "$out"
