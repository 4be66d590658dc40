package durable

// Queue is how many calls wait until those are over that are served now, if there are such.
func (d *Disk) Queue() (waiting int, busy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting), d.busy
}
