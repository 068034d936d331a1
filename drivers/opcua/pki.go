package opcua

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Store is a directory of certificates in the layout of OPC 10000-12, annex F:
//
//	own/certs       our own certificates
//	own/private     their keys, which only we may read
//	trusted/certs   servers, and authorities, that are trusted
//	trusted/crl     revocation lists of those authorities
//	issuer/certs    authorities that are not trusted, but needed for chains
//	issuer/crl      their revocation lists
//	rejected/certs  servers that were refused: at most 100, the oldest leave first
//	pinned/certs    servers trusted at first use, by address
//
// Files are DER or PEM, and may be exchanged while the store is in use. It is safe for
// concurrent use.
type Store struct {
	dir string
	mu  sync.Mutex // held while files are made
}

// Directories of a store.
const (
	ownCertificates     = "own/certs"
	ownKeys             = "own/private"
	trustedCertificates = "trusted/certs"
	trustedLists        = "trusted/crl"
	issuerCertificates  = "issuer/certs"
	issuerLists         = "issuer/crl"
	rejected            = "rejected/certs"
	pinned              = "pinned/certs"
)

// Bounds of a store.
const (
	maxFiles          = 1000 // in one directory
	maxRejected       = 100
	maxRevocationFile = 16 << 20
)

// OpenStore returns the store in a directory. What is missing of it is created, for
// nobody else to read.
func OpenStore(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("opcua: no directory for certificates")
	}
	s := &Store{dir: dir}
	for _, name := range []string{
		ownCertificates, ownKeys, trustedCertificates, trustedLists, issuerCertificates, issuerLists, rejected, pinned,
	} {
		if err := os.MkdirAll(s.path(name), 0o700); err != nil {
			return nil, fmt.Errorf("opcua: %w", err)
		}
	}
	return s, nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(s.dir, filepath.FromSlash(strings.Join(parts, "/")))
}

// String returns the directory.
func (s *Store) String() string { return s.dir }

// Own returns our own certificate: of those that are valid by the template's clock the
// one that became so last, else the one that ends last. If there is none it is created from
// the template and kept.
func (s *Store) Own(t Template) (Certificate, error) {
	c, _, err := s.own(t)
	return c, err
}

// own is Own, and returns what could not be used.
func (s *Store) own(t Template) (own Certificate, skipped []error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	list, skipped, err := s.certificates(ownCertificates)
	if err != nil {
		return own, skipped, err
	}
	keys, bad, err := s.keys()
	if err != nil {
		return own, skipped, err
	}
	skipped = append(skipped, bad...)
	for i, c := range list {
		for _, k := range keys {
			if !k.PublicKey.Equal(c.PublicKey) {
				continue
			}
			candidate, err := newCertificate(list[i:], k)
			if err != nil {
				skipped = append(skipped, err)
			} else if own.IsZero() || newer(c, own.Leaf(), now()) {
				own = candidate
				own.pair.issuers = issuersOf(c, list)
			}
		}
	}
	if !own.IsZero() {
		return own, skipped, nil
	}
	if len(list) > 0 {
		// A new one would hide that something is wrong with the one there is.
		return own, skipped, errors.Join(append([]error{fmt.Errorf("opcua: no certificate in %s has its key in %s", s.path(ownCertificates), s.path(ownKeys))}, skipped...)...)
	}
	if own, err = CreateCertificate(t); err != nil {
		return own, skipped, err
	}
	return own, skipped, s.setOwn(own)
}

// newer reports whether a is the better certificate to show.
func newer(a, b *x509.Certificate, now time.Time) bool {
	valid := func(c *x509.Certificate) bool { return !now.Before(c.NotBefore) && !now.After(c.NotAfter) }
	if valid(a) != valid(b) {
		return valid(a)
	}
	if valid(a) {
		return a.NotBefore.After(b.NotBefore)
	}
	return a.NotAfter.After(b.NotAfter)
}

