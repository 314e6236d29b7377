package shell

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// date computes the current time, or one given as @seconds or year-month-day.
func date(t *toolRun) (int, error) {
	at := t.sh.config.Now
	format := "%a %b %e %H:%M:%S %Z %Y"
	if zone := t.sh.variableText("TZ"); zone != "" {
		if zone = t.sh.known(zone); zone != "UTC" && zone != "UTC0" {
			return t.cannot("date")
		}
		at = at.UTC()
	}
	for i := 0; i < len(t.args); i++ {
		arg := t.args[i]
		switch {
		case strings.HasPrefix(arg, "+"):
			format = arg[1:]
		case arg == "-u" || arg == "--utc":
			at = at.UTC()
		case arg == "-d" && i+1 == len(t.args):
			return t.cannot("date")
		case strings.HasPrefix(arg, "-d"), strings.HasPrefix(arg, "--date="):
			text := strings.TrimPrefix(strings.TrimPrefix(arg, "-d"), "--date=")
			if arg == "-d" {
				i++
				text = t.args[i]
			}
			given, ok := parseDate(text, at)
			if !ok {
				return t.cannot("date")
			}
			at = given
		case arg == "-I" || arg == "--iso-8601":
			format = "%Y-%m-%d"
		default:
			return t.cannot("date")
		}
	}
	text, err := strftime(format, at)
	if err != nil {
		return t.cannot("date")
	}
	t.line(text)
	return 0, nil
}

func parseDate(text string, now time.Time) (time.Time, bool) {
	switch text {
	case "now", "today", "":
		return now, text != ""
	case "yesterday":
		return now.AddDate(0, 0, -1), true
	}
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		return time.Unix(n, 0).In(now.Location()), err == nil
	}
	for _, layout := range []string{"2006-01-02", "20060102", "2006/01/02", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, true
		}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.In(now.Location()), true
	}
	return time.Time{}, false
}

// strftime formats as the C function does in the C locale.
func strftime(format string, at time.Time) (string, error) {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 >= len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		text, ok := conversion(format[i], at)
		if !ok {
			return "", errors.New("date format %" + format[i:i+1])
		}
		switch flag {
		case '-':
			if trimmed := strings.TrimLeft(text, "0 "); trimmed != "" {
				text = trimmed
			} else {
				text = "0"
			}
		case '^':
			text = strings.ToUpper(text)
		case '_', '0':
			return "", errors.New("date format flag")
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

func conversion(c byte, at time.Time) (string, bool) {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'b': "Jan", 'h': "Jan",
		'B': "January", 'a': "Mon", 'A': "Monday", 'e': "_2", 'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04",
		'I': "03", 'p': "PM", 'Z': "MST", 'z': "-0700", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05"}
	if layout, ok := layouts[c]; ok {
		return at.Format(layout), true
	}
	year, week := at.ISOWeek()
	switch c {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 's':
		return strconv.FormatInt(at.Unix(), 10), true
	case 'j':
		return fmt.Sprintf("%03d", at.YearDay()), true
	case 'u':
		return strconv.Itoa((int(at.Weekday())+6)%7 + 1), true
	case 'w':
		return strconv.Itoa(int(at.Weekday())), true
	case 'V':
		return fmt.Sprintf("%02d", week), true
	case 'G':
		return strconv.Itoa(year), true
	case 'C':
		return fmt.Sprintf("%02d", at.Year()/100), true
	case 'N':
		return fmt.Sprintf("%09d", at.Nanosecond()), true
	}
	return "", false
}
