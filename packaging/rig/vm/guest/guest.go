// Package guest is what the rig and the agent in its virtual machines say to each other: lines of JSON
// over a serial port, a [Call] on the way in, an [Answer] with its number on the way out. Answers come in any order.
package guest

import "embed"

// Call asks the agent to run a program as root.
type Call struct {
	ID    int      `json:"id"`
	Args  []string `json:"args,omitempty"`
	Stdin []byte   `json:"stdin,omitempty"`

	// Wake is set in the first call after the machine was resumed.
	Wake *Wake `json:"wake,omitempty"`
}

// Wake tells a machine what it cannot know when it comes from a snapshot.
type Wake struct {
	Time int64  `json:"time"` // nanoseconds since 1970
	Seed []byte `json:"seed"` // for the kernel's random numbers, which are those of every machine of this snapshot
}

// Answer is the end of a program. The agent's first, when the machine is ready for a snapshot, has the ID 0.
type Answer struct {
	ID   int    `json:"id"`
	Out  []byte `json:"out,omitempty"`
	Said []byte `json:"said,omitempty"` // on standard error
	Code int    `json:"code"`           // -1: it could not be run
}

// Most is the most bytes of a line.
const Most = 4 << 20

// Files go into the machine as they are.
//
//go:embed files
var Files embed.FS
