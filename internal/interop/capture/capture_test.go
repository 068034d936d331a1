package interop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/foxglove/mcap/go/mcap"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/units"
)

const (
	seconds = 600
	points  = 40
)

// record makes a capture of many blocks, whose points appear one after the other.
func record(t *testing.T) (name string, written capture.Stats) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "plant.mcap")
	catalog := acquire.NewCatalog()
	w, err := capture.Create(name, capture.Config{Catalog: catalog, MaxSamples: 1000})
	require.NoError(t, err)
	require.NoError(t, w.Event(capture.Event{Kind: capture.Opened, Time: 1790000000_000000000, Source: "plant"}))
	var (
		b   acquire.Batch
		ids []acquire.PointID
	)
	for i := range seconds {
		if len(ids) < points && i%5 == 0 {
			id, err := catalog.Define(acquire.Point{Name: "plant/" + strconv.Itoa(len(ids)), Unit: units.Watt, Kind: acquire.KindFloat64})
			require.NoError(t, err)
			ids = append(ids, id)
		}
		b.Reset()
		b.Received = acquire.Instant(1790000000_000000000 + int64(i)*1e9)
		b.Watermark, b.Points = b.Received, ids
		for j, id := range ids {
			b.Append(acquire.Sample{Time: b.Received, Point: id, Value: acquire.Float64(float64(i*j) / 10), Quality: acquire.Good})
		}
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	return name, w.Stats()
}

// block is a message of a capture.
type block struct {
	LogTime  string `json:"logTime"`
	Sequence uint32 `json:"sequence"`
	Channel  string `json:"channel"`
	SHA256   string `json:"sha256"`
}

func blockOf(c *mcap.Channel, m *mcap.Message) block {
	sum := sha256.Sum256(m.Data)
	return block{strconv.FormatUint(m.LogTime, 10), m.Sequence, c.Topic, hex.EncodeToString(sum[:])}
}

// messages reads a file by the reference reader, with or without its index.
func messages(t *testing.T, content []byte, opts ...mcap.ReadOpt) (all []block) {
	t.Helper()
	r, err := mcap.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	defer r.Close()
	it, err := r.Messages(opts...)
	require.NoError(t, err)
	for {
		_, c, m, err := it.NextInto(nil)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, blockOf(c, m))
	}
}

// TestReferenceReader has the reference library in Go read a capture by its index,
// without it, and record by record with all checksums.
func TestReferenceReader(t *testing.T) {
	name, written := record(t)
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	r, err := mcap.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	defer r.Close()
	info, err := r.Info()
	require.NoError(t, err)
	require.Greater(t, written.Blocks, uint64(10))
	assert.Equal(t, written.Blocks, info.Statistics.MessageCount)
	assert.Equal(t, written.Blocks, uint64(info.Statistics.ChunkCount))
	assert.Len(t, info.ChunkIndexes, int(written.Blocks))
	assert.Len(t, info.MetadataIndexes, int(info.Statistics.MetadataCount))
	assert.Equal(t, uint64(1790000000_000000000), info.Statistics.MessageStartTime)

	// By index, in order and in reverse, and without.
	indexed := messages(t, content, mcap.UsingIndex(true))
	assert.Len(t, indexed, int(written.Blocks))
	assert.Equal(t, indexed, messages(t, content, mcap.UsingIndex(false)))
	backwards := messages(t, content, mcap.UsingIndex(true), mcap.InOrder(mcap.ReverseLogTimeOrder))
	require.Len(t, backwards, len(indexed))
	for i, b := range backwards {
		assert.Equal(t, indexed[len(indexed)-1-i], b)
	}

	// By time: what is asked for, and no chunk beside.
	from, to := info.ChunkIndexes[5].MessageStartTime, info.ChunkIndexes[9].MessageStartTime
	assert.Equal(t, indexed[5:9], messages(t, content, mcap.UsingIndex(true), mcap.AfterNanos(from), mcap.BeforeNanos(to)))

	// Each index points at its record; the metadata describe every point.
	described := make(map[string]string)
	for _, at := range info.MetadataIndexes {
		m, err := r.GetMetadata(at.Offset)
		require.NoError(t, err)
		assert.Equal(t, "fieldtap.points", m.Name)
		for number, text := range m.Metadata {
			if number != "crc32" {
				described[number] = text
			}
		}
	}
	assert.Len(t, described, points)
	for _, text := range described {
		var p struct{ Name, Unit, Kind, Role string }
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		assert.Equal(t, "W float64 gauge", p.Unit+" "+p.Kind+" "+p.Role)
	}

	// Record by record, checksums of chunks checked.
	lexer, err := mcap.NewLexer(bytes.NewReader(content), &mcap.LexerOptions{ValidateChunkCRCs: true})
	require.NoError(t, err)
	defer lexer.Close()
	var found []block
	channels := make(map[uint16]*mcap.Channel)
	for {
		token, record, err := lexer.Next(nil)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch token {
		case mcap.TokenChannel:
			c, err := mcap.ParseChannel(record)
			require.NoError(t, err)
			channels[c.ID] = c
		case mcap.TokenMessage:
			m, err := mcap.ParseMessage(record)
			require.NoError(t, err)
			found = append(found, blockOf(channels[m.ChannelID], m))
		}
	}
	assert.Equal(t, indexed, found)
}

