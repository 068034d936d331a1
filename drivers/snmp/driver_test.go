package snmp_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

func parse(t testing.TB, text string, users map[string]snmp.User) (*snmp.Source, *acquire.Catalog, error) {
	t.Helper()
	catalog := acquire.NewCatalog()
	registry, err := acquire.NewRegistry(snmp.NewDriver(users))
	require.NoError(t, err)
	src, err := registry.Source(text, catalog)
	source, _ := src.(*snmp.Source)
	return source, catalog, err
}

func TestDriver(t *testing.T) {
	source, catalog, err := parse(t, "snmp://:s3cret@192.0.2.1:1161?interval=5s&name=ups&version=1&max_answer=900"+
		"&point=up,.1.3.6.1.2.1.1.3.0,timeticks,scale=1/100,unit=s"+
		"&point=mode,1.3.6.1.2.1.33.1.4.1.0,role=state,name=3:normal,name=5:battery,interval=10s"+
		"&point=E,1.3.6.1.4.1.9.1.0,exponent=1.3.6.1.4.1.9.2.0,exponent=1.3.6.1.4.1.9.3.0:-1:0:floor,na=-1,unit=Wh"+
		"&table=outlet/{index},index=integer,index=string,label=1.3.6.1.4.1.9.4,max_rows=9"+
		"&column=outlet/{index}/power,1.3.6.1.4.1.9.5,uint32,unit=W"+
		"&column=outlet/{index}/energy/total,1.3.6.1.4.1.9.6,counter32,unit=Wh", nil)
	require.NoError(t, err)
	assert.Equal(t, "ups", source.Name())
	point, _ := catalog.Point(1)
	assert.Equal(t, "up", point.Name)
	assert.Equal(t, 900, source.Limits().MaxAnswer)
	var lines []string
	for _, r := range source.Plan() {
		lines = append(lines, r.String())
	}
	assert.Equal(t, []string{
		"get 4 objects, 122 bytes",
		"walk 3 columns, 9 packets of 150 bytes",
		"get 1 objects, 67 bytes, every 2 polls",
	}, lines)

	_, _, err = parse(t, "snmp://reader:a-password@h?auth=sha512&priv=aes256&extension=reeder&context=c&point=a,1.3.6.1", nil)
	assert.NoError(t, err)
	_, _, err = parse(t, "snmp://reader:a-password@h?priv=none&transport=tcp&point=a,1.3.6.1", nil)
	assert.NoError(t, err)
	_, _, err = parse(t, "snmp://known@h?point=a,1.3.6.1", map[string]snmp.User{"known": {Name: "reader", AuthKey: "authentication"}})
	assert.NoError(t, err)
}

func TestDriverFaults(t *testing.T) {
	for text, want := range map[string]string{
		"snmp://h?point=a,1.3.6.1":                                  "neither community nor user",
		"snmp://s3cret@h?point=a,1.3.6.1":                           "a user without a password",
		"snmp://:s3cret@h":                                          "neither points nor tables",
		"snmp://:s3cret@?point=a,1.3.6.1":                           "no address",
		"snmp://:s3cret@h/x?point=a,1.3.6.1":                        `path "/x"`,
		"snmp://:s3cret@h?point=a":                                  "want a name and an OID",
		"snmp://:s3cret@h?point=a,sysUpTime":                        `malformed OID "sysUpTime"`,
		"snmp://:s3cret@h?point=a,1.3.6.1,int33":                    `unknown type "int33"`,
		"snmp://:s3cret@h?point=a,1.3.6.1,int32,x=1":                `unknown key "x"`,
		"snmp://:s3cret@h?point=a,1.3.6.1,int32,unit=kVArrrr":       "kVArrrr",
		"snmp://:s3cret@h?point=a,1.3.6.1,int32,na=x":               `malformed na "x"`,
		"snmp://:s3cret@h?point=a,1.3.6.1,int32,role=x":             `malformed role "x"`,
		"snmp://:s3cret@h?point=a,1.3.6.1,exponent=1.3:1":           `malformed exponent "1.3:1"`,
		"snmp://:s3cret@h?point=a,1.3.6.1,scale=2,scale=2":          "scale is given twice",
		"snmp://:s3cret@h?point=a,1.3.6.1&version=2":                `parameter version: "2"`,
		"snmp://:s3cret@h?point=a,1.3.6.1&x=1":                      `unknown parameter "x"`,
		"snmp://:s3cret@h?point=a,1.3.6.1&timeout=1s&timeout=2s":    "given 2 times",
		"snmp://:s3cret@h?table=t&column=t/a,1.3.6.1":               "its rows would all have this name",
		"snmp://:s3cret@h?table={1}&column=u/a,1.3.6.1":             "begins with that of no table",
		"snmp://:s3cret@h?table={1},index=x&column={1}/a,1.3.6.1":   `malformed index "x"`,
		"snmp://:s3cret@h?table={1},where=1.3:x&column={1}/a,1.3":   `malformed where "1.3:x"`,
		"snmp://:s3cret@h?table={1},where={x}:1&column={1}/a,1.3":   `malformed where "{x}:1"`,
		"snmp://:s3cret@h?table={1},where=1.3&column={1}/a,1.3":     "no number will do",
		"snmp://:s3cret@h?table={1},x=1&column={1}/a,1.3.6.1":       `unknown key "x"`,
		"snmp://:s3cret@h?point=a,1.3.6.1&auth=sha3":                `parameter auth: "sha3"`,
		"snmp://reader:s3cret@h?point=a,1.3.6.1&version=2c":         "snmp: ",
		"snmp://:s3cret@h?point=a,1.3.6.1&point=b,1.3.6.1,x#&y=1":   "cuts off",
		"snmp://:s3cret@h?point=a,1.3.6.1&max_answer=-1&retries=99": "negative",
	} {
		_, _, err := parse(t, text, nil)
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want, text)
			assert.NotContains(t, err.Error(), "s3cret", text)
		}
		u, err := url.Parse(text)
		require.NoError(t, err)
		if u.User != nil && u.User.Username() != "s3cret" {
			assert.NotContains(t, u.Redacted(), "s3cret")
		}
	}
}

func FuzzParseSource(f *testing.F) {
	f.Add("snmp://:public@h?point=a,1.3.6.1,int32,unit=W,scale=1/10&table={1}&column={1}/b,1.3.6.2")
	f.Add("snmp://:public@h?table={1},where=1.3:6:-7,where={2}:1&column={1}/b,1.3.6.2")
	f.Add("snmp://u:pppppppp@h?auth=md5&priv=des&table=x{label},label=1.3,index=fixed:6&column=x{label}/b,1.3.6.2,exponent=1.3:3:9:floor")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		source, err := snmp.Driver{}.ParseSource(u, acquire.NewCatalog())
		if (source == nil) != (err != nil) {
			t.Fatalf("source %v with error %v", source, err)
		}
		if err == nil {
			source.(*snmp.Source).Plan()
		}
	})
}
