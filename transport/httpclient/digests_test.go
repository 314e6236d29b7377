package httpclient

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDigests(t *testing.T) {
	var digests Digests
	name, other := filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar"), filepath.Join(t.TempDir(), "b")
	write := func(path, content string, modified time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what, path, want string) {
		t.Helper()
		object, err := digests.object(path)
		if err != nil || object.SHA256 != want || object.Name != filepath.Base(path) {
			t.Errorf("%s: got %+v, %v; want the digest %s", what, object, err, want)
		}
	}
	const a, b = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
	now := time.Now().Truncate(time.Second)
	write(name, "a", now)
	check("new", name, a)
	write(name, "b", now) // nobody would, but it shows who reads
	check("known", name, a)
	if err := os.Rename(name, other); err != nil {
		t.Fatal(err)
	}
	check("renamed", other, a)
	write(other, "b", now.Add(time.Nanosecond))
	check("changed", other, b)
	write(name, "b", now)
	check("another file", name, b)
}