// TestReferenceReaderSeesDamage flips a bit of a block: the checksum that we wrote is
// the one that others compute.
func TestReferenceReaderSeesDamage(t *testing.T) {
	name, _ := record(t)
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	r, err := mcap.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	defer r.Close()
	info, err := r.Info()
	require.NoError(t, err)
	middle := info.ChunkIndexes[len(info.ChunkIndexes)/2]
	content[middle.ChunkStartOffset+middle.ChunkLength-1] ^= 1 // the last byte of its block
	lexer, err := mcap.NewLexer(bytes.NewReader(content), &mcap.LexerOptions{ValidateChunkCRCs: true})
	require.NoError(t, err)
	defer lexer.Close()
	for err == nil {
		_, _, err = lexer.Next(nil)
	}
	assert.NotErrorIs(t, err, io.EOF)
}

// TestRewritten has the reference writer pack our blocks anew, many to a chunk and
// without the descriptions of the points. Our reader finds every sample, or says that
// some are missing.
func TestRewritten(t *testing.T) {
	name, written := record(t)
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	r, err := mcap.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	defer r.Close()
	var other bytes.Buffer
	w, err := mcap.NewWriter(&other, &mcap.WriterOptions{Chunked: true, IncludeCRC: true})
	require.NoError(t, err)
	require.NoError(t, w.WriteHeader(r.Header()))
	it, err := r.Messages()
	require.NoError(t, err)
	first := true
	for {
		s, c, m, err := it.NextInto(nil)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if first {
			require.NoError(t, w.WriteSchema(s))
			require.NoError(t, w.WriteChannel(c))
			first = false
		}
		require.NoError(t, w.WriteMessage(m))
	}
	require.NoError(t, w.Close())
	ours, err := capture.NewReader(bytes.NewReader(other.Bytes()), int64(other.Len()), capture.ReaderConfig{})
	require.NoError(t, err)
	var b acquire.Batch
	var samples uint64
	for err = ours.Next(&b); err == nil; err = ours.Next(&b) {
		samples += uint64(len(b.Samples))
	}
	require.ErrorIs(t, err, io.EOF)
	report := ours.Report()
	assert.True(t, samples == written.WrittenSamples || !report.Clean(), "what is missing is said: %s", report)
	assert.Equal(t, samples, report.Nameless, "no name is made up")
}

// TestNodeReader has @mcap/core read a capture by its index and as a stream, with all
// checksums: the same blocks as the library in Go finds.
func TestNodeReader(t *testing.T) {
	need(t)
	name, written := record(t)
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "testdata/read.mjs", name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	var got struct {
		Library      string
		Messages     []block
		Metadata     []struct{ Name string }
		Streamed     uint64
		Chunks       []struct{ Start, End, Offset, Length string }
		MessageCount string
	}
	require.NoError(t, json.Unmarshal(out, &got))
	assert.Equal(t, messages(t, content), got.Messages)
	assert.Equal(t, written.Blocks, got.Streamed)
	assert.Equal(t, strconv.FormatUint(written.Blocks, 10), got.MessageCount)

	r, err := mcap.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	defer r.Close()
	info, err := r.Info()
	require.NoError(t, err)
	assert.Equal(t, info.Header.Library, got.Library)
	assert.Len(t, got.Metadata, len(info.MetadataIndexes))
	require.Len(t, got.Chunks, len(info.ChunkIndexes))
	for i, c := range info.ChunkIndexes {
		assert.Equal(t, strconv.FormatUint(c.ChunkStartOffset, 10), got.Chunks[i].Offset)
		assert.Equal(t, strconv.FormatUint(c.ChunkLength, 10), got.Chunks[i].Length)
		assert.Equal(t, strconv.FormatUint(c.MessageStartTime, 10), got.Chunks[i].Start)
	}
}

// need skips the test where Node or the package is missing, and fails it where that
// must not be.
func need(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("testdata/node_modules/@mcap/core")
	}
	if err == nil {
		return
	}
	const what = "apt-get install nodejs npm; npm ci --omit=optional --ignore-scripts (in internal/interop/capture/testdata)"
	if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
		t.Fatalf("%v: %s", err, what)
	}
	t.Skipf("%v: %s", err, what)
}
