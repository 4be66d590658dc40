// Package media gets frames out of media: the index of a video stream, and exact decoding of any run
// of its frames. Its rooms are tool (children processes), probe (which media are opened, and what their
// headers and packets say), sound (reading sound) and film (writing parts, joining, verification).
//
// A call either delivers exactly the frames that were asked for or fails with the file and frame in
// the error: never fewer, never others. Of a medium that is damaged inside come the frames that every
// machine would show, and a [Damage] that tells.
package media
