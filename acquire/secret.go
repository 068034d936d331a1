package acquire

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password, key or community that never shows: whatever prints,
// logs or encodes it writes "***", also inside a struct that is printed as a
// whole. A conversion to string reveals it. The zero value is no secret; it
// shows as nothing, so that a forgotten one can be told.
//
// One thing it cannot guard: package fmt prints what lies in an unexported field
// without asking it. A struct that keeps a Secret, or a configuration with one, in an
// unexported field should keep it behind a pointer, which fmt does not follow.
type Secret string

const hidden = "***"

// String returns "***", and "" of no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format writes what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the secret from package log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders. What it returns is no secret any
// more: a configuration cannot be written and read back through it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
