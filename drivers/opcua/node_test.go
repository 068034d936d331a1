package opcua

import (
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

func TestParseNodeID(t *testing.T) {
	for text, want := range map[string]NodeID{
		"i=2258":                "i=2258",
		"ns=0;i=2258":           "i=2258",
		"ns=2;s=Meter1.Power":   "ns=2;s=Meter1.Power",
		"ns=2;s=a;b=c":          "ns=2;s=a;b=c",
		"s=":                    "s=",
		"ns=65535;i=4294967295": "ns=65535;i=4294967295",
		"ns=1;g=09087E75-8E5E-499B-954F-F2A9603DB28A":                     "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
		"ns=3;b=M/RbKBsRVkePCePcx24oRA==":                                 "ns=3;b=M/RbKBsRVkePCePcx24oRA==",
		"nsu=urn:plant:meters;s=Meter1.Power":                             "nsu=urn:plant:meters;s=Meter1.Power",
		"nsu=http://a%3bb%25c%20d;g=09087e75-8e5e-499b-954f-f2a9603db28a": "nsu=http://a%3Bb%25c%2520d;g=09087e75-8e5e-499b-954f-f2a9603db28a",
	} {
		got, err := ParseNodeID(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
		assert.True(t, got.Valid(), got)
		again, err := ParseNodeID(string(got))
		require.NoError(t, err)
		assert.Equal(t, got, again)
		n, err := parseNode(text)
		require.NoError(t, err)
		id, err := n.resolve([]string{"http://opcfoundation.org/UA/", "urn:plant:meters", "http://a;b%c%20d"})
		require.NoError(t, err)
		encoded, err := ua.Encode(id)
		require.NoError(t, err)
		r := uabin.NewReader(encoded)
		back := r.NodeID()
		require.NoError(t, r.End())
		assert.Equal(t, n.bytes, string(back.Bytes), text)
		assert.Equal(t, n.number, back.Number, text)
		assert.Equal(t, n.kind, back.Kind, text)
	}
	for _, text := range []string{
		"", "2258", "i=", "i=-1", "i=4294967296", "i=007", "ns=65536;i=1", "ns=;i=1", "ns=1", "ns=1;", "ns=01;i=1", "nsu=;i=1", "nsu=urn:x",
		"x=1", "g=09087e75-8e5e-499b-954f", "g=09087e758e5e-499b-954f-f2a9603db28a-", "b=***", "nsu=urn:%;i=1",
	} {
		_, err := ParseNodeID(text)
		assert.Error(t, err, text)
		assert.False(t, NodeID(text).Valid())
	}
	n, err := parseNode("nsu=urn:absent;i=1")
	require.NoError(t, err)
	_, err = n.resolve(nil)
	assert.ErrorContains(t, err, "urn:absent")
}

func FuzzNodeID(f *testing.F) {
	f.Add("nsu=urn:plant%3B;s=Meter1.Power")
	f.Add("ns=1;g=09087E75-8E5E-499B-954F-F2A9603DB28A")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseNodeID(text)
		if err != nil {
			return
		}
		again, err := ParseNodeID(string(id))
		require.NoError(t, err, "%q", id)
		require.Equal(t, id, again)
	})
}
