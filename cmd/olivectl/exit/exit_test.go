package exit_test

import (
	"errors"
	"testing"

	"olive-distributed/cmd/olivectl/exit"
)

func TestTheWorstOutcomeIsTheEnd(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	for name, test := range map[string]struct {
		codes []int
		code  int
		err   error
	}{
		"nothing went wrong":                       {nil, 0, nil},
		"a refused project":                        {[]int{exit.Refused}, exit.Refused, first},
		"of two refused ones the first":            {[]int{exit.Refused, exit.Refused}, exit.Refused, first},
		"a failed export matters more":             {[]int{exit.Refused, exit.Failed}, exit.Failed, second},
		"and is not replaced by a refused project": {[]int{exit.Failed, exit.Refused}, exit.Failed, first},
	} {
		t.Run(name, func(t *testing.T) {
			end := new(exit.Error)
			for i, code := range test.codes {
				end = end.Worse(code, []error{first, second}[i])
			}
			if end.Code != test.code || !errors.Is(end, test.err) && test.err != nil {
				t.Errorf("ends with %d, %v; want %d, %v", end.Code, end.Err, test.code, test.err)
			}
			if err := end.OrNil(); (err == nil) != (test.code == 0) {
				t.Errorf("as an error it is %v", err)
			}
		})
	}
}
