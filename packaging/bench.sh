#!/usr/bin/env bash
# Measures speed. Numbers are ratios against a peer in the same run wherever there is one; the
# machine's mood cancels out of those.
set -euo pipefail
cd "$(dirname "$0")/.."

bench() { go test -run '^$' -bench "$1" "${@:2}" | grep -E '^Benchmark|^(FAIL|panic)|---' || true; }

echo "== whole exports (own-MB: memory of olivectl itself; wall-2x1/1x2: two workers of one thread against one of two)"
bench . -benchtime 1x ./cmd/olivectl
echo "== joining, decoding, encoding"
bench . ./daemon/media ./daemon/media/film
echo "== composing 1920x1080"
bench . ./daemon/render/raster ./daemon/render/builtin
echo "== effects on 1920x1080; the plain gaussian is the gaussian blur's peer"
bench 1080p -benchtime 20x ./daemon/render/shader
echo "== sound, project files, scheduling"
bench . ./daemon/render/audio ./daemon/ove ./daemon/farm
echo "== the farm's memory: events made durable, start after kill -9 with 100,000 ranges"
bench . -timeout 15m ./daemon/bus/journal
echo "== a whole master under simulated workers, its journal on the disk (all but the look into the parts)"
bench . -benchtime 1x -timeout 15m ./daemon/master
echo "== a thousand and ten thousand projects dropped at once into a whole master's hot folder; and one, three ways"
echo "   (the answers of D-Bus meanwhile beside those of the bus itself)"
bench 'Burst|Drop' -benchtime 1x -timeout 15m ./daemon/door
echo "== the bus alone"
bench . -benchtime 1x -timeout 15m ./daemon/bus
echo "== a farm's makespan, simulated: times the ideal; beside it the old program's rule"
go test -count=1 -v -run 'Makespan' ./daemon/farm | grep -E 'ideal|^(FAIL|panic)' || true
echo "== media over NFS: nfsd against its peers (as root, for nfs-ganesha)"
go test -count=1 -timeout 15m -run '^$' -bench 'Peers' -benchtime 1x ./nfsd | grep -vE '^(goos|goarch|pkg|cpu|PASS|ok|Benchmark)' || true
echo "== the worker's forwarder: beside a straight TLS connection, and a relay with as many hops that only copies"
bench Read -benchtime 1x ./daemon/worker/forward
echo "== olive-master at rest"
packaging/idle.sh
command -v melt >/dev/null || echo "(melt is not installed: no comparison with it; apt-get install melt)"
