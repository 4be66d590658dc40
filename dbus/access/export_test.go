package access

// ParseACL is parseACL, and judges by it.
func ParseACL(b []byte) (n int, err error) {
	list, err := parseACL(b)
	if err != nil {
		return 0, err
	}
	for want := range uint16(8) {
		Caller{UID: 1, Groups: []uint32{2}}.mayByList(3, list, want)
	}
	return len(list), nil
}
