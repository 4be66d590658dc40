#!/usr/bin/env bash
# package.sh [--version V] [--arch A]… [--format F]… DIR: makes packages in DIR. Without options: the version
# on top of the changelog, amd64 and arm64, deb and rpm.
set -euo pipefail
cd "$(dirname "$0")/.."

archs=() formats=() VERSION=
while [ $# -gt 1 ]; do
	case $1 in
	--version) VERSION=$2 ;;
	--arch) archs+=("$2") ;;
	--format) formats+=("$2") ;;
	*) echo "package.sh: unknown option $1" >&2 && exit 2 ;;
	esac
	shift 2
done
[ $# -eq 1 ] || { echo "usage: package.sh [--version V] [--arch A]… [--format F]… DIR" >&2; exit 2; }
[ ${#archs[@]} -gt 0 ] || archs=(amd64 arm64)
[ ${#formats[@]} -gt 0 ] || formats=(deb rpm)
[ -n "$VERSION" ] || VERSION=$(awk '$2 == "semver:" { print $3; exit }' packaging/changelog.yaml)
mkdir -p "$1"
out=$(realpath "$1")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VERSION ARCH STAGE
CHANGELOG=$work/changelog.yaml
# Who answers for the packages: the variable, else whoever builds them, else whom Debian's tools would take.
if [ -z "${MAINTAINER:-}" ]; then
	name=$(git config user.name || true) mail=$(git config user.email || true)
	MAINTAINER="${name:-${DEBFULLNAME:-$(id -un)}} <${mail:-${DEBEMAIL:-$(id -un)@$(hostname -f 2>/dev/null || hostname)}}>"
fi
export MAINTAINER
sed -e "s|\${MAINTAINER}|$MAINTAINER|" -e "0,/semver:/s|semver: .*|semver: $VERSION|" packaging/changelog.yaml >"$CHANGELOG"
# nfpm fills in variables everywhere but here.
sed "s|\${CHANGELOG}|$CHANGELOG|" nfpm.yaml >"$work/nfpm.yaml"
nfpm=$(go tool -modfile=packaging/tools/go.mod -n nfpm) # pinned, built once

for ARCH in "${archs[@]}"; do
	STAGE=$work/$ARCH
	packaging/stage.sh "$ARCH" "$STAGE"
	for format in "${formats[@]}"; do
		said=$("$nfpm" package --config "$work/nfpm.yaml" --packager "$format" --target "$out/" 2>&1) || { echo "$said" >&2; exit 1; }
	done
done
ls "$out"/olive-distributed*"$VERSION"*
