// Package wirefault plays recorded trouble to a driver, and to a client that lacks the
// guard against it. It is for tests of drivers.
//
// A [Fault] is trouble as it is met in the field: a late answer, a half-open link, a
// device that has only errors. It was recorded once, of the driver and a simulator with
// that fault, and is played to the driver since. What a client made of it is a [Run],
// which a judge looks at; and the judge is judged by a naive client, with which it must
// find fault.
//
// What differs from protocol to protocol stays with the driver: how it is set up, what
// the simulator does, what the naive client says.
//
// # Guarantees
//
//   - Nothing is dialled and no time passes, except where a recording is made anew:
//     recordings are played in a bubble of testing/synctest.
//   - A recording that the driver has not played to its end is a failure, and so is
//     one from which it has strayed.
package wirefault
