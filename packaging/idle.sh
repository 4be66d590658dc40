#!/usr/bin/env bash
# Measures an olive-master that has nothing to do: its size, memory, and share of a core over 30 s.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$dir"' EXIT
printf 'listen = "127.0.0.1:%d"\nstate = "%s/state"\nbus = "none"\nspool = ""\n' $((20000 + RANDOM % 10000)) "$dir" >"$dir/master.toml"
bin/olive-master --config "$dir/master.toml" 2>"$dir/log" &
pid=$!
for _ in $(seq 100); do
	if grep -q msg=ready "$dir/log"; then break; fi
	sleep 0.1
done
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
begin=$(ticks)
sleep 30
end=$(ticks)
awk -v ticks=$((end - begin)) -v hz="$(getconf CLK_TCK)" -v size="$(stat -c %s bin/olive-master)" \
	'/^VmRSS/ { printf "%.1f MB binary, %.1f MB RSS, %.2f %% of a core\n", size / 1e6, $2 / 1024, 100 * ticks / hz / 30 }' "/proc/$pid/status"
