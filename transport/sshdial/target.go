package sshdial

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Scheme begins the address of a worker over SSH.
const Scheme = "ssh"

// Target is a worker as its address names it:
//
//	ssh://[user@]host[:port]
//
// What the address leaves out comes from ssh_config(5).
type Target struct {
	User string // empty: from ssh_config, else who runs this program
	Host string // a name, an address, or an alias of ssh_config
	Port int    // 0: from ssh_config, else 22
}

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
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return bad("nothing may follow host and port")
	}
	if port := u.Port(); port != "" {
		if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
			return bad("that is no port")
		}
	}
	return t, nil
}

// String is the address that ParseTarget reads, and what messages call it.
func (t Target) String() string {
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
