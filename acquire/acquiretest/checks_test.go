package acquiretest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

func TestRightDriver(t *testing.T) {
	t.Run("polled", func(t *testing.T) { acquiretest.TestSource(t, factory("", false)) })
	t.Run("with a clock of its own", func(t *testing.T) { acquiretest.TestSource(t, factory("", true)) })
}

// TestBrokenFakes runs every check on every broken driver: each must fail the
// check of what is broken, for the reason that is broken, and no other.
func TestBrokenFakes(t *testing.T) {
	fakes := []struct {
		flaw   flaw
		pushed bool
		fails  string // name of the check
		says   string
	}{
		{"", false, "", ""},
		{"forgets its error", false, "Stream", "an error is not final"},
		{"gives a batch and an error", false, "Stream", "both an error"},
		{"adds to the batch before", false, "Stream", "Reset"},
		{"takes its watermark back", false, "Stream", "the watermark runs backwards"},
		{"closes once", false, "Stream", "a second Close failed"},
		{"repeats the last value", false, "Honesty", "the device refuses p0, and yet"},
		{"takes no value for NaN", false, "Honesty", "the device refuses p0, and yet"},
		{"keeps the code to itself", false, "Honesty", `with "bad: configuration (code 2)", the sample says "bad: configuration"`},
		{"takes late answers", false, "Honesty", "a sample is not true"},
		{"never gets over a late answer", false, "Honesty", "no good sample although answers are in time again"},
		{"waits in silence", false, "Liveness", "silent"},
		{"gives no reason", false, "Liveness", "has no reason"},
		{"has no Stats", false, "Liveness", "the source has no Stats"},
		{"counts no trouble", false, "Liveness", "neither timeouts nor failures"},
		{"stamps the arrival", false, "Time", "the midpoint of a request is 50ms before its end"},
		{"stamps its own time as the device's", true, "Time", "its clock was put forward by 1h0m0s, they moved by 0s"},
		{"runs backwards unflagged", false, "Time", "time runs backwards, unflagged"},
		{"skips in silence", false, "Loss", "only 0 losses are counted"},
		{"counts half of what it skips", false, "Loss", "losses are counted"},
		{"counts losses that were none", false, "Loss", "while nothing was lost"},
		{"shares a lock", false, "Isolation", "while the other device is silent: p0 of the healthy device has had no good sample"},
		{"connects by itself", false, "OneOwnerOfReconnect", "made a new one by itself"},
		{"takes a cut for the end", false, "OneOwnerOfReconnect", "permanent"},
		{"is deaf to its context", false, "Cancel", "after the end of its context"},
		{"leaves a goroutine", false, "Cancel", "Close leaves 1 goroutines"},
		{"leaves its link open", false, "Cancel", "Close leaves 1 links open"},
		{"writes", false, "ReadOnly", "the device saw 1 requests that would change it"},
		{"remembers other runs", false, "TwoHalves", "differ, in batch 1"},
		{"hoards", false, "Bounded", "memory in use grew by"},
		{"believes lengths", false, "Bounded", "MiB"},
		{"drowns in a flood", false, "Bounded", "have no bad sample"},
	}
	checks := acquiretest.Checks()
	require.Len(t, checks, 11)
	covered := make(map[string]bool)
	var table strings.Builder
	fmt.Fprintf(&table, "%-38s", "")
	for _, c := range checks {
		fmt.Fprintf(&table, " %-9.9s", c.Name)
	}
	for _, fake := range fakes {
		fmt.Fprintf(&table, "\n%-38s", fake.flaw)
		covered[fake.fails] = true
		for _, c := range checks {
			result := "."
			t.Run(string(fake.flaw)+"/"+c.Name, func(t *testing.T) {
				err := c.Run(t, factory(fake.flaw, fake.pushed))
				if err != nil {
					result = "FAILS"
				}
				if c.Name != fake.fails {
					assert.NoError(t, err)
					return
				}
				require.Error(t, err)
				assert.Contains(t, err.Error(), fake.says)
				assert.True(t, strings.HasPrefix(err.Error(), c.Name+": "), "the message begins with the check")
				t.Log(err)
			})
			fmt.Fprintf(&table, " %-9s", result)
		}
	}
	t.Logf("checks and broken drivers:\n%s", &table)
	for _, c := range checks {
		assert.True(t, covered[c.Name], "no broken driver fails %s", c.Name)
		assert.NotEmpty(t, c.Doc)
	}
}

