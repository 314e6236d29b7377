package httpclient_test

import (
	"testing"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
)

// TestRunner runs the suite with a worker in another process.
func TestRunner(t *testing.T) {
	buildtest.Run(t, buildtest.Options{}, func(t *testing.T) build.Runner {
		return newRunner(t, startWorker(t, nil).address, nil)
	})
}
