// Package acquiretest proves drivers, and stands in for them.
//
// The contracts of package acquire are prose. TestSource makes them tests: it
// runs one check for each on a Subject, which is a driver's source joined to a
// simulated device by an in-memory link, with handles to make the device refuse,
// fall silent, answer late, cut its links or send garbage. The checks run under
// virtual time (testing/synctest), so that an hour of polling takes
// milliseconds and schedules are exact: a sample a nanosecond off is an error.
//
// TestHistorian does the same for acquire.Historian, on a Past: a source, and what its
// device has kept.
//
// A Fake is the reverse, a Source that plays a script, for tests of what
// consumes sources.
//
//	func TestConformance(t *testing.T) {
//		acquiretest.TestSource(t, func(t *testing.T) *acquiretest.Subject {
//			device := newSimulatedDevice(t)
//			source := newSource(device.Dial)
//			return &acquiretest.Subject{
//				Source:  source,
//				Silence: device.Silence,
//				// and so on
//			}
//		})
//	}
//
// The package examples/driver of this module is a small driver with its simulated
// device and this test, complete.
//
// # Guarantees
//
//   - Every contract in the documentation of package acquire has a check of its
//     name, and every check is tried on drivers that break just its contract.
//   - A message names the rule that was broken and what was seen.
//   - Nothing is skipped in silence: a check that lacks what it needs fails,
//     unless the Subject names it, with a reason that is logged.
//   - Checks wait on virtual time only, and every wait has a limit.
//
// # Limits
//
// A check cannot tell what the simulated device does not show: make it of more
// than one request and let its values change. A driver that blocks in a
// sync.Mutex while another goroutine waits for the device stops virtual time,
// and with it the test: use channels there. A goroutine that nothing can end
// makes synctest.Test panic; the check has then logged what it saw. Bounded
// measures the memory of the whole process: run no test beside it.
package acquiretest
