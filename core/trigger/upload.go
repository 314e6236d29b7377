package trigger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"ahriman/core/config"
)

// Uploader sends the package files of a base, and the signatures beside them,
// somewhere, which takes all of them or none where it can. A file
// that is there already with the same bytes is no error.
type Uploader interface {
	Upload(ctx context.Context, paths ...string) error
}

// NewUploader makes the uploader of a target. Types that do not exist here are
// an error.
func NewUploader(target config.UploadTarget, options Options) (Uploader, error) {
	if target.RemoteService == nil {
		return nil, unsupported("upload", target.Target, "remote-service")
	}
	uploader, err := options.Uploader(*target.RemoteService)
	if err != nil {
		return nil, fmt.Errorf("upload target %s: %w", target.Name, err)
	}
	return uploader, nil
}

func unsupported(option string, target config.Target, known string) error {
	return &NameError{
		Name: option + ".target " + target.Name, Problem: fmt.Sprintf("is of type %s, which is not supported yet", target.Type),
		Advice: "supported: " + known,
	}
}

func newUpload(options Options) (trigger, error) {
	var uploaders []Uploader
	var errs []error
	for _, target := range options.Settings.Upload {
		uploader, err := NewUploader(target, options)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uploaders = append(uploaders, uploader)
	}
	return trigger{onResult: func(ctx context.Context, result Result) error {
		for _, uploader := range uploaders {
			if err := uploadAll(ctx, uploader, result.Built, options); err != nil {
				return err
			}
		}
		return nil
	}}, errors.Join(errs...)
}

// uploadAll goes on after a base that is refused: the others may be what the
// next level waits for.
func uploadAll(ctx context.Context, uploader Uploader, built []Built, options Options) error {
	var errs []error
	for _, b := range built {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if err := uploader.Upload(ctx, b.Files...); err != nil {
			errs = append(errs, err)
			continue
		}
		for _, file := range b.Files {
			options.Messages.Info("uploaded", "file", filepath.Base(file))
		}
	}
	return errors.Join(errs...)
}
