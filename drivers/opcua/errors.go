package opcua

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

// StatusCode is a StatusCode of OPC 10000-4, section 7.39, as a server sends it.
type StatusCode uint32

// Codes that the driver acts upon (OPC 10000-6, annex A.2).
const (
	StatusGood                        StatusCode = 0
	StatusBadTimeout                  StatusCode = 0x800A0000
	StatusBadTooManyOperations        StatusCode = 0x80100000
	StatusBadUserAccessDenied         StatusCode = 0x801F0000
	StatusBadIdentityTokenInvalid     StatusCode = 0x80200000
	StatusBadIdentityTokenRejected    StatusCode = 0x80210000
	StatusBadSessionIDInvalid         StatusCode = 0x80250000
	StatusBadSessionClosed            StatusCode = 0x80260000
	StatusBadSessionNotActivated      StatusCode = 0x80270000
	StatusBadSubscriptionIDInvalid    StatusCode = 0x80280000
	StatusBadSecureChannelIDInvalid   StatusCode = 0x80220000
	StatusBadNodeIDUnknown            StatusCode = 0x80340000
	StatusBadTooManyPublishRequests   StatusCode = 0x80780000
	StatusBadNoSubscription           StatusCode = 0x80790000
	StatusBadSequenceNumberUnknown    StatusCode = 0x807A0000
	StatusBadMessageNotAvailable      StatusCode = 0x807B0000
	StatusBadServiceUnsupported       StatusCode = 0x800B0000
	StatusBadRequestTooLarge          StatusCode = 0x80B80000
	StatusBadResponseTooLarge         StatusCode = 0x80B90000
	StatusBadEncodingLimitsExceeded   StatusCode = 0x80080000
	StatusBadSecurityChecksFailed     StatusCode = 0x80130000
	StatusBadHistoryUnsupported       StatusCode = 0x80720000
	StatusBadContinuationPointInvalid StatusCode = 0x804A0000
	StatusGoodSubscriptionTransferred StatusCode = 0x002D0000
	StatusUncertainInitialValue       StatusCode = 0x40920000
	StatusBadWaitingForInitialData    StatusCode = 0x80320000
)

// String returns the number in hexadecimal, as manuals list it.
func (s StatusCode) String() string { return fmt.Sprintf("0x%08X", uint32(s)) }

// ServiceError is a service that a server refused or could not do. It leaves the
// connection as it is.
type ServiceError struct {
	Service string     // such as "Read"
	Status  StatusCode // why
}

// Error names service and status.
func (e *ServiceError) Error() string {
	return fmt.Sprintf("opcua: %s: status %s", e.Service, e.Status)
}

// Quality is bad for security where the status says that access is refused, and for
// the device otherwise.
func (e *ServiceError) Quality() acquire.Quality { return e.Status.quality() }

// PeerError is an error message with which a server ends a connection, or gives up a
// response.
type PeerError struct {
	Status StatusCode // why
	Reason string     // the server's text, with what is not printable left out
}

// Error names the status and the server's reason.
func (e *PeerError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("opcua: server ends with status %s", e.Status)
	}
	return fmt.Sprintf("opcua: server ends with status %s: %s", e.Status, e.Reason)
}

// Quality is bad for security or communication, by the status.
func (e *PeerError) Quality() acquire.Quality {
	if e.Status.security() {
		return acquire.Bad.Because(acquire.Security).WithNative(uint16(e.Status >> 16))
	}
	return acquire.Bad.Because(acquire.Communication).WithNative(uint16(e.Status >> 16))
}

// ProtocolError is something a server sent that breaks the protocol.
type ProtocolError struct {
	Reason string // what was received and what was expected
}

// Error tells what was received and what was expected.
func (e *ProtocolError) Error() string { return "opcua: " + e.Reason }

// Quality is bad: protocol.
func (e *ProtocolError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Protocol) }

// SecurityError is something that a server sent or is which security forbids to go on
// with.
type SecurityError struct {
	Reason string // what was refused
}

// Error tells what was refused.
func (e *SecurityError) Error() string { return "opcua: refused: " + e.Reason }

// Quality is bad: security.
func (e *SecurityError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Security) }

// TimeoutError is a request that was not answered in time.
type TimeoutError struct {
	Service string        // such as "Read"
	After   time.Duration // how long it was waited for
}

// Error names the service and the time waited.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("opcua: %s: no answer within %s", e.Service, e.After)
}

// Timeout is true, as net.Error has it.
func (e *TimeoutError) Timeout() bool { return true }

// Quality is bad: communication.
func (e *TimeoutError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Communication) }

// lost wraps an error of a connection.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("opcua: server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("opcua: connection: %w", err)
}

// printable returns text without what could disturb a terminal or a log.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(text))
}

// security reports whether a status is about who may do what.
func (s StatusCode) security() bool {
	switch s >> 16 {
	case 0x8012, 0x8013, 0x8014, 0x8015, 0x8016, 0x8017, 0x8018, 0x8019, 0x801A, 0x801B, 0x801C, 0x801D, 0x801E, 0x810D, 0x8114, // Bad_Certificate..., Bad_SecurityChecksFailed
		0x801F, 0x8020, 0x8021, 0x8024, // Bad_UserAccessDenied, Bad_IdentityToken..., Bad_NonceInvalid
		0x8054, 0x8055, 0x8057, 0x8058: // Bad_SecurityModeRejected, ...PolicyRejected, Bad_UserSignatureInvalid, Bad_ApplicationSignatureInvalid
		return true
	}
	return false
}

// quality returns what a status says of a value or a service.
func (s StatusCode) quality() acquire.Quality {
	var q acquire.Quality
	switch s >> 30 {
	case 0:
		q = acquire.Good
	case 1:
		q = acquire.Uncertain
	default:
		q = acquire.Bad.Because(s.reason())
	}
	return q.WithNative(uint16(s >> 16))
}

// reason sorts the bad statuses (OPC 10000-4, table 177 and following; OPC 10000-8,
// section 6.3).
func (s StatusCode) reason() acquire.Reason {
	if s.security() {
		return acquire.Security
	}
	switch s >> 16 {
	case 0x8033, 0x8034, 0x8060: // NodeIdInvalid, NodeIdUnknown, NodeClassInvalid
		return acquire.NotFound
	case 0x8035, 0x8036, 0x8037, 0x8038, 0x8039, 0x803A, 0x803D, 0x8089: // attribute, index range, encoding, not readable, not supported; ConfigurationError
		return acquire.Configuration
	case 0x8031, 0x8005, 0x800D, 0x80AC, 0x80AD, 0x808A: // NoCommunication, CommunicationError, ServerNotConnected, ConnectionRejected, Disconnect, NotConnected
		return acquire.Communication
	case 0x8032: // WaitingForInitialData
		return acquire.Waiting
	case 0x808C: // SensorFailure
		return acquire.Sensor
	case 0x808D: // OutOfService
		return acquire.OutOfService
	case 0x803C: // OutOfRange
		return acquire.Range
	case 0x800A, 0x800E, 0x8010: // Timeout, ServerHalted, TooManyOperations
		return acquire.Busy
	}
	return acquire.Device
}

// channelCounters count what happens on connections, for statistics.
type channelCounters struct {
	late     atomic.Uint64 // responses that nobody waited for
	timeouts atomic.Uint64 // requests not answered in time
}
