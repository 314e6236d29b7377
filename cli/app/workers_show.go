package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/repository"
	"ahriman/transport/api"
)

// workerLine is what list and ping print of a worker with --json.
type workerLine struct {
	Name          string   `json:"name"`
	Address       string   `json:"address"`
	Origin        string   `json:"origin"`         // configuration, added, registered, default
	Kind          string   `json:"kind,omitempty"` // local, ahriman, python, ssh; empty where it was not asked
	Version       string   `json:"version,omitempty"`
	Architectures []string `json:"architectures,omitempty"`
	Slots         int      `json:"slots,omitempty"`
	Speed         float64  `json:"speed,omitempty"`
	Features      []string `json:"features,omitempty"`
	State         string   `json:"state"`               // idle, building, draining, away (the last try failed), unknown
	Building      []string `json:"building,omitempty"`  // bases; ids of builds for other masters
	Seen          string   `json:"last_seen,omitempty"` // RFC 3339
	Free          int64    `json:"free_bytes,omitempty"`
	Lacks         []string `json:"lacks,omitempty"` // of ping: what some builds need
	Error         string   `json:"error,omitempty"` // why it is away, or cannot build
	Tried         string   `json:"tried,omitempty"` // when that was, RFC 3339
	Hint          string   `json:"hint,omitempty"`  // what to do about the error
}

// show prints workers, after asking them unless --offline.
func (c *workers) show(ctx context.Context, env *Env, n *node, members []member) error {
	lines := make([]workerLine, len(members))
	connections := newConnections(n)
	defer connections.Close()
	var asking sync.WaitGroup
	for i, m := range members {
		lines[i] = knownLine(m)
		if !c.Offline || c.Action == "ping" {
			asking.Go(func() { c.ask(ctx, connections, m, &lines[i]) })
		}
	}
	asking.Wait()
	if err := nameBuilds(ctx, n, lines); err != nil {
		return err
	}
	if c.Action == "ping" {
		return c.printPing(env, lines)
	}
	out := env.Out()
	table := out.Table("name", "address", "arch", "#slots", "state", "building", "last seen", "problem")
	for _, line := range lines {
		if c.JSON {
			if err := out.JSON(line); err != nil {
				return err
			}
			continue
		}
		slots := ""
		if line.Slots > 0 { // else nobody has said
			slots = strconv.Itoa(line.Slots)
		}
		table.Row(line.Name, line.Address, strings.Join(line.Architectures, " "), slots, stateCell(line.State),
			strings.Join(line.Building, " "), line.Seen, line.problem())
	}
	return table.Flush()
}

// nameBuilds puts bases in the place of the ids that workers know their builds
// by. What another master has them build keeps its id. This machine is not asked:
// it builds what was given to it, as long as a run holds the lock of builds.
func nameBuilds(ctx context.Context, n *node, lines []workerLine) error {
	assigned, err := n.store.Assignments(ctx, n.settings.ID)
	if err != nil {
		return err
	}
	bases := map[string]string{}
	for base, a := range assigned {
		bases[a.ID] = base
	}
	for i := range lines {
		line := &lines[i]
		for i, id := range line.Building {
			line.Building[i] = cmp.Or(bases[id], id)
		}
		if line.Kind != kindLocal {
			continue
		}
		var given []string
		for _, base := range slices.Sorted(maps.Keys(assigned)) {
			if assigned[base].Worker == line.Name {
				given = append(given, base)
			}
		}
		if len(given) > 0 && n.building(ctx) {
			line.Building = given
			line.settle("building")
		}
	}
	return nil
}

// building says whether a run of some process holds the lock of builds.
func (n *node) building(ctx context.Context) bool {
	lock := n.globals.buildLock(n.settings)
	lock.Timeout = -1
	release, err := lock.Acquire(ctx)
	if err != nil {
		var held *repository.LockedError
		return errors.As(err, &held)
	}
	release()
	return false
}

// printPing prints a line for each worker that can build; those that cannot are
// failures.
func (c *workers) printPing(env *Env, lines []workerLine) error {
	outcome := NewOutcome(env, false)
	for _, line := range lines {
		if c.JSON {
			if err := env.Out().JSON(line); err != nil {
				return err
			}
		} else {
			for _, lack := range line.Lacks {
				if !strings.Contains(line.Error, lack) {
					env.Warn("worker %s: %s", line.Name, lack)
				}
			}
		}
		if line.Error != "" {
			outcome.Fail(line.Name, Hinted(fmt.Errorf("worker %s: %s", line.Name, line.Error), line.Hint))
			continue
		}
		outcome.Done()
		if !c.JSON {
			if err := env.Out().Println(line.Name, line.Kind, line.Version, line.State); err != nil {
				return err
			}
		}
	}
	return outcome.Err()
}

