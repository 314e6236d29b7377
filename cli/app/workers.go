package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ahriman/core/config"
	"ahriman/core/store"
)

// workers shows and changes the fleet.
type workers struct {
	Name          string        `placeholder:"NAME" help:"add: how the worker is called; host and port of its address by default"`
	Slots         int           `placeholder:"N" help:"add: builds at once; by default what the worker says"`
	Speed         float64       `placeholder:"FACTOR" help:"add: how fast it builds, 1 is usual; by default what the worker says"`
	Features      []string      `sep:"," placeholder:"NAME,…" help:"add: what it has beside others; by default what the worker says"`
	Username      string        `short:"u" placeholder:"USERNAME" help:"add: log in as this user, whose password is read from standard input or the terminal; status.username by default"`
	TokenFile     string        `placeholder:"PATH" complete:"files" help:"add: log in with the token in this file"`
	AcceptHostKey string        `placeholder:"SHA256:…" help:"add: the fingerprint that an ssh worker's host key must have"`
	Offline       bool          `help:"list: ask no worker, show what is known"`
	Timeout       time.Duration `default:"10s" placeholder:"DURATION" help:"list, ping: how long to wait for a worker"`
	JSON          bool          `name:"json" help:"print one object a line"`
	Action        string        `arg:"" optional:"" enum:"list,add,remove,drain,resume,ping" default:"list" help:"${enum}"`
	Worker        []string      `arg:"" optional:"" complete:"workers" help:"names or addresses, or - for standard input; all when none is given, for list and ping"`
}

// Help shows how the command is used.
func (*workers) Help() string {
	return `The fleet of this master are the workers of build.workers, those that were added here, and, with WorkerLoaderTrigger in build.triggers, those that registered. Without any, this machine builds; as one among others it is local://. An address is http://, https://, http+unix:// or ssh://, with ?slots=2&speed=1.5&features=big behind it where the worker's own word is not to count; ahriman-build(1) says how ssh:// is reached.

list shows them and asks each what it does; ping tries what a build needs there, and exits 3, or 1, when some, or all, cannot build; drain lets a worker finish what it builds and gives it nothing new until resume; remove forgets one that was added; add of one that was added before changes what is said, and nothing else.

Examples: what is going on; another laptop; one for the night; which are broken.

    ahriman workers
    ahriman workers add 'ssh://builder@laptop?slots=2'
    ahriman workers drain laptop && ahriman workers ping --json | jq -r 'select(.error) | .name'`
}

// Run does the action.
func (c *workers) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	db, err := openStore(ctx, all[0])
	if err != nil {
		return err
	}
	defer db.Close()
	outcome := NewOutcome(env, c.JSON)
	names, err := c.names(env, outcome)
	if err != nil {
		return err
	}
	if len(names) > 0 || len(c.Worker) == 0 { // standard input that names none is not all
		if err := outcome.Ran(c.act(ctx, env, globals, all[0], db, names, outcome)); err != nil {
			return err
		}
	}
	return outcome.Err()
}

// act does the action with the workers of these names, or all.
func (c *workers) act(ctx context.Context, env *Env, globals *Globals, s *config.Settings, db *store.DB, names []string, outcome *Outcome) error {
	if c.Action == "add" {
		return c.add(ctx, env, db, names)
	}
	members, err := fleet(ctx, s, db)
	if err != nil {
		return err
	}
	members = chooseMembers(members, names, outcome)
	if len(names) > 0 && len(members) == 0 {
		return outcome.Err()
	}
	if len(names) == 0 && c.Action != "list" && c.Action != "ping" {
		return Usagef("workers %s needs the name of a worker", c.Action)
	}
	switch c.Action {
	case "remove":
		return c.remove(ctx, env, db, members)
	case "drain", "resume":
		return c.drain(ctx, db, members)
	}
	n, err := globals.nodeWith(env, s, db)
	if err != nil {
		return err
	}
	defer n.Close()
	return c.show(ctx, env, n, members)
}

// names reads what workers are meant. What list and ping print of one that is
// away has an error, and is no failure: it is whom the next command is for.
func (c *workers) names(env *Env, outcome *Outcome) (names []string, err error) {
	for item, err := range Items(env, c.Worker, "name", "address") {
		if failure, ok := errors.AsType[*ItemFailure](err); ok {
			var line workerLine
			if json.Unmarshal(failure.Line, &line) != nil || line.Address == "" {
				outcome.came(failure)
				continue
			}
			item.Text, err = line.Name, nil
		}
		if err != nil {
			return nil, err
		}
		names = append(names, item.Text)
	}
	return names, nil
}

