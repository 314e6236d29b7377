package alpm

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRelation(t *testing.T) {
	tests := map[string]Relation{
		"foo":                    {Name: "foo"},
		" foo ":                  {Name: "foo"},
		"foo>=1:2.0-3":           {Name: "foo", Operator: ">=", Version: "1:2.0-3"},
		"foo<=1":                 {Name: "foo", Operator: "<=", Version: "1"},
		"foo<1":                  {Name: "foo", Operator: "<", Version: "1"},
		"foo>1":                  {Name: "foo", Operator: ">", Version: "1"},
		"foo=1":                  {Name: "foo", Operator: "=", Version: "1"},
		"libx.so=1-64":           {Name: "libx.so", Operator: "=", Version: "1-64"},
		"lib:libx.so.1":          {Name: "lib:libx.so.1"},
		"foo: for the bar":       {Name: "foo", Reason: "for the bar"},
		"foo>=2: a: b":           {Name: "foo", Operator: ">=", Version: "2", Reason: "a: b"},
		"foo:":                   {Name: "foo"},
		"gtk2+extra-4.8_x@y=1.0": {Name: "gtk2+extra-4.8_x@y", Operator: "=", Version: "1.0"},
	}
	for text, want := range tests {
		got, err := ParseRelation(text)
		if err != nil {
			t.Errorf("ParseRelation(%q): %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseRelation(%q): -want +got\n%s", text, diff)
		}
	}
	for _, text := range []string{"", " ", ">=1", "=", "foo=", "foo>=", "a b", "foo>= 1", "foo\x00", ": reason"} {
		if got, err := ParseRelation(text); !errors.Is(err, ErrRelation) {
			t.Errorf("ParseRelation(%q) = %v, %v, want ErrRelation", text, got, err)
		}
	}
}

func TestSatisfiedBy(t *testing.T) {
	tests := []struct {
		relation, name, version string
		provides                []string
		want                    bool
	}{
		{"foo", "foo", "1-1", nil, true},
		{"foo", "bar", "1-1", nil, false},
		{"foo=1", "foo", "1-7", nil, true},
		{"foo=1-1", "foo", "1-7", nil, false},
		{"foo=1:1", "foo", "1-7", nil, false},
		{"foo>=1", "foo", "1-1", nil, true},
		{"foo>1", "foo", "1-1", nil, false},
		{"foo<2", "foo", "1:1-1", nil, false},
		{"foo<=2", "foo", "2-9", nil, true},
		{"foo", "bar", "1-1", []string{"foo"}, true},
		{"foo", "bar", "1-1", []string{"foo=3"}, true},
		{"foo>=1", "bar", "9-1", []string{"foo"}, false},
		{"foo>=1", "bar", "0-1", []string{"foo=1"}, true},
		{"foo>=2", "bar", "9-1", []string{"foo=1", "foo=2-1"}, true},
		{"foo>=1", "bar", "0-1", []string{"foo>=1"}, false},
		{"foo>=2", "foo", "1-1", []string{"foo=2"}, true},
		{"libx.so=1-64", "x", "1-1", []string{"libx.so=1-64"}, true},
		{"libx.so=1-64", "x", "1-1", []string{"libx.so=1-32"}, false},
		{"libx.so=2-64", "x", "1-1", []string{"libx.so=1-64"}, false},
		{"libx.so", "x", "1-1", []string{"libx.so=1-64"}, true},
		{"lib:libx.so.1", "x", "1-1", []string{"lib:libx.so.1"}, true},
	}
	for _, test := range tests {
		relation := parseRelation(t, test.relation)
		var provides []Relation
		for _, p := range test.provides {
			provides = append(provides, parseRelation(t, p))
		}
		if got := relation.SatisfiedBy(test.name, test.version, provides); got != test.want {
			t.Errorf("%s by %s %s providing %v: %v, want %v", test.relation, test.name, test.version, test.provides, got, test.want)
		}
	}
}

func parseRelation(t *testing.T, text string) Relation {
	t.Helper()
	r, err := ParseRelation(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func FuzzRelation(f *testing.F) {
	for _, s := range []string{"foo", "foo>=1:2-3", "libx.so=1-64", "lib:libx.so.1", "foo: bar", "a<", "=", "x=y=z: w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRelation(s)
		if err != nil {
			return
		}
		again, err := ParseRelation(r.String())
		if err != nil {
			t.Fatalf("%q: %q: %v", s, r.String(), err)
		}
		if again != r {
			t.Errorf("%q: %+v written and read is %+v", s, r, again)
		}
		r.SatisfiedBy(s, s, []Relation{r})
	})
}
