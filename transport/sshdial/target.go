package sshdial

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Scheme begins the address of a worker over SSH.
const Scheme = "ssh"

// Target is a worker as its address names it:
//
//	ssh://[user@]host[:port][?slots=2&speed=1.5&features=big,gpu]
//
// What the address leaves out comes from ssh_config(5).
type Target struct {
	User string // empty: from ssh_config, else who runs this program
	Host string // a name, an address, or an alias of ssh_config
	Port int    // 0: from ssh_config, else 22

	Slots    int      // builds at once; 0: as many as the worker says
	Speed    float64  // against others; 0: not said
	Features []string // what the worker is good for, for the scheduler
}

// maxSlots bounds what an address may ask of a worker.
const maxSlots = 1024

// ParseTarget reads the address of a worker. A password in it is an error that
// does not repeat it.
func ParseTarget(address string) (Target, error) {
	u, err := url.Parse(address)
	if err != nil {
		// url.Error repeats the address, with whatever secret is in it.
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return Target{}, fmt.Errorf("reading the address of a worker: %w", err)
	}
	bad := func(reason string) (Target, error) {
		return Target{}, fmt.Errorf("reading the worker's address %s: %s", u.Redacted(), reason)
	}
	t := Target{User: u.User.Username(), Host: u.Hostname()}
	_, password := u.User.Password()
	switch {
	case u.Scheme != Scheme:
		return bad("it does not begin with ssh://")
	case password:
		return bad("a password has no place in it: use a key or the agent")
	case t.Host == "" || strings.HasPrefix(t.Host, "-") || strings.ContainsAny(t.Host, " \t\r\n/@"):
		return bad("it names no host")
	case strings.HasPrefix(t.User, "-") || strings.ContainsAny(t.User, " \t\r\n"):
		return bad("that is no user's name")
	case u.Path != "" && u.Path != "/", u.Fragment != "":
		return bad("nothing may follow host and port but ?slots=, &speed= and &features=")
	}
	if port := u.Port(); port != "" {
		if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
			return bad("that is no port")
		}
	}
	if err := t.options(u.RawQuery); err != nil {
		return bad(err.Error())
	}
	return t, nil
}

// options reads what stands behind the question mark.
func (t *Target) options(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for key, all := range values {
		value := all[0]
		switch {
		case len(all) > 1 && key != "features":
			return fmt.Errorf("%s is there twice", key)
		case key == "slots":
			if t.Slots, err = strconv.Atoi(value); err != nil || t.Slots < 1 || t.Slots > maxSlots {
				return fmt.Errorf("slots is a number from 1 to %d", maxSlots)
			}
		case key == "speed":
			if t.Speed, err = strconv.ParseFloat(value, 64); err != nil || !(t.Speed > 0) || math.IsInf(t.Speed, 0) {
				return errors.New("speed is a number above 0")
			}
		case key == "features":
			for _, part := range all {
				t.Features = append(t.Features, strings.FieldsFunc(part, func(r rune) bool { return r == ',' || r == ' ' })...)
			}
			slices.Sort(t.Features)
			t.Features = slices.Compact(t.Features)
		default:
			return fmt.Errorf("unknown option %q: slots, speed or features", key)
		}
	}
	return nil
}

// Name is the target without its options: what messages call it, and what two
// addresses of one worker have in common.
func (t Target) Name() string {
	u := url.URL{Scheme: Scheme, Host: t.Host}
	if t.User != "" {
		u.User = url.User(t.User)
	}
	switch {
	case t.Port != 0:
		u.Host = net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	case strings.Contains(t.Host, ":"):
		u.Host = "[" + t.Host + "]"
	}
	return u.String()
}

// String is the address that ParseTarget reads.
func (t Target) String() string {
	query := url.Values{}
	if t.Slots != 0 {
		query.Set("slots", strconv.Itoa(t.Slots))
	}
	if t.Speed != 0 {
		query.Set("speed", strconv.FormatFloat(t.Speed, 'g', -1, 64))
	}
	if len(t.Features) > 0 {
		query.Set("features", strings.Join(t.Features, ","))
	}
	if len(query) == 0 {
		return t.Name()
	}
	return t.Name() + "?" + query.Encode()
}
