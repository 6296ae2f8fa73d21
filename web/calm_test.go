package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
)

// sampled is a library of one newest sample for each country, five minutes before 06:05.
func sampled(list ...detect.Sample) *memory {
	m := &memory{}
	for _, p := range list {
		p.At = utc("21 06:00:00")
		m.samples = append(m.samples, p)
	}
	return m
}

func point(code, signal string, expected, unobservable int64, prefixes, lost int32) detect.Sample {
	return detect.Sample{Entity: "country:" + code, Signal: signal, Expected: expected, Unobservable: unobservable, Prefixes: prefixes, LostPrefixes: lost, Lost: int64(lost), Voting: 39}
}

// TestUnstable: a country of which too much cannot be judged is called unstable, with the figure and its denominator, and never calm.
func TestUnstable(t *testing.T) {
	const pill = `<span class="pill un">unstable</span>`
	for _, c := range []struct {
		what, code string
		lib        *memory
		unstable   bool
		says       []string
		not        []string
	}{
		{"too much", "SD", sampled(point("SD", sigV4, 79, 21, 40, 1)), true, []string{
			"Unstable: at 21 Feb 2008, 06:00 UTC, 21 of 100 /24 blocks of Sudan (21 %) could not be judged", "above 20 % a place is never called normal",
			"No outage is recorded here. Of what could be judged, 39 of 40 observable IPv4 prefixes (98 %) were visible", "78 of 79 observable blocks; 21 more could not be judged",
		}, []string{"No outage of Sudan", "deepest point"}},
		{"just enough", "SD", sampled(point("SD", sigV4, 80, 20, 40, 1)), false, []string{"No outage of Sudan is recorded here.", "79 of 80 observable blocks; 20 more could not be judged"}, []string{"Unstable"}},
		{"all of it", "SD", sampled(point("SD", sigV4, 0, 100, 0, 0)), true, []string{"100 of 100 /24 blocks of Sudan (100 %)"}, []string{"No outage of Sudan"}},
		{"IPv6 only", "SD", sampled(point("SD", sigV4, 80, 0, 40, 0), point("SD", sigV6, 10, 5, 2, 0)), true, []string{"5 of 15 /48 blocks of Sudan (33 %)", "No outage of Sudan is recorded here."}, []string{"/24 blocks of Sudan"}},
		{"silence", "SD", sampled(detect.Sample{Entity: "country:SD", Signal: sigV4, Expected: 10, Unobservable: 90, NoData: true}), false, []string{"the feed was silent"}, []string{"Unstable"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			raw := get(t, testServer(t, c.lib, nil).Handler(), "/country/"+c.code).Body.String()
			if strings.Contains(raw, pill) != c.unstable {
				t.Errorf("unstable is said: %v", !c.unstable)
			}
			body := plain(raw)
			for _, want := range c.says {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %q:\n%s", want, body)
				}
			}
			for _, no := range c.not {
				if strings.Contains(body, no) {
					t.Errorf("the page says %q", no)
				}
			}
		})
	}
}

// TestUnstableBesideIncidents: beside an outage that is over the newest sample speaks; of one that is open its own coverage does.
func TestUnstableBesideIncidents(t *testing.T) {
	lib := pakistan("archive")
	last := &lib.samples[len(lib.samples)-1]
	for i := range lib.samples {
		if lib.samples[i].Entity == "country:PK" {
			last = &lib.samples[i]
		}
	}
	last.Unobservable = 3000
	said := func() string { return plain(get(t, testServer(t, lib, nil).Handler(), "/country/PK").Body.String()) }
	if body := said(); !strings.Contains(body, "could not be judged, because too few of the networks") || !strings.Contains(body, "Between 03:20 and 05:27") {
		t.Error("beside a closed incident the page does not say that the country is unstable now")
	}
	in := &lib.list[0]
	in.State, in.End, in.ClosedAt = detect.Confirmed, nil, detect.Time{}
	in.Coverage.Because = append(in.Coverage.Because, "unstable")
	if body := said(); strings.Contains(body, "because too few of the networks") || !strings.Contains(body, "unstable: too much of it could not be judged") {
		t.Error("an open incident's coverage does not say it, or it is said twice")
	}
}

