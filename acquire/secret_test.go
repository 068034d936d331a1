package acquire_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

func TestSecretNeverShows(t *testing.T) {
	const canary = "canary-9f2c"
	type config struct {
		Key  acquire.Secret
		Many []acquire.Secret
		Map  map[string]acquire.Secret
		At   *acquire.Secret
	}
	key := acquire.Secret(canary)
	c := config{key, []acquire.Secret{key}, map[string]acquire.Secret{"k": key}, &key}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", &c)
		fmt.Fprintf(&out, verb+"\n", key)
	}
	fmt.Fprintln(&out, fmt.Errorf("refused: %w", fmt.Errorf("%v", c)))
	require.NoError(t, json.NewEncoder(&out).Encode(c))
	require.NoError(t, xml.NewEncoder(&out).Encode(key))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "key", key, "config", c)
	}
	assert.NotContains(t, out.String(), canary)
	assert.NotContains(t, out.String(), fmt.Sprintf("%x", canary))
	assert.NotContains(t, out.String(), fmt.Sprintf("%X", canary))
	assert.Contains(t, out.String(), "***")
	assert.Empty(t, acquire.Secret("").String())

	var back config
	require.NoError(t, json.Unmarshal([]byte(`{"Key":"`+canary+`"}`), &back))
	assert.Equal(t, canary, string(back.Key))
}
