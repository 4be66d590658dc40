package ove

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of a file. They bound memory and time before anything is allocated for the content; a
// project that a person made stays far below them.
const (
	maxBytes = 64 << 20
	maxToken = 8 << 20 // one tag, text or comment; the settings of a sound plug-in may be megabytes
	maxDepth = 64
	maxAttrs = 64 // of one element
)

// Causes of a lexer's errors.
var (
	errSyntax   = errors.New("broken XML")
	errEncoding = errors.New("encoding other than UTF-8")
	errLimit    = errors.New("limit of the file format")
)

// A token is what [lexer.next] came to.
type token int

const (
	startTag token = iota // its name and attributes are in lexer.tag
	endTag
	charData // in lexer.text
)

// A lexer cuts XML into tokens, in one pass and with no more than one token in memory.
//
// encoding/xml took 2.2 s for 100,000 clips, because it allocates each name anew; this takes 0.5 s.
// It reads the part of XML that projects have: elements, attributes, text,
// comments and the five entities, in UTF-8. It refuses all declarations, and whatever it accepts
// encoding/xml reads in the same way (FuzzLexer).
type lexer struct {
	src   *io.LimitedReader
	buf   *bufio.Reader
	begun bool

	// Of the last token; the contents stay valid until the next one.
	line, column int
	tag          element
	text         []byte

	nextLine, nextColumn int
	selfClosed           bool   // the last token was a start tag that ends itself
	open                 []byte // names of the open elements, one behind the other
	ends                 []int  // where each of them ends in open
	plain                []byte // attribute values or text with entities resolved
}

func newLexer(src io.Reader) *lexer {
	limited := &io.LimitedReader{R: src, N: maxBytes + 1}
	return &lexer{src: limited, buf: bufio.NewReaderSize(limited, 8<<10), line: 1, column: 1, nextLine: 1, nextColumn: 1}
}

// fail makes the error for the token read last.
func (l *lexer) fail(cause error, format string, args ...any) error {
	return &Error{Line: l.line, Column: l.column, Msg: fmt.Sprintf(format, args...), Err: cause}
}

func (l *lexer) broken(format string, args ...any) error {
	return l.fail(errSyntax, "the XML is broken: "+format, args...)
}

// next reads a token. It returns io.EOF behind the last one when all elements are closed.
func (l *lexer) next() (token, error) {
	if l.selfClosed {
		l.selfClosed = false
		l.pop()
		return endTag, nil
	}
	for {
		l.line, l.column = l.nextLine, l.nextColumn
		first := !l.begun
		l.begun = true
		head, err := l.buf.Peek(2)
		if len(head) == 0 && err == io.EOF && len(l.ends) == 0 && l.src.N > 0 {
			return 0, io.EOF
		}
		switch {
		case len(head) == 0:
			return 0, l.stop(err)
		case head[0] != '<':
			return charData, l.readText()
		case len(head) == 1:
			return 0, l.stop(err)
		}
		switch head[1] {
		case '/':
			return endTag, l.readEndTag()
		case '?':
			err = l.readInstruction(first)
		case '!':
			var data bool
			if data, err = l.readDeclaration(); data {
				return charData, err
			}
		default:
			return startTag, l.readStartTag()
		}
		if err != nil {
			return 0, err
		}
	}
}

// find returns the length of the unread text up to and including end, from an offset on.
func (l *lexer) find(from int, end string) (int, error) {
	for {
		window, _ := l.buf.Peek(l.buf.Buffered())
		if from < len(window) {
			if i := bytes.Index(window[from:], []byte(end)); i >= 0 {
				return from + i + len(end), nil
			}
			from = max(from, len(window)-len(end)+1)
		}
		if err := l.more(); err != nil {
			return 0, err
		}
	}
}

// more lengthens what is buffered.
func (l *lexer) more() error {
	_, err := l.peek(l.buf.Buffered() + 1)
	return err
}

// peek is that of the buffer, which it replaces by a larger one when the token does not fit.
func (l *lexer) peek(n int) ([]byte, error) {
	for n > l.buf.Size() && n <= maxToken {
		l.buf = bufio.NewReaderSize(l.buf, 4*l.buf.Size())
	}
	return l.buf.Peek(n)
}

// stop explains why the source gives no more.
func (l *lexer) stop(err error) error {
	switch {
	case err == bufio.ErrBufferFull:
		return l.fail(errSyntax, "a tag, text or comment is longer than %d MiB", maxToken>>20)
	case err == io.EOF && l.src.N <= 0:
		return l.fail(errLimit, "the file is larger than %d MiB", maxBytes>>20)
	case err == io.EOF:
		l.take(l.buf.Buffered())
		l.line, l.column = l.nextLine, l.nextColumn
		return l.fail(errSyntax, "the file ends in the middle: it was truncated, copy or save it again")
	}
	return fmt.Errorf("read the project: %w", err)
}

// take removes n bytes, which are in the buffer, and moves the position behind them.
func (l *lexer) take(n int) []byte {
	taken, _ := l.buf.Peek(n)
	_, _ = l.buf.Discard(n) // cannot fail: Peek has shown them
	if lines := bytes.Count(taken, []byte{'\n'}); lines > 0 {
		l.nextLine += lines
		l.nextColumn = n - bytes.LastIndexByte(taken, '\n')
	} else {
		l.nextColumn += n
	}
	return taken
}

