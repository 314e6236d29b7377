package httpserver

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/transport/api"

	"github.com/google/uuid"
)

// Limits of an upload.
const (
	uploadSilence  = time.Minute // without a byte
	maxSignature   = 16 << 10    // bytes, as repo-add has it
	maxDigestLines = 4 << 10     // bytes
	uploadBuffer   = 256 << 10   // bytes read at once
)

// arrival is a package that is being uploaded: files of a parcel until all of it
// has come and was found right.
type arrival struct {
	repository Repository
	parcel     *repository.Parcel
	who        identity
	pkg        *alpm.Package
	signature  []byte
	verified   func() error // what is wrong with the signature; nil: nobody has looked
	ours       bool         // of a Go client, which is told of other bytes under its name
}

// upload takes one package file, perhaps with its signature and digests.
func (s *Server) upload(c *call) error {
	repository, err := s.repository(c)
	if err != nil {
		return err
	}
	if repository.Shelf == nil {
		return api.Errorf(api.ErrNotFound, "Repository %s-%s takes no uploads", repository.ID.Architecture, repository.ID.Name)
	}
	parts, err := partsOf(c)
	if err != nil {
		return err
	}
	parcel, err := repository.Shelf.NewParcel(uuid.NewString())
	if err != nil {
		return diskError(fmt.Errorf("receiving an upload: %w", err))
	}
	defer parcel.Discard()
	a := &arrival{repository: repository, parcel: parcel, who: c.who}
	if err := s.receive(a, parts); err != nil {
		// Clients read the answer only once they have sent all.
		io.Copy(io.Discard, c.patient())
		return err
	}
	replies, err := s.admit(c.Context(), a)
	if err != nil {
		return err
	}
	if !a.ours {
		return c.text(http.StatusCreated)
	}
	return c.created(replies[0])
}

// created answers 201 with JSON.
func (c *call) created(reply any) error {
	text, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(http.StatusCreated)
	_, err = c.w.Write(text)
	return aborted(err)
}

// partsOf reads the request as multipart, each byte as it comes. A client that
// is silent for long is cut off.
func partsOf(c *call) (*multipart.Reader, error) {
	kind, parameters, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, api.Errorf(api.ErrBadRequest, "multipart/* content type expected")
	}
	if parameters["boundary"] == "" {
		return nil, api.Errorf(api.ErrBadRequest, "boundary missed for Content-Type: %s", kind)
	}
	body := c.patient()
	return multipart.NewReader(bufio.NewReaderSize(body, uploadBuffer), parameters["boundary"]), nil
}

// silenceReader gives each read a deadline of its own.
type silenceReader struct {
	r       io.Reader
	w       *http.ResponseController
	silence time.Duration
}

// patient is the body, each read of which may take so long.
func (c *call) patient() *silenceReader {
	return &silenceReader{r: c.Body, w: http.NewResponseController(c.w), silence: c.patience()}
}

// patience is how long a body may stand still.
func (c *call) patience() time.Duration { return cmp.Or(c.silence, uploadSilence) }

func (r *silenceReader) Read(p []byte) (int, error) {
	r.w.SetReadDeadline(time.Now().Add(r.silence))
	n, err := r.r.Read(p)
	if err == nil || err == io.EOF { // else nobody is to wait for the rest
		r.w.SetReadDeadline(time.Time{})
	}
	return n, err
}

// receive reads all parts: the package, then perhaps its signature, then
// perhaps the digests.
func (s *Server) receive(a *arrival, parts *multipart.Reader) error {
	order := map[string]int{api.PartPackage: 0, api.PartSignature: 1, api.PartSHA256: 2}
	for next := 0; ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return api.Errorf(api.ErrBadRequest, "reading the upload: %v", err)
		}
		_, parameters, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		at, ok := order[parameters["name"]]
		switch {
		case !ok:
			return api.Errorf(api.ErrBadRequest, "Multipart field isn't package or signature")
		case at < next:
			return api.Errorf(api.ErrBadRequest, "Part %s is there twice, or out of order", parameters["name"])
		case at > 0 && a.pkg == nil:
			return api.Errorf(api.ErrBadRequest, "Part %s comes before the package", parameters["name"])
		}
		next = at + 1
		if err := s.receivePart(a, part, parameters); err != nil {
			return err
		}
	}
	if a.pkg == nil {
		return api.Errorf(api.ErrBadRequest, "Part %s is missing", api.PartPackage)
	}
	return nil
}

func (s *Server) receivePart(a *arrival, part io.Reader, parameters map[string]string) error {
	if parameters["name"] == api.PartSHA256 {
		return a.receiveDigests(part)
	}
	fileName := parameters["filename"]
	if fileName == "" {
		return api.Errorf(api.ErrBadRequest, "Filename must be set")
	}
	if !soundFileName(fileName) {
		return api.Errorf(api.ErrBadRequest, "Filename must be valid archive name")
	}
	if parameters["name"] == api.PartSignature {
		return a.receiveSignature(part, fileName)
	}
	return a.receivePackage(part, fileName, s.config.MaxFile, s.uploads.busy)
}

