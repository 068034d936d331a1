package interop_test

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// owner is the profiler label of goroutines started on behalf of a test. A
// goroutine inherits it from the one that starts it, so tests that run at the
// same time can be told apart.
const owner = "interop-test"

// noneLeft fails the test if a goroutine with the owner's label stays alive. One
// that has done its work may need a moment to vanish.
func noneLeft(t *testing.T, test string) {
	t.Helper()
	stacks := func() (left []string) {
		var all bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&all, 1))
		for stack := range strings.SplitSeq(all.String(), "\n\n") {
			if strings.Contains(stack, labelled(test)) {
				left = append(left, stack)
			}
		}
		return left
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		left := stacks()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
}

// labelled is how a profile prints the label.
func labelled(test string) string { return `"` + owner + `":"` + test + `"` }

func TestGoroutineLeftBehindIsSeen(t *testing.T) {
	release, exited := make(chan struct{}), make(chan struct{})
	started := make(chan struct{})
	pprof.Do(t.Context(), pprof.Labels(owner, t.Name()), func(context.Context) {
		go func() {
			defer close(exited)
			close(started)
			<-release
		}()
	})
	<-started
	var all bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&all, 1))
	assert.Contains(t, all.String(), labelled(t.Name()))
	close(release)
	<-exited
	noneLeft(t, t.Name())
}
