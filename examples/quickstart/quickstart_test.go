package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestQuickstart runs the program for a few short demand intervals. run itself
// fails if any figure differs from the plant's truth by more than it may.
func TestQuickstart(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(map[bool]string{false: "lines", true: "table"}[live], func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := options{length: 3500 * time.Millisecond, interval: 50 * time.Millisecond, demand: time.Second, live: live}
			require.NoError(t, run(t.Context(), o, &out), "%s", &out)
			text := out.String()
			for _, meter := range []string{"main", "line", "battery"} {
				for _, row := range []string{"import from power", "import from registers", "power factor"} {
					assert.Regexp(t, `(?m)^`+meter+` +`+row+` .* ok$`, text)
				}
			}
			assert.Regexp(t, `(?m)^main +peak demand \d\d:\d\d:\d\d .* ok$`, text)
			for _, row := range []string{"pdu +import from power", "pdu +import from register", "pdu +24 outlets together", "ups +battery charge",
				"press +import from power", "press +import from register", "chiller +power"} {
				assert.Regexp(t, `(?m)^`+row+` .* ok$`, text)
			}
			assert.Contains(t, text, "coverage 100 %")
			assert.Regexp(t, `(?m)^main +\d+ samples, 0 bad, `, text)
			assert.Equal(t, live, strings.Contains(text, "\x1b["), "control sequences go to a terminal only")
			if testing.Verbose() && !live {
				t.Log(text)
			}
		})
	}
}

// TestInterrupt ends the program before anything could be measured.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	err := run(ctx, options{length: time.Minute, interval: time.Second, demand: time.Second}, &out)
	assert.ErrorIs(t, err, context.Canceled)
}
