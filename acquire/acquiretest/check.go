package acquiretest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// Check holds a source to one contract.
type Check struct {
	Name  string   // name of the contract, such as "Honesty"
	Doc   string   // the rules of the contract
	Needs []string // functions of Subject that the check uses

	// Run returns nil if the contract holds, else an error that names the rule
	// that was broken and what was seen. A check that the subject is excused
	// from gives an *Excuse. Run makes its own testing/synctest bubbles and must
	// not be called in one; t fails only where newSubject makes it, or where
	// goroutines are left that nothing can end.
	Run func(t *testing.T, newSubject NewSubject) error
}

// Excuse is the error of a check that Subject.Without names.
type Excuse struct {
	Check  string // name of the check
	Reason string // as given in Subject.Without
}

// Error formats e as "Check does not apply: reason".
func (e *Excuse) Error() string { return e.Check + " does not apply: " + e.Reason }

// Checks returns all checks in the order in which TestSource runs them.
func Checks() []Check {
	return []Check{
		newCheck("Stream", docStream, nil, checkStream),
		newCheck("Honesty", docHonesty, []string{"Truth", "Refuse", "Late", "Restore"}, checkHonesty),
		newCheck("Liveness", docLiveness, []string{"Silence", "Restore"}, checkLiveness),
		newCheck("Time", docTime, []string{"Late", "Restore", "Clock"}, checkTime),
		newCheck("Loss", docLoss, nil, checkLoss),
		newCheck("Isolation", docIsolation, []string{"Silence", "Restore"}, checkIsolation),
		newCheck("OneOwnerOfReconnect", docOneOwner, []string{"Disconnect", "Restore", "Connections"}, checkOneOwner),
		newCheck("Cancel", docCancel, []string{"Silence", "Flood", "Restore", "Connections"}, checkCancel),
		newCheck("ReadOnly", docReadOnly, []string{"Writes", "Refuse", "Restore"}, checkReadOnly),
		twoHalves(),
		newCheck("Bounded", docBounded, []string{"Flood", "Restore"}, checkBounded),
	}
}

// TestSource runs every check on subjects made by newSubject, each as a subtest
// of its name.
func TestSource(t *testing.T, newSubject func(t *testing.T) *Subject) {
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			var excuse *Excuse
			switch err := c.Run(t, newSubject); {
			case errors.As(err, &excuse):
				t.Log(excuse)
			case err != nil:
				t.Errorf("%s\nThe contract: %s", err, c.Doc)
			}
		})
	}
}

// trial is one bubble of one check.
type trial struct {
	t          *testing.T // of the bubble
	check      *Check
	newSubject NewSubject
}

// subject makes one more subject.
func (tr *trial) subject() (*Subject, error) {
	s := tr.newSubject(tr.t)
	if s != nil && s.Without[tr.check.Name] != "" {
		return nil, &Excuse{tr.check.Name, s.Without[tr.check.Name]}
	}
	return s, s.faults(tr.check)
}

// newCheck makes a check of a function that runs in one bubble.
func newCheck(name, doc string, needs []string, f func(*trial) error) Check {
	c := Check{Name: name, Doc: doc, Needs: needs}
	c.Run = func(t *testing.T, newSubject NewSubject) error { return c.inBubble(t, newSubject, f) }
	return c
}

// inBubble runs f in a bubble of its own.
func (c *Check) inBubble(t *testing.T, newSubject NewSubject, f func(*trial) error) (err error) {
	synctest.Test(t, func(t *testing.T) {
		before := goroutines()
		err = f(&trial{t, c, newSubject})
		var excuse *Excuse
		if err == nil || errors.As(err, &excuse) {
			return
		}
		err = fmt.Errorf("%s: %w", c.Name, err)
		if len(before.since()) > 0 {
			t.Log(err) // the bubble may be about to panic over goroutines left: say why before
		}
	})
	return err
}
