#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packs the guest's root file system: busybox, the kernel's modules, init and the drawer.
#
#   tools/initramfs.sh GUEST-DIR DRAWER INIT OUT.cpio.gz [FURTHER-MODULES]
set -euo pipefail
dir=$1 drawer=$2 init=$3 out=$4

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules}
cp "$dir/busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$dir"/modules/* ${5+"$5"/*} "$root/modules/"
strip --strip-debug "$root"/modules/*.ko
cp "$drawer" "$root/bin/drawer"
cp "$init" "$root/init"
chmod 755 "$root/init" "$root/bin/busybox" "$root/bin/drawer"
# The same files give the same archive.
find "$root" -exec touch -hd @0 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc) |
	gzip -9n >"$out"
