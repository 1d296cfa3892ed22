#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the root file system of a guest for 3D out of the distribution's packages: Mesa with
# virgl, kmscube and glmark2, unpacked and trimmed to what they load, with busybox.
#
#   tools/guest3d.sh DIR GUEST-DIR INIT OUT.cpio PROGRAM|LIBRARY.so|FOLDER...
#
# GUEST-DIR is what tools/guest.sh left: busybox, release and modules. PROGRAM goes to /bin,
# LIBRARY.so to /lib, each with the libraries that it names; FOLDER to /. DIR/packages keeps what
# was downloaded; DIR/versions says what the image is made of.
#
# The archive is not compressed: what decompressing costs a guest under emulation is more than
# what reading the longer file costs.
set -euo pipefail
export LC_ALL=C
dir=$1 guest=$2 init=$3 out=$4
shift 4

packages=(kmscube glmark2-es2-drm glmark2-data libgl1-mesa-dri libegl-mesa0 libegl1 libgles2
	libgbm1 libdrm2)

mkdir -p "$dir/packages"
unpacked=$(realpath "$dir")/unpacked
root=$(realpath "$dir")/root
rm -rf "$unpacked" "$root"
mkdir -p "$unpacked" "$root"

# ---- packages -------------------------------------------------------------------------

# Where packages leave a choice, the first alternative.
depends() { # PACKAGE...
	apt-cache depends --important "$@" 2>/dev/null | awk '
		/^ [ |](Pre)?Depends: / {
			if (!chosen && $2 !~ /^</) print $2
			chosen = substr($0, 2, 1) == "|"
		}
		/^[^ ]/ { chosen = 0 }' | sed 's/:amd64$//' | sort -u
}

