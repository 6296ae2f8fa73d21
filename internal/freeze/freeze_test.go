package freeze

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// world has one of everything that can be frozen.
type world struct {
	name   string
	town   *town
	towns  []*town
	byName map[string]*town
	empty  []int
	none   []int
	cells  []cell
	pages  []*[80]cell
	roads  map[[2]uint8]road
	log    hash.Hash
	at     time.Time
	addr   netip.Addr
	ratio  float64
	same   []cell
	addrs  map[netip.Addr]map[int8]bool
	tell   func() string // given
	given  fmt.Stringer  // given
}

// cell has padding behind on and in the middle.
type cell struct {
	on   bool
	n    uint64
	tail uint8
}

type town struct {
	world *world
	next  *town
	flags [3]bool
	notes []string
}

type road struct {
	to     *town
	length []uint16
}

var worldGiven = Given{reflect.TypeFor[world](): {"tell", "given"}}

func newWorld() *world {
	w := &world{town: &town{}}
	w.tell = func() string { return w.name }
	w.given = netip.MustParseAddr("192.0.2.1")
	return w
}

func fullWorld(r *rand.Rand) *world {
	w := newWorld()
	w.name, w.at = "full", time.Unix(r.Int64N(1<<32), r.Int64N(1e9)).UTC()
	w.addr = netip.MustParseAddr([]string{"198.51.100.7", "2001:db8::1", "::ffff:192.0.2.3", "fe80::1%eth0"}[r.IntN(4)])
	w.ratio, w.empty = math.Inf(-1), []int{}
	w.log = sha256.New()
	fmt.Fprintf(w.log, "%d", r.Uint64())
	w.byName, w.roads = map[string]*town{}, map[[2]uint8]road{}
	w.towns = append(w.towns, w.town, nil)
	for i := range 2 + r.IntN(20) {
		t := &town{world: w, flags: [3]bool{true, i%2 == 0}, notes: []string{"a", strings.Repeat("long ", i), ""}}
		t.next = w.towns[r.IntN(len(w.towns))]
		w.towns = append(w.towns, t)
		w.byName[fmt.Sprint(r.IntN(12))] = t
		w.roads[[2]uint8{uint8(r.IntN(3)), uint8(i)}] = road{t, []uint16{uint16(i), 7}}
	}
	w.town.next = w.towns[len(w.towns)-1]
	w.cells = make([]cell, 5+r.IntN(9), 100)
	w.cells[3] = cell{true, r.Uint64(), 9}
	w.same = w.cells
	w.pages = []*[80]cell{{7: {true, 1, 2}}, nil, {}}
	w.pages = append(w.pages, w.pages[0])
	w.addrs = map[netip.Addr]map[int8]bool{w.addr: {-3: true, 4: false}, {}: nil}
	return w
}

