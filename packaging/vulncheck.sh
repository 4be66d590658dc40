#!/usr/bin/env bash
# Looks for known vulnerabilities in what the programs call. The database is on the network:
# without it the check cannot run, which is said and does not fail the build.
set -uo pipefail

out=$(timeout 120 go tool govulncheck ./... 2>&1)
code=$?
case $code in
0) exit 0 ;;
3) printf '%s\n' "$out" && exit 1 ;;
*)
	printf 'govulncheck could not run (no network?): %s\n' "$(printf '%s' "$out" | tail -n 1)"
	exit 0
	;;
esac
