package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	return `The master is status.address. A signature goes along when FILE.sig stands beside FILE. A line is printed for each file: its name there, its size in bytes and its SHA-256; a file that the master has already, with the same bytes, is no error. The master publishes what it got when it is asked to: see ahriman report.

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
	outcome := NewOutcome(env, c.JSON)
	for item, err := range Items(env, c.Files, "path") {
		if err == nil {
			err = c.send(ctx, env, to, item.Text)
		} else if !isFailure(err) {
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			outcome.Fail(item.Text, err)
			continue
		}
		outcome.Done()
	}
	return outcome.Err()
}

func isFailure(err error) bool {
	var failure *ItemFailure
	return asFailure(err, &failure)
}

// send uploads one file, with a bar where that takes long, and prints its line.
func (c *upload) send(ctx context.Context, env *Env, to master, path string) error {
	if _, _, _, _, err := alpm.ParseFileName(filepath.Base(path)); err != nil {
		if packageFile, ok := strings.CutSuffix(path, ".sig"); ok {
			err = Hinted(fmt.Errorf("uploading %s: a signature goes along with its package", path), "upload "+packageFile)
		}
		return err
	}
	done, err := sendWithBar(ctx, env, to, path)
	if err != nil {
		return err
	}
	line := uploadLine{Path: path, Name: done.Name, Size: done.Size, SHA256: done.SHA256, Signed: done.Signed}
	if c.JSON {
		return env.Out().JSON(line)
	}
	return env.Out().Println(line.Name, line.Size, line.SHA256)
}

func sendWithBar(ctx context.Context, env *Env, to master, path string) (*httpclient.Uploaded, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("uploading %s: %w", path, err)
	}
	bar := env.Err().Progress(filepath.Base(path), info.Size(), ui.Bytes)
	defer bar.Done()
	var shown int64
	return to.Repository.Upload(ctx, path, func(sent, _ int64) {
		sent = min(sent, info.Size()) // the rest is what surrounds the file
		bar.Add(sent - shown)
		shown = sent
	})
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
