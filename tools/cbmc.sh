#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs CBMC, the bounded model checker: tools/cbmc.sh FOLDER [ARGUMENT...]
#
# Where it is not installed, Debian 13's package (Debian 12 has none) and the libraries that it
# needs are unpacked into FOLDER by apt, which leaves the system as it is. Exit status 77: it
# cannot be had.
set -euo pipefail

mkdir -p "$1"
folder=$(realpath "$1")
shift
root=$folder/root
libraries=$root/usr/lib/x86_64-linux-gnu
packages=(cbmc minisat libc6 libstdc++6 libgcc-s1 zlib1g)

if command -v cbmc >/dev/null; then
	exec cbmc "$@"
fi

fetch() {
	local mirror apt=(-o "Dir::Etc::sourcelist=$folder/sources.list"
		-o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$folder/lists"
		-o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)

	mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/*$' | head -1)
	[[ -n $mirror ]] || return 1
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$root"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" \
		>"$folder/sources.list"
	apt-get "${apt[@]}" update || return 1
	(cd "$folder" && apt-get "${apt[@]}" download "${packages[@]}") || return 1
	for package in "$folder"/*.deb; do
		dpkg-deb -x "$package" "$root" || return 1
	done
	touch "$folder/complete"
}

if [[ ! -e $folder/complete ]] && ! fetch >"$folder/fetch.log" 2>&1; then
	exit 77
fi
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$root/usr/lib" \
	"$root/usr/bin/cbmc" "$@"
