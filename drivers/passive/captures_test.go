package passive_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/passive"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Captures of others, with what tshark reads in them, lie outside of the repository:
// FIELDTAP_CAPTURES names their folder, of <protocol>/<name>.pcap and .pcap.tsv. Each row
// must be seen, packet for packet, and nothing else.
func TestCapturesEqualTshark(t *testing.T) {
	folder := os.Getenv("FIELDTAP_CAPTURES")
	if folder == "" {
		t.Log("FIELDTAP_CAPTURES is not set: there are no captures to compare with")
		return
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.pcap"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	sort.Strings(files)
	for _, file := range files {
		text, err := os.ReadFile(file + ".tsv")
		require.NoError(t, err)
		want := table(string(text))
		r, err := passive.NewReader(passive.ReaderConfig{Files: []string{file}})
		require.NoError(t, err)
		var got []row
		var end error
		behind := 0
		for o, err := range r.All() {
			if err != nil {
				end = err
				break
			}
			// tshark waits for ever for what a hole lacks, and shows nothing behind it.
			if o.Gaps > 0 {
				behind++
			} else if !o.Unanswered {
				got = append(got, rowsOf(o)...)
			}
		}
		require.NoError(t, r.Close())
		equal, differ := 0, 0
		for i := 0; i < max(len(want), len(got)); i++ {
			var w, g row
			if i < len(want) {
				w = want[i]
			}
			if i < len(got) {
				g = got[i]
			}
			if d := w.differences(g); d != "" {
				differ++
				if differ < 20 {
					t.Errorf("%s row %d: %s", filepath.Base(file), i+2, d)
				}
			} else {
				equal++
			}
		}
		name, _ := filepath.Rel(folder, file)
		t.Logf("%-55s %5d rows, %5d equal, %3d not, %d more behind holes; end: %v; %+v", name, len(want), equal, differ, behind, end, r.Stats())
	}
}

// row is a line of a table, by the names of its columns.
type row map[string]string

func table(text string) (rows []row) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	names := strings.Split(lines[0], "\t")
	for _, line := range lines[1:] {
		r := make(row)
		for i, cell := range strings.Split(line, "\t") {
			r[names[i]] = cell
		}
		rows = append(rows, r)
	}
	return rows
}

// differences names the cells in which two rows are not the same.
func (r row) differences(g row) string {
	if r == nil {
		return fmt.Sprintf("surplus: %v", g)
	}
	if g == nil {
		return fmt.Sprintf("missing: %v", r)
	}
	var d []string
	for name, cell := range r {
		if name != "stream" && cell != g[name] {
			d = append(d, fmt.Sprintf("%s: want %.200q, got %.200q", name, cell, g[name]))
		}
	}
	sort.Strings(d)
	if d != nil {
		d = append(d, fmt.Sprintf("(frame %s)", r["frame"]))
	}
	return strings.Join(d, "; ")
}

func rowsOf(o *passive.Observation) []row {
	ns := int64(o.Time)
	head := row{"frame": strconv.Itoa(o.Frame), "epoch": fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9)}
	src, dst := o.Client.String(), o.Server.String()
	if o.FromServer {
		src, dst = dst, src
	}
	request := ""
	if o.Request.Frame != 0 {
		request = strconv.Itoa(o.Request.Frame)
	}
	with := func(more row) row {
		all := make(row)
		for _, r := range []row{head, more} {
			for k, v := range r {
				all[k] = v
			}
		}
		return all
	}
	switch o.Protocol {
	case passive.Modbus:
		r := modbusRow(o)
		if r["exception"] != "" { // tshark gives these no request
			request = ""
		}
		r["pdu"], r["client"], r["server"], r["request_frame"] = strconv.Itoa(o.Index), o.Client.String(), o.Server.String(), request
		return []row{with(r)}
	case passive.SNMP:
		m := &o.SNMP
		r := row{"src": src, "dst": dst, "version": strconv.Itoa(m.Version - 1), "community": string(m.Community), "response_to": request}
		if o.Err != nil && m.Type == 0 {
			return []row{with(r)}
		}
		r["pdu"] = map[passive.PDUType]string{
			passive.GetRequest: "get", passive.GetNextRequest: "getnext", passive.Response: "response", passive.SetRequest: "set",
			passive.TrapV1: "trapv1", passive.GetBulkRequest: "getbulk", passive.InformRequest: "inform", passive.TrapV2: "trapv2", passive.Report: "report",
		}[m.Type]
		if m.Type != passive.TrapV1 {
			r["request_id"], r["error_status"], r["error_index"] = strconv.Itoa(int(m.RequestID)), strconv.Itoa(int(m.ErrorStatus)), strconv.Itoa(int(m.ErrorIndex))
		}
		var rows []row
		for v := range m.Variables() {
			one := with(r)
			one["varbind"], one["oid"] = strconv.Itoa(len(rows)), string(v.OID())
			one["type"], one["value"] = snmpValue(v)
			rows = append(rows, one)
		}
		if rows == nil {
			rows = []row{with(r)}
		}
		return rows
	}
	m := &o.OPCUA
	r := row{"src": src, "dst": dst, "msg": m.Type, "chunk": string(m.Chunk), "size": strconv.Itoa(m.Size)}
	if m.RequestID != 0 {
		r["request_id"], r["service"] = strconv.Itoa(int(m.RequestID)), strconv.Itoa(int(m.Service))
	}
	var rows []row
	for i, item := range m.Items {
		one := with(r)
		one["item"], one["node"], one["attribute"] = strconv.Itoa(i), string(item.Node), fmt.Sprintf("0x%08x", item.Attribute)
		if item.Handle != 0 {
			one["client_handle"] = strconv.Itoa(int(item.Handle))
		}
		if item.Value != nil {
			opcuaValue(one, item.Value)
		}
		rows = append(rows, one)
	}
	if rows == nil {
		rows = []row{with(r)}
	}
	return rows
}

