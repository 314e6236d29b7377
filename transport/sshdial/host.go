package sshdial

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ahriman/core/build"
)

// host is all there is to know about how to reach a target: its address and
// what ssh_config says.
type host struct {
	asked   string // as in the address: an alias
	name    string // to dial
	port    int
	user    string
	network string // tcp, tcp4, tcp6

	identities     []string // paths of private keys, in the order to try
	named          bool     // identities were configured, not guessed
	certificates   []string // paths of certificates
	agent          string   // path of the agent's socket; empty: none
	identitiesOnly bool

	keyAlias      string   // under which the host's key is known; empty: name
	userHosts     []string // known_hosts of the user, the first is written to
	globalHosts   []string
	hashHosts     bool
	timeout       time.Duration // of TCP and of the handshake
	jumps         []Target
	proxyCommand  string
	sourceAddress string
}

// defaultTimeout bounds connecting where ConnectTimeout says nothing.
const defaultTimeout = 20 * time.Second

// address is host:port for dialling.
func (h *host) address() string { return net.JoinHostPort(h.name, strconv.Itoa(h.port)) }

// knownAs is how known_hosts may call the host: first as ssh would write it, and
// last by its name alone, which holds for all ports.
func (h *host) knownAs() []string {
	name := strings.ToLower(h.name)
	switch {
	case h.keyAlias != "":
		return []string{h.keyAlias}
	case h.port == 22:
		return []string{name}
	}
	return []string{"[" + name + "]:" + strconv.Itoa(h.port), name}
}

// lookUp reads the configuration for a target.
func (d *Dialer) lookUp(ctx context.Context, t Target) (h *host, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = build.Unusable(err)
		}
	}()
	reader := &configReader{asked: t.Host, host: t.Host, user: t.User, local: d.config.LocalUser, home: d.config.Home, options: hostOptions{}}
	reader.expand = func(o hostOptions, text string) string { return d.provisional(t, o).expandTokens(d, text) }
	ssh := filepath.Join(d.config.Home, ".ssh")
	for {
		if err := reader.readFile(ctx, d.config.UserConfig, ssh); err != nil {
			return nil, err
		}
		if err := reader.readFile(ctx, d.config.SystemConfig, filepath.Dir(d.config.SystemConfig)); err != nil {
			return nil, err
		}
		if reader.final || !reader.again {
			break
		}
		reader.final, reader.host = true, d.provisional(t, reader.options).name
	}
	h = d.provisional(t, reader.options)
	if err := d.fill(h, reader.options); err != nil {
		return nil, fmt.Errorf("reading the SSH configuration for %s: %w", t.Host, err)
	}
	return h, nil
}

// provisional is what tokens may ask about.
func (d *Dialer) provisional(t Target, o hostOptions) *host {
	h := &host{asked: t.Host, name: t.Host, user: t.User, port: t.Port}
	if name := o.first("hostname"); name != "" {
		h.name = h.expandTokens(d, name)
	}
	if h.user == "" {
		h.user = o.first("user")
	}
	if h.user == "" {
		h.user = d.config.LocalUser
	}
	if h.port == 0 {
		h.port, _ = strconv.Atoi(o.first("port")) // fill says what is wrong with it
	}
	if h.port == 0 {
		h.port = 22
	}
	return h
}

// expandTokens puts in the percent tokens of ssh_config(5).
func (h *host) expandTokens(d *Dialer, text string) string {
	local, _ := os.Hostname()
	short, _, _ := strings.Cut(local, ".")
	alias := h.keyAlias
	if alias == "" {
		alias = h.asked
	}
	return strings.NewReplacer("%%", "%", "%d", d.config.Home, "%h", h.name, "%n", h.asked, "%p", strconv.Itoa(h.port),
		"%r", h.user, "%u", d.config.LocalUser, "%l", local, "%L", short, "%i", strconv.Itoa(os.Getuid()), "%k", alias).Replace(text)
}

