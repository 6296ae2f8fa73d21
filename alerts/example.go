package alerts

import (
	"time"

	"github.com/corewatch/corewatch/detect"
)

// examples are messages as they can be, one of each occasion and one of many incidents: what templates are tried on.
func examples() (list []*Message) {
	at := func(min int) detect.Time { return detect.At(time.Date(2030, 1, 1, 0, min, 0, 0, time.UTC)) }
	in := detect.Incident{
		V: detect.SchemaVersion, ID: "ZZ-20300101T0000Z-example0", Revision: 3, Data: detect.Synthetic, Kind: detect.Outage, State: detect.Confirmed, Severity: 3,
		Entity: detect.Entity{Type: "country", Code: "ZZ", Name: "An example"}, PublicCore: []string{"routing"},
		Start: detect.Interval{Time: at(0), Earliest: at(0), Latest: at(1)}, Coverage: detect.Coverage{Level: "reduced", Because: []string{"single_collector", "learning"}},
		Signals: []detect.Signal{{
			Signal: "bgp.v4", Unit: "slash24", Expected: 5120, Observed: 4410, Unobservable: 310, At: at(2), LostShare: 0.1387,
			Prefixes: detect.PrefixCount{Expected: 1374, Lost: 153}, ASNs: detect.VantageCount{Expected: 40, Voting: 39, Needed: 10},
		}},
		Parts:     []detect.Part{{Entity: detect.Entity{Type: "network", Code: "AS64500"}, Unit: "slash24", Lost: 39, Expected: 39}},
		Evidence:  &detect.Evidence{Messages: 8412, SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		Method:    detect.Method{Name: "expected-peers", Version: "1"},
		Revisions: []detect.Revision{{Revision: 1, At: at(1), State: detect.Suspected, Change: "opened", Reason: "an example"}},
	}
	item := func(o Occasion) Item {
		i := Item{Incident: in, Occasion: o, First: o == Suspected, URL: "https://monitor.example.org/i/" + in.ID + "/v3"}
		switch o {
		case Suspected:
			i.Incident.State = detect.Suspected
		case Over:
			i.Incident.State, i.Incident.End = detect.Closed, &detect.Interval{Time: at(125), Earliest: at(124), Latest: at(126)}
		case Retracted:
			i.Incident.State = detect.Retracted
		}
		return i
	}
	var all []Item
	for _, o := range []Occasion{Suspected, Confirmed, Grew, Again, Over, Retracted, LostSight} {
		all = append(all, item(o))
		list = append(list, &Message{ID: "example", Receiver: "example", At: at(3).Time, Items: all[len(all)-1:]})
	}
	fault := item(Confirmed)
	fault.Incident.Kind, fault.Incident.Entity = detect.MonitorFault, detect.Entity{Type: "collector", Code: "rc0"}
	fault.Incident.Signals, fault.Incident.Parts, fault.Incident.Evidence = nil, nil, nil
	list = append(list, &Message{ID: "example", Receiver: "example", At: at(3).Time, Items: []Item{fault}})
	for len(all) < mostItems {
		all = append(all, item(Confirmed))
	}
	return append(list, &Message{ID: "example", Receiver: "example", At: at(3).Time, Items: all, More: 1900})
}
