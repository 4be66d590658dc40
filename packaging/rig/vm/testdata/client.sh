#!/bin/bash
# What the kernel's NFS client must find at nfsd, run as root inside the virtual machine:
#
#	client.sh HOST PORT EXPORT
#
# The export has media/big (200 MB), media/big.md5 (what md5sum says of it), and parts/ to write to, with a quota of
# 64 MiB. Each check prints a line; the last line is "the kernel's client is content". Anything else is a failure.
set -eu -o pipefail

host=$1 port=$2 export=$3
options=vers=3,proto=tcp,port=$port,mountport=$port,mountproto=tcp,nolock,noacl,nosuid,nodev,noexec,rsize=1048576,wsize=1048576,nconnect=4,hard
work=$(mktemp -d)
a=$work/a b=$work/b # two mounts that share no cache: as two machines would
local=$work/local

finish() {
	cd /
	umount -f "$a" "$b" 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap finish EXIT
mkdir "$a" "$b" "$local"
mount -t nfs -o "$options,nosharecache" "$host:$export" "$a"
mount -t nfs -o "$options,nosharecache" "$host:$export" "$b"

check() { # check WHAT: the last command's success is what the check is about
	echo "ok: $1"
}
fail() {
	echo "FAILED: $*"
	exit 1
}
refused() { # refused COMMAND...: it must not work
	if "$@" 2>/dev/null; then fail "this works: $*"; fi
}
same() { # same WHAT GOT WANT
	[ "$2" = "$3" ] || fail "$1: got $2, want $3"
}
count() { # count PREFIX: of paths that are there
	local n=0 path
	for path in "$1"*; do
		[ ! -e "$path" ] || n=$((n + 1))
	done
	echo "$n"
}

# Reading.
(cd "$a/media" && md5sum --quiet -c big.md5)
check "200 MB are read with the right checksum"
dd if="$a/media/big" of="$local/direct" bs=1M count=8 iflag=direct status=none
cmp -n $((8 << 20)) "$local/direct" "$a/media/big"
check "past the cache they are the same"
same "size of the medium" "$(stat -c %s "$a/media/big")" 200000000
refused touch "$a/media/new"
refused sh -c "echo x >> $a/media/big"
refused rm -f "$a/media/big"
refused mkdir "$a/parts/folder"
refused ln -s /etc/passwd "$a/parts/link"
refused ln "$a/media/big" "$a/parts/link"
refused mknod "$a/parts/fifo" p
check "media cannot be changed, and there are no folders, links and devices"

# A part, as workers write them.
head -c 20000000 /dev/urandom > "$local/part"
dd if="$local/part" of="$a/parts/part.tmp" bs=1M conv=fsync status=none
mv "$a/parts/part.tmp" "$a/parts/part"
cmp "$local/part" "$b/parts/part"
[ ! -e "$b/parts/part.tmp" ] || fail "the temporary name is still there"
check "a part is written, synced, renamed, and seen by another"

# A file that is removed, or overwritten by a rename, while it is open.
echo open > "$a/parts/open"
exec 3<>"$a/parts/open"
rm "$a/parts/open"
[ ! -e "$a/parts/open" ] || fail "the removed file is there"
same "the removed file's content" "$(cat <&3)" open
echo more >&3
same "its size after a write" "$(stat -L -c %s /proc/self/fd/3)" 10
exec 3>&-
same "names that stay of it" "$(count "$a/parts/.nfs")" 0
check "a file that is removed while it is open stays until it is closed"
echo old > "$a/parts/target"
echo new > "$a/parts/target.tmp"
exec 4<"$a/parts/target"
mv "$a/parts/target.tmp" "$a/parts/target"
same "the open file after a rename over it" "$(cat <&4)" old
same "the name after the rename" "$(cat "$a/parts/target")" new
exec 4<&-
same "the name as another sees it" "$(cat "$b/parts/target")" new
check "a rename over an open file"

# Appending, one after another and several at once.
rm -f "$a/parts/log"
for writer in 1 2 3 4; do
	(for line in $(seq 50); do echo "writer $writer line $line" >> "$a/parts/log"; done) &
done
wait
same "lines that were appended" "$(wc -l < "$b/parts/log")" 200
same "different lines" "$(sort -u "$b/parts/log" | wc -l)" 200
check "four append to one file"

# Parallel writers into one file, and into files of their own.
head -c 16777216 /dev/urandom > "$local/whole"
: > "$a/parts/whole"
for piece in 3 1 0 2; do
	dd if="$local/whole" of="$a/parts/whole" bs=4M skip=$piece seek=$piece count=1 conv=notrunc,fsync status=none &
	dd if="$local/whole" of="$a/parts/piece-$piece" bs=1M skip=$((4 * piece)) count=4 conv=fsync status=none &
done
wait
cmp "$local/whole" "$b/parts/whole"
cat "$b/parts/piece-0" "$b/parts/piece-1" "$b/parts/piece-2" "$b/parts/piece-3" | cmp - "$local/whole"
check "parallel writers"
rm "$a"/parts/piece-*

# Close-to-open: who opens a file after another has closed it sees what that one wrote.
for round in $(seq 20); do
	if [ $((round % 2)) = 0 ]; then from=$a to=$b; else from=$b to=$a; fi
	echo "round $round" > "$from/parts/shared"
	same "another's view of round $round" "$(cat "$to/parts/shared")" "round $round"
done
check "close-to-open"

# Sizes, names, and the quota.
truncate -s 1000000 "$a/parts/shared"
same "size after growing" "$(wc -c < "$b/parts/shared")" 1000000
: > "$a/parts/shared"
same "size after cutting" "$(wc -c < "$b/parts/shared")" 0
(set -C && echo first > "$a/parts/once")
refused bash -c "set -C; echo second > $b/parts/once"
same "what was made once" "$(cat "$b/parts/once")" first
for i in $(seq 300); do : > "$a/parts/many-$i"; done
same "names in a listing" "$(count "$b/parts/many-")" 300
rm "$a"/parts/many-*
same "names after they are removed" "$(count "$a/parts/many-")" 0
check "sizes, exclusive creation, many names"
refused dd if=/dev/zero of="$a/parts/toomuch" bs=1M count=70 conv=fsync status=none
rm -f "$a/parts/toomuch"
dd if=/dev/zero of="$a/parts/fits" bs=1M count=10 conv=fsync status=none
rm "$a/parts/fits"
check "the quota refuses, and what is removed is free again"

rm -f "$a/parts/part" "$a/parts/target" "$a/parts/log" "$a/parts/whole" "$a/parts/shared" "$a/parts/once"
same "what stays in parts" "$(ls -A "$b/parts")" ""
umount "$b"
umount "$a"
check "both mounts end"
echo "the kernel's client is content"
