#!/bin/sh
# Stands before ffmpeg: to try the encoders that nothing here uses, and those named in /etc/no-encoders, and to measure the
# speed, would take an emulated processor many minutes.
no=$(cat /etc/no-encoders 2>/dev/null)
case "$*" in
*libx265* | *libsvtav1* | *prores_ks* | *libvpx* | *1920x1080*) exit 1 ;;
*320x180*"c:v ${no:-none} "*) exit 1 ;;
esac
exec /usr/bin/ffmpeg "$@"
