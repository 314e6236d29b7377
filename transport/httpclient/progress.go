package httpclient

import (
	"sync"
	"sync/atomic"
	"time"

	"ahriman/core/build"
)

// progressPeriod is how often a job's Progress is called. What is over sooner is
// not spoken of.
const progressPeriod = 200 * time.Millisecond

// progress is what is on its way for a job. Who wants to know is told by another
// goroutine than the one that moves bytes, which must not wait for him.
type progress struct {
	bytes atomic.Int64
	end   func() // once nothing moves any more; may be called again
}

// report begins to tell the job's Progress of a transfer.
func (j *remoteJob) report(what string, of int64) *progress {
	p := &progress{end: func() {}}
	if j.spec.Progress == nil {
		return p
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	p.end = sync.OnceFunc(func() {
		close(stop)
		<-ended
	})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressPeriod)
		defer ticker.Stop()
		for told := false; ; told = true {
			select {
			case <-ticker.C:
				j.spec.Progress(build.Progress{What: what, Bytes: p.bytes.Load(), Of: of})
			case <-stop:
				if told {
					j.spec.Progress(build.Progress{})
				}
				return
			}
		}
	}()
	return p
}
