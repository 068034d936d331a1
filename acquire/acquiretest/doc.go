// Package acquiretest proves drivers, and stands in for them.
package acquiretest