// TestOpenContext stands apart from the table: the contexts that acquire and
// the checks connect with end early, so that a driver with this flaw fails all.
func TestOpenContext(t *testing.T) {
	err := check(t, "Cancel").Run(t, factory("ends with the context of Open", false))
	assert.ErrorContains(t, err, "the end of the context of Open ends the stream")
}

// TestWrappers holds the wrappers of package acquire to the contracts of what
// they wrap.
func TestWrappers(t *testing.T) {
	right := factory("", false)
	t.Run("Reconnect", func(t *testing.T) {
		acquiretest.TestSource(t, func(t *testing.T) *acquiretest.Subject {
			s := right(t)
			s.Source = acquire.Reconnect(s.Source, acquire.Backoff{})
			s.Without = map[string]string{"OneOwnerOfReconnect": "it is the owner"}
			return s
		})
	})
	t.Run("Merge", func(t *testing.T) {
		acquiretest.TestSource(t, func(t *testing.T) *acquiretest.Subject {
			s := right(t)
			merged, err := acquire.Merge(s.Source)
			require.NoError(t, err)
			s.Source = merged
			return s
		})
	})
}

func TestMissingControls(t *testing.T) {
	bare := func(t *testing.T) *acquiretest.Subject {
		s := factory("", false)(t)
		s.Truth, s.Late, s.Period = nil, nil, 0
		return s
	}
	err := check(t, "Honesty").Run(t, bare)
	require.Error(t, err)
	for _, fault := range []string{"Subject.Truth", "Subject.Late", "Subject.Period is 0s"} {
		assert.Contains(t, err.Error(), fault, "every fault is named at once")
	}
	assert.NotContains(t, err.Error(), "Refuse")

	err = check(t, "Honesty").Run(t, func(*testing.T) *acquiretest.Subject { return nil })
	assert.ErrorContains(t, err, "there is no Subject")
	err = check(t, "Stream").Run(t, func(*testing.T) *acquiretest.Subject { return new(acquiretest.Subject) })
	assert.ErrorContains(t, err, "Subject.Source is nil")
}

func TestWithout(t *testing.T) {
	without := func(reasons map[string]string) acquiretest.NewSubject {
		return func(t *testing.T) *acquiretest.Subject {
			s := factory("writes", false)(t)
			s.Writes, s.Without = nil, reasons
			return s
		}
	}
	excused := without(map[string]string{"ReadOnly": "a one-way link"})
	var excuse *acquiretest.Excuse
	require.ErrorAs(t, check(t, "ReadOnly").Run(t, excused), &excuse)
	assert.Equal(t, "ReadOnly does not apply: a one-way link", excuse.Error())
	assert.NoError(t, check(t, "Loss").Run(t, excused), "the others still run")
	t.Run("logged", func(t *testing.T) { acquiretest.TestSource(t, excused) })

	assert.ErrorContains(t, check(t, "Loss").Run(t, without(map[string]string{"Los": "typing error"})), `"Los", which is no check`)
	assert.ErrorContains(t, check(t, "Loss").Run(t, without(map[string]string{"ReadOnly": ""})), "no reason for ReadOnly")
}

func check(t *testing.T, name string) acquiretest.Check {
	t.Helper()
	for _, c := range acquiretest.Checks() {
		if c.Name == name {
			return c
		}
	}
	require.Fail(t, "no check of that name", name)
	return acquiretest.Check{}
}
