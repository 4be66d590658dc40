package shader

// Plainly runs f without vector instructions.
func Plainly(f func()) {
	defer func(v bool) { vectors = v }(vectors)
	vectors = false
	f()
}
