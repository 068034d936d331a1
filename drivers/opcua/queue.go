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
	list     lists           // of a dataEntry by Item, of a readEntry by DataValue
	events   lists           // of a dataEntry, by Event
	items    []int           // that a readEntry is of; -1: a value that is not wanted any more
	statuses []itemStatus    // of a statusEntry
	history  *acquire.Batch  // of a historyEntry
	item     int             // that it is of
	past     []recalled      // of a historyEntry of events: those in history
	texts    int             // bytes of them
	received acquire.Instant // when it came
	midpoint acquire.Instant // of the request that read it
	promise  acquire.Instant // watermark after it; unknown: as before
}

// itemStatus is why an item has no value.
type itemStatus struct {
	item    int
	quality acquire.Quality
}

// lists are those of one kind in a message. There is seldom more than one.
type lists struct {
	first uabin.List
	more  []uabin.List
}

func (l *lists) add(list uabin.List) {
	if l.first.Len == 0 {
		l.first = list
		return
	}
	l.more = append(l.more, list)
}

// len is how many elements there are.
func (l *lists) len() int {
	n := l.first.Len
	for i := range l.more {
		n += l.more[i].Len
	}
	return n
}

// all iterates over the lists.
func (l *lists) all(yield func(uabin.List) bool) {
	if !yield(l.first) {
		return
	}
	for _, more := range l.more {
		if !yield(more) {
			return
		}
	}
}

// values is how many values an entry holds, about.
func (e *entry) values() int {
	n := e.list.len() + len(eventEndings)*e.events.len() + len(e.statuses)
	if e.history != nil {
		n += len(e.history.Samples)
	}
	return n
}

// size is about how many bytes of memory an entry holds.
func (e *entry) size() int {
	n := 16 * len(e.statuses)
	if e.history != nil {
		n += 32*cap(e.history.Samples) + 24*cap(e.past) + e.texts
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
	room  chan struct{} // has one when the queue is no more busy

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
	return &queue{items: items, most: most, ready: make(chan struct{}, 1), room: make(chan struct{}, 1), marks: make([]bool, len(items))}
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
	lose := func(i, samples int) {
		q.lost += uint64(samples)
		q.marks[i], q.marked = true, true
	}
	mark := func(i int) { lose(i, len(q.items[i].members)) }
	switch e.kind {
	case gapEntry:
		q.gap = true
	case dataEntry:
		for l := range e.list.all {
			r := l.Reader()
			for range l.Len {
				if i, ok := itemOf(r.Item().Handle, q.items); ok && q.items[i].events == nil {
					mark(i)
				}
			}
		}
		for l := range e.events.all {
			r := l.Reader()
			for range l.Len {
				told := r.Event()
				i, ok := itemOf(told.Handle, q.items)
				if !ok || q.items[i].events == nil {
					continue
				}
				switch happened, ok := readEvent(told.Fields); {
				case !ok:
					mark(i)
				case happened.overflow:
					lose(i, leastOfEvent)
				default:
					lose(i, happened.samples())
				}
			}
		}
	case historyEntry:
		lose(e.item, len(e.history.Samples))
	case readEntry:
		for _, i := range e.items {
			if i >= 0 {
				mark(i)
			}
		}
	case statusEntry:
		for _, s := range e.statuses {
			mark(s.item)
		}
	}
}

// full reports whether half of what may wait does. The queue is locked.
func (q *queue) full() bool {
	return q.values > q.most/2 || q.bytes > max(q.most, 1<<16)*bytesPerValue/2
}

// busy reports whether half of what may wait does.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full()
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
	if !q.full() {
		select {
		case q.room <- struct{}{}:
		default:
		}
	}
	lost, q.lost = q.lost, 0
	if q.marked || q.gap {
		for i := range tracks {
			if q.marks[i] {
				tracks[i].lose()
			}
			if q.gap && !q.items[i].poll {
				tracks[i].lose()
				tracks[i].fresh, tracks[i].missing = true, true
			}
		}
		clear(q.marks)
		q.marked, q.gap = false, false
	}
	return e, lost, true, nil
}
