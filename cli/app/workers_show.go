package app

import (
	"context"
	"strings"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/config"
	"ahriman/core/store"
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
	State         string   `json:"state"` // idle, building, draining, away, unknown
	Building      []string `json:"building,omitempty"`
	Seen          string   `json:"last_seen,omitempty"` // RFC 3339
	Free          int64    `json:"free_bytes,omitempty"`
	Error         string   `json:"error,omitempty"`
}

// show prints workers, after asking them unless --offline.
func (c *workers) show(ctx context.Context, env *Env, db *store.DB, s *config.Settings, members []member) error {
	lines := make([]workerLine, len(members))
	for i, m := range members {
		lines[i] = knownLine(m)
	}
	out := env.Out()
	table := out.Table("name", "address", "arch", "#slots", "state", "building", "last seen")
	for _, line := range lines {
		if c.JSON {
			if err := out.JSON(line); err != nil {
				return err
			}
			continue
		}
		table.Row(line.Name, line.Address, strings.Join(line.Architectures, " "), line.Slots, stateCell(line.State),
			strings.Join(line.Building, " "), line.Seen)
	}
	return table.Flush()
}

// knownLine is what is known of a worker without asking it.
func knownLine(m member) workerLine {
	line := workerLine{
		Name: m.Name, Address: m.Address, Origin: m.origin, Slots: m.Slots, Speed: m.Speed, Features: m.Features, State: "unknown",
	}
	if !m.Seen.IsZero() {
		line.Seen = m.Seen.UTC().Format(time.RFC3339)
	}
	switch {
	case m.Draining:
		line.State = "draining"
	case m.Away.After(time.Now()):
		line.State, line.Error = "away", m.Reason
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
