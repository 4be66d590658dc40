#!/usr/bin/env bash
# Installs the Debian packages that building, testing and rendering need. Does nothing, and
# needs no network, when all are there.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null || missing+=("$2")
}
need ffmpeg ffmpeg
need ffprobe ffmpeg
need gcc gcc
need shellcheck shellcheck
need git git
need ip iproute2
need fc-match fontconfig
need Xvfb xvfb
# Texts are tested in DejaVu Sans, its Oblique included.
if [ -z "$(fc-list ':family=DejaVu Sans:slant=110' file 2>/dev/null)" ]; then
	missing+=(fonts-dejavu-core fonts-dejavu-extra)
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
