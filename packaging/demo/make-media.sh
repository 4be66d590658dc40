#!/usr/bin/env bash
# Makes the media of the demo project. They ship with the project; run this only to change them.
set -euo pipefail
cd "$(dirname "$0")"
run() { ffmpeg -nostdin -v error -y "$@"; }
x264=(-c:v libx264 -preset veryslow -pix_fmt yuv420p -color_primaries bt709 -color_trc bt709 -colorspace bt709)

# A slow zoom into the Mandelbrot set, and moving colours.
run -f lavfi -i "mandelbrot=size=1280x720:rate=30:start_scale=1.2:end_scale=0.02:end_pts=240:maxiter=300:inner=convergence" \
	-t 7 -vf "hue=h=200:s=1.4,gblur=0.6,scale=out_color_matrix=bt709" "${x264[@]}" -crf 33 fractal.mp4
run -f lavfi -i "gradients=size=1280x720:rate=25:c0=0x0b3d5c:c1=0xe8a33d:c2=0x7a1f4b:c3=0x12745a:nb_colors=4:speed=0.02:seed=7" \
	-t 7 -vf "noise=alls=3:allf=t:all_seed=1,scale=out_color_matrix=bt709" "${x264[@]}" -crf 34 colours.mp4
# A still with transparency: a ring.
run -f lavfi -i "color=c=white:size=400x400,format=rgba,geq=r=255:g='170+X/8':b=60:a='255*clip(18-abs(hypot(X-200,Y-200)-150)/1.2,0,1)'" -frames:v 1 ring.png
# A still without: a horizon.
run -f lavfi -i "gradients=size=960x640:c0=0x10233f:c1=0xf2c879:nb_colors=2:x0=480:y0=0:x1=480:y1=640:speed=0.00001" -frames:v 1 -q:v 3 horizon.jpg
# Chords, softly.
run -f lavfi -i "aevalsrc=0.16*exp(-mod(t\,2))*(sin(2*PI*t*220)+sin(2*PI*t*277.18)+sin(2*PI*t*329.63))|0.16*exp(-mod(t+1\,2))*(sin(2*PI*t*220)+sin(2*PI*t*329.63)+sin(2*PI*t*440)):s=48000:d=13" \
	-c:a aac -b:a 96k chords.m4a