# Libraries and what they need in turn. LLVM is replaced by a stand-in, see below.
resolve() { # PACKAGE...: all names
	local -A seen=()
	local next=("$@") name
	while ((${#next[@]})); do
		for name in "${next[@]}"; do
			seen[$name]=1
		done
		local found=()
		for name in $(depends "${next[@]}"); do
			case $name in
			libllvm* | *-bin | *-data | *-common | libc-l10n) continue ;;
			lib* | zlib*) [[ -n ${seen[$name]-} ]] || found+=("$name") ;;
			esac
		done
		next=("${found[@]}")
	done
	printf '%s\n' "${!seen[@]}" | sort
}

have() {
	compgen -G "$dir/packages/$1_*.deb" >/dev/null
}

download() { # PACKAGE...
	(cd "$dir/packages" && apt-get -qq download "$@" 2>/dev/null)
}

sudo=()
((EUID == 0)) || sudo=(sudo)
if [[ ! -s $dir/packages/names ]]; then
	if ! apt-cache show glmark2-es2-drm >/dev/null 2>&1; then
		"${sudo[@]}" apt-get -qq update
	fi
	resolve "${packages[@]}" >"$dir/packages/names.new"
	mv "$dir/packages/names.new" "$dir/packages/names"
fi
mapfile -t names <"$dir/packages/names"
missing=()
for name in "${names[@]}"; do
	have "$name" || missing+=("$name")
done
if ((${#missing[@]})); then
	echo "guest3d: downloading ${#missing[@]} packages from the distribution"
	download "${missing[@]}" || {
		"${sudo[@]}" apt-get -qq update
		download "${missing[@]}"
	}
fi
for name in "${names[@]}"; do
	dpkg -x "$(compgen -G "$dir/packages/${name}_*.deb" | head -n 1)" "$unpacked"
done
find "$dir/packages" -name '*.deb' -printf '%f\n' | sort >"$dir/versions"

# ---- what is kept ---------------------------------------------------------------------

triplet=x86_64-linux-gnu
libraries=$root/usr/lib/$triplet
mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,modules,lib64,etc} "$libraries/dri"
ln -s usr/lib "$root/lib"

in_packages() { # NAME: where a library of that name is
	find "$unpacked" -name "$1" \( -type f -o -type l \) -print -quit
}

needed() { # FILE: names of the libraries it is linked with
	readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'
}

# Mesa's driver file holds every gallium driver, those that compile with LLVM too; the virgl
# driver does not. In the place of LLVM (180 MB with its own libraries) stands a library that
# has the names the driver file is linked with, and ends the program if one is called.
stand_in() { # SONAME FILE: for the symbols that FILE wants of it
	local soname=$1 file=$2 work
	work=$(mktemp -d)
	readelf --dyn-syms -W "$file" | sed -n 's/.* UND \([^ @]*\)@\(LLVM[^ ]*\).*/\1 \2/p' |
		sort -u >"$work/wanted"
	{
		echo '.text'
		awk '{ print ".globl " $1 "\n.type " $1 ",@function\n" $1 ":"
		       # Asked when the driver file is loaded.
		       if ($1 == "LLVMIsMultithreaded") { print "\tmov $1, %eax\n\tret"; next }
		       print "\tlea 2f(%rip), %rsi\n\tmov $3f - 2f, %edx\n\tjmp called"
		       print "2:\t.ascii \"" $1 "\"\n3:" }' "$work/wanted"
		cat <<-'S'
			called:
				mov $1, %eax	# write(2, name)
				mov $2, %edi
				syscall
				lea 2f(%rip), %rsi
				mov $3f - 2f, %edx
				mov $1, %eax
				syscall
				ud2
			2:	.ascii " is called: LLVM is not in this image\n"
			3:	.section .note.GNU-stack,"",@progbits
		S
	} >"$work/stand-in.S"
	awk '{ print $2 " { global: *; };" }' "$work/wanted" | sort -u >"$work/versions"
	as -o "$work/stand-in.o" "$work/stand-in.S"
	ld -shared -soname "$soname" --version-script "$work/versions" \
		-o "$libraries/$soname" "$work/stand-in.o"
	rm -rf "$work"
}

# Copies what a file is linked with, and what that is linked with.
close_over() { # FILE
	local name from
	for name in $(needed "$1"); do
		[[ -e $libraries/$name ]] && continue
		if [[ $name == libLLVM* ]]; then
			stand_in "$name" "$1"
			continue
		fi
		from=$(in_packages "$name")
		if [[ -z $from ]]; then
			echo "guest3d: $1 needs $name, which no package brought" >&2
			exit 1
		fi
		cp -L "$from" "$libraries/$name"
		close_over "$libraries/$name"
	done
}

keep() { # NAME TO: a file of the packages and its libraries
	local from
	from=$(in_packages "$1")
	if [[ -z $from ]]; then
		echo "guest3d: no package brought $1" >&2
		exit 1
	fi
	cp -L "$from" "$2/$1"
	close_over "$2/$1"
}

keep virtio_gpu_dri.so "$libraries/dri"
keep libEGL_mesa.so.0 "$libraries"
if [[ -n $(in_packages dri_gbm.so) ]]; then # Mesa 24 and later
	mkdir -p "$libraries/gbm"
	keep dri_gbm.so "$libraries/gbm"
fi
keep kmscube "$root/bin"
keep glmark2-es2-drm "$root/bin"
for file in "$@"; do
	if [[ -d $file ]]; then
		cp -r "$file" "$root/"
		continue
	fi
	case $file in
	*.so) to=$libraries/${file##*/} ;;
	*) to=$root/bin/${file##*/} ;;
	esac
	cp "$file" "$to"
	close_over "$to"
done
ln -s "../usr/lib/$triplet/ld-linux-x86-64.so.2" "$root/lib64/ld-linux-x86-64.so.2"

mkdir -p "$root/usr/share/glvnd"
cp -r "$unpacked/usr/share/glvnd/egl_vendor.d" "$root/usr/share/glvnd/"
cp -r "$unpacked/usr/share/drirc.d" "$root/usr/share/"
# Without what only its scenes jellyfish and refract use.
cp -r "$unpacked/usr/share/glmark2" "$root/usr/share/"
rm -f "$root"/usr/share/glmark2/textures/{jellyfish*,nasa*} \
	"$root"/usr/share/glmark2/models/{jellyfish.jobj,bunny.obj}

cp "$guest/busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$guest"/modules/* "$root/modules/"
strip --strip-debug "$root"/modules/*.ko
cp "$init" "$root/init"
chmod 755 "$root"/bin/* "$root/init"

# ---- the archive ----------------------------------------------------------------------

# The same files give the same archive.
find "$root" -exec touch -hd @0 {} +
(cd "$root" && find . | sort | cpio --quiet --reproducible -R 0:0 -o -H newc) >"$out.new"
mv "$out.new" "$out"
rm -rf "$unpacked" "$root"