// chooseMembers returns the members of these names or addresses, all without. A
// name that none has fails alone.
func chooseMembers(members []member, names []string, outcome *Outcome) []member {
	if len(names) == 0 {
		return members
	}
	var chosen []member
	for _, name := range names {
		i := slices.IndexFunc(members, func(m member) bool { return m.Name == name || m.Address == strings.TrimRight(name, "/") })
		if i < 0 {
			name = config.Redact(name)
			outcome.Fail(name, Hinted(fmt.Errorf("there is no worker %s", name), "workers list shows those there are"))
			continue
		}
		chosen = append(chosen, members[i])
	}
	return chosen
}

// add adds workers.
func (c *workers) add(ctx context.Context, env *Env, db *store.DB, addresses []string) error {
	if len(addresses) == 0 {
		return Usagef("workers add needs an address")
	}
	if len(addresses) > 1 && c.Name != "" {
		return Usagef("--name is for one worker, not for %d", len(addresses))
	}
	known, err := db.Members(ctx)
	if err != nil {
		return err
	}
	var added []store.Member
	for _, address := range addresses {
		m, err := c.member(address)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(known, func(k store.Member) bool { return k.Added && k.Address == m.Address }); i >= 0 {
			c.keep(&m, known[i])
		}
		added = append(added, m)
	}
	if err := c.credentials(env, added); err != nil {
		return err
	}
	for _, m := range added {
		other := func(k store.Member) bool { return k.Name == m.Name && k.Address != m.Address }
		if slices.ContainsFunc(known, other) || slices.ContainsFunc(added, other) {
			return Hinted(fmt.Errorf("another worker is called %s", m.Name), "give this one a name with --name")
		}
	}
	for _, m := range added {
		if err := db.AddMember(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// member is a worker as the address and the flags describe it.
func (c *workers) member(address string) (store.Member, error) {
	m, err := parseWorker(address)
	if err != nil {
		return m, Usagef("%s", err)
	}
	m.Name, m.Slots, m.Speed = cmp.Or(c.Name, m.Name), cmp.Or(c.Slots, m.Slots), cmp.Or(c.Speed, m.Speed)
	if c.Features != nil {
		m.Features = c.Features
	}
	if m.Slots < 0 || m.Slots > maxSlots || m.Speed < 0 || m.Speed > maxSpeed {
		return m, Usagef("--slots goes from 1 to %d, --speed to %d", maxSlots, maxSpeed)
	}
	if c.AcceptHostKey != "" {
		if !strings.HasPrefix(m.Address, "ssh://") || !strings.HasPrefix(c.AcceptHostKey, "SHA256:") {
			return m, Usagef("--accept-host-key is the SHA256:… of an ssh:// worker's key")
		}
		m.HostKey = c.AcceptHostKey
	}
	return m, nil
}

// keep leaves as it was what nobody says of a worker that was added before.
func (c *workers) keep(m *store.Member, was store.Member) {
	if c.Name == "" {
		m.Name = was.Name
	}
	m.Slots, m.Speed, m.HostKey, m.Draining = cmp.Or(m.Slots, was.Slots), cmp.Or(m.Speed, was.Speed), cmp.Or(m.HostKey, was.HostKey), was.Draining
	if m.Features == nil {
		m.Features = was.Features
	}
	if m.Username == "" {
		m.Username, m.Password, m.Token = was.Username, was.Password, was.Token
	}
}

// credentials sets how the master logs in at workers.
func (c *workers) credentials(env *Env, added []store.Member) error {
	switch {
	case c.Username != "" && c.TokenFile != "":
		return Usagef("--username and --token-file are two ways to log in")
	case c.TokenFile != "":
		token, err := readToken("--token-file", c.TokenFile)
		if err != nil {
			return err
		}
		for i := range added {
			added[i].Token, added[i].Username, added[i].Password = token, "", ""
		}
	case c.Username != "":
		password, err := readPassword(env)
		if err != nil {
			return err
		}
		for i := range added {
			added[i].Username, added[i].Password, added[i].Token = c.Username, password, ""
		}
	}
	return nil
}

// remove forgets workers that were added.
func (c *workers) remove(ctx context.Context, env *Env, db *store.DB, members []member) error {
	for _, m := range members {
		err := db.RemoveMember(ctx, m.Address)
		if err != nil && !errors.Is(err, store.ErrUnknownWorker) {
			return err
		}
		switch m.origin {
		case fromConfiguration:
			return Hinted(fmt.Errorf("%s is in build.workers", m.Name), "take it out of the configuration, or drain it")
		case fromRegistration:
			if err := db.RemoveWorker(ctx, m.Name, ""); err != nil {
				return err
			}
			env.Warn("%s registers itself and will be back, as long as it runs", m.Name)
		case fromDefault:
			return fmt.Errorf("this machine is the only worker")
		}
	}
	return nil
}

// drain keeps new builds from workers, or lets them have some again.
func (c *workers) drain(ctx context.Context, db *store.DB, members []member) error {
	for _, m := range members {
		if err := db.DrainMember(ctx, m.Address, m.Name, c.Action == "drain"); err != nil {
			return err
		}
	}
	return nil
}
