#!/usr/bin/env bash
# Installs Debian packages: what rendering needs, or, with the argument "test", what building the
# packages and testing need too. Does nothing, and needs no network, when all are there.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null || missing+=("$2")
}
need ffmpeg ffmpeg
need ffprobe ffmpeg
need fc-match fontconfig
need Xvfb xvfb
# Texts are tested in DejaVu Sans, its Oblique included.
if [ -z "$(fc-list ':family=DejaVu Sans:slant=110' file 2>/dev/null)" ]; then
	missing+=(fonts-dejavu-core fonts-dejavu-extra)
fi
if [ "${1:-}" = test ]; then
	need gcc gcc
	need shellcheck shellcheck
	need git git
	need ip iproute2
	# The test bus, packaging/rig/bus.
	need dbus-daemon dbus-daemon
	need busctl systemd
	need pkcheck polkitd
	need runuser util-linux
	need useradd passwd
	need stdbuf coreutils
	[ -e /usr/share/dbus-1/system.conf ] || missing+=(dbus-system-bus-common)
	# packages, and the containers in which they are tested
	need systemd-nspawn systemd-container
	need systemd-analyze systemd
	need nsenter util-linux
	need mmdebstrap mmdebstrap
	need lintian lintian
	# virtual machines, packaging/rig/vm
	need qemu-system-x86_64 qemu-system-x86
	need qemu-img qemu-utils
	need depmod kmod
	need busybox busybox-static
	need cpio cpio
	need mke2fs e2fsprogs
	need man man-db
	need rpm rpm
	need zsh zsh
	need fish fish
fi
[ ${#missing[@]} -eq 0 ] && exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [ "$(id -u)" -ne 0 ]; then
	echo "please install, as root: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	exit 1
fi