// SetOwn keeps a certificate with its key as our own. Those that are there stay.
func (s *Store) SetOwn(c Certificate) error {
	if c.IsZero() {
		return errors.New("opcua: no certificate")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setOwn(c)
}

func (s *Store) setOwn(c Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(c.pair.private)
	if err != nil {
		return errors.New("opcua: the key cannot be written")
	}
	name := fileName(c.Leaf())
	// The key first: a certificate without its key would be a fault.
	if err := s.write(s.path(ownKeys, name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})); err != nil {
		return err
	}
	return s.write(s.path(ownCertificates, name+".der"), c.pair.chain())
}

// keys reads the keys of our own certificates.
func (s *Store) keys() (keys []*rsa.PrivateKey, skipped []error, err error) {
	skipped, err = s.each(ownKeys, maxCertificateFile, func(name string, data []byte, mode fs.FileMode) error {
		k, err := parseKey(data)
		if err != nil {
			return err
		}
		keys = append(keys, k)
		if runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
			return fmt.Errorf("opcua: others may read the key: mode %v, want 0600", mode.Perm())
		}
		return nil
	})
	return keys, skipped, err
}

// certificates reads the certificates of a directory.
func (s *Store) certificates(dir string) (list []*x509.Certificate, skipped []error, err error) {
	skipped, err = s.each(dir, maxCertificateFile, func(_ string, data []byte, _ fs.FileMode) error {
		some, err := ParseCertificates(data)
		list = append(list, some...)
		return err
	})
	return list, skipped, err
}

// trustList reads what is trusted. A certificate that cannot be read is skipped: nothing
// is trusted by that. A revocation list that cannot be read is an error.
func (s *Store) trustList() (list TrustList, skipped []error, err error) {
	list.Trusted, skipped, err = s.certificates(trustedCertificates)
	if err != nil {
		return list, skipped, err
	}
	issuers, bad, err := s.certificates(issuerCertificates)
	if err != nil {
		return list, skipped, err
	}
	list.Issuers, skipped = issuers, append(skipped, bad...)
	for _, dir := range []string{trustedLists, issuerLists} {
		bad, err := s.each(dir, maxRevocationFile, func(_ string, data []byte, _ fs.FileMode) error {
			some, err := ParseRevocationList(data)
			list.Revocations = append(list.Revocations, some)
			return err
		})
		if err := errors.Join(append(bad, err)...); err != nil {
			return list, skipped, err
		}
	}
	return list, skipped, nil
}

// ParseRevocationList reads a list of revoked certificates (RFC 5280, section 5): PEM or
// DER.
func ParseRevocationList(data []byte) (*x509.RevocationList, error) {
	if block, _ := pem.Decode(data); block != nil && block.Type == "X509 CRL" {
		data = block.Bytes
	}
	list, err := x509.ParseRevocationList(data)
	if err != nil {
		return nil, fmt.Errorf("opcua: revocation list, neither PEM nor DER: %w", err)
	}
	return list, nil
}

// Rejected returns the certificates of servers that were refused.
func (s *Store) Rejected() ([]*x509.Certificate, error) {
	list, _, err := s.certificates(rejected) // what cannot be read was not put there by us
	return list, err
}

// Trust moves a rejected certificate, named by its thumbprint, to those that are trusted.
// Look at it before: this is the decision that all security rests on.
func (s *Store) Trust(thumb string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.Rejected()
	if err != nil {
		return err
	}
	for _, c := range list {
		if strings.EqualFold(thumbprint(c.Raw), thumb) {
			if err := s.write(s.path(trustedCertificates, fileName(c)+".der"), c.Raw); err != nil {
				return err
			}
			if err := os.Remove(s.path(rejected, fileName(c)+".der")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("opcua: %w", err)
			}
			return nil
		}
	}
	return fmt.Errorf("opcua: no rejected certificate %.60q", thumb)
}

