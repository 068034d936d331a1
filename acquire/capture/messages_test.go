package capture_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

var someTopics = []capture.Topic{
	{Name: "/intervals", Encoding: "json", Schema: "Interval", SchemaEncoding: "jsonschema", SchemaData: []byte(`{"type":"object"}`)},
	{Name: "/parts", Encoding: "octets", Schema: "Part"},
}

// messages writes n messages, with a Flush after each of those given.
func messages(t testing.TB, n int, flushed func(i int) bool) (file []byte, written []capture.Message) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 3))
	var out bytes.Buffer
	w, err := capture.NewMessageWriter(&out, someTopics...)
	require.NoError(t, err)
	for i := range n {
		topic := random.IntN(2)
		data := make([]byte, random.IntN(300))
		for i := range data {
			data[i] = byte(random.Uint32() % 7) // many that look like opcodes
		}
		m := capture.Message{Topic: someTopics[topic].Name, Encoding: someTopics[topic].Encoding, Logged: acquire.Instant(1000 + i), Made: acquire.Instant(i), Data: data}
		written = append(written, m)
		require.NoError(t, w.Write(topic, m.Logged, m.Made, data))
		if flushed(i) {
			require.NoError(t, w.Flush())
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Write(0, 0, 0, nil), capture.ErrClosed)
	return out.Bytes(), written
}

func readMessages(file []byte) (all []capture.Message, report capture.Report, err error) {
	r, err := capture.NewMessageReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, report, err
	}
	var m capture.Message
	for {
		if err := r.Next(&m); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, r.Report(), err
		}
		m.Data = bytes.Clone(m.Data)
		if m.Data == nil {
			m.Data = []byte{}
		}
		all = append(all, m)
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, 5000} {
		file, want := messages(t, n, func(i int) bool { return i%7 == 0 })
		got, report, err := readMessages(file)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.True(t, report.Clean(), report)
		require.Equal(t, uint64(n), report.Samples)
		require.Equal(t, int64(len(file)), report.End)
	}
}

// What was flushed survives a cut anywhere behind it, and a cut is said.
func TestMessagesCut(t *testing.T) {
	file, want := messages(t, 60, func(i int) bool { return i%4 == 3 })
	most := 0
	for n := 8; n < len(file); n += 3 {
		got, report, err := readMessages(file[:n])
		require.NoError(t, err)
		require.False(t, report.Complete)
		require.False(t, report.Clean())
		require.GreaterOrEqual(t, len(got), most, "cut at %d", n)
		require.Zero(t, len(got)%4)
		most = max(most, len(got))
		require.True(t, len(got) == 0 || assert.ObjectsAreEqual(want[:len(got)], got), "cut at %d", n)
	}
	require.Equal(t, 60, most)
}

// A flipped bit costs one chunk at most, and nothing wrong is returned.
func TestMessagesDamaged(t *testing.T) {
	file, want := messages(t, 60, func(i int) bool { return i%4 == 3 })
	index := make(map[string]int)
	for i, m := range want {
		index[string(m.Data)] = i
	}
	for at := 8; at < len(file); at += 3 {
		file[at] ^= 0x10
		got, report, err := readMessages(file)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(got), 56, "byte %d: %v", at, report)
		last := -1
		for _, m := range got {
			i, ok := index[string(m.Data)]
			require.True(t, ok && i > last, "byte %d", at)
			last = i
		}
		if len(got) < 60 {
			require.False(t, report.Clean())
		}
		file[at] ^= 0x10
	}
}

func TestMessagesFaults(t *testing.T) {
	_, err := capture.NewMessageWriter(nil)
	require.ErrorContains(t, err, "nothing to write to")
	require.ErrorContains(t, err, "0 topics")
	_, err = capture.NewMessageWriter(io.Discard, someTopics[0], someTopics[0], capture.Topic{Name: "x"}, capture.Topic{Name: "/samples", Encoding: "a", Schema: "b"})
	require.ErrorContains(t, err, `topic "/intervals" is taken`)
	require.ErrorContains(t, err, `topic 2 "x" lacks`)
	require.ErrorContains(t, err, `topic "/samples" is taken`)
	w, err := capture.NewMessageWriter(io.Discard, someTopics...)
	require.NoError(t, err)
	require.Error(t, w.Write(2, 0, 0, nil))
	require.Error(t, w.Write(-1, 0, 0, nil))
	require.Error(t, w.Write(0, 0, 0, make([]byte, 17<<20)))
	require.NoError(t, w.Write(0, 0, 0, make([]byte, 16<<20)))
	_, err = capture.NewMessageReader(bytes.NewReader([]byte("no capture at all")), 17)
	require.ErrorIs(t, err, capture.ErrFormat)
	_, err = capture.NewMessageReader(nil, 0)
	require.Error(t, err)
}

// A file of samples is no fault either: its blocks are messages of their topic.
func TestMessagesOfSamples(t *testing.T) {
	var out bytes.Buffer
	c := acquire.NewCatalog()
	w, err := capture.NewWriter(&out, capture.Config{Catalog: c})
	require.NoError(t, err)
	require.NoError(t, w.Write(&acquire.Batch{Received: 5}))
	require.NoError(t, w.Close())
	got, report, err := readMessages(out.Bytes())
	require.NoError(t, err)
	require.True(t, report.Clean(), report)
	require.Len(t, got, 1)
	require.Equal(t, "/samples", got[0].Topic)

	// And a Reader of samples passes over the messages of others.
	file, _ := messages(t, 10, func(int) bool { return false })
	r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{})
	require.NoError(t, err)
	require.ErrorIs(t, r.Next(new(acquire.Batch)), io.EOF)
	require.Equal(t, uint64(10), r.Report().Foreign)
}

func TestMessagesAllocNothing(t *testing.T) {
	w, err := capture.NewMessageWriter(io.Discard, someTopics...)
	require.NoError(t, err)
	data := make([]byte, 300)
	write := func() {
		for i := range 1000 {
			_ = w.Write(i%2, 5, 5, data)
		}
	}
	write()
	write()
	require.LessOrEqual(t, testing.AllocsPerRun(50, write), 3.0) // the index of chunks
}

func FuzzMessageReader(f *testing.F) {
	file, _ := messages(f, 20, func(i int) bool { return i%5 == 0 })
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add(append(bytes.Clone(file), file...))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _, err := readMessages(file)
		require.True(t, err == nil || errors.Is(err, capture.ErrFormat))
	})
}