func modbusRow(o *passive.Observation) row {
	m := &o.Modbus
	u16 := func(at int) string { return strconv.Itoa(int(m.PDU[at])<<8 | int(m.PDU[at+1])) }
	r := row{
		"dir": "req", "tid": strconv.Itoa(int(m.Transaction)), "proto": "0", "len": strconv.Itoa(len(m.PDU) + 1),
		"unit": strconv.Itoa(int(m.Unit)), "fc": strconv.Itoa(int(m.PDU[0] & 0x7F)),
	}
	if o.FromServer {
		r["dir"] = "resp"
	}
	function, n := m.PDU[0], len(m.PDU)
	switch {
	case o.FromServer && function&0x80 != 0:
		if n > 1 {
			r["exception"] = strconv.Itoa(int(m.PDU[1]))
		}
	case o.FromServer && function >= 1 && function <= 4:
		if n < 2 || int(m.PDU[1]) != n-2 {
			break
		}
		first, count := 0, 8*(n-2) // what tshark says of an answer without a request
		if len(m.Request) == 5 {
			first, count = int(m.Request[1])<<8|int(m.Request[2]), int(m.Request[3])<<8|int(m.Request[4])
		}
		var cells []string
		if function <= 2 {
			for i := 0; i < count && i/8 < n-2; i++ {
				cells = append(cells, fmt.Sprintf("%d:%d", first+i, m.PDU[2+i/8]>>(i%8)&1))
			}
			r["bits"] = strings.Join(cells, ",")
		} else {
			for i := 0; i+1 < n-2; i += 2 {
				cells = append(cells, fmt.Sprintf("%d:%s", first+i/2, u16(2+i)))
			}
			r["registers"] = strings.Join(cells, ",")
		}
	case function == 8, function == 20, function == 21: // tshark has fields of its own for these, not among the columns
	case n >= 3 && (function == 22 || function == 24):
		r["ref"] = u16(1)
	case n >= 5 && function == 23:
		r["ref"], r["count"] = u16(1), u16(3)
	case n == 5 && function >= 1 && function <= 4:
		r["ref"], r["count"] = u16(1), u16(3)
	case n >= 3 && (function == 5 || function == 6):
		r["ref"], r["data_hex"] = u16(1), hex.EncodeToString(m.PDU[3:])
	case n >= 5 && (function == 15 || function == 16):
		r["ref"], r["count"] = u16(1), u16(3)
		if n > 6 {
			r["data_hex"] = hex.EncodeToString(m.PDU[6:])
		}
	default:
		r["data_hex"] = hex.EncodeToString(m.PDU[1:])
	}
	return r
}

func snmpValue(v snmp.Variable) (kind, value string) {
	octets := func(b []byte) string {
		parts := make([]string, len(b))
		for i, c := range b {
			parts[i] = fmt.Sprintf("%02x", c)
		}
		return strings.Join(parts, ":")
	}
	switch v.Syntax {
	case snmp.SyntaxInteger:
		n, _ := v.Int64()
		return "Integer32", strconv.FormatInt(n, 10)
	case snmp.SyntaxOctetString:
		return "OctetString", octets(v.Bytes())
	case snmp.SyntaxNull:
		return "Null", ""
	case snmp.SyntaxObject:
		id, _ := v.Object()
		return "OID", string(id)
	case snmp.SyntaxIPAddress:
		b := v.Bytes()
		return "IpAddress", fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3])
	case snmp.SyntaxTimeTicks:
		n, _ := v.Uint64()
		return "Timeticks", strconv.FormatUint(n, 10)
	}
	n, _ := v.Uint64()
	return v.Syntax.String(), strconv.FormatUint(n, 10)
}

func opcuaValue(r row, encoded []byte) {
	reader := uabin.NewReader(encoded)
	v := reader.DataValue()
	if v.Status != 0 {
		r["status"] = fmt.Sprintf("0x%08x", uint32(v.Status))
	}
	if ns, ok := v.SourceTime.Unix(); ok {
		r["source_ts_ns"] = strconv.FormatInt(ns, 10)
	}
	if ns, ok := v.ServerTime.Unix(); ok {
		r["server_ts_ns"] = strconv.FormatInt(ns, 10)
	}
	if v.Value.Type == uabin.Null {
		return
	}
	names := []string{
		"", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime",
		"Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "ExtensionObject",
	}
	r["type"] = names[v.Value.Type]
	if v.Value.Array {
		r["type"] = "Array of " + r["type"]
		each := v.Value.Elements()
		var cells []string
		for range v.Value.Length {
			e := each.Element(v.Value.Type)
			cells = append(cells, scalar(&e))
		}
		r["value"] = strings.Join(cells, "|")
		return
	}
	r["value"] = scalar(&v.Value)
}

func scalar(v *uabin.Variant) string {
	switch v.Type {
	case uabin.TypeSByte:
		return strconv.Itoa(int(int8(v.Bits)))
	case uabin.TypeInt16:
		return strconv.Itoa(int(int16(v.Bits)))
	case uabin.TypeInt32:
		return strconv.Itoa(int(int32(v.Bits)))
	case uabin.TypeInt64:
		return strconv.FormatInt(int64(v.Bits), 10)
	case uabin.TypeFloat:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(v.Bits))), 'g', -1, 32)
	case uabin.TypeDouble:
		return strconv.FormatFloat(math.Float64frombits(v.Bits), 'g', -1, 64)
	case uabin.TypeString:
		return string(v.Bytes)
	}
	return strconv.FormatUint(v.Bits, 10)
}