// fullReader fills what it is given, except at the end.
type fullReader struct{ r io.Reader }

func (f fullReader) Read(p []byte) (int, error) {
	n, err := io.ReadFull(f.r, p)
	if n > 0 && err == io.ErrUnexpectedEOF {
		err = nil // the next read tells; a cut body's own error comes with nothing
	}
	return n, err
}

// soundFileName accepts a name that is one visible file in a directory.
func soundFileName(name string) bool {
	return name[0] != '.' && name[0] != '-' && len(name) <= 250 && !strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '/' || r == '\\'
	})
}

// receivePackage copies the part to a file and reads the package on the
// way, so that each byte is read once however long the file is.
func (a *arrival) receivePackage(part io.Reader, fileName string, limit int64, busy chan struct{}) error {
	if _, _, _, _, err := alpm.ParseFileName(fileName); err != nil {
		return api.Errorf(api.ErrBadRequest, "Filename must be valid archive name")
	}
	file, err := a.parcel.Create(alpm.SafeFileName(fileName))
	if err != nil {
		return diskError(fmt.Errorf("receiving %s: %w", fileName, err))
	}
	defer file.Close()
	into := &sink{file: file}
	limited := &limitedReader{r: part, left: limit, unlimited: limit <= 0}
	// A part gives 4 KiB at a time; the file is written in larger pieces.
	pieces := &busyReader{from: fullReader{limited}, busy: busy}
	defer pieces.rest()
	pkg, err := alpm.ReadPackage(bufio.NewReaderSize(io.TeeReader(pieces, into), uploadBuffer), fileName)
	switch {
	case limited.exceeded:
		return api.Errorf(api.ErrBadRequest, "Body part is too large: %s has more than %d bytes", fileName, limit)
	case limited.err != nil:
		return api.Errorf(api.ErrBadRequest, "reading %s: %v", fileName, limited.err)
	case into.err != nil:
		return diskError(fmt.Errorf("receiving %s: %w", fileName, into.err))
	case err != nil:
		return api.Errorf(api.ErrBadRequest, "%s is not a package: %v", fileName, err)
	}
	a.pkg = pkg
	return a.checkPackage(fileName)
}

// checkPackage compares what a package says of itself with its name and with the
// repository.
func (a *arrival) checkPackage(fileName string) error {
	if err := a.pkg.CheckFileName(); err != nil {
		return api.Errorf(api.ErrBadRequest, "%v", err)
	}
	if err := alpm.CheckName(a.pkg.Base); err != nil {
		return api.Errorf(api.ErrBadRequest, "%s: pkgbase: %v", fileName, err)
	}
	if architecture := a.pkg.Architecture; architecture != "any" && architecture != a.repository.ID.Architecture {
		return api.Errorf(api.ErrBadRequest, "%s is for %s, the repository for %s", fileName, architecture, a.repository.ID.Architecture)
	}
	return nil
}

func (a *arrival) receiveSignature(part io.Reader, fileName string) error {
	if fileName != a.pkg.FileName+".sig" {
		return api.Errorf(api.ErrBadRequest, "%s is not the signature of %s", fileName, a.pkg.FileName)
	}
	limited := &limitedReader{r: part, left: maxSignature}
	signature, err := io.ReadAll(limited)
	if err == nil || limited.exceeded {
		err = alpm.CheckSignature(signature)
	}
	if err != nil {
		return api.Errorf(api.ErrBadRequest, "%s: %v", fileName, err)
	}
	a.signature = signature
	file, err := a.parcel.Create(a.name() + ".sig")
	if err == nil {
		_, err = file.Write(signature)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return diskError(fmt.Errorf("receiving %s: %w", fileName, err))
	}
	return nil
}

// receiveDigests reads the lines of api.PartSHA256.
func (a *arrival) receiveDigests(part io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(part, maxDigestLines))
	if err != nil {
		return api.Errorf(api.ErrBadRequest, "reading the digests: %v", err)
	}
	a.ours = true
	said := map[string]string{}
	for line := range strings.Lines(string(text)) {
		digest, fileName, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return api.Errorf(api.ErrBadRequest, "the digests are not lines of sha256sum")
		}
		said[fileName] = strings.ToLower(digest)
	}
	got := map[string]string{a.pkg.FileName: a.pkg.SHA256}
	if a.signature != nil {
		got[a.pkg.FileName+".sig"] = sumOf(a.signature)
	}
	for fileName, digest := range got {
		if said[fileName] != digest {
			return api.Errorf(api.ErrBadRequest, "%s was damaged on its way: sha256 sent %s, received %s", fileName, said[fileName], digest)
		}
	}
	return nil
}

