package snmp_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

func TestEveryErrorStatus(t *testing.T) {
	names := [...]string{
		"noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
		"wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed", "undoFailed",
		"authorizationError", "notWritable", "inconsistentName", "error-status",
	}
	reasons := map[snmp.ErrorStatus]acquire.Reason{snmp.NoSuchName: acquire.NotFound, snmp.AuthorizationError: acquire.Security}
	a, server := simulate(t, truths, nil, snmp.AgentConfig{})
	for i, name := range names {
		status := snmp.ErrorStatus(i)
		assert.Equal(t, fmt.Sprintf("%s (%d)", name, i), status.String())
		if status == snmp.NoError {
			continue
		}
		reason, ok := reasons[status]
		if !ok {
			reason = acquire.Device
		}
		server.SetFault(snmptest.WithStatus(int32(i), 1))
		got, err := a.Get(t.Context(), object)
		require.NoError(t, err)
		err = got[0].Err()
		assert.ErrorIs(t, err, status)
		assert.Equal(t, acquire.Bad.Because(reason).WithNative(uint16(i)), acquire.QualityOf(err))
		_, isNumber := got[0].Int64()
		assert.False(t, isNumber)
		assert.Equal(t, object+" = "+status.String(), got[0].String())

		steps, faults := walk(t, a, object)
		assert.Empty(t, steps)
		require.Len(t, faults, 1, status)
		assert.True(t, errors.Is(faults[0], status), faults[0])
	}
}

func TestSecurityFaults(t *testing.T) {
	seen := make(map[string]bool)
	for f := snmp.UnsupportedSecurityLevel; f <= snmp.LockedOut; f++ {
		if f > snmp.UnknownContext && f < snmp.ReportWithoutReason {
			continue
		}
		text := f.Error()
		assert.Contains(t, text, fmt.Sprintf("(%d)", f))
		assert.NotContains(t, text, "security fault")
		assert.False(t, seen[text])
		seen[text] = true
		q := f.Quality()
		assert.True(t, q.IsBad())
		assert.Equal(t, uint16(f), uint16(q>>16))
	}
	assert.Contains(t, snmp.SecurityFault(200).String(), "security fault (200)")
}