func codec[T any](t testing.TB, g Given) *Codec[T] {
	t.Helper()
	c, err := New[T](g)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func frozen[T any](t testing.TB, c *Codec[T], v *T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Freeze(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSame freezes, thaws and freezes again: the value is the same in every part and in how its parts hang together, and so are the octets.
func TestSame(t *testing.T) {
	c := codec[world](t, worldGiven)
	for seed := range uint64(50) {
		w := fullWorld(rand.New(rand.NewPCG(seed, 2)))
		b := frozen(t, c, w)
		if again := frozen(t, c, w); !bytes.Equal(b, again) {
			t.Fatal("the same value gave other octets the second time")
		}
		got := newWorld()
		wired := got.town
		if err := c.Thaw(b, got); err != nil {
			t.Fatal(err)
		}
		if again := frozen(t, c, got); !bytes.Equal(b, again) {
			t.Fatal("the thawed value gives other octets")
		}
		if got.tell() != "full" || got.given == nil || got.town != wired || got.towns[0] != wired {
			t.Error("what the maker wired does not point at the thawed value")
		}
		for i, x := range got.towns {
			if x != nil && i > 1 && (x.world != got || x.notes[1] != w.towns[i].notes[1]) {
				t.Errorf("town %d is not of this world", i)
			}
		}
		if got.none != nil || got.empty == nil || &got.same[0] != &got.cells[0] || got.pages[3] != got.pages[0] || got.pages[1] != nil {
			t.Error("nil, empty or shared memory was mistaken for another")
		}
		got.tell, w.tell = nil, nil // what else is compared holds no function
		if !reflect.DeepEqual(w, got) {
			t.Errorf("seed %d: the thawed value differs", seed)
		}
		if w.log.Write([]byte("x")); got.log != nil {
			got.log.Write([]byte("x"))
		}
		if !bytes.Equal(w.log.Sum(nil), got.log.Sum(nil)) {
			t.Error("the running digest goes on differently")
		}
	}
}

// TestDamage flips every octet, and cuts the state at every length.
func TestDamage(t *testing.T) {
	c := codec[world](t, worldGiven)
	b := frozen(t, c, fullWorld(rand.New(rand.NewPCG(1, 1))))
	for i := range b {
		x := bytes.Clone(b)
		x[i] ^= 1 << (i % 8)
		if err := c.Thaw(x, newWorld()); !errors.Is(err, ErrDamaged) {
			t.Fatalf("octet %d changed: %v", i, err)
		}
		if err := c.Thaw(b[:i], newWorld()); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	for i := range len(b) - len(magic) - 2*sha256.Size { // a wrong content with the right sum: refused or read, never a panic
		x := bytes.Clone(b[len(magic)+sha256.Size : len(b)-sha256.Size])
		x[i] ^= 0xff
		if err := c.thaw(x, newWorld()); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	}
}

type before struct {
	a uint32
	b []inner
}
type inner struct{ x, y int32 }

// after has the same octets and another meaning.
type after struct {
	a uint32
	b []swapped
}
type swapped struct{ y, x int32 }

func TestLayout(t *testing.T) {
	b := frozen(t, codec[before](t, nil), &before{1, []inner{{2, 3}}})
	other := after{1, []swapped{{2, 3}}}
	if err := codec[after](t, nil).Thaw(b, &other); !errors.Is(err, ErrLayout) || other.a != 1 || other.b[0] != (swapped{2, 3}) {
		t.Errorf("the state of another layout: %v, %v", err, other)
	}
	g := Given{reflect.TypeFor[before](): {"b"}}
	if err := codec[before](t, g).Thaw(b, &before{}); !errors.Is(err, ErrLayout) {
		t.Errorf("a state in which other fields are given: %v", err)
	}
}

// TestTypesRefused: what has no state is refused when the codec is made, and so is a given field that is not there.
func TestTypesRefused(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{made[struct{ f func() }](nil), ".f (func()): a func has no state"},
		{made[struct{ f []map[int]chan int }](nil), ".f[][] (chan int): a chan has no state"},
		{made[struct{ f *any }](nil), ".f (interface {}): a interface has no state"},
		{made[struct{ f uintptr }](nil), "a uintptr has no state"},
		{made[struct{ f map[float64]int }](nil), "its keys have no order"},
		{made[struct{ f map[*int]int }](nil), "its keys have no order"},
		{made[struct{ f map[struct{ a any }]int }](nil), "a interface has no state"},
		{made[struct{ f []struct{} }](nil), "have no content"},
		{made[struct{ f []struct{ g func() } }](Given{reflect.TypeFor[struct{ g func() }](): {"g"}}), "have no content"},
		{made[world](Given{reflect.TypeFor[world](): {"tell", "given", "old"}}), "no field old"},
		{made[before](worldGiven), "is no part of"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, c.err)
		}
	}
}

func made[T any](g Given) error {
	_, err := New[T](g)
	return err
}

type tangle struct {
	list []cell
	part []cell
	into *cell
	at   time.Time
	log  hash.Hash
}

// TestValuesRefused: what would come apart, or cannot be kept exactly, is refused while it is frozen.
func TestValuesRefused(t *testing.T) {
	c := codec[tangle](t, nil)
	list := make([]cell, 4)
	for _, x := range []struct {
		v    tangle
		want string
	}{
		{tangle{list: list, part: list[1:]}, "a slice of freeze.cell and a slice of freeze.cell share memory"},
		{tangle{list: list, part: list[:3]}, "share memory"},
		{tangle{list: list, into: &list[2]}, "a slice of freeze.cell and a freeze.cell share memory"},
		{tangle{at: time.Unix(0, 0).In(time.FixedZone("X", 3600))}, "not in UTC"},
		{tangle{at: time.Now()}, "monotonic"},
		{tangle{log: oddHash{}}, "is no SHA-256"},
	} {
		if err := c.Freeze(&bytes.Buffer{}, &x.v); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("want %q, got %v", x.want, err)
		}
	}
	if err := c.Freeze(&bytes.Buffer{}, &tangle{list: list[:2], part: list[2:]}); err != nil {
		t.Errorf("neighbours in one array: %v", err)
	}
	if err := c.Freeze(failing{}, &tangle{}); err == nil {
		t.Error("the writer's error was lost")
	}
}

type oddHash struct{ hash.Hash }

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// FuzzThaw feeds contents past the checksum: no panic, no memory beyond a multiple of what is given, and whatever is read is frozen to
// the octets that it was read from.
func FuzzThaw(f *testing.F) {
	c := codec[world](f, worldGiven)
	for seed := range uint64(3) {
		b := frozen(f, c, fullWorld(rand.New(rand.NewPCG(seed, 9))))
		f.Add(b[len(magic)+sha256.Size : len(b)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWorld()
		if err := c.thaw(b, w); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again := frozen(t, c, w)
		if !bytes.Equal(again[len(magic)+sha256.Size:len(again)-sha256.Size], b) {
			t.Error("what was read freezes to other octets")
		}
	})
}

// BenchmarkFreeze is of plain memory, the bulk of a state.
func BenchmarkFreeze(b *testing.B) {
	c := codec[world](b, worldGiven)
	w := newWorld()
	w.cells = make([]cell, 1_000_000)
	for b.Loop() {
		var n countWriter
		if err := c.Freeze(&n, w); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
	}
}

type countWriter int64

func (n *countWriter) Write(b []byte) (int, error) {
	*n += countWriter(len(b))
	return len(b), nil
}
