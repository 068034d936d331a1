package opcua

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gopcua/opcua/uapolicy"
)

// seal protects the chunks of one direction pair by one set of keys: the
// asymmetric ones of an OPN, or the symmetric ones of a token (OPC 10000-6, section
// 6.7). The zero value protects nothing, as mode None has it.
type seal struct {
	algorithm *uapolicy.EncryptionAlgorithm // nil: no protection
	encrypt   bool
	// The length of the padding takes two bytes where the key that encrypts is longer
	// than 2048 bits: the server's for what we send, ours for what we receive (section
	// 6.7.2.5).
	longOut, longIn bool
}

// errSeal is what is told of any fault in protection: one text for all, so that a
// peer learns nothing from which it was.
var errSeal = errors.New("opcua: signature or encryption of a chunk is not right")

// Sizes of what a chunk begins with (section 6.7.2).
const (
	sequenceHeader   = 8  // sequence number and request id
	symmetricHeaders = 16 // of a MSG or CLO: kind, size, channel, token
)

// capacity returns how many bytes of a body fit a chunk of the given size behind
// headers of the given size.
func (s *seal) capacity(chunk, headers int) int {
	if s.algorithm == nil {
		return chunk - headers - sequenceHeader
	}
	if !s.encrypt {
		return chunk - headers - sequenceHeader - s.algorithm.SignatureLength()
	}
	plain, cipher := s.algorithm.PlaintextBlockSize(), s.algorithm.BlockSize()
	room := (chunk - headers) / cipher * plain
	return room - s.algorithm.SignatureLength() - sequenceHeader - s.paddingSize(s.longOut)
}

func (s *seal) paddingSize(long bool) int {
	if long {
		return 2
	}
	return 1
}

// close turns dst[start:], a chunk of headers, sequence header and body with no size
// yet, into one that can be sent. Headers end at start+headers.
func (s *seal) close(dst []byte, start, headers int) ([]byte, error) {
	chunk := dst[start:]
	if s.algorithm == nil {
		binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)))
		return dst, nil
	}
	signature := s.algorithm.SignatureLength()
	size := len(chunk) + signature
	if s.encrypt {
		plain, cipher := s.algorithm.PlaintextBlockSize(), s.algorithm.BlockSize()
		secret := len(chunk) - headers + s.paddingSize(s.longOut) + signature
		padding := (plain - secret%plain) % plain
		dst = append(dst, byte(padding))
		for range padding {
			dst = append(dst, byte(padding))
		}
		if s.longOut {
			dst = append(dst, byte(padding>>8))
		}
		size = headers + (secret+padding)/plain*cipher
	}
	chunk = dst[start:]
	binary.LittleEndian.PutUint32(chunk[4:], uint32(size))
	signed, err := s.algorithm.Signature(chunk)
	if err != nil || len(signed) != signature {
		return dst, errSeal
	}
	dst = append(dst, signed...)
	if !s.encrypt {
		return dst, nil
	}
	sealed, err := s.algorithm.Encrypt(dst[start+headers:])
	if err != nil {
		return dst, errSeal
	}
	dst = append(dst[:start+headers], sealed...)
	if len(dst)-start != size {
		return dst, fmt.Errorf("opcua: chunk of %d bytes, announced as %d", len(dst)-start, size)
	}
	return dst, nil
}

// open checks and takes off the protection of a chunk, in place. It returns
// sequence header and body.
func (s *seal) open(chunk []byte, headers int) ([]byte, error) {
	if s.algorithm == nil {
		return chunk[headers:], nil
	}
	if s.encrypt {
		plain, err := s.algorithm.Decrypt(chunk[headers:])
		if err != nil || len(plain) > len(chunk)-headers {
			return nil, errSeal
		}
		chunk = chunk[:headers+copy(chunk[headers:], plain)]
	}
	end := len(chunk) - s.algorithm.RemoteSignatureLength()
	if end < headers+sequenceHeader {
		return nil, errSeal
	}
	if err := s.algorithm.VerifySignature(chunk[:end], chunk[end:]); err != nil {
		return nil, errSeal
	}
	content := chunk[headers:end]
	if !s.encrypt {
		return content, nil
	}
	last := len(content) - 1
	padding := int(content[last])
	if s.longIn {
		padding = padding<<8 | int(content[last-1])
		last--
	}
	// Padding goes before the byte that says its length where that takes two bytes,
	// and the byte before the padding says it too: padding bytes and that one are the
	// low byte of the length.
	first := last - padding
	if first < sequenceHeader {
		return nil, errSeal
	}
	for _, b := range content[first : last+1] {
		if b != byte(padding) {
			return nil, errSeal
		}
	}
	return content[:first], nil
}
