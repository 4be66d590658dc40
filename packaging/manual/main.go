// Command manual writes the chapter COMMANDS of olivectl(1) from what the program itself says with --help.
//
//	manual OLIVECTL <olivectl.1 >finished.1
//
// It copies its input and puts the chapter in place of the line .\" COMMANDS. An error leaves the page unfinished.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

const mark = `.\" COMMANDS` + "\n"

func main() {
	if err := write(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "manual: %v\n", err)
		os.Exit(1)
	}
}

func write(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the program, not %q", args)
	}
	page, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	before, after, found := bytes.Cut(page, []byte(mark))
	if !found {
		return fmt.Errorf("the page has no line %q", strings.TrimSpace(mark))
	}
	var chapter bytes.Buffer
	if err := describe(&chapter, args[0], nil); err != nil {
		return err
	}
	_, err = out.Write(bytes.Join([][]byte{before, chapter.Bytes(), after}, nil))
	return err
}

// A help is what one command says about itself.
type help struct {
	about, usage, flags, examples []string // lines
	commands                      []string // names
}

// describe writes a command, and those below it. The program itself has only the latter.
func describe(w *bytes.Buffer, program string, command []string) error {
	text, err := exec.Command(program, append(command, "--help")...).Output()
	if err != nil {
		return fmt.Errorf("ask %s for help on %q: %w", program, command, err)
	}
	h := read(string(text))
	if len(command) > 0 && len(h.commands) == 0 {
		h.write(w, strings.Join(command, " "))
	}
	for _, c := range h.commands {
		if c == "completion" || c == "help" {
			continue // of no use by themselves: the package brings the completions
		}
		if err := describe(w, program, append(command[:len(command):len(command)], c)); err != nil {
			return err
		}
	}
	return nil
}

// read takes cobra's help apart: chapters begin with a word and a colon.
func read(text string) help {
	var h help
	to := &h.about
	var other, commands []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch line {
		case "Usage:":
			to = &h.usage
		case "Flags:":
			to = &h.flags
		case "Examples:":
			to = &h.examples
		case "Available Commands:":
			to = &commands
		case "Aliases:", "Global Flags:": // the page tells the latter once, for all
			to = &other
		default:
			*to = append(*to, line)
		}
	}
	for _, line := range commands {
		if name := strings.Fields(line); strings.HasPrefix(line, "  ") && len(name) > 0 {
			h.commands = append(h.commands, name[0])
		}
	}
	return h
}

var flagLine = regexp.MustCompile(`^\s+(?:(-\w), )?(--[\w-]+)(?: (\S+))?\s{2,}(.*)$`)

// write writes a command's section in mdoc.
func (h help) write(w *bytes.Buffer, name string) {
	fmt.Fprintf(w, ".Ss %s\n", text(name))
	for _, line := range h.usage {
		if line = strings.TrimSuffix(strings.TrimSpace(line), " [flags]"); line != "" {
			fmt.Fprintf(w, ".Dl %s\n.Pp\n", quote(line))
		}
	}
	paragraphs(w, h.about)
	var flags []string
	for _, line := range h.flags {
		m := flagLine.FindStringSubmatch(line)
		if m == nil || m[2] == "--help" {
			continue
		}
		item := ".It Fl " + strings.TrimPrefix(m[2], "-")
		if m[1] != "" {
			item = ".It Fl " + m[1][1:] + " , Fl " + strings.TrimPrefix(m[2], "-")
		}
		if m[3] != "" {
			item += " Ar " + m[3]
		}
		flags = append(flags, item+"\n"+text(m[4])+"\n")
	}
	if len(flags) > 0 {
		fmt.Fprintf(w, ".Bl -tag -width Ds\n%s.El\n", strings.Join(flags, ""))
	}
	if len(h.examples) > 0 {
		fmt.Fprintln(w, ".Pp\nExamples:")
		literal(w, h.examples)
	}
}

// paragraphs writes text as it flows, and indented lines as they are.
func paragraphs(w *bytes.Buffer, lines []string) {
	for i := 0; i < len(lines); i++ {
		switch {
		case strings.HasPrefix(lines[i], "  "):
			first := i
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
				i++
			}
			literal(w, lines[first:i+1])
		case strings.TrimSpace(lines[i]) == "":
			if i+1 < len(lines) && lines[i+1] != "" && !strings.HasPrefix(lines[i+1], "  ") {
				fmt.Fprintln(w, ".Pp")
			}
		default:
			fmt.Fprintln(w, text(strings.TrimRight(lines[i], " ")))
		}
	}
}

func literal(w *bytes.Buffer, lines []string) {
	fmt.Fprintln(w, ".Bd -literal -offset indent")
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintln(w, text(line))
		}
	}
	fmt.Fprintln(w, ".Ed")
}

// text protects what roff would take for its own; quote does so for an argument of a macro.
func text(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`, "→", `\(->`, "–", `\(en`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func quote(s string) string { return `"` + strings.ReplaceAll(text(s), `"`, `""`) + `"` }
