package comtrade

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// separator is the line before a section of a single file (C37.111-2013, clause 9).
var separator = regexp.MustCompile(`(?i)^-{3,} *file type: *([a-z]+)(?: +[a-z0-9]+)?(?: *: *([0-9]+))? *-{3,}$`)

// maxConfiguration bounds the section that is kept, in bytes.
const maxConfiguration = 8 << 20

// NewSingleReader is NewReader for a single file (.cff), which holds the configuration
// and the data beside each other. Its sections of information and of headers are passed
// over.
func NewSingleReader(cff io.Reader, c Config) (*Reader, error) {
	in := bufio.NewReaderSize(cff, 1<<16)
	var configuration bytes.Buffer
	section, configured := "", false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("comtrade: %w", err)
		}
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil, errors.New("comtrade: a single file without a section of data")
		}
		found := separator.FindSubmatch(bytes.Trim(line, "\ufeff \t\r\n"))
		switch {
		case found != nil:
			section = string(bytes.ToUpper(found[1]))
			if section == "CFG" {
				if configured {
					return nil, errors.New("comtrade: a single file with two configurations")
				}
				configured = true
			}
			if section == "DAT" {
				if !configured {
					return nil, errors.New("comtrade: a single file without a configuration before its data")
				}
				return newSingleReader(&configuration, in, string(found[2]), c)
			}
		case section == "":
			return nil, errors.New("comtrade: not a single file: no separator at its beginning")
		case section == "CFG":
			if configuration.Len()+len(line) > maxConfiguration {
				return nil, errors.New("comtrade: the configuration is too long")
			}
			configuration.Write(line)
		}
	}
}

// newSingleReader returns a Reader of data that is size bytes long, if that is stated.
func newSingleReader(configuration, data io.Reader, size string, c Config) (*Reader, error) {
	if size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("comtrade: data of %s bytes", size)
		}
		data = io.LimitReader(data, n)
	}
	return NewReader(configuration, data, c)
}
