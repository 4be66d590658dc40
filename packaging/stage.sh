#!/usr/bin/env bash
# stage.sh GOARCH DIR: builds the programs for an architecture and lays everything out below DIR as it is
# to lie on a machine. Units and D-Bus files are found by their names: a new one needs no line here.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=$1 root=$2
shopt -s nullglob

put() { # put MODE DIR FILE…: installs files into a folder
	local mode=$1 dir=$root$2
	shift 2
	[ $# -eq 0 ] || install -D -m "$mode" -t "$dir" "$@"
}

mkdir -p "$root/usr/bin"
CGO_ENABLED=0 GOEXPERIMENT=simd GOARCH=$arch go build -trimpath -ldflags '-s -w' -o "$root/usr/bin/" ./cmd/...

bus_services=(units/org.olive.*.service)
for unit in units/*.{service,socket,path,target,timer,slice,mount}; do
	[[ $unit == units/org.olive.* ]] || put 0644 /usr/lib/systemd/system "$unit"
done
put 0644 /usr/lib/sysusers.d units/sysusers.d/*.conf
put 0644 /usr/lib/tmpfiles.d units/tmpfiles.d/*.conf
put 0644 /usr/lib/systemd/catalog units/catalog/*.catalog
put 0644 /usr/share/dbus-1/system-services "${bus_services[@]}"
put 0644 /usr/share/dbus-1/system.d units/org.olive.*.conf
put 0644 /usr/share/dbus-1/interfaces dbus/org.olive.*.xml
put 0644 /usr/share/polkit-1/actions units/*.policy
put 0644 /usr/share/polkit-1/rules.d units/*.rules
put 0644 /etc/olive etc/*.toml

# The completions are what the program itself says, so it runs once, built for this machine.
tool=$root/usr/bin/olivectl
if [ "$arch" != "$(go env GOHOSTARCH)" ]; then
	tool=$(mktemp)
	trap 'rm -f "$tool"' EXIT
	CGO_ENABLED=0 go build -o "$tool" ./cmd/olivectl
fi
share=$root/usr/share
mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
"$tool" completion bash >"$share/bash-completion/completions/olivectl"
"$tool" completion zsh >"$share/zsh/vendor-completions/_olivectl"
"$tool" completion fish >"$share/fish/vendor_completions.d/olivectl.fish"

for page in packaging/man/*.[1-8]; do
	name=${page##*/}
	mkdir -p "$share/man/man${page##*.}"
	case $name in
	olivectl.1) go run ./packaging/manual "$tool" <"$page" ;;
	*) cat "$page" ;;
	esac | gzip -9n >"$share/man/man${page##*.}/$name.gz"
done

doc=/usr/share/doc/olive-distributed
put 0644 $doc packaging/copyright README.md
put 0644 $doc/examples packaging/demo/*.{ove,mp4,jpg,png,m4a} units/examples/*.conf
put 0644 /usr/share/lintian/overrides packaging/deb/olive-distributed
chmod -R go+rX,go-w "$root"