// ask asks a worker what it can and does.
func (c *workers) ask(ctx context.Context, connections *connections, m member, line *workerLine) {
	connection, err := connections.connect(m)
	if err != nil {
		line.away(err, time.Now())
		return
	}
	connection.check = c.Action == "ping"
	connection.ask(ctx, c.Timeout, 0)
	line.Kind, line.Error, line.Tried = connection.kind, "", ""
	switch {
	case connection.can != nil:
		line.answered(connection.can, time.Now())
	case connection.problem == nil: // this machine
		line.Slots = cmp.Or(line.Slots, connection.jobs)
		line.Version = Version()
		line.settle("idle")
	}
	if connection.problem != nil {
		line.away(connection.problem, time.Now())
	}
}

// settle says what a worker does, unless it drains.
func (line *workerLine) settle(state string) {
	if line.State != "draining" {
		line.State = state
	}
}

// Bounds of what a worker must have to build.
const (
	minFree = 1 << 30         // bytes of disk
	maxSkew = 5 * time.Minute // between its clock and ours; makepkg compares times
)

// answered takes what a worker said of itself.
func (line *workerLine) answered(can *api.Builds, now time.Time) {
	line.Version, line.Architectures, line.Free = can.Version, can.Architectures, can.Free
	line.Seen = now.UTC().Format(time.RFC3339)
	line.Slots, line.Speed = cmp.Or(line.Slots, can.Slots), cmp.Or(line.Speed, can.Speed)
	if line.Features == nil {
		line.Features = can.Features
	}
	line.Building = can.Running
	line.settle("idle")
	if len(can.Running) > 0 {
		line.settle("building")
	}
	line.lacking(can, now.Sub(time.Unix(can.Time, 0)).Abs())
}

// away says that a worker was tried in vain.
func (line *workerLine) away(err error, now time.Time) {
	line.State, line.Error, line.Hint, line.Tried = "away", err.Error(), hintOf(err), now.UTC().Format(time.RFC3339)
}

// problem is the reason in short, without what the row says already, and when
// that was.
func (line *workerLine) problem() string {
	const most = 60 // runes
	text := line.Error
	if _, after, ok := strings.Cut(text, line.Address+": "); ok {
		text = after
	}
	text = strings.TrimPrefix(text, "connecting to "+line.Address+": ")
	if strings.Contains(text, "dial ") { // which tells the address again, and the name server's
		text = text[strings.LastIndex(text, ": ")+1:]
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return strings.TrimSpace(line.Tried + " " + strings.TrimSpace(text))
}

// lacking takes what a worker has not: an error is what it cannot build without.
func (line *workerLine) lacking(can *api.Builds, skew time.Duration) {
	var fatal []string
	for _, lack := range can.Lacks {
		text := lack.What + " " + lack.Why
		line.Lacks = append(line.Lacks, text)
		if lack.Fatal {
			fatal = append(fatal, text)
		}
		line.Hint = cmp.Or(lack.Hint, line.Hint)
	}
	if can.Free < minFree && !slices.ContainsFunc(can.Lacks, func(lack api.Lack) bool { return lack.What == "disk" }) {
		fatal = append(fatal, fmt.Sprintf("only %d MiB of disk are free there", can.Free>>20))
	}
	if skew > maxSkew {
		fatal = append(fatal, fmt.Sprintf("its clock and ours are %s apart", skew.Round(time.Second)))
		line.Hint = cmp.Or(line.Hint, "set the wrong one: timedatectl set-ntp true")
	}
	line.Error = strings.Join(fatal, "; ")
}

// knownLine is what is known of a worker without asking it.
func knownLine(m member) workerLine {
	line := workerLine{
		Name: m.Name, Address: m.Address, Origin: m.origin, Slots: m.Slots, Speed: m.Speed, Features: m.Features, State: "unknown",
	}
	if !m.Seen.IsZero() {
		line.Seen = m.Seen.UTC().Format(time.RFC3339)
	}
	if !m.Failed.IsZero() {
		line.State, line.Error, line.Tried = "away", m.Reason, m.Failed.UTC().Format(time.RFC3339)
	}
	if m.Draining {
		line.State = "draining"
	}
	return line
}

func stateCell(state string) ui.Cell {
	switch state {
	case "idle":
		return ui.Cell{Text: state, Colour: ui.Good}
	case "building", "draining":
		return ui.Cell{Text: state, Colour: ui.Change}
	case "away":
		return ui.Cell{Text: state, Colour: ui.Bad}
	}
	return ui.Cell{Text: state, Colour: ui.Dim}
}
