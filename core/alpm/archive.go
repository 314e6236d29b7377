package alpm

import (
	"archive/tar"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Archive is all that a package file says about itself and its content.
type Archive struct {
	Package
	Build      *BuildInfo   // nil without a .BUILDINFO
	Mtree      []MtreeEntry // nil without a .MTREE
	Install    bool         // it has an install script, .INSTALL
	Changelog  bool         // it has a .CHANGELOG
	Mismatches []Mismatch   // with ReadOptions.Check: where content and .MTREE differ
}

// ReadOptions say what reading a package file computes, and its limits. The
// zero value is what ReadPackage does.
type ReadOptions struct {
	MD5    bool // fill Package.MD5, which only pacman 6's databases hold
	Detail bool // read .BUILDINFO and .MTREE too
	Check  bool // digest every file and compare all with .MTREE; implies Detail
	Limits Limits
}

// ReadPackage reads a package file to its end in one pass: metadata, file
// list, size and SHA-256. The compression is told from the content; fileName is
// the base name to record and is not compared with the metadata, see
// CheckFileName. Errors wrap ErrFormat when the file is at fault.
func ReadPackage(r io.Reader, fileName string) (*Package, error) {
	a, err := ReadArchive(r, fileName, ReadOptions{})
	if err != nil {
		return nil, err
	}
	return &a.Package, nil
}

// OpenPackage is ReadPackage for the file at path, together with the detached
// signature at path+".sig" where there is one; a signature that CheckSignature
// refuses is an error.
func OpenPackage(path string) (*Package, error) {
	a, err := OpenArchive(path, ReadOptions{})
	if err != nil {
		return nil, err
	}
	return &a.Package, nil
}

// OpenArchive is OpenPackage with options.
func OpenArchive(path string, options ReadOptions) (*Archive, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := ReadArchive(f, filepath.Base(path), options)
	if err != nil {
		return nil, err
	}
	a.Signature, err = readSignature(path + ".sig")
	if err != nil {
		return nil, err
	}
	return a, nil
}

// ReadArchive is ReadPackage with options.
func ReadArchive(r io.Reader, fileName string, options ReadOptions) (*Archive, error) {
	a := archiveReader{options: options, limits: options.Limits.withDefaults()}
	packed := newDigestReader(r, options.MD5)
	err := a.readAll(packed)
	if err == nil {
		_, err = io.Copy(io.Discard, packed)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", fileName, err)
	}
	a.FileName = fileName
	a.CompressedSize = packed.n.Load()
	a.SHA256 = hex.EncodeToString(packed.sha256.Sum(nil))
	if packed.md5 != nil {
		a.MD5 = hex.EncodeToString(packed.md5.Sum(nil))
	}
	return &a.Archive, nil
}

// archiveReader is the state of one pass over a package file.
type archiveReader struct {
	Archive
	options ReadOptions
	limits  Limits
	seen    map[string]bool // the dot-files met so far
	content *contentCheck   // nil where there is no check
}

// readAll reads the archive to its end and fills what comes from inside it.
func (a *archiveReader) readAll(packed *packedReader) error {
	unpacked, err := Decompress(packed)
	if err != nil {
		return malformed(err)
	}
	defer unpacked.Close()
	bounded := &boundedReader{r: unpacked, packed: packed, limits: a.limits}
	a.seen = make(map[string]bool)
	if a.options.Check {
		a.content = newContentCheck()
	}
	if err := a.readEntries(tar.NewReader(bounded)); err != nil {
		return malformed(err)
	}
	slices.Sort(a.Files)
	a.Files = slices.Compact(a.Files)
	if a.content != nil {
		if !a.seen[".MTREE"] {
			return fmt.Errorf("%w: no .MTREE to check against", ErrFormat)
		}
		a.Mismatches = a.content.compare(a.Mtree)
	}
	// What follows the last entry holds the stream's checksum.
	_, err = io.Copy(io.Discard, bounded)
	return malformed(err)
}

func (a *archiveReader) readEntries(archive *tar.Reader) error {
	var paths int64
	for n := 0; ; n++ {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		paths += int64(len(header.Name))
		if n >= a.limits.Entries || paths > a.limits.Paths {
			return fmt.Errorf("%w: too many entries", ErrFormat)
		}
		content := io.Reader(archive)
		if a.content != nil {
			content = a.content.open(header, archive)
		}
		if err := a.readEntry(header, content); err != nil {
			return err
		}
		if a.content != nil {
			if err := a.content.close(content); err != nil {
				return err
			}
		}
	}
	if !a.seen[".PKGINFO"] {
		return fmt.Errorf("%w: no .PKGINFO, so not a package", ErrFormat)
	}
	return nil
}

// readEntry reads what is metadata and notes the rest for %FILES%, which leaves
// out every path that begins with a dot.
func (a *archiveReader) readEntry(header *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(header.Name, "./")
	if strings.HasPrefix(name, "/") || strings.IndexByte(name, 0) >= 0 || strings.Contains("/"+name+"/", "/../") {
		return fmt.Errorf("%w: unsafe path %q", ErrFormat, header.Name)
	}
	if name == "" {
		return nil
	}
	if name[0] == '.' {
		return a.readMetadata(header, content)
	}
	if header.Typeflag == tar.TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	a.Files = append(a.Files, escapePath(name))
	return nil
}

// readMetadata reads the files that pacman knows; the same one twice would let
// two readers see two packages.
func (a *archiveReader) readMetadata(header *tar.Header, content io.Reader) (err error) {
	if a.seen[header.Name] {
		return fmt.Errorf("%w: two %s", ErrFormat, header.Name)
	}
	detail := a.options.Detail || a.options.Check
	switch header.Name {
	case ".PKGINFO":
		a.Info, err = ParsePkginfo(content)
	case ".BUILDINFO":
		if detail {
			a.Build, err = ParseBuildinfo(content)
		}
	case ".MTREE":
		if detail {
			a.Mtree, err = parseMtree(content, a.limits.Entries)
		}
	case ".INSTALL":
		a.Install = true
	case ".CHANGELOG":
		a.Changelog = true
	default:
		return nil
	}
	a.seen[header.Name] = true
	return err
}
