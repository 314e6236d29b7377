package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The triggers that build.triggers may name, beside exec:/path.
const (
	RemotePullTrigger      = "ahriman.core.gitremote.RemotePullTrigger"
	RemotePushTrigger      = "ahriman.core.gitremote.RemotePushTrigger"
	ReportTrigger          = "ahriman.core.report.ReportTrigger"
	UploadTrigger          = "ahriman.core.upload.UploadTrigger"
	WorkerLoaderTrigger    = "ahriman.core.distributed.WorkerLoaderTrigger"
	WorkerTrigger          = "ahriman.core.distributed.WorkerTrigger"
	LogsRotationTrigger    = "ahriman.core.housekeeping.LogsRotationTrigger"
	ArchiveRotationTrigger = "ahriman.core.housekeeping.ArchiveRotationTrigger"
	ArchiveTrigger         = "ahriman.core.archive.ArchiveTrigger"
	KeyringTrigger         = "ahriman.core.support.KeyringTrigger"
	MirrorlistTrigger      = "ahriman.core.support.MirrorlistTrigger"
)

// Triggers lists the names that build.triggers may hold, sorted.
func Triggers() []string {
	names := []string{
		RemotePullTrigger, RemotePushTrigger, ReportTrigger, UploadTrigger, WorkerLoaderTrigger, WorkerTrigger,
		LogsRotationTrigger, ArchiveRotationTrigger, ArchiveTrigger, KeyringTrigger, MirrorlistTrigger,
	}
	slices.Sort(names)
	return names
}

// CheckTrigger tells what is wrong with one word of build.triggers: a Python
// plugin, an unknown name, or exec: with something that cannot be run.
func CheckTrigger(name string) error {
	if path, ok := strings.CutPrefix(name, "exec:"); ok {
		return checkProgram(path)
	}
	if strings.HasPrefix(name, "/") {
		return fmt.Errorf("%s is a plugin in Python, which only the Python ahriman can load; "+
			"make it a program that reads the result as JSON on standard input, and write exec:/path", name)
	}
	if slices.Contains(Triggers(), name) {
		return nil
	}
	return fmt.Errorf("%s is no trigger%s; there are exec:/path, %s", name, didYouMean(name, Triggers()),
		strings.Join(Triggers(), ", "))
}

func checkProgram(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("exec:%s: the path must be absolute", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return reason(err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not a program: chmod +x", path)
	}
	return nil
}

// reason is what a path is wrong with, without the name of the system call.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}

// didYouMean is ", did you mean x?" when a known word is a few letters away.
func didYouMean(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// distance is how many letters to insert, delete, change, or swap with the next.
func distance(a, b string) int {
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(above[j+1], row[j]) + 1
			if a[i] == b[j] {
				row[j+1] = min(row[j+1], above[j])
			}
			row[j+1] = min(row[j+1], above[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}