func (l *lexer) readText() error {
	n, err := l.find(0, "<")
	switch {
	case err == io.EOF && len(l.ends) == 0: // behind the root element
		n = l.buf.Buffered()
	case err != nil:
		return l.stop(err)
	default:
		n--
	}
	raw := l.take(n)
	if bytes.Contains(raw, []byte("]]>")) {
		return l.broken("]]> in a text")
	}
	l.plain = l.plain[:0]
	l.text, err = l.resolve(raw)
	return err
}

// readDeclaration reads a comment or, with data true, a CDATA section; it refuses anything else.
func (l *lexer) readDeclaration() (data bool, err error) {
	const comment, cdata = "<!--", "<![CDATA["
	head, err := l.buf.Peek(len(cdata))
	switch {
	case bytes.HasPrefix(head, []byte(comment)):
		n, err := l.find(len(comment), "--")
		if err == nil {
			_, err = l.peek(n + 1)
		}
		if err != nil {
			return false, l.stop(err)
		}
		raw := l.take(n + 1)
		if raw[n] != '>' {
			return false, l.broken("-- in a comment")
		}
		return false, nil
	case string(head) == cdata:
		n, err := l.find(len(cdata), "]]>")
		if err != nil {
			return true, l.stop(err)
		}
		l.text = l.take(n)[len(cdata) : n-len("]]>")]
		_, err = l.inspect(l.text)
		return true, err
	case err != nil && (strings.HasPrefix(cdata, string(head)) || strings.HasPrefix(comment, string(head))):
		return false, l.stop(err)
	}
	return false, l.fail(ErrNotProject, "the file declares a DOCTYPE or an entity, which no Olive project does: %v", ErrNotProject)
}

// readInstruction passes over <?…?>. At the start of the file it may name an encoding.
func (l *lexer) readInstruction(first bool) error {
	n, err := l.find(len("<?"), "?>")
	if err != nil {
		return l.stop(err)
	}
	content := l.take(n)[len("<?") : n-len("?>")]
	target := content[:nameLength(content)]
	rest := content[len(target):]
	if len(target) == 0 || len(rest) > 0 && len(trimLeft(rest)) == len(rest) {
		return l.broken("<? without a name")
	}
	if string(target) != "xml" {
		return nil
	}
	if !first {
		return l.broken("<?xml is not at the start of the file")
	}
	content = append(slices.Clone(rest), '>')
	declaration := element{line: l.line, column: l.column}
	if err := l.readAttrs(&declaration, content); err != nil {
		return err
	}
	if v := declaration.value("version"); v != "1.0" {
		return l.broken("version %q is not 1.0", brief(v))
	}
	switch charset, _ := declaration.attr("encoding"); strings.ToLower(string(charset)) {
	case "", "utf-8", "us-ascii":
		return nil
	}
	return l.fail(errEncoding, "the file is not in UTF-8: Olive writes UTF-8, so save the project with Olive 0.1 again")
}

func (l *lexer) readEndTag() error {
	n, err := l.find(len("</"), ">")
	if err != nil {
		return l.stop(err)
	}
	name := bytes.TrimRight(l.take(n)[len("</"):n-1], " \t\r\n")
	if len(l.ends) == 0 {
		return l.broken("</%s> without <%s>", brief(string(name)), brief(string(name)))
	}
	if open := l.openName(); !bytes.Equal(open, name) {
		return l.broken("<%s> is closed by </%s>", brief(string(open)), brief(string(name)))
	}
	l.pop()
	return nil
}

// openName is the name of the innermost open element.
func (l *lexer) openName() []byte {
	start := 0
	if len(l.ends) > 1 {
		start = l.ends[len(l.ends)-2]
	}
	return l.open[start:]
}

func (l *lexer) pop() {
	l.open = l.open[:len(l.open)-len(l.openName())]
	l.ends = l.ends[:len(l.ends)-1]
}

func (l *lexer) readStartTag() error {
	n, err := l.tagLength()
	if err != nil {
		return err
	}
	raw := l.take(n)[1:]
	name := raw[:nameLength(raw)]
	if len(name) == 0 {
		return l.broken("< without a name")
	}
	l.plain = l.plain[:0]
	l.tag = element{name: name, attrs: l.tag.attrs[:0], line: l.line, column: l.column}
	if err := l.readAttrs(&l.tag, raw[len(name):]); err != nil {
		return err
	}
	l.selfClosed = raw[len(raw)-2] == '/'
	l.open = append(l.open, name...)
	l.ends = append(l.ends, len(l.open))
	if len(l.ends) > maxDepth {
		return l.fail(errLimit, "elements are nested deeper than %d levels", maxDepth)
	}
	return nil
}

// tagLength finds the > that is not within quotes.
func (l *lexer) tagLength() (int, error) {
	quote := byte(0)
	for i := 1; ; i++ {
		window, _ := l.buf.Peek(l.buf.Buffered())
		for ; i < len(window); i++ {
			switch b := window[i]; {
			case b == '<':
				return 0, l.broken("< within a tag")
			case quote != 0:
				if b == quote {
					quote = 0
				}
			case b == '"' || b == '\'':
				quote = b
			case b == '>':
				return i + 1, nil
			}
		}
		i--
		if err := l.more(); err != nil {
			return 0, l.stop(err)
		}
	}
}
