package trigger

import "context"

// newLogsRotation removes old logs after each result, unless all are kept.
func newLogsRotation(options Options) (trigger, error) {
	keep := options.Settings.LogsRotation.KeepLastLogs
	if keep == 0 || options.RotateLogs == nil {
		return trigger{}, nil
	}
	return trigger{onResult: func(ctx context.Context, _ Result) error {
		return options.RotateLogs(ctx, keep)
	}}, nil
}