// admit checks what arrived in one parcel against what is there and whom we
// trust, and has it wait for the next update: all of it, or nothing.
func (s *Server) admit(ctx context.Context, arrivals ...*arrival) ([]api.UploadReply, error) {
	var replies []api.UploadReply
	for _, a := range arrivals {
		replies = append(replies, api.UploadReply{File: a.name(), Size: a.pkg.CompressedSize, SHA256: a.pkg.SHA256})
		left, err := s.inspect(ctx, a)
		if err != nil {
			return nil, err
		}
		if left { // and it is the only one
			return replies, nil
		}
	}
	// A Python client may replace what is not published yet.
	err := arrivals[0].parcel.Put(!arrivals[0].ours)
	if conflict, ok := errors.AsType[*repository.ConflictError](err); ok {
		return nil, &api.Conflict{File: filepath.Base(conflict.Source), Stored: conflict.Have, Received: conflict.Got}
	}
	return replies, diskError(err)
}

// name is what the package is kept as.
func (a *arrival) name() string { return alpm.SafeFileName(a.pkg.FileName) }

// inspect checks one package; left says that it is left out, with a warning, as
// Python clients expect it.
func (s *Server) inspect(ctx context.Context, a *arrival) (left bool, err error) {
	if err := s.entitled(ctx, a); err != nil {
		return false, err
	}
	if err := a.verify(); err != nil {
		return false, err
	}
	published, err := digestOf(a.repository.Shelf.PoolPath(a.pkg.Base, a.name()))
	if err != nil || published == "" || published == a.pkg.SHA256 {
		return false, err
	}
	conflict := &api.Conflict{File: a.name(), Stored: published, Received: a.pkg.SHA256}
	if a.ours {
		return false, conflict
	}
	return true, s.config.Store.AddWarning(ctx, a.repository.ID, "an upload was left out: "+conflict.Error())
}

// entitled refuses a package of a base that is not the user's, and one that a
// base has which is not, published or waiting.
func (s *Server) entitled(ctx context.Context, a *arrival) error {
	if err := a.who.about(a.pkg.Base); err != nil {
		return err
	}
	if err := s.unclaimed(ctx, a.repository.ID, a.who, a.pkg.Name); err != nil {
		return err
	}
	waiting, err := alpm.ReadInfo(filepath.Join(a.repository.Shelf.Waiting(), a.name()))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, alpm.ErrFormat) {
		return nil
	}
	if err == nil {
		err = a.who.aboutPackage(waiting.Name, waiting.Base)
	}
	if err == nil && waiting.Name != a.pkg.Name {
		err = api.Errorf(api.ErrConflict, "%s is kept as %s, which waits already with the package %s", a.pkg.FileName, a.name(), waiting.Name)
	}
	return err
}

// unclaimed refuses names of packages that a base has which is not the user's.
// Names are the same here when the files are.
func (s *Server) unclaimed(ctx context.Context, id alpm.RepositoryID, who identity, names ...string) error {
	if len(who.bases) == 0 {
		return nil
	}
	known, err := s.packages(ctx, id)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[alpm.SafeFileName(name)] = true
	}
	for _, e := range known.entries {
		for name := range e.Package.Packages {
			if wanted[alpm.SafeFileName(name)] {
				err = cmp.Or(err, who.aboutPackage(name, e.Package.Base))
			}
		}
	}
	return err
}

// aboutPackage is about, for a package that the base has.
func (who identity) aboutPackage(name, base string) error {
	if err := who.about(base); err != nil {
		return api.Errorf(api.ErrForbidden, "%s is a package of %s: %v", name, base, err)
	}
	return nil
}

// verify checks the signature where the repository asks for one.
func (a *arrival) verify() error {
	if a.repository.Keyring == nil {
		return nil
	}
	if a.signature == nil {
		return api.Errorf(api.ErrForbidden, "%s has no signature, and the repository accepts signed packages only", a.pkg.FileName)
	}
	if a.verified == nil { // the signature came after the package
		file, err := os.Open(filepath.Join(a.parcel.Dir, a.name()))
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = a.repository.Keyring.Verify(file, a.signature)
		a.verified = func() error { return err }
	}
	if err := a.verified(); err != nil {
		return api.Errorf(api.ErrForbidden, "%s: %v", a.pkg.FileName, err)
	}
	return nil
}

// sumOf returns the SHA-256 of a text in hex.
func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// digestOf returns the SHA-256 of a file in hex, empty when there is none.
func digestOf(path string) (string, error) {
	digest, err := alpm.FileDigest(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return digest, err
}

// limitedReader stops with exceeded after left bytes, unless unlimited, and
// remembers what broke below.
type limitedReader struct {
	r         io.Reader
	left      int64
	unlimited bool
	exceeded  bool
	err       error // other than io.EOF
}

var errTooLong = errors.New("too long")

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.exceeded {
		return 0, errTooLong
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if !l.unlimited && l.left < 0 {
		l.exceeded = true
		return n, errTooLong
	}
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}
