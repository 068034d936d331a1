package opcua_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/units"
)

func TestDriver(t *testing.T) {
	catalog := acquire.NewCatalog()
	registry, err := acquire.NewRegistry(opcua.Driver{})
	require.NoError(t, err)
	src, err := registry.Source("opcua://192.0.2.10/plant?policy=None&interval=1s&keep_alive=2s&timeout=5s&buffer=1000"+
		"&point=main/P,ns=2%3Bs=Meter1.Power,unit=kW,scale=1/1000,deadband=0.5,sampling=100ms,queue=50"+
		"&point=main/E,nsu=urn:plant%3Bi=7,unit=kWh,role=counter,kind=uint64,poll"+
		"&point=main/state,i=5,name=0:off,name=1:on,role=state,timestamps,keep_oldest"+
		"&point=main/I1,i=6,index=1:0,unit=A,deadband=1,percent"+
		"&point=main/I3,i=9,field=Phase[2].M[1:0],unit=A"+
		"&events=alarms,ns=2%3Bs=Line,severity=500,type=i=2915,type=i=2782,queue=10&events=all", catalog)
	require.NoError(t, err)
	assert.Equal(t, "opc.tcp://192.0.2.10/plant", src.Name())
	require.Len(t, src.Points(), 5+2*8)
	p, _ := catalog.Point(src.Points()[5])
	assert.Equal(t, acquire.Point{Name: "alarms/message", Kind: acquire.KindText}, p)
	for i, want := range []acquire.Point{
		{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64},
		{Name: "main/E", Unit: units.KilowattHour, Kind: acquire.KindUint64, Role: acquire.Counter},
		{Name: "main/state", Kind: acquire.KindText, Role: acquire.State},
		{Name: "main/I1", Unit: units.Ampere, Kind: acquire.KindFloat64},
	} {
		p, _ := catalog.Point(src.Points()[i])
		assert.Equal(t, want, p)
	}
}

func TestDriverTellsAllFaults(t *testing.T) {
	u, err := url.Parse("opcua://reader:hush@192.0.2.10?policy=Weird&mode=Loud&interval=fast&foo=1&name=a&name=b" +
		"&point=x&point=y,zzz&point=z,i=1,unit=nonsense,scale=0,role=king,kind=odd,queue=many,deadband=small,poll=1,fun&point=w,i=1,name=1:a,name=1:b,role=state,role=state" +
		"&point=v,i=1,field=a..b&events=&events=e,ns=2,severity=high,queue=1,queue=2,type=odd,loud#end")
	require.NoError(t, err)
	_, err = opcua.Driver{}.ParseSource(u, acquire.NewCatalog())
	require.Error(t, err)
	for _, part := range []string{
		`"end"`, "policy", "mode", "interval", `"foo"`, "name is given 2 times", `point "x"`, `"zzz"`, "nonsense", "scale", "role", "kind", "queue",
		"deadband", "poll", `"fun"`, "malformed name", "role is given twice", `unknown key "ns"`, `malformed severity "high"`, "queue is given twice", `malformed type "odd"`, `unknown key "loud"`, `"a..b"`,
	} {
		assert.ErrorContains(t, err, part)
	}
	assert.NotContains(t, err.Error(), "hush")
	assert.NotContains(t, err.Error(), "reader")
}

func TestDriverNeedsCertificates(t *testing.T) {
	u, err := url.Parse("opcua://reader:hush@192.0.2.10?point=x,i=1")
	require.NoError(t, err)
	_, err = opcua.Driver{}.ParseSource(u, acquire.NewCatalog())
	require.ErrorContains(t, err, "certificate")
	assert.NotContains(t, err.Error(), "hush")
	_, err = opcua.NewDriver(opcua.ClientConfig{Policies: []opcua.Policy{opcua.PolicyNone}}).ParseSource(u, acquire.NewCatalog())
	if err != nil {
		assert.NotContains(t, err.Error(), "hush")
	}
}
