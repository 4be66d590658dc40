// Package packaging holds what makes packages of the programs; in Go it has only the tests of that.
package packaging
