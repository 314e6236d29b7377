package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"
)

// repoStatistics sums up the events of packages.
type repoStatistics struct {
	Chart    string `placeholder:"FILE" complete:"files" help:"draw the times into this file too, an SVG"`
	Event    string `short:"e" default:"package-updated" placeholder:"EVENT" complete:"none" help:"which events: package-updated, package-update-failed, package-outdated, package-held, …"`
	FromDate string `placeholder:"DATE" complete:"none" help:"only events since then: 2026-11-22, or with the time 2026-11-22T15:04:05"`
	Limit    int    `default:"-1" help:"only so many events, the newest; negative or 0: all"`
	Offset   int    `default:"0" help:"leave out so many of the newest events first"`
	ToDate   string `placeholder:"DATE" complete:"none" help:"only events until then; of a date alone until its end"`
	JSON     bool   `name:"json" help:"print one object a line; times in seconds"`
	Package  string `arg:"" optional:"" complete:"packages" help:"package base; all without it"`
}

// Help has the examples.
func (repoStatistics) Help() string {
	return `For each package: how many events of the kind there were, and how long what they tell of took, where they say so: package-updated tells of a build. The chart has a bar for the mean time of each package or, with a package, for each of its builds.

Examples: how long builds take; which take longest; how one package's builds have become; what failed this month.

    ahriman repo-statistics
    ahriman repo-statistics --json | jq -s 'sort_by(-.mean)[:10]'
    ahriman repo-statistics --chart hello.svg hello
    ahriman repo-statistics -e package-update-failed --from-date 2026-11-01`
}

// statisticLine is what --json prints.
type statisticLine struct {
	Repository   string  `json:"repository"`
	Architecture string  `json:"architecture"`
	Package      string  `json:"package"`
	Event        string  `json:"event"`
	Count        int     `json:"count"`
	Timed        int     `json:"timed"` // events that say how long it took, in seconds:
	Min          float64 `json:"min"`
	Median       float64 `json:"median"`
	Mean         float64 `json:"mean"`
	Max          float64 `json:"max"`
}

// Run prints a line for each package, and draws the chart.
func (c *repoStatistics) Run(ctx context.Context, env *Env, globals *Globals) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	out := env.Out()
	table := out.Table("repository", "package", "#count", "#min", "#median", "#mean", "#max")
	var bars []ui.Bar
	for _, s := range all {
		events, err := storedEvents(ctx, s, query)
		if err != nil {
			return err
		}
		statistics := store.Statistics(events)
		bars = append(bars, c.bars(events, statistics)...)
		for _, statistic := range statistics {
			if c.JSON {
				err = out.JSON(c.line(s.ID, statistic))
			} else {
				table.Row(statisticCells(s.ID, statistic)...)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := table.Flush(); err != nil || c.Chart == "" {
		return err
	}
	return c.draw(bars)
}

// storedEvents reads events of a repository; where nothing is stored there are
// none.
func storedEvents(ctx context.Context, s *config.Settings, query store.EventQuery) ([]store.Event, error) {
	db, err := existingStore(ctx, s)
	if err != nil || db == nil {
		return nil, err
	}
	defer db.Close()
	return db.Events(ctx, s.ID, query)
}

// query is which events are looked at.
func (c *repoStatistics) query() (store.EventQuery, error) {
	if c.Chart != "" && !strings.HasSuffix(c.Chart, ".svg") {
		return store.EventQuery{}, Usagef("--chart %s: charts are SVG, and their names end in .svg", c.Chart)
	}
	from, err := dateFlag("--from-date", c.FromDate, false)
	if err != nil {
		return store.EventQuery{}, err
	}
	to, err := dateFlag("--to-date", c.ToDate, true)
	if err != nil {
		return store.EventQuery{}, err
	}
	return store.EventQuery{Event: c.Event, Object: c.Package, From: from, To: to, Limit: c.Limit, Offset: c.Offset}, nil
}

// dateFlag reads a flag as unix seconds, 0 where it is not given. A date alone
// is the first moment of the day, or the last.
func dateFlag(flag, text string, last bool) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		if last {
			day = day.AddDate(0, 0, 1).Add(-time.Second)
		}
		return day.Unix(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime} {
		if moment, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return moment.Unix(), nil
		}
	}
	return 0, Usagef("%s %s: neither a date, as 2026-11-22, nor one with the time, as 2026-11-22T15:04:05", flag, text)
}

// statisticCells are a row of the table, without times where there are none.
func statisticCells(id alpm.RepositoryID, s store.Statistic) []any {
	cells := []any{id, s.Object, s.Count}
	if len(s.Times) == 0 {
		return cells
	}
	spread := s.Spread()
	for _, took := range []time.Duration{spread.Min, spread.Median, spread.Mean, spread.Max} {
		cells = append(cells, took.Round(100*time.Millisecond))
	}
	return cells
}

func (c *repoStatistics) line(id alpm.RepositoryID, s store.Statistic) statisticLine {
	spread := s.Spread()
	return statisticLine{
		Repository: id.Name, Architecture: id.Architecture, Package: s.Object, Event: c.Event, Count: s.Count, Timed: len(s.Times),
		Min: spread.Min.Seconds(), Median: spread.Median.Seconds(), Mean: spread.Mean.Seconds(), Max: spread.Max.Seconds(),
	}
}

// bars are one for each event of a package, or one for each package.
func (c *repoStatistics) bars(events []store.Event, statistics []store.Statistic) []ui.Bar {
	bar := func(label string, took time.Duration) ui.Bar {
		return ui.Bar{Label: label, Value: took.Seconds(), Text: took.Round(100 * time.Millisecond).String()}
	}
	var bars []ui.Bar
	if c.Package == "" {
		for _, s := range statistics {
			bars = append(bars, bar(s.Object, s.Spread().Mean))
		}
		return bars
	}
	for _, e := range events {
		if took, ok := e.Took(); ok {
			bars = append(bars, bar(time.Unix(e.Created, 0).Format(time.DateTime), took))
		}
	}
	return bars
}

func (c *repoStatistics) draw(bars []ui.Bar) error {
	heading := c.Event
	if c.Package != "" {
		heading = fmt.Sprintf("%s of %s", c.Event, c.Package)
	}
	var picture strings.Builder
	if err := ui.Chart(&picture, heading, bars); err != nil {
		return err
	}
	return config.WriteFile(c.Chart, []byte(picture.String()), 0o644)
}