// reject keeps a certificate that was refused.
func (s *Store) reject(c *x509.Certificate, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.path(rejected, fileName(c)+".der")
	if _, err := os.Lstat(name); err != nil {
		if err := s.write(name, c.Raw); err != nil {
			return err
		}
	}
	if err := os.Chtimes(name, now, now); err != nil {
		return fmt.Errorf("opcua: %w", err)
	}
	entries, err := os.ReadDir(s.path(rejected))
	if err != nil {
		return fmt.Errorf("opcua: %w", err)
	}
	type file struct {
		name string
		at   time.Time
	}
	var files []file
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, file{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return a.at.Compare(b.at) })
	for len(files) > maxRejected {
		if files[0].name != filepath.Base(name) {
			if err := os.Remove(s.path(rejected, files[0].name)); err != nil {
				return fmt.Errorf("opcua: %w", err)
			}
		}
		files = files[1:]
	}
	return nil
}

// pin returns the certificate that an address showed at first use; nil if it never was.
func (s *Store) pin(address string) ([]byte, error) {
	data, err := readFile(s.path(pinned, pinName(address)), maxChainBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("opcua: %w", err)
	}
	c, err := x509.ParseCertificate(data)
	if err != nil {
		return nil, fmt.Errorf("opcua: pinned certificate of %s: %w", address, err)
	}
	return c.Raw, nil
}

// setPin keeps the certificate that an address shows at first use. It fails if there is
// another, which came first.
func (s *Store) setPin(address string, der []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.path(pinned, pinName(address))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		first, err := readFile(name, maxChainBytes)
		if err == nil && !bytes.Equal(first, der) {
			return refuse(nil, StatusBadCertificateUntrusted, "the endpoint showed another certificate at the same time, %s", thumbprint(first))
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("opcua: %w", err)
	}
	_, err = f.Write(der)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		// Half a certificate would refuse everybody.
		return fmt.Errorf("opcua: %w", errors.Join(err, os.Remove(name)))
	}
	return nil
}

// pinName is the file for an address. Two addresses never have the same.
func pinName(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return fmt.Sprintf("%s [%s].der", plain(strings.ToLower(address)), hex.EncodeToString(sum[:8]))
}

// fileName is the name of a certificate in a store: its common name and thumbprint, as
// tools of administrators show them.
func fileName(c *x509.Certificate) string {
	return fmt.Sprintf("%s [%s]", plain(c.Subject.CommonName), thumbprint(c.Raw))
}

// plain returns text with nothing in it that could mean something in a path.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_', r == '@', r == ' ':
			return r
		}
		return '_'
	}, text)
	return cmp.Or(strings.TrimLeft(text[:min(len(text), 60)], ". "), "unnamed")
}

// each reads the files of a directory. What use refuses is returned, with its name.
func (s *Store) each(dir string, most int64, use func(name string, data []byte, mode fs.FileMode) error) (skipped []error, err error) {
	d, err := os.Open(s.path(dir))
	if err != nil {
		return nil, fmt.Errorf("opcua: %w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("opcua: %w", err)
	}
	if len(entries) > maxFiles {
		return nil, fmt.Errorf("opcua: more than %d files in %s", maxFiles, s.path(dir))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") { // also one that is being written
			continue
		}
		name := s.path(dir, e.Name())
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken away in the meantime
		}
		if err == nil && info.IsDir() {
			continue
		}
		var data []byte
		if err == nil {
			data, err = readFile(name, most)
		}
		if err == nil {
			err = use(e.Name(), data, info.Mode())
		}
		if err != nil {
			skipped = append(skipped, fmt.Errorf("%w: %s", err, name))
		}
	}
	return skipped, nil
}

// readFile reads a file of limited size.
func readFile(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // reading a pipe could wait for ever
		return nil, fmt.Errorf("%s is no file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is longer than %d bytes", name, most)
	}
	return data, err
}

// write makes a file that only we may read. It is there whole or not at all.
func (s *Store) write(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("opcua: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("opcua: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