// TestUnstableOnMaps: a map hatches such a country over its shade, names it and says so in words.
func TestUnstableOnMaps(t *testing.T) {
	lib := sampled(point("SD", sigV4, 70, 30, 40, 0), point("EG", sigV4, 100, 0, 40, 0), point("TD", sigV4, 70, 30, 40, 0))
	h := testServer(t, lib, nil).Handler()
	front := get(t, h, "/").Body.String()
	if !strings.Contains(plain(front), "3 countries and territories are watched; the newest sample is of 21 Feb 2008, 06:00 UTC. 2 of them are unstable: too much of each could not be judged.") {
		t.Error(plain(front))
	}
	hatched := strings.Count(front, `url(#hatch2)`)
	lib.samples[0].Unobservable = 0
	if again := get(t, h, "/").Body.String(); strings.Count(again, `url(#hatch2)`) != hatched-1 || !strings.Contains(plain(again), "1 of them is unstable") {
		t.Error("the hatch does not follow the figure")
	}
	lib.samples[0].Unobservable = 30
	region := get(t, h, "/country/SD").Body.String()
	for _, want := range []string{"Sudan: 100\u00a0%, unstable.", "hatched: unstable, too much not judged"} {
		if !strings.Contains(region, want) {
			t.Errorf("the map of the region lacks %q", want)
		}
	}
}

// TestUnstableShare: what is too much is the configuration's.
func TestUnstableShare(t *testing.T) {
	cfg := DefaultConfig()
	cfg.UnstableShare = 0.35
	s, err := New(cfg, Deps{Live: sampled(point("SD", sigV4, 70, 30, 40, 0)), Status: testStatus, Names: func(k string) string { return names[k] }, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if body := plain(get(t, s.Handler(), "/country/SD").Body.String()); strings.Contains(body, "Unstable") || !strings.Contains(body, "No outage of Sudan") {
		t.Error("30 % is too much where 35 % is allowed")
	}
}

// TestOtherPlaces: incidents about a region or a zone have their pages; a region's lead to its country.
func TestOtherPlaces(t *testing.T) {
	lib := pakistan("archive")
	whole := lib.list[0]
	for _, e := range []detect.Entity{{Type: "region", Code: "PK-SD", Name: "Sindh"}, {Type: "zone", Code: "coast", Name: "The coast"}} {
		in := whole
		in.Entity, in.ID = e, detect.ID(e, detect.Outage, whole.Start.Latest.Micros())
		in.Related = []detect.Related{{ID: whole.ID, Relation: "part_of"}}
		lib.list = append(lib.list, in)
		for at := utc("21 02:00:00").Time; at.Before(utc("21 06:00:00").Time); at = at.Add(time.Minute) {
			lib.samples = append(lib.samples, detect.Sample{Entity: e.Key(), Signal: sigV4, At: detect.At(at), Expected: 500, Prefixes: 100, Voting: 39})
		}
	}
	lib.samples = append(lib.samples, detect.Sample{Entity: "region:PK-PB", Signal: sigV4, At: utc("21 06:00:00"), Expected: 50, Unobservable: 50, Prefixes: 40, LostPrefixes: 10, Voting: 39},
		detect.Sample{Entity: "region:PK-KP", Signal: sigV4, At: utc("21 06:00:00"), NoData: true}, detect.Sample{Entity: "region:IR-07", Signal: sigV4, At: utc("21 06:00:00"), Prefixes: 1, Expected: 1})
	h := testServer(t, lib, nil).Handler()
	country := get(t, h, "/country/PK").Body.String()
	said := regexp.MustCompile(`\s+`).ReplaceAllString(plain(country), " ")
	for _, want := range []string{"Regions of Pakistan", "PK-PB30 of 40 75 % unstable–", "SindhPK-SD100 of 100 100 %21 Feb 2008, 03:20 UTC", "PK-KP no data–"} {
		if !strings.Contains(said, want) {
			t.Errorf("the country lacks %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "IR-07") || strings.Contains(said, "not available") || strings.Index(said, "PK-PB") > strings.Index(said, "PK-SD") || !strings.Contains(country, `href="/i/`+lib.list[1].ID+`"`) {
		t.Errorf("another country's region, a wrong order, or no link:\n%s", said)
	}
	if other := plain(get(t, h, "/country/IN").Body.String()); !strings.Contains(other, "Regions inside the country are not available") {
		t.Error("without regions the page does not say that they are not available")
	}
	for i, name := range []string{"Sindh", "The coast"} {
		in := lib.list[i+1]
		answer := get(t, h, "/i/"+in.ID)
		raw := answer.Body.String()
		if body := plain(raw); answer.Code != http.StatusOK || !strings.Contains(body, "of "+name+" left the global routing table") || !strings.Contains(body, "part of: "+whole.ID) {
			t.Errorf("%s: %d\n%s", in.ID, answer.Code, body)
		}
		if strings.Contains(raw, `<a class="btn" href="/country/PK">Pakistan</a>`) != (i == 0) {
			t.Errorf("%s: leads to the country: %v", in.ID, i != 0)
		}
		if strings.Contains(raw, "data-src") || !strings.Contains(raw, `id="ts"`) {
			t.Errorf("%s: its chart is missing, or offers another's series", in.ID)
		}
		if row := get(t, h, "/incidents?entity="+in.Entity.Key()).Body.String(); !strings.Contains(row, name) || strings.Contains(row, "Pakistan") {
			t.Errorf("%s is not listed by its name", in.ID)
		}
	}
}
