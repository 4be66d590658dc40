package bus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What a client may say, in the client protocol of NATS (docs.nats.io, "Client Protocol"). Headers
// and queue groups are left out: no worker needs them.
type verb uint8

const (
	opConnect verb = iota + 1
	opPing
	opPong
	opPub   // subject, reply, payload
	opSub   // subject, sid
	opUnsub // sid
)

// An op is one thing that a client has said. Its payload is good until the next one is read.
type op struct {
	verb    verb
	subject string
	reply   string
	sid     string
	payload []byte
}

// maxLine bounds a line. It is all that a connection keeps for reading.
const maxLine = 2048

// A fault is what a client must not say: it ends the connection. Its words are those that clients
// of NATS know.
type fault string

const (
	errLine    fault = "Unknown Protocol Operation"
	errLong    fault = "Maximum Control Line Exceeded"
	errPayload fault = "Maximum Payload Violation"
	errFirst   fault = "Authorization Violation" // it has to introduce itself
	errSubs    fault = "Maximum Subscriptions Exceeded"
)

func (f fault) Error() string { return string(f) }

// readOp reads one op. Errors: a fault, or those of the connection.
func readOp(r *bufio.Reader) (op, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return op{}, errLong
	}
	if err != nil {
		return op{}, err
	}
	name, rest, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" "))
	var word [4]string
	words := 0
	for f := range bytes.FieldsSeq(rest) {
		if words < len(word) {
			word[words] = string(f)
		}
		words++
	}
	switch string(bytes.ToUpper(name)) {
	case "PUB":
		return readPub(r, word, words)
	case "PING":
		return op{verb: opPing}, nil
	case "PONG":
		return op{verb: opPong}, nil
	case "CONNECT":
		if !json.Valid(rest) {
			return op{}, errLine
		}
		return op{verb: opConnect}, nil
	case "SUB":
		if words == 2 {
			return op{verb: opSub, subject: word[0], sid: word[1]}, nil
		}
	case "UNSUB":
		if words == 1 {
			return op{verb: opUnsub, sid: word[0]}, nil
		}
		if words == 2 { // after so many messages: the client counts them itself
			return op{verb: opPong}, nil
		}
	}
	return op{}, errLine
}

// readPub reads the payload of a publication.
func readPub(r *bufio.Reader, word [4]string, words int) (op, error) {
	if words != 2 && words != 3 {
		return op{}, errLine
	}
	o := op{verb: opPub, subject: word[0]}
	if words == 3 {
		o.reply = word[1]
	}
	size, err := strconv.ParseUint(word[words-1], 10, 63)
	switch {
	case err != nil:
		return op{}, errLine
	case size > maxPayload:
		return op{}, errPayload
	}
	if whole := int(size) + 2; whole <= r.Size() {
		o.payload, err = r.Peek(whole)
		_, _ = r.Discard(len(o.payload))
	} else {
		o.payload, err = readAll(r, whole)
	}
	if err != nil {
		return op{}, err
	}
	var ok bool
	if o.payload, ok = bytes.CutSuffix(o.payload, []byte("\r\n")); !ok {
		return op{}, errLine
	}
	return o, nil
}

// readAll reads so many bytes, and needs memory only as they come.
func readAll(r io.Reader, size int) ([]byte, error) {
	var b bytes.Buffer
	n, err := io.CopyN(&b, r, int64(size))
	if err == nil && n < int64(size) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

// What the server says.

// spokenBy is the version of nats-server of which the protocol is spoken: clients go by it.
const spokenBy = "2.15.2"

// appendGreeting writes the first line. It says who is here, and bounds what the client sends.
func appendGreeting(b []byte) []byte {
	return fmt.Appendf(b, "INFO {\"server_id\":\"olive\",\"server_name\":\"olive-bus\",\"version\":%q,\"proto\":1,\"headers\":true,\"max_payload\":%d}\r\n", spokenBy, maxPayload)
}

// appendMessage writes a message to a subscription.
func appendMessage(b []byte, subject, sid string, data []byte) []byte {
	b = append(append(append(b, "MSG "...), subject...), ' ')
	b = strconv.AppendInt(append(append(b, sid...), ' '), int64(len(data)), 10)
	return append(append(append(b, "\r\n"...), data...), "\r\n"...)
}
