package bus

import (
	"errors"
	"fmt"
	"testing"
)

// Whatever comes from a worker is opened or refused by name, and an answer to it can be opened.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{`{"v":1,"body":{"text":"x"}}`, `{"v":2}`, `{"v":1,"error":{"code":"busy","text":"x"}}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := unseal("work", data)
		if err == nil {
			err = e.err(nil, "work")
		}
		if err == nil {
			var body any
			err = e.into("work", &body)
		}
		if err == nil {
			return
		}
		answer, broken := unseal("work", sealError(nil, err))
		if broken != nil {
			t.Fatalf("the refusal of %q cannot be read: %v", data, broken)
		}
		remote, version := (*RemoteError)(nil), (*VersionError)(nil)
		if got := answer.err(nil, "work"); !errors.As(got, &remote) && !errors.As(got, &version) {
			t.Fatalf("the refusal of %q is read as %v", data, got)
		}
	})
}

type oddError struct{ n int }

func (e oddError) Error() string { return fmt.Sprint("odd ", e.n) }

func TestCodesOfTypes(t *testing.T) {
	errOdd := errors.New("something is odd")
	codes := []Code{{Name: "odd", Err: errOdd, Match: func(err error) bool {
		var odd oddError
		return errors.As(err, &odd)
	}}}
	e, err := unseal("work", sealError(codes, fmt.Errorf("try: %w", oddError{3})))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.err(codes, "work"); !errors.Is(got, errOdd) || got.Error() != "work: try: odd 3" {
		t.Errorf("got %v, want %v", got, errOdd)
	}
	if got := e.err(nil, "work"); errors.Is(got, errOdd) || got == nil {
		t.Errorf("without the code: %v", got)
	}
}

func TestDelayGrowsAndIsBounded(t *testing.T) {
	for attempts, most := range map[int]int{1: 100, 2: 200, 3: 400, 7: 5000, 1000: 5000} {
		for range 100 {
			if d := delay(attempts).Milliseconds(); d < int64(most)/2 || d > int64(most) {
				t.Fatalf("delay(%d) = %d ms, want %d to %d", attempts, d, most/2, most)
			}
		}
	}
}
