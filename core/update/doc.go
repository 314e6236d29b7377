// Package update is the one flow that commands and requests share: publish what
// waits, collect what is due, build it in the order of its dependencies, publish
// it, run the triggers, and say the outcome.
//
// A Flow works on one repository. It tells Observers what happens while it
// happens; the node's store is one (Recorder), a terminal or a master another.
package update
