#!/usr/bin/env bash
# Exports the sample project on a farm in one process and says where the film is.
set -euo pipefail
cd "$(dirname "$0")/.."

film=${1:-bin/demo.mp4}
bin/olivectl export --local --workers 2 -o "$film" packaging/demo/demo.ove >/dev/null
length=$(ffprobe -v error -show_entries format=duration -of default=nw=1:nk=1 "$film")
cat <<TXT

The film is $film (${length%.*} s, 1280x720), its log is ${film%.*}.log.
Play it:   ffplay $film      or: mpv $film, vlc $film, a web browser
Look in:   bin/olivectl probe packaging/demo/demo.ove
Export your own: bin/olivectl export --local PROJECT.ove
TXT
