//go:build race

package schedule_test

// raced says that the race detector looks on, which takes ten times as long.
const raced = true
