package opcua

import (
	"sync"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// entryKind is what an entry of a queue holds.
type entryKind uint8

const (
	timeEntry    entryKind = iota // nothing has changed
	dataEntry                     // notifications
	readEntry                     // values that were read
	statusEntry                   // qualities of items without a value
	gapEntry                      // values of all monitored items may be lost before what follows
	historyEntry                  // values of an item that were missing
)

// entry is one message, or something to be said, on its way from the pump to the stream.
type entry struct {
	kind     entryKind
	last     bool            // of a poll
	message  *message        // whose parts the lists are
	list     uabin.List      // of a dataEntry by Item, of a readEntry by DataValue
	more     []uabin.List    // where one message has several
	items    []int           // that a readEntry is of
	statuses []itemStatus    // of a statusEntry
	history  *acquire.Batch  // of a historyEntry
	item     int             // that it is of
	received acquire.Instant // when it came
	midpoint acquire.Instant // of the request that read it
	promise  acquire.Instant // watermark after it; unknown: as before
}

// itemStatus is why an item has no value.
type itemStatus struct {
	item    int
	quality acquire.Quality
}

func (e *entry) add(list uabin.List) {
	if e.list.Len == 0 {
		e.list = list
		return
	}
	e.more = append(e.more, list)
}

// values is how many values an entry holds.
func (e *entry) values() int {
	n := e.list.Len + len(e.statuses)
	for _, l := range e.more {
		n += l.Len
	}
	if e.history != nil {
		n += len(e.history.Samples)
	}
	return n
}

// size is about how many bytes of memory an entry holds.
func (e *entry) size() int {
	n := 16 * len(e.statuses)
	if e.history != nil {
		n += 32 * cap(e.history.Samples)
	}
	if e.message != nil {
		n += cap(e.message.body)
	}
	return n
}

// release gives the message back.
func (e *entry) release() {
	if e.message != nil {
		e.message.release()
		e.message = nil
	}
}

// bytesPerValue bounds the memory of a queue, with the number of its values.
const bytesPerValue = 256

// queue takes entries from the pump to the stream. When it is full, the oldest are
// dropped, counted, and their items marked.
type queue struct {
	items []item
	most  int // values
	ready chan struct{}

	mu      sync.Mutex
	entries []entry
	head    int
	values  int
	bytes   int
	lost    uint64
	marked  bool
	marks   []bool // items of which something was dropped
	gap     bool   // a gapEntry was dropped
	err     error  // why there will be no more
}

func newQueue(items []item, most int) *queue {
	return &queue{items: items, most: most, ready: make(chan struct{}, 1), marks: make([]bool, len(items))}
}

// push adds an entry, which belongs to the queue from then on.
func (q *queue) push(e entry) {
	q.mu.Lock()
	if last := len(q.entries) - 1; e.kind == timeEntry && last >= q.head && q.entries[last].kind == timeEntry {
		q.values, q.bytes = q.values-q.entries[last].values(), q.bytes-q.entries[last].size()
		q.entries = q.entries[:last]
	}
	q.entries = append(q.entries, e)
	q.values += e.values()
	q.bytes += e.size()
	for len(q.entries)-q.head > 1 && (q.values > q.most || q.bytes > max(q.most, 1<<16)*bytesPerValue) {
		oldest := q.take()
		q.drop(&oldest)
	}
	q.mu.Unlock()
	q.wake()
}

// take removes the oldest entry.
func (q *queue) take() entry {
	e := q.entries[q.head]
	q.entries[q.head] = entry{}
	q.head++
	q.values -= e.values()
	q.bytes -= e.size()
	switch {
	case q.head == len(q.entries):
		q.entries, q.head = q.entries[:0], 0
	case q.head > 64 && q.head > len(q.entries)/2:
		n := copy(q.entries, q.entries[q.head:])
		clear(q.entries[n:])
		q.entries, q.head = q.entries[:n], 0
	}
	return e
}

// drop counts what an entry holds as lost.
func (q *queue) drop(e *entry) {
	defer e.release()
	mark := func(i int) {
		q.lost += uint64(len(q.items[i].members))
		q.marks[i], q.marked = true, true
	}
	switch e.kind {
	case gapEntry:
		q.gap = true
	case dataEntry:
		each := func(l uabin.List) {
			r := l.Reader()
			for range l.Len {
				if i := int64(r.Item().Handle) - 1; i >= 0 && i < int64(len(q.items)) {
					mark(int(i))
				}
			}
		}
		each(e.list)
		for _, l := range e.more {
			each(l)
		}
	case historyEntry:
		q.lost += uint64(len(e.history.Samples))
		q.marks[e.item], q.marked = true, true
	case readEntry:
		for _, i := range e.items {
			mark(i)
		}
	case statusEntry:
		for _, s := range e.statuses {
			mark(s.item)
		}
	}
}

// skip counts polls that were not made.
func (q *queue) skip(polls uint64) {
	members := 0
	for i := range q.items {
		if q.items[i].poll {
			members += len(q.items[i].members)
		}
	}
	q.mu.Lock()
	q.lost += polls * uint64(members)
	q.mu.Unlock()
}

// fail ends the queue for a reason. What is in it is delivered before.
func (q *queue) fail(err error) {
	q.mu.Lock()
	q.err = err
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// pop returns the oldest entry, if there is one, else why there will be none, if so.
// tracks learn what was dropped before the entry.
func (q *queue) pop(tracks []track) (e entry, lost uint64, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.entries) {
		return entry{}, 0, false, q.err
	}
	e = q.take()
	lost, q.lost = q.lost, 0
	if q.marked || q.gap {
		for i := range tracks {
			if q.marks[i] || q.gap && !q.items[i].poll {
				tracks[i].overflow = true
			}
			if q.gap && !q.items[i].poll {
				tracks[i].fresh = true
			}
		}
		clear(q.marks)
		q.marked, q.gap = false, false
	}
	return e, lost, true, nil
}
