package sshdial_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/transport/sshdial"
)

func TestParseTarget(t *testing.T) {
	for address, want := range map[string]sshdial.Target{
		"ssh://builder":                     {Host: "builder"},
		"ssh://builder/":                    {Host: "builder"},
		"ssh://me@builder.example.org:2222": {User: "me", Host: "builder.example.org", Port: 2222},
		"ssh://[2001:db8::1]:22":            {Host: "2001:db8::1", Port: 22},
		"ssh://me@[::1]":                    {User: "me", Host: "::1"},
		"ssh://a%40b@host":                  {User: "a@b", Host: "host"},
	} {
		got, err := sshdial.ParseTarget(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
		if again, err := sshdial.ParseTarget(got.String()); err != nil || !cmp.Equal(again, got) {
			t.Errorf("%s is written as %s, which is read as %+v, %v", address, got, again, err)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for address, reason := range map[string]string{
		"builder":                     "ssh://",
		"https://builder":             "ssh://",
		"ssh://":                      "no host",
		"ssh://me@":                   "no host",
		"ssh://-oProxyCommand=x":      "no host",
		"ssh://-l@host":               "no user",
		"ssh://host/path":             "nothing may follow",
		"ssh://host#part":             "nothing may follow",
		"ssh://host?slots=1":          "nothing may follow",
		"ssh://host:0":                "no port",
		"ssh://host:70000":            "no port",
		"ssh://host:ssh":              "port",
		"ssh://me:hunter2@host":       "password",
		"ssh://me:hunter2@host:port/": "port",
	} {
		_, err := sshdial.ParseTarget(address)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want something about %q", address, err, reason)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in the message: %v", err)
		}
	}
}
