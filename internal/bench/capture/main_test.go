package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each contestant reads back what it wrote: run fails otherwise.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run([]string{"-samples", "50000", "-text", "5000"}, &out))
	assert.Equal(t, 2+8+2+2, strings.Count(out.String(), "\n|"), out.String())
	assert.Error(t, run([]string{"-samples", "1"}, &out))
}
