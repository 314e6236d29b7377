package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Limits of what is read from a pipe.
const (
	maxItemBytes = 1 << 20 // one line
	maxItems     = 1 << 20 // lines
)

// Item is one argument of a command, or one line of its standard input.
type Item struct {
	Text string          // the argument or line, or the JSON line's field
	Line json.RawMessage // the whole JSON line; nil when it was not one
}

// ItemFailure is a failure that an earlier command of the pipeline met: a JSON
// line with an "error". The last command exits 3 when any came in.
type ItemFailure struct {
	Name    string          // what failed: the line's "base", "name" or "path"
	Message string          // the line's "error"
	Line    json.RawMessage // the whole line, to be handed on as it came
}

func (e *ItemFailure) Error() string {
	if e.Name == "" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// Items goes through the arguments; one that is "-" stands for the lines of
// standard input, read as they come, or what ends in NUL as find -print0 writes
// it. A line that begins with "{" is JSON: its text is the first of fields that
// is a non-empty string, and one with an "error" is given as an *ItemFailure.
// Where paths are read, one with "files" is that many items. A line that is a
// JSON string, as jq prints without -r, is its text. Empty lines are passed over, and
// what is told of a run as a whole.
// Any other error ends the sequence, also that of an earlier write to standard
// output: nobody reads what would become of further items.
func Items(env *Env, args []string, fields ...string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		yield = whileWritable(env, yield)
		for _, arg := range args {
			if arg != "-" {
				if !yield(Item{Text: arg}, nil) {
					return
				}
				continue
			}
			if !readLines(env.Input(), fields, yield) {
				return
			}
		}
	}
}

func whileWritable(env *Env, yield func(Item, error) bool) func(Item, error) bool {
	return func(item Item, err error) bool {
		if unwritable := env.unwritable(); unwritable != nil {
			yield(Item{}, unwritable)
			return false
		}
		return yield(item, err)
	}
}

// readLines yields each line and tells whether the caller wants more.
func readLines(r io.Reader, fields []string, yield func(Item, error) bool) bool {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxItemBytes)
	var cut cutter
	scanner.Split(cut.split)
	number := 0
	for ; scanner.Scan() && scanner.Err() == nil; number++ { // with an error comes what was read of a line
		if number == maxItems {
			yield(Item{}, fmt.Errorf("reading standard input: more than %d lines", maxItems))
			return false
		}
		items, err := []Item{{Text: scanner.Text()}}, error(nil)
		if cut.end == '\n' {
			items, err = parseLine(strings.TrimSpace(scanner.Text()), fields)
		}
		var failure *ItemFailure
		switch {
		case errors.As(err, &failure):
			if !yield(Item{}, err) {
				return false
			}
		case err != nil:
			yield(Item{}, fmt.Errorf("reading standard input: line %d: %w", number+1, err))
			return false
		}
		for _, item := range items {
			if item.Text != "" && !yield(item, nil) {
				return false
			}
		}
	}
	if err := scanner.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d bytes", maxItemBytes)
		}
		yield(Item{}, fmt.Errorf("reading standard input: line %d: %w", number+1, err))
		return false
	}
	return true
}

// cutter is a bufio.SplitFunc for what ends in newlines or in NULs, as the first
// end has it.
type cutter struct {
	known bool
	end   byte
}

func (c *cutter) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if !c.known {
		switch i := bytes.IndexAny(data, "\n\x00"); {
		case i >= 0:
			c.known, c.end = true, data[i]
		case atEOF:
			c.known, c.end = true, '\n'
		default:
			return 0, nil, nil
		}
	}
	if i := bytes.IndexByte(data, c.end); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// parseLine returns the items of a line: one, but for one of build's that lists
// files, where the command reads paths.
func parseLine(line string, fields []string) ([]Item, error) {
	var text string
	if !strings.HasPrefix(line, "{") {
		if !strings.HasPrefix(line, `"`) || json.Unmarshal([]byte(line), &text) != nil {
			text = line
		}
		return []Item{{Text: text}}, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		return nil, Hinted(fmt.Errorf("not a JSON object: %w", err), "an object is one line, which jq prints with -c")
	}
	if message := firstString(object, "error"); message != "" {
		return nil, &ItemFailure{
			Name: firstString(object, "base", "name", "path"), Message: message, Line: json.RawMessage(line),
		}
	}
	if files, ok := object["files"].([]any); ok && object["path"] == nil && slices.Contains(fields, "path") {
		var items []Item
		for _, file := range files {
			if path, ok := file.(string); ok {
				items = append(items, Item{Text: path, Line: json.RawMessage(line)})
			}
		}
		return items, nil
	}
	text = firstString(object, fields...)
	if text == "" && object["event"] != nil {
		return nil, nil // of a run, not of one of its packages
	}
	if text == "" {
		return nil, fmt.Errorf("a JSON object without %q", strings.Join(fields, `" or "`))
	}
	return []Item{{Text: text, Line: json.RawMessage(line)}}, nil
}

func firstString(object map[string]any, keys ...string) string {
	for _, key := range keys {
		if s, ok := object[key].(string); ok && s != "" {
			return s
		}
	}
	return ""
}