// path expands a file name: "~", tokens, and ${VARIABLES}.
func (h *host) path(d *Dialer, name string) string {
	name = expandHome(h.expandTokens(d, name), d.config.Home)
	if strings.Contains(name, "${") {
		name = os.Expand(name, d.config.Getenv)
	}
	return name
}

// fill takes over what the configuration says.
func (d *Dialer) fill(h *host, o hostOptions) error {
	if port := o.first("port"); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("port %q is none", port)
		}
	}
	h.network = map[string]string{"inet": "tcp4", "inet6": "tcp6"}[strings.ToLower(o.first("addressfamily"))]
	if h.network == "" {
		h.network = "tcp"
	}
	h.timeout = defaultTimeout
	if text := o.first("connecttimeout"); text != "" && text != "none" {
		timeout, err := configTime(text)
		if err != nil {
			return fmt.Errorf("ConnectTimeout: %w", err)
		}
		if timeout > 0 {
			h.timeout = timeout
		}
	}
	h.keyAlias, h.sourceAddress = o.first("hostkeyalias"), o.first("bindaddress")
	h.hashHosts = yes(o.first("hashknownhosts"))
	d.fillKeys(h, o)
	for _, known := range []struct {
		into            *[]string
		keyword, common string
	}{
		{&h.userHosts, "userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"},
		{&h.globalHosts, "globalknownhostsfile", d.config.SystemKnownHosts},
	} {
		names, ok := o[known.keyword]
		if !ok {
			names = strings.Fields(known.common)
		}
		for _, name := range names {
			if name != "none" {
				*known.into = append(*known.into, h.path(d, name))
			}
		}
	}
	return h.fillProxy(d, o)
}

// fillKeys takes over what there is to log in with.
func (d *Dialer) fillKeys(h *host, o hostOptions) {
	h.identitiesOnly = yes(o.first("identitiesonly"))
	names, named := o["identityfile"]
	if h.named = named; !named {
		names = []string{"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"}
	}
	for _, name := range names {
		if name != "none" {
			h.identities = append(h.identities, h.path(d, name))
		}
	}
	for _, name := range o["certificatefile"] {
		if name != "none" {
			h.certificates = append(h.certificates, h.path(d, name))
		}
	}
	switch agent := o.first("identityagent"); {
	case agent == "none":
	case agent == "", agent == "SSH_AUTH_SOCK":
		h.agent = d.config.Getenv("SSH_AUTH_SOCK")
	case strings.HasPrefix(agent, "$") && !strings.HasPrefix(agent, "${"):
		h.agent = d.config.Getenv(agent[1:])
	default:
		h.agent = h.path(d, agent)
	}
}

// fillProxy takes over how the host is reached; of ProxyJump and ProxyCommand
// the jump counts here.
func (h *host) fillProxy(d *Dialer, o hostOptions) error {
	jump := o.first("proxyjump")
	if jump == "" {
		if command := strings.Join(o["proxycommand"], " "); command != "none" {
			h.proxyCommand = h.expandTokens(d, command)
		}
		return nil
	}
	if strings.EqualFold(jump, "none") {
		return nil
	}
	for one := range strings.SplitSeq(h.expandTokens(d, jump), ",") {
		if !strings.Contains(one, "://") {
			one = Scheme + "://" + one
		}
		t, err := ParseTarget(one)
		if err != nil {
			return fmt.Errorf("ProxyJump: %w", err)
		}
		h.jumps = append(h.jumps, t)
	}
	return nil
}

func yes(value string) bool {
	return strings.EqualFold(value, "yes") || strings.EqualFold(value, "true")
}

// configTime reads sshd_config(5)'s times: seconds, or 1h30m and the like.
func configTime(text string) (time.Duration, error) {
	var total time.Duration
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	for rest := strings.ToLower(text); rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n > 1<<20 {
			return 0, fmt.Errorf("%q is no time", text)
		}
		unit := time.Second
		if rest = rest[digits:]; rest != "" {
			var ok bool
			if unit, ok = units[rest[0]]; !ok {
				return 0, fmt.Errorf("%q is no time", text)
			}
			rest = rest[1:]
		}
		total += time.Duration(n) * unit
	}
	return total, nil
}
