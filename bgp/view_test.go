package bgp

import "testing"

func TestCollectorOf(t *testing.T) {
	for name, want := range map[string]string{"rrc00": "rrc00", "edge1~post": "edge1", "edge1~vrf-65000:7~loc": "edge1", "lab@192.0.2.1~out": "lab@192.0.2.1", "": ""} {
		if got := CollectorOf(name); got != want {
			t.Errorf("%q is a view of %q, want %q", name, got, want)
		}
	}
}
