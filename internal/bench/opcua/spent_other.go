//go:build !unix

package main

import "errors"

// spent would return the seconds of processor time that this process has used.
func spent() (float64, error) { return 0, errors.New("processor time is measured on Unix alone") }
