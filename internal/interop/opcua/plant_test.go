package interop_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
)

// plant is what the server of faults serves; see testdata/faults.js.
type plant struct {
	Epoch    int64    `json:"epoch"` // milliseconds
	Step     int64    `json:"step"`  // milliseconds
	Counters int      `json:"counters"`
	Load     int      `json:"load"`
	Without  []string `json:"without"`
}

// at is the time of a value of a counter.
func (p plant) at(n uint64) time.Time { return time.UnixMilli(p.Epoch + int64(n)*p.Step) }

// count is the value of a counter at a time.
func (p plant) count(at time.Time) uint64 { return uint64((at.UnixMilli() - p.Epoch) / p.Step) }

// points are what is to be acquired of the plant: all of it, and a node that it does not have.
func (p plant) points(queue int) []opcua.Point {
	points := []opcua.Point{{Name: "Constant", Node: node("Constant"), Kind: acquire.KindUint64}, {Name: "Absent", Node: node("Absent")}}
	for i := range p.Counters {
		for _, name := range []string{fmt.Sprint("Seq.", i), fmt.Sprint("Hist.", i)} {
			points = append(points, opcua.Point{Name: name, Node: node(name), Kind: acquire.KindUint64, Queue: queue})
		}
	}
	return points
}

// works is a server of faults, which may be killed and started again.
type works struct {
	plant
	dir   string
	port  string
	spare *process // which has loaded what it needs
	*process
}

// build starts a server of faults until the end of the test.
func build(t *testing.T, p plant) *works {
	t.Helper()
	p.Epoch = time.Now().Add(-time.Hour).UnixMilli()
	w := &works{plant: p, dir: t.TempDir(), port: "0"}
	w.prepare(t)
	w.run(t)
	t.Cleanup(func() {
		w.kill()
		if w.spare != nil {
			w.spare.kill()
		}
	})
	return w
}

// prepare starts a process that is to serve later, which takes seconds to load. Nodes are
// left out of the plant.
func (w *works) prepare(t *testing.T, without ...string) {
	t.Helper()
	p := w.plant
	p.Without = append([]string{}, without...)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	w.spare = launch(t, "faults.js", w.dir, w.port, string(text))
}

// run lets the process that was prepared serve.
func (w *works) run(t *testing.T) {
	t.Helper()
	w.spare.ready(t)
	w.process, w.spare = w.spare, nil
	w.port = w.ask(t, "serve")
}

// ready waits until a process that was prepared has loaded what it needs.
func (p *process) ready(t *testing.T) {
	t.Helper()
	p.loaded.Do(func() { p.line(t) })
}

// ask gives a command to the server and returns its answer.
func (p *process) ask(t *testing.T, command string) string {
	t.Helper()
	_, err := io.WriteString(p.input, command+"\n")
	require.NoError(t, err)
	return strings.TrimSpace(p.line(t))
}

// sessions returns how many sessions of a name the server has, and subscriptions in them.
func (p *process) sessions(t *testing.T, name string) (sessions, subscriptions int) {
	t.Helper()
	var answer struct{ Sessions, Subscriptions int }
	require.NoError(t, json.Unmarshal([]byte(p.ask(t, "sessions "+name)), &answer))
	return answer.Sessions, answer.Subscriptions
}
