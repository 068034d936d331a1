package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// output collects what is printed, and calls full when all of want is there.
type output struct {
	bytes.Buffer
	want []string
	full func()
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Buffer.Write(p)
	for _, w := range o.want {
		if !strings.Contains(o.String(), w) {
			return n, err
		}
	}
	o.full()
	return n, err
}

// TestGateway reads two devices, and one that is not there.
func TestGateway(t *testing.T) {
	var list strings.Builder
	for i := range 2 {
		var meter modbustest.Image
		require.NoError(t, meter.SetRegisters(modbustest.HoldingRegisters, 100, 0, uint16(1000+i)))
		server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: &meter}})
		require.NoError(t, err)
		defer server.Close()
		fmt.Fprintf(&list, "modbus://%s/1?name=d%d&point=d%d/E,holding:100,uint32,unit=Wh,role=counter\n", server.Address(), i, i)
	}
	list.WriteString("modbus://127.0.0.1:1/1?name=absent&point=absent/E,holding:100,uint32,unit=Wh\n")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &output{want: []string{"d0/E 1000 Wh good", "d1/E 1001 Wh good", "absent/E - bad: communication"}, full: cancel}
	require.NoError(t, run(ctx, strings.NewReader(list.String()), out))
	assert.Regexp(t, `(?m)^d1: \d+ samples, 0 bad, 0 lost, 0 polls skipped, 1 connections, last error: <nil>$`, out.String())
	assert.Regexp(t, `(?m)^absent: 1 samples, 1 bad, .* 0 connections, last error: absent: open: dial`, out.String())
}

// TestDocumentedURLs makes sources of the URLs in the README and in the
// package comment.
func TestDocumentedURLs(t *testing.T) {
	for _, file := range []string{"../../README.md", "main.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		urls := regexp.MustCompile(`modbus://[^'\s]+`).FindAllString(string(text), -1)
		require.NotEmpty(t, urls, file)
		_, err = sources(strings.NewReader(strings.Join(urls, "\n")), acquire.NewCatalog())
		assert.NoError(t, err, file)
	}
}

func TestFaultyList(t *testing.T) {
	list := "modbus://192.0.2.1/1\n\nmodbus://user:hunter2@192.0.2.1/1?point=a,coil:1,bool\n"
	err := run(t.Context(), strings.NewReader(list), new(bytes.Buffer))
	require.Error(t, err)
	for _, fault := range []string{"line 1: modbus: no points", "line 2: ", "line 3: "} {
		assert.Contains(t, err.Error(), fault)
	}
	assert.NotContains(t, err.Error(), "hunter2")
}
