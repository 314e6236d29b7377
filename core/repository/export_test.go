package repository

// Sequential makes the repository do everything in the calling goroutine, so
// that a test that locks it to a thread can watch that thread.
func (r *Repository) Sequential() { r.workers = 1 }
