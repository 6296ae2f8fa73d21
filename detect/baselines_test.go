package detect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func (m *minutes) encoded() []byte {
	m.t.Helper()
	var b bytes.Buffer
	if err := m.e.EncodeBaselines(&b); err != nil {
		m.t.Fatal(err)
	}
	return b.Bytes()
}

// restart goes on with a new engine that knows only what was encoded, and is told the present readings first.
func (m *minutes) restart(change func(*Config)) *minutes {
	m.t.Helper()
	n := newMinutes(m.t, change)
	if err := n.e.RestoreBaselines(bytes.NewReader(m.encoded())); err != nil {
		m.t.Fatal(err)
	}
	n.now = m.now
	return n
}

// TestRestartChangesNothing: an engine that was restarted every few hours finds what one finds that was not, and its baselines are the
// same octets in the end.
func TestRestartChangesNothing(t *testing.T) {
	slowly := func(c *Config) { c.SlowReference = 48 }
	story := func(restarts bool) (found []string, end []byte) {
		m := newMinutes(t, slowly)
		land, net := m.land("XA"), m.net("AS64500")
		level := 0
		r := rand.New(rand.NewPCG(3, 3))
		for hour := range 9 * weekHours {
			if restarts && hour%29 == 28 {
				for _, inc := range m.e.Incidents() {
					found = append(found, inc.ID+" "+inc.Revisions[0].Reason)
				}
				m = m.restart(slowly)
				land, net = m.land("XA"), m.net("AS64500")
				m.e.BeginMonitorChange() // the lows of the last minutes are rebuilt from the readings
				m.loses(land, level)
				m.loses(net, level/2)
				m.e.EndMonitorChange("restart")
			}
			for range 60 {
				level = max(0, min(28, level+r.IntN(3)-1))
				if hour == 8*weekHours+50 { // a slow decline, hours after a restart
					level += 1 + hour%2
				}
				m.loses(land, level)
				m.loses(net, level/2)
				m.pass(1)
			}
		}
		for _, inc := range m.e.Incidents() {
			found = append(found, inc.ID+" "+inc.Revisions[0].Reason)
		}
		return found, m.encoded()
	}
	a, x := story(false)
	b, y := story(true)
	if len(a) != len(b) || len(x) < 1000 {
		t.Errorf("%q and %q, %d octets", a, b, len(x))
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("%q, restarted %q", a[i], b[i])
		}
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%d octets and %d differ", len(x), len(y))
	}
}

// TestBandSurvivesRestart: a band of eight weeks is there after a restart, also for an entity that is registered later and loses nothing
// for a while.
func TestBandSurvivesRestart(t *testing.T) {
	m := newMinutes(t, nil)
	busyHour(m, m.land("XA"), 8)
	m = m.restart(nil)
	m = m.restart(nil) // nothing was registered in between
	id := m.land("XA")
	m.pass(5)
	m.loses(id, 54)
	m.pass(5)
	if n := len(m.e.Incidents()); n != 0 {
		t.Errorf("%d incidents", n)
	}
	m = newMinutes(t, nil)
	id = m.land("XA")
	m.pass(5)
	m.loses(id, 54)
	m.pass(5)
	m.only()
}

// TestForgetting: what is older than the bands is not written down.
func TestForgetting(t *testing.T) {
	m := newMinutes(t, nil)
	id := m.land("XA")
	busyHour(m, id, 1)
	full := len(m.encoded())
	m.pass(9 * weekHours * 60)
	if n := len(m.encoded()); n >= full+8*weekHours {
		t.Errorf("%d octets, after nine weeks of nothing %d", full, n)
	}
	if all := m.e.baselines(); len(all) > 1 || len(all) == 1 && len(all[0].past) != 0 {
		t.Errorf("%v", all)
	}
}

func TestRestoreRefuses(t *testing.T) {
	m := newMinutes(t, nil)
	id := m.land("XA")
	busyHour(m, id, 2)
	good := m.encoded()
	sealed := func(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	magic := []byte(baselinesMagic)
	for what, b := range map[string][]byte{
		"nothing":                 nil,
		"another version":         bytes.Replace(good, []byte("baselines 1"), []byte("baselines 2"), 1),
		"cut off":                 good[:len(good)-5],
		"cut off and sealed":      sealed(good[:len(good)-40]),
		"one bit":                 append(append([]byte(nil), good[:60]...), append([]byte{good[60] ^ 4}, good[61:]...)...),
		"more after it":           sealed(append(append([]byte(nil), good[:len(good)-4]...), 0)),
		"an hour of 61 minutes":   sealed(append(append([]byte(nil), magic...), 1, 1, 61, 0)),
		"four billion signals":    sealed(append(append([]byte(nil), magic...), 1, 1, 60, 0xff, 0xff, 0xff, 0xff, 0x0f)),
		"a number without an end": sealed(append(append([]byte(nil), magic...), 0xff, 0xff)),
	} {
		e := newMinutes(t, nil).e
		if err := e.RestoreBaselines(bytes.NewReader(b)); !errors.Is(err, ErrBaselines) {
			t.Errorf("%s: %v", what, err)
		}
		if e.looked.hour != 0 || len(e.restored) != 0 {
			t.Errorf("%s: something was taken over", what)
		}
	}
	if err := m.e.RestoreBaselines(bytes.NewReader(good)); err == nil || errors.Is(err, ErrBaselines) {
		t.Errorf("into an engine that has begun: %v", err)
	}
	broken := errors.New("disk full")
	if err := m.e.EncodeBaselines(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzRestoreBaselines: whatever the octets are, nothing panics, and what is taken is written back as the same octets, then again.
func FuzzRestoreBaselines(f *testing.F) {
	m := newMinutes(&testing.T{}, nil)
	id := m.land("XA")
	for i := range 300 {
		m.loses(id, i%20)
		m.pass(3)
	}
	good := m.encoded()
	f.Add(good[len(baselinesMagic) : len(good)-4])
	f.Add([]byte{1, 1, 60, 1, 1, 'x', 1, 'y', 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte(baselinesMagic), body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
		one := newMinutes(t, nil)
		if err := one.e.RestoreBaselines(bytes.NewReader(b)); err != nil {
			return
		}
		x := one.encoded()
		two := newMinutes(t, nil)
		if err := two.e.RestoreBaselines(bytes.NewReader(x)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(two.encoded(), x) {
			t.Error("written, read and written again they differ")
		}
		id := two.land("XA")
		two.now = int64(two.e.looked.hour) * 3600e6
		for i := range 200 {
			two.loses(id, i%60)
			two.pass(1)
		}
	})
}
