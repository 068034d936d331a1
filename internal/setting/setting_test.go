package setting_test

import (
	"errors"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/setting"
)

// config has a field of each sort.
type config struct {
	text    string
	number  int
	ratio   float64
	pause   time.Duration
	even    bool
	version uint8
	role    acquire.Role
	names   map[int64]string
	codes   []int
	parsed  uint64
	set     string
}

func (c *config) fields() setting.Fields {
	return setting.Fields{
		"text":    setting.Text(&c.text),
		"number":  setting.Int(&c.number),
		"ratio":   setting.Float(&c.ratio),
		"pause":   setting.Duration(&c.pause),
		"even":    setting.Flag(&c.even),
		"version": setting.Word(&c.version, map[string]uint8{"1": 1, "2c": 2}),
		"role":    setting.Named(&c.role, acquire.Gauge, acquire.Counter),
		"name":    setting.Names(&c.names),
		"code":    setting.List(&c.codes, func(text string) (int, bool) { n, err := strconv.Atoi(text); return n, err == nil }),
		"parsed":  setting.Parse(&c.parsed, func(text string) (uint64, error) { return strconv.ParseUint(text, 0, 64) }),
		"set": setting.Set(func(text string) error {
			if c.set = text; text == "no" {
				return errors.New("is not to be")
			}
			return nil
		}),
	}
}

var whole = config{
	text: "a=b", number: -7, ratio: 0.5, pause: 90 * time.Second, even: true, version: 2, role: acquire.Counter,
	names: map[int64]string{2: "running", -1: "off"}, codes: []int{3, 4}, parsed: 16, set: "yes",
}

func TestQuery(t *testing.T) {
	query, err := url.ParseQuery("text=a%3Db&number=-7&ratio=0.5&pause=1m30s&even&version=2c&role=counter&name=2:running&name=-1:off&code=3&code=4&parsed=0x10&set=yes")
	require.NoError(t, err)
	var c config
	assert.Empty(t, c.fields().Query(query))
	assert.Equal(t, whole, c)

	query, err = url.ParseQuery("zzz=1&number=x&number=2&ratio=&pause=5&even=1&version=3&role=state&name=2&name=1:&name=1:a&name=1:b&code=x&parsed=-1&set=no&abc")
	require.NoError(t, err)
	assert.Equal(t, `unknown parameter "abc"
parameter code: "x" is malformed
parameter even: takes no value
parameter name: "2" is malformed
parameter name: "1:" is malformed
parameter name: "1:b" is malformed
parameter number is given 2 times
parameter number: "x" is malformed
parameter parsed: strconv.ParseUint: parsing "-1": invalid syntax
parameter pause: "5" is malformed
parameter ratio: "" is malformed
parameter role: "state" is malformed
parameter set: is not to be
parameter version: "3" is malformed
unknown parameter "zzz"`, errors.Join(new(config).fields().Query(query)...).Error())
}

func TestKeys(t *testing.T) {
	var c config
	assert.Empty(t, c.fields().Keys([]string{
		"text=a=b", "number=-7", "ratio=0.5", "pause=1m30s", "even", "version=2c", "role=counter",
		"name=2:running", "name=-1:off", "code=3", "code=4", "parsed=0x10", "set=yes",
	}))
	assert.Equal(t, whole, c)

	err := setting.About(`point "p"`, new(config).fields().Keys([]string{"zzz=1", "number=x", "number=2", "set=no", "even=1", ""}))
	assert.EqualError(t, err, `point "p": unknown key "zzz"
point "p": malformed number "x"
point "p": number is given twice
point "p": set: is not to be
point "p": even: takes no value
point "p": unknown key ""`)
	assert.NoError(t, setting.About("nothing", nil))
}
