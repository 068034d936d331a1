package passive

// Held returns how many octets r holds by its own account, those of subscriptions apart,
// and how many requests wait.
func (r *Reader) Held() (octets, pending int) {
	octets = r.d.held
	for _, s := range r.d.subscriptions {
		octets -= monitoredSize * (1 + len(s.items))
	}
	return octets, r.d.pending
}

// Advance takes the next packet, without its messages.
func (r *Reader) Advance() error {
	r.d.out, r.d.read = r.d.out[:0], 0
	return r.advance()
}
