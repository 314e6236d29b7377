package update

// Wait returns when no job runs.
func (j *Jobs) Wait() { j.running.Wait() }
