// Package ove reads projects of the Olive 0.1 video editor and answers what its timeline says.
//
// [Parse] turns the XML of a project (format version 190219) into a [Project], or fails with an
// [*Error] that holds line and column; it never returns a half-read project. Everything else is
// arithmetic on that value: lengths, cuts, active clips, media time, keyframes. The package has
// no clock, opens no file and keeps no state, so its answers are the same on every machine.
//
// The arithmetic follows Olive's own, floating point included, because a renderer that is
// "more right" than the editor shows another frame than the editor did.
package ove

// Frame counts frames of a sequence or of a clip. Ranges of frames are half-open.
type Frame = int64

// A Project is one .ove file.
type Project struct {
	Version   int    // format version, 190219
	URL       string // where the editor last saved the project; its folder is searched for media
	Folders   []*Folder
	Footage   []*Footage
	Sequences []*Sequence
}

// A Folder groups items of the project panel. It has no influence on the picture.
type Folder struct {
	ID, Parent int
	Name       string
}

// Footage is one media file, still or image sequence of the project.
type Footage struct {
	ID, Folder int
	Name       string
	// URL is the path as written: absolute, or relative to one of the places of
	// [Project.Candidates]. "%" marks an image sequence (printf pattern).
	URL         string
	Duration    int64 // microseconds, as the editor saw it; the file itself is the truth
	UsingInOut  bool
	In, Out     Frame
	Speed       float64 // 1 is normal
	AlphaPremul bool    // the pixels are already premultiplied
	StartNumber int     // first number of an image sequence
	Proxy       bool
	ProxyPath   string
	Video       []VideoStream
	Audio       []AudioStream
	Markers     []Marker
}

// A VideoStream is what the editor remembered of a stream; the file itself is the truth.
type VideoStream struct {
	ID            int // stream index in the file
	Width, Height int
	FrameRate     float64
	Infinite      bool // a still
}

// An AudioStream is what the editor remembered of a stream; the file itself is the truth.
type AudioStream struct {
	ID, Channels, Layout, Frequency int
}

// A Marker is a named position.
type Marker struct {
	Frame Frame
	Name  string
}

// A Sequence is one timeline.
type Sequence struct {
	ID, Folder    int
	Name          string
	Width, Height int
	FPS           float64 // frames per second as Olive computes with them; see [Sequence.Rate]
	AudioRate     int     // samples per second
	AudioLayout   int
	Open          bool // was the sequence the editor showed
	Workarea      bool
	WorkareaIn    Frame
	WorkareaOut   Frame
	Clips         []*Clip // in file order
	Markers       []Marker
}

// ClipKind says what a clip plays.
type ClipKind int

// Kinds of clips.
const (
	Null   ClipKind = iota // nothing: only its effects draw or sound
	Media                  // a stream of a Footage
	Nested                 // another Sequence
)

// A Clip is one piece on a track. The attributes are as in the file; the methods of the same
// spirit ([Clip.TimelineIn] …) take shared transitions into account.
type Clip struct {
	ID            int
	Enabled       bool
	Name          string
	ClipIn        Frame // first frame of the clip that is shown, in frames of Parent, speed included
	In, Out       Frame // place on the timeline, half-open
	Track         int   // negative: video (-1 is the bottom), 0 and up: audio
	Color         [3]uint8
	Autoscale     bool
	Speed         float64
	MaintainPitch bool
	Reverse       bool
	Kind          ClipKind
	Footage       *Footage // of a Media clip; nil when the project does not hold it
	Stream        int      // stream index in the file, of a Media clip
	Nested        *Sequence
	Parent        *Sequence
	Links         []int // ids of clips of the same sequence
	Markers       []Marker
	Opening       *Transition // nil: none
	Closing       *Transition
	Effects       []*Effect
	Line          int // of its element in the file
}

// A Transition stands at the start or the end of a clip, or between two clips. Two clips that
// share one point to the same value: it is the Closing of From and the Opening of To.
type Transition struct {
	Name     string // "/Cross Dissolve", "/Linear Fade", …
	Length   Frame
	Enabled  bool
	From, To *Clip // both set: shared; otherwise the owner is the one that is set
}

// An Effect is one entry of a clip's effect list, in file order. A name without a known
// effect is kept: the reader does not know what a renderer can do.
type Effect struct {
	Name    string // "Category/Name", the category may be empty
	Enabled bool
	Rows    []Row // matched by position
	Line    int
}

// A Row holds the fields of one line of an effect's panel. The row is keyframed as soon as
// one of its fields has a key.
type Row struct {
	Fields []Field // matched by ID
}

// A Field is one parameter.
type Field struct {
	ID    string
	Value string // used when the row has no keys, or this field has none
	Keys  []Key
}

// KeyType says how a value leaves a key.
type KeyType int

// Key types as Olive writes them.
const (
	Linear KeyType = 0
	Bezier KeyType = 1
	Hold   KeyType = 2
)

// A Key is a value at a frame of the clip (ClipIn included, speed and reverse not).
type Key struct {
	Frame        Frame
	Value        string
	Type         KeyType
	PreX, PreY   float64 // handle towards the previous key: frames, value units, relative
	PostX, PostY float64 // handle towards the next key
}
