#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets the guest kernel from the distribution's own packages: unpacked, not installed.
#
#   tools/guest.sh DIR
#
# Leaves DIR/vmlinuz, DIR/release, DIR/busybox, and in DIR/modules the modules that the
# guest's init loads: which ones, in which order, for a PCI device VENDOR:DEVICE is in
# DIR/modules/VENDOR:DEVICE. DIR/devices is the same for what only a guest with devices of
# its own needs (and DIR/devices/ext4).
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
dir=$1
declare -A wanted_modules=(
	[1af4:1050]="virtio_pci virtio_gpu"
	[1234:1111]="bochs"
)
declare -A device_modules=(
	[1002:5046]="aty128fb"
	[1002:5159]="radeonfb"
	[1b36:0010]="nvme"
	[8086:10d3]="e1000e"
	[8086:2922]="ahci sd_mod"
	[ext4]="crc32c_generic ext4"
)

mkdir -p "$dir/packages"
root=$(realpath "$dir")/root
rm -rf "$root"
mkdir -p "$root"

# The meta package names the real one: linux-image-6.1.0-NN-amd64 and the like.
depends() {
	apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \([^<]*\)$/\1/p'
}

fetch() { # by name: downloads once, unpacks
	local deb
	deb=$(find "$dir/packages" -name "$1_*.deb" | head -n 1)
	if [[ -z $deb ]]; then
		echo "guest: downloading $1 from the distribution"
		(cd "$dir/packages" && apt-get -qq download "$1" 2>/dev/null) || {
			local sudo=()
			((EUID == 0)) || sudo=(sudo)
			"${sudo[@]}" apt-get -qq update
			(cd "$dir/packages" && apt-get -qq download "$1")
		}
		deb=$(find "$dir/packages" -name "$1_*.deb" | head -n 1)
	fi
	dpkg -x "$deb" "$root"
}

for meta in linux-image-amd64 linux-image-generic; do
	image=$(depends $meta | grep -m 1 '^linux-image-') && break
done
if [[ -z ${image-} ]]; then
	echo "guest: neither linux-image-amd64 nor linux-image-generic is known to apt" >&2
	exit 1
fi
fetch "$image"
# Ubuntu keeps the modules in packages of their own.
modules=${image/linux-image-/linux-modules-}
modules=${modules/unsigned-/}
for package in "$modules" "${modules/linux-modules-/linux-modules-extra-}"; do
	if apt-cache show "$package" >/dev/null 2>&1; then
		fetch "$package"
	fi
done
fetch busybox-static

kernel=$(find "$root/boot" -name 'vmlinuz-*' | head -n 1)
release=${kernel##*/vmlinuz-}
moddir=$root/lib/modules
[[ -d $moddir ]] || moddir=$root/usr/lib/modules
if [[ ! -d $root/lib ]]; then
	ln -s usr/lib "$root/lib"
fi
depmod -b "$root" "$release"

depends_on() { # MODULE: files of what it needs and of itself, in order
	modprobe -d "$root" -S "$release" --show-depends "$1" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
}

leave() { # FOLDER NAME MODULE...: what NAME needs
	local folder=$1 name=$2 ko file
	shift 2
	touch "$folder/$name"
	for m in "$@"; do
		depends_on "$m"
	done | awk '!seen[$0]++' |
		while read -r ko; do
			file=$(basename "$ko" | sed 's/\.ko.*/.ko/')
			case $ko in
			*.xz) xz -dc "$ko" ;;
			*.zst) zstd -qdc "$ko" ;;
			*.gz) gzip -dc "$ko" ;;
			*) cat "$ko" ;;
			esac >"$folder/$file"
			echo "$file" >>"$folder/$name"
		done
}

rm -rf "$dir/modules" "$dir/devices"
mkdir -p "$dir/modules" "$dir/devices"
for device in "${!wanted_modules[@]}"; do
	# shellcheck disable=SC2086
	leave "$dir/modules" "$device" ${wanted_modules[$device]}
done
for device in "${!device_modules[@]}"; do
	# shellcheck disable=SC2086
	leave "$dir/devices" "$device" ${device_modules[$device]}
done

cp "$(find "$root" -path '*/bin/busybox' | head -n 1)" "$dir/busybox"
echo "$release" >"$dir/release"
cp "$kernel" "$dir/vmlinuz.new"
rm -rf "$root"
mv "$dir/vmlinuz.new" "$dir/vmlinuz"
