package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/cli/ui"
	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/trigger"
	"ahriman/transport/httpclient"
)

// upload sends package files to the master.
type upload struct {
	JSON  bool     `help:"print one object a line: path, name, size, sha256, signed"`
	Files []string `arg:"" name:"file" complete:"files" help:"package files; - for standard input"`
}

// Help has the examples.
func (upload) Help() string {
	return `The master is status.address. A signature goes along when FILE.sig stands beside FILE. A line is printed for each file: its name there, its size in bytes and its SHA-256; a file that the master has already, with the same bytes, is no error. Files of the same base that follow each other are taken together, all of them or none, and what broke off goes on where it was. The master publishes what it got when it is asked to: see ahriman report.

Examples: what a build made; the files of a directory; a whole worker in one line.

    ahriman build foo | ahriman sign - | ahriman upload -
    ahriman upload out/*.pkg.tar.zst && ahriman report remote-call --wait`
}

// uploadLine is what --json prints.
type uploadLine struct {
	Path   string `json:"path"`
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
	Signed bool   `json:"signed"`
}

// Run sends the files one after the other.
func (c *upload) Run(ctx context.Context, env *Env, globals *Globals) error {
	settings, err := globals.single(env)
	if err != nil {
		return err
	}
	service, err := remoteService(settings)
	if err != nil {
		return err
	}
	to, err := connect(settings, service)
	if err != nil {
		return err
	}
	defer to.Client().Close()
	u := &uploading{json: c.JSON, env: env, to: to, outcome: NewOutcome(env, c.JSON)}
	defer u.abandon(ctx)
	named := map[string]bool{} // each is sent once
	for item, err := range u.outcome.Items(c.Files, "path") {
		if err == nil && !named[item.Text] {
			named[item.Text] = true
			err = u.add(ctx, item.Text)
		}
		if err != nil {
			return err
		}
	}
	if err := u.commit(ctx); err != nil {
		return err
	}
	return u.outcome.Err()
}

// uploading is a run of the command: what was sent of a base, and not yet taken.
type uploading struct {
	json    bool
	env     *Env
	to      master
	outcome *Outcome

	set   *httpclient.UploadSet
	base  string
	lines []uploadLine
}

// add sends a file. Only what ends the command is an error: others are printed.
func (u *uploading) add(ctx context.Context, path string) error {
	if err := checkUpload(path); err != nil {
		u.outcome.Fail(path, err)
		return nil
	}
	// A file that says nothing is refused there, and keeps no other out.
	info, _ := alpm.ReadInfo(path)
	if u.base != info.Base || info.Base == "" || u.has(filepath.Base(path)) {
		if err := u.commit(ctx); err != nil {
			return err
		}
	}
	u.base = info.Base
	err := u.send(ctx, path)
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err != nil {
		u.fail(ctx, path, err)
		return nil
	}
	if !u.set.Together() {
		return u.commit(ctx)
	}
	return nil
}

// checkUpload refuses names that no package file has.
func checkUpload(path string) error {
	_, _, _, _, err := alpm.ParseFileName(filepath.Base(path))
	if err == nil {
		return nil
	}
	if packageFile, ok := strings.CutSuffix(path, ".sig"); ok {
		err = Hinted(fmt.Errorf("uploading %s: a signature goes along with its package", path), "upload "+packageFile)
	}
	return err
}

// has says whether a file of that name is among those not taken yet.
func (u *uploading) has(name string) bool {
	return slices.ContainsFunc(u.lines, func(line uploadLine) bool { return filepath.Base(line.Path) == name })
}

// send uploads one file, with a bar where that takes long.
func (u *uploading) send(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("uploading %s: %w", path, err)
	}
	if u.set == nil {
		if u.set, err = u.to.NewUploadSet(ctx); err != nil {
			return fmt.Errorf("uploading %s: %w", path, err)
		}
	}
	bar := u.env.Err().Progress(filepath.Base(path), info.Size(), ui.Bytes)
	defer bar.Done()
	var shown int64
	done, err := u.set.Add(ctx, path, func(sent, _ int64) {
		sent = min(sent, info.Size()) // the rest is what surrounds the file
		bar.Add(sent - shown)
		shown = sent
	})
	if err == nil {
		u.lines = append(u.lines, uploadLine{Path: path, Name: done.Name, Size: done.Size, SHA256: done.SHA256, Signed: done.Signed})
	}
	return err
}

// commit has what was sent taken, and prints its lines.
func (u *uploading) commit(ctx context.Context) error {
	if u.set == nil || len(u.lines) == 0 {
		return nil
	}
	lines := u.lines
	if err := u.set.Commit(ctx); err != nil {
		u.lines = nil
		for _, line := range lines {
			u.outcome.Fail(line.Path, err)
		}
		return ctx.Err()
	}
	u.lines = nil
	for _, line := range lines {
		u.outcome.Done()
		if err := u.print(line); err != nil {
			return err
		}
	}
	return nil
}

func (u *uploading) print(line uploadLine) error {
	if u.json {
		return u.env.Out().JSON(line)
	}
	return u.env.Out().Println(line.Name, line.Size, line.SHA256)
}

// fail says that a file, and with it the others of its base, were not taken.
func (u *uploading) fail(ctx context.Context, path string, err error) {
	u.abandon(ctx)
	for _, line := range u.lines {
		u.outcome.Fail(line.Path, fmt.Errorf("%s is left out with %s", line.Path, path))
	}
	u.lines = nil
	u.outcome.Fail(path, err)
}

func (u *uploading) abandon(ctx context.Context) {
	if u.set != nil {
		u.set.Abandon(ctx)
	}
}

// remoteService returns the remote-service target that is configured first, nil
// where no upload target is.
func remoteService(s *config.Settings) (*config.RemoteService, error) {
	for _, target := range s.Upload {
		if target.RemoteService != nil {
			return target.RemoteService, nil
		}
	}
	if len(s.Upload) > 0 {
		_, err := trigger.NewUploader(s.Upload[0], trigger.Options{Settings: s})
		return nil, err
	}
	return nil, nil
}
