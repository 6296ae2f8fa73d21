package detect

import "testing"

// TestID holds the published form. The tails were computed with another language's SHA-256 and base32:
//
//	python3 -c 'import hashlib,base64; print(base64.b32encode(hashlib.sha256(b"1,country,PK,outage,1203882432000000,1").digest()).decode().lower()[:8])'
func TestID(t *testing.T) {
	for _, c := range []struct {
		e    Entity
		k    Kind
		t0   int64
		want string
	}{
		{Entity{Type: "country", Code: "PK", Name: "Pakistan"}, Outage, 1203882432000000, "PK-20080224T1947Z-ufc3vfyr"},
		{Entity{Type: "country", Code: "PK"}, Outage, 1203882432000000, "PK-20080224T1947Z-ufc3vfyr"}, // the name is no part of it
		{Entity{Type: "network", Code: "AS17557"}, Outage, 1203882432000000, "AS17557-20080224T1947Z-skf3ybqu"},
		{
			Entity{Type: "peer", Code: "route-views2/AS6762/2001:db8::1"},
			MonitorFault, 1203882459999999,
			"route-views2_AS6762_2001_db8__1-20080224T1947Z-6wyoivrz",
		},
	} {
		if got := ID(c.e, c.k, c.t0); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	seen := map[string]bool{}
	for _, e := range []Entity{{Type: "country", Code: "PK"}, {Type: "zone", Code: "PK"}, {Type: "country", Code: "PL"}} {
		for _, k := range []Kind{Outage, MonitorFault} {
			for _, t0 := range []int64{base, base + 1} {
				seen[ID(e, k, t0)] = true
			}
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d ids of 12 incidents", len(seen))
	}
	if got := ID(Entity{Code: "a.B-9/é \n"}, Outage, 0); got[:10] != "a.B-9____-" {
		t.Errorf("%q", got)
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		share   float64
		units   int64
		seconds float64
		want    int
	}{
		{0, 0, 0, 1},
		{1, 15, 1e6, 1}, // all of little, for long, is still little
		{0, 16, 0, 2},
		{0.4999, 255, 1799.9, 2},
		{0.5, 255, 0, 3},
		{0.4999, 255, 1800, 3},
		{0.5, 255, 1800, 3}, // large and long is one point, not two
		{0.4999, 256, 1799.9, 3},
		{0.5, 256, 0, 4},
		{0.4999, 256, 1800, 4},
		{1, 1 << 40, 1e9, 4},
	} {
		if got := Severity(c.share, c.units, c.seconds); got != c.want {
			t.Errorf("Severity(%v, %d, %v) = %d, want %d", c.share, c.units, c.seconds, got, c.want)
		}
	}
}
