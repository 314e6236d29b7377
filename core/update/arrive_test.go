package update_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/core/update"
)

// deliverer is a worker that hands in what it builds, as a Python node does.
type deliverer struct {
	*fixture
	version string // that it delivers; empty: none
	publish bool   // it calls for an update, which publishes before it ends
}

func (d *deliverer) Start(_ context.Context, job build.Job) error {
	d.runner.jobs[job.ID] = job
	return nil
}

func (d *deliverer) Attach(ctx context.Context, id string, _ io.Writer) (*build.Result, error) {
	base := d.runner.jobs[id].Base
	if d.version != "" {
		d.handIn(base, base, d.version, "")
	}
	if d.publish {
		// While the run that waits for the worker holds what it holds.
		if _, err := d.flow().Run(ctx, update.Request{Manual: true, NoWait: true}); err != nil {
			return nil, err
		}
	}
	return &build.Result{Delivered: true, Worker: "w1"}, nil
}

func (d *deliverer) Cancel(context.Context, string) error { return nil }

func TestDelivered(t *testing.T) {
	for _, test := range []struct {
		name    string
		version string
		publish bool
		want    []string
		events  []string
	}{
		{"it waits", "1-1", false, []string{"a 1-1", "b 1-1"}, []string{"published a 1-1", "published b 1-1"}},
		{"it is published", "1-1", true, []string{"a 1-1", "b 1-1"},
			[]string{"published a 1-1", "published a 1-1", "published b 1-1", "published b 1-1"}},
		{"a version of its own", "2.r7-1", true, []string{"a 2.r7-1", "b 2.r7-1"},
			[]string{"published a 2.r7-1", "published a 2.r7-1", "published b 2.r7-1", "published b 2.r7-1"}},
		{"there is none", "", false, nil, []string{"failed a", "skipped b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.lockBuilds()
			f.want("a", pkgbuildOf("a", "1"))
			f.want("b", pkgbuildOf("b", "1", "depends=(a)"))
			d := &deliverer{fixture: f, version: test.version, publish: test.publish}
			f.config.Workers = f.workers(func() build.Runner { return d })
			outcome, events, err := f.run()
			if (err != nil) != (test.want == nil) || len(outcome.Published) != len(test.want) {
				t.Errorf("%+v, %v", outcome, err)
			}
			f.expect("events", events, test.events)
			f.expect("published", f.published(), test.want)
		})
	}
}

// A job says what a worker that fetches by itself has to know.
func TestJobsSayWhereTheyComeFrom(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	a.pkgbuilds["app"] = pkgbuildOf("app", "1")
	f.keep("local", pkgbuildOf("local", "1"))
	key := "pkgdesc"
	kept := source.Patch{Key: &key, Value: "kept by the master"}
	if err := f.store.SetPatch(t.Context(), "app", kept); err != nil {
		t.Fatal(err)
	}
	jobs := f.jobs()
	f.do(jobs, update.JobAdd, `{"packages":["app","local"],"increment":true,"patches":[{"key":"url","value":"x"}]}`)
	f.runner.jobs = map[string]build.Job{}
	f.do(jobs, update.JobAdd, `{"packages":["app","local"],"increment":true}`)
	if len(f.runner.jobs) != 2 {
		t.Fatalf("%d builds", len(f.runner.jobs))
	}
	for _, job := range f.runner.jobs {
		if len(job.Patches) != 1 || *job.Patches[0].Key != "pkgrel" || job.Patches[0].Value != "1.1" {
			t.Errorf("%s: patches %+v", job.Base, job.Patches)
		}
		if fetchable := job.Fetchable() == nil; fetchable != (job.Base == "app") {
			t.Errorf("%s: %v", job.Base, job.Fetchable())
		}
	}
}

// What a master keeps for a base is done to it, in the place of what is kept here.
func TestPatchesOfTheMaster(t *testing.T) {
	f := newFixture(t)
	f.want("a", pkgbuildOf("a", "1"))
	key, other := "pkgver", "pkgrel"
	for _, own := range []source.Patch{{Key: &key, Value: "2"}, {Key: &other, Value: "3"}} {
		if err := f.store.SetPatch(t.Context(), "a", own); err != nil {
			t.Fatal(err)
		}
	}
	f.config.Patches = func(_ context.Context, base string) ([]source.Patch, error) {
		if base != "a" {
			return nil, errors.New("the master does not answer")
		}
		return []source.Patch{{Key: &key, Value: "4"}}, nil
	}
	if _, _, err := f.run(); err != nil {
		t.Error(err)
	}
	f.expect("published", f.published(), []string{"a 4-3"})
	f.want("b", pkgbuildOf("b", "1"))
	outcome, _, err := f.run()
	if err == nil || len(outcome.Failed) != 1 || outcome.Failed[0].Reason != "the master does not answer" {
		t.Errorf("without its patches: %+v, %v", outcome, err)
	}
}
