// Package setting reads the fields of a configuration from text: the parameters of a
// device's URL, and the keys of a point in one. All drivers read theirs with it, so that
// what is unknown, malformed or given twice is said in the same words everywhere, all of
// it at once and in the same order every time.
package setting

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Field sets a field of a configuration from text.
type Field struct {
	set   func(text string) error
	many  bool // it may be given several times
	whole bool // its errors say what they are about
}

// Fields are those of a configuration by the names that text has for them.
type Fields map[string]Field

// errMalformed stands for any text that its field cannot read. What it is to be is in the
// documentation of the driver, and the text itself in the fault.
var errMalformed = errors.New("malformed")

// Set returns the Field that set sets, for which no other function here does.
func Set(set func(text string) error) Field { return Field{set: set} }

// Read returns a Field of what read makes of its text; false stands for malformed.
func Read[T any](field *T, read func(text string) (T, bool)) Field {
	return Set(func(text string) (err error) {
		value, ok := read(text)
		if !ok {
			return errMalformed
		}
		*field = value
		return nil
	})
}

// Parse returns a Field of what parse makes of its text, with the error as parse words it.
func Parse[T any](field *T, parse func(text string) (T, error)) Field {
	return Set(func(text string) (err error) {
		*field, err = parse(text)
		return err
	})
}

// List returns a Field that may be given several times, and grows by what read makes of
// each text; false stands for malformed.
func List[T any](list *[]T, read func(text string) (T, bool)) Field {
	return Field{many: true, set: func(text string) error {
		value, ok := read(text)
		if !ok {
			return errMalformed
		}
		*list = append(*list, value)
		return nil
	}}
}

// Parts returns a Field that may be given several times, each a part of the
// configuration with fields of its own. The errors of parse name the part.
func Parts[T any](list *[]T, parse func(text string) (T, error)) Field {
	return Field{many: true, whole: true, set: func(text string) error {
		part, err := parse(text)
		*list = append(*list, part)
		return err
	}}
}

// Ignored returns a Field that may be given several times and is read elsewhere.
func Ignored() Field { return Field{many: true, set: func(string) error { return nil }} }

// Text returns a Field that takes any text.
func Text(field *string) Field {
	return Read(field, func(text string) (string, bool) { return text, true })
}

// Int returns a Field of a decimal number.
func Int(field *int) Field {
	return Read(field, func(text string) (int, bool) { n, err := strconv.Atoi(text); return n, err == nil })
}

// Float returns a Field of a decimal number with a fraction.
func Float(field *float64) Field {
	return Read(field, func(text string) (float64, bool) {
		x, err := strconv.ParseFloat(text, 64)
		return x, err == nil
	})
}

// Duration returns a Field of a duration such as 1m30s.
func Duration(field *time.Duration) Field {
	return Read(field, func(text string) (time.Duration, bool) {
		d, err := time.ParseDuration(text)
		return d, err == nil
	})
}

// Flag returns a Field that is true where it is given, and takes no value.
func Flag(field *bool) Field {
	return Set(func(text string) error {
		if *field = true; text != "" {
			return errors.New("takes no value")
		}
		return nil
	})
}

// Word returns a Field of what a word stands for.
func Word[T any](field *T, words map[string]T) Field {
	return Read(field, func(text string) (T, bool) { value, ok := words[text]; return value, ok })
}

// Named returns a Field of one of values, called what its String returns.
func Named[T fmt.Stringer](field *T, values ...T) Field {
	return Read(field, func(text string) (value T, ok bool) {
		at := slices.IndexFunc(values, func(v T) bool { return v.String() == text })
		if at < 0 {
			return value, false
		}
		return values[at], true
	})
}

// Names returns a Field of what numbers stand for, given one by one as 2:running.
func Names(field *map[int64]string) Field {
	return Field{many: true, set: func(text string) error {
		number, name, _ := strings.Cut(text, ":")
		n, err := strconv.ParseInt(number, 0, 64)
		if _, given := (*field)[n]; given || err != nil || name == "" {
			return errMalformed
		}
		if *field == nil {
			*field = make(map[int64]string)
		}
		(*field)[n] = name
		return nil
	}}
}

// Query sets the fields that the parameters of a URL name, and returns what is wrong with
// them.
func (f Fields) Query(query url.Values) (faults []error) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		field, known := f[name]
		if !known {
			faults = append(faults, fmt.Errorf("unknown parameter %q", name))
			continue
		}
		if len(values) > 1 && !field.many {
			faults = append(faults, fmt.Errorf("parameter %s is given %d times", name, len(values)))
		}
		for _, value := range values {
			switch err := field.set(value); {
			case err == nil:
			case field.whole:
				faults = append(faults, err)
			case err == errMalformed:
				faults = append(faults, fmt.Errorf("parameter %s: %q is malformed", name, value))
			default:
				faults = append(faults, fmt.Errorf("parameter %s: %w", name, err))
			}
		}
	}
	return faults
}

// Keys sets the fields that texts of the form KEY=VALUE name, and returns what is wrong
// with them.
func (f Fields) Keys(texts []string) (faults []error) {
	given := make(map[string]bool)
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		field, known := f[key]
		if !known {
			faults = append(faults, fmt.Errorf("unknown key %q", key))
			continue
		}
		if given[key] && !field.many {
			faults = append(faults, fmt.Errorf("%s is given twice", key))
		}
		given[key] = true
		switch err := field.set(value); err {
		case nil:
		case errMalformed:
			faults = append(faults, fmt.Errorf("malformed %s %q", key, value))
		default:
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	return faults
}

// About puts what faults are about in front of each.
func About(what string, faults []error) error {
	for i, err := range faults {
		faults[i] = fmt.Errorf("%s: %w", what, err)
	}
	return errors.Join(faults...)
}
