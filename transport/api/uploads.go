package api

// Uploads of a set (ours; FeatureUploadSets): the files of one base, sent piece
// by piece and taken all together or not at all. All need ScopeUpload and name
// the repository as other requests do.
const (
	// PathUploadFile takes PUT of a file's bytes from QueryOffset on, which must
	// be where those before ended: 204, or 409 with HeaderOffset. HEAD tells that
	// too: 204 with HeaderOffset, 404 when nothing of it is there. A body that
	// breaks off is kept as far as it came, and another PUT goes on, for
	// UploadPatienceSeconds. The id is the client's choice, a UUID; a signature is sent
	// before its package, so that both are read once.
	PathUploadFile = "/node/v1/uploads/{id}/{name}"
	// PathUploadSet takes POST of UploadSet, which answers with a list of
	// UploadReply once all its files are checked, on the disk and waiting to be
	// published: 201, and the same again while they are there. A refusal leaves
	// nothing of them. 404 says that some of them are to be sent again. DELETE drops
	// them.
	PathUploadSet = "/node/v1/uploads/{id}"
)

// UploadSet is the body of POST PathUploadSet: the files that were sent.
type UploadSet struct {
	Files []UploadedFile `json:"files"`
}

// UploadedFile is a file as its sender knows it.
type UploadedFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
}

// Bounds of uploads in pieces.
const (
	MaxUploadFiles = 1024 // of one set, signatures too
	// UploadPatienceSeconds is how long a set is kept that nobody goes on with.
	UploadPatienceSeconds = 900
)

// Validate checks that there are files, each named once.
func (u UploadSet) Validate() error {
	if len(u.Files) == 0 || len(u.Files) > MaxUploadFiles {
		return Errorf(ErrBadRequest, "files must be 1 to %d", MaxUploadFiles)
	}
	seen := map[string]bool{}
	for _, f := range u.Files {
		if f.Name == "" || seen[f.Name] || !SoundDigest(f.SHA256) || f.Size < 0 {
			return Errorf(ErrBadRequest, "file %q has no name, size or sha256, or is there twice", f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}
