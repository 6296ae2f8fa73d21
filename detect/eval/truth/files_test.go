package truth

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// files are some of the recorded update files, or skips the test.
func files(t *testing.T, names ...string) *Files {
	t.Helper()
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	f := &Files{Collector: "route-views2"}
	for _, n := range names {
		path := filepath.Join(dir, "mrt", "rv2008", "updates.20080219."+n+".bz2")
		if _, err := os.Stat(path); err != nil {
			t.Skip("no real data (COREWATCH_DATA): the truth of Djibouti's outage was not derived")
		}
		f.Paths = append(f.Paths, path)
	}
	return f
}

// TestDjibouti derives the outage of 2008-02-19, 13:06:32 (first withdrawal by any peer) to 13:50:32, from the recorded hour alone.
func TestDjibouti(t *testing.T) {
	src := files(t, "1256", "1311", "1326", "1341")
	country := func(_ netip.Prefix, origin uint32) string {
		if origin == 30990 {
			return "DJ"
		}
		return ""
	}
	res, err := Derive(src, country)
	if err != nil {
		t.Fatal(err)
	}
	clock := func(µs int64) string { return time.UnixMicro(µs).UTC().Format("15:04:05") }
	found := 0
	for _, e := range res.Events {
		if e.Kind == "country" {
			found++
			if clock(e.Start) < "13:06:32" || clock(e.Start) > "13:07:30" || clock(e.End) < "13:50:00" || clock(e.End) > "13:51:00" || e.Dark < 17 || e.Total != 18 {
				t.Errorf("Djibouti: start %s, end %s, %d of %d dark", clock(e.Start), clock(e.End), e.Dark, e.Total)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d events of Djibouti in one hour, want 1", found)
	}
	if res.Sessions < 40 || res.LearnedByWithdrawn == 0 || src.Torn+src.Malformed > res.Updates/1000 {
		t.Errorf("read badly: %d sessions, %d updates, %d torn, %d malformed", res.Sessions, res.Updates, src.Torn, src.Malformed)
	}
}

func TestFilesFail(t *testing.T) {
	if _, err := Derive(&Files{Paths: []string{filepath.Join(t.TempDir(), "none")}}, nil); err == nil {
		t.Error("a missing file gave a truth")
	}
}

// changing gives a prefix in its second walk that it did not give in its first.
type changing struct {
	paper
	walks int
}

func (c *changing) Each(each func(string, *mrt.Record, *mrt.Content) error) error {
	if c.walks++; c.walks == 2 {
		c.announce(10, peer{n: 0}, 64500, "10.9.9.0/24")
	}
	return c.paper.Each(each)
}

func TestSourceChanges(t *testing.T) {
	c := &changing{}
	c.announce(0, peer{n: 0}, 64500, "10.0.0.0/24")
	if _, err := Derive(c, nil); !errors.Is(err, errChanged) {
		t.Errorf("err = %v", err)
	}
}
