package alerts

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/corewatch/corewatch/detect"
)

// OrderKind is what an order does. The enumeration is open.
type OrderKind string

// The kinds of orders.
const (
	Silence     OrderKind = "silence"     // nothing of what it is about is sent
	Ack         OrderKind = "ack"         // somebody knows of an incident: no more of it until it is more severe, or over
	Maintenance OrderKind = "maintenance" // work that was announced, on the monitor or on a network
	EndOrder    OrderKind = "end"         // another order ends now
)

// Order is what a person told the monitor about its messages. It is never changed: what ends it early is another order.
type Order struct {
	N        int64     `json:"-"`  // as the store numbers them
	At       time.Time `json:"at"` // when it was given
	Kind     OrderKind `json:"kind"`
	Who      string    `json:"who"`
	Why      string    `json:"why"`
	From     time.Time `json:"from,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Receiver string    `json:"receiver,omitempty"` // empty: all
	Incident string    `json:"incident,omitempty"` // id; empty: any
	Entity   string    `json:"entity,omitempty"`   // key such as country:PK, with its regions; empty: any
	Severity int       `json:"severity,omitempty"` // of an acknowledgement: what is more severe is told
	Monitor  bool      `json:"monitor,omitempty"`  // maintenance of the monitor itself
	By       string    `json:"by,omitempty"`       // maintenance of a network: who announced it,
	Cited    string    `json:"cited,omitempty"`    // and where that can be read
	Ends     int64     `json:"ends,omitempty"`     // of an end: the order that ends
}

// Bounds of orders.
const (
	LongestOrder = 30 * 24 * time.Hour
	furthest     = 366 * 24 * time.Hour
	orderText    = 300
)

// oneLine makes text harmless in a line.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || unicode.IsSpace(r) && r != ' ' {
			return -1
		}
		return r
	}, s))
}

// Check says what of an order that is given now cannot be used.
func (o *Order) Check(now time.Time) error {
	for name, s := range map[string]string{"who": o.Who, "why": o.Why, "receiver": o.Receiver, "incident": o.Incident, "entity": o.Entity, "by": o.By, "cite": o.Cited} {
		if oneLine(s) != s || utf8.RuneCountInString(s) > orderText {
			return fmt.Errorf("%s: want one line of at most %d characters", name, orderText)
		}
	}
	if o.Who == "" || o.Why == "" {
		return errors.New("who and why: missing; both are kept")
	}
	if o.Kind == EndOrder {
		return nil
	}
	switch length := o.Until.Sub(o.From); {
	case !o.Until.After(o.From) || !o.Until.After(now):
		return errors.New("until: want an instant that is to come, behind from")
	case length > LongestOrder:
		return fmt.Errorf("until: %.0f days after from; want at most %.0f: an order that nobody renews ends", length.Hours()/24, LongestOrder.Hours()/24)
	case o.From.Sub(now) > furthest:
		return errors.New("from: more than a year to come")
	}
	if kind, code, ok := strings.Cut(o.Entity, ":"); o.Entity != "" && (!ok || kind == "" || code == "") {
		return fmt.Errorf("entity: %q; want a key such as country:PK or network:AS64500", o.Entity)
	}
	announced := o.Kind == Maintenance && !o.Monitor
	switch {
	case o.Kind == Silence && o.Receiver == "" && o.Incident == "" && o.Entity == "":
		return errors.New("a silence of everything for everybody: name a receiver, an incident or an entity")
	case o.Kind == Ack && o.Incident == "":
		return errors.New("incident: missing; one is acknowledged at a time")
	case announced && (o.Entity == "" || o.By == "" || o.Cited == ""):
		return errors.New("maintenance of a network wants the entity, who announced it, and where that can be read")
	case !announced && (o.By != "" || o.Cited != ""):
		return errors.New("by and cite: only of the maintenance of a network")
	case o.Kind == Maintenance && o.Incident != "":
		return errors.New("incident: maintenance is of a network or of the monitor")
	case o.Kind != Silence && o.Kind != Ack && o.Kind != Maintenance:
		return fmt.Errorf("%q is no kind of order", o.Kind)
	}
	return nil
}

// Effective gives the orders themselves, each with the end that it came to.
func Effective(all []Order) (list []Order) {
	ended := map[int64]time.Time{}
	for i := range all {
		if e := &all[i]; e.Kind == EndOrder {
			if at, ok := ended[e.Ends]; !ok || e.At.Before(at) {
				ended[e.Ends] = e.At
			}
		}
	}
	for _, o := range all {
		if o.Kind == EndOrder {
			continue
		}
		if at, ok := ended[o.N]; ok && at.Before(o.Until) {
			o.Until = at
		}
		list = append(list, o)
	}
	return list
}

// inForce gives the orders, as they came to be, that hold at an instant.
func inForce(effective []Order, at time.Time) (list []Order) {
	for _, o := range effective {
		if !o.At.After(at) && !o.From.After(at) && o.Until.After(at) {
			list = append(list, o)
		}
	}
	return list
}

// about reports whether an order is about an incident.
func (o *Order) about(in *detect.Incident) bool {
	if o.Incident != "" && o.Incident != in.ID {
		return false
	}
	return o.Entity == "" || matches(o.Entity, in.Entity)
}

// matches reports whether an entity is the one that a key names, or a region of that country.
func matches(key string, e detect.Entity) bool {
	if key == e.Type+":"+e.Code {
		return true
	}
	country, _, _ := strings.Cut(e.Code, "-")
	return e.Type == "region" && key == "country:"+country
}

// last reports whether an occasion is the last word on an incident.
func (o Occasion) last() bool { return o == Over || o == Retracted || o == LostSight }

// holds reports whether an order keeps back what a receiver would be told now. Whoever was told is told the end, whatever the order.
func (o *Order) holds(n *news) bool {
	if o.Receiver != "" && o.Receiver != n.sub.Receiver || !o.about(n.in) || n.was != nil && n.o.last() {
		return false
	}
	switch o.Kind {
	case Silence:
		return true
	case Ack:
		return (n.o == Again || n.o == Grew || n.o == Still) && n.in.Severity <= o.Severity
	case Maintenance:
		return o.Monitor && (n.in.Kind == detect.MonitorFault || n.in.Kind == MonitorTrouble)
	}
	return false
}

// Held is what a receiver was not told because of an order.
type Held struct {
	Receiver string
	Incident string
	Revision int
	Occasion Occasion
	Order    int64
	At       time.Time
	Became   string // what became of it; empty while it is held back
}

// hold takes out what orders keep back, with what is a part of something that is kept back.
func (b *batch) hold(all []news) (rest []news) {
	now := map[string]int64{} // by incident: the order
	var parts []news
	for _, n := range all {
		i := slices.IndexFunc(b.orders, func(o Order) bool { return o.holds(&n) })
		if i < 0 {
			parts = append(parts, n)
			continue
		}
		now[n.in.ID] = b.orders[i].N
		b.keep(&n, b.orders[i].N)
	}
	for _, n := range parts {
		by := int64(0)
		for _, r := range n.in.Related {
			if r.Relation != "part_of" || r.ID == n.in.ID || n.was != nil && n.o.last() {
				continue
			}
			if by = now[r.ID]; by != 0 {
				break
			}
			if h := b.held[r.ID][n.sub.Receiver]; h != nil && b.holding(h.Order) {
				by = h.Order
				break
			}
		}
		if by != 0 {
			b.keep(&n, by)
			continue
		}
		rest = append(rest, n)
	}
	return rest
}

func (b *batch) holding(n int64) bool {
	return slices.ContainsFunc(b.orders, func(o Order) bool { return o.N == n })
}

// keep notes what is held back now.
func (b *batch) keep(n *news, order int64) {
	b.kept = append(b.kept, Held{Receiver: n.sub.Receiver, Incident: n.in.ID, Revision: n.in.Revision, Occasion: n.o, Order: order, At: b.now})
}

// settle says of what was held back before what became of it, where it is not held back any more.
func (b *batch) settle(sub *Subscription, said []news) {
	for _, in := range b.in {
		h := b.held[in.ID][sub.Receiver]
		if h == nil || slices.ContainsFunc(b.kept, func(k Held) bool { return k.Incident == in.ID && k.Receiver == sub.Receiver }) {
			continue
		}
		done := *h
		done.Became = "nothing left to say"
		if i := slices.IndexFunc(said, func(n news) bool { return n.in.ID == in.ID }); i >= 0 {
			done.Became = "said: " + string(said[i].o)
		} else if b.holding(h.Order) {
			continue // still silent, and there is no news
		} else if !in.State.Open() {
			done.Became = "over before it could be said"
		}
		b.settled = append(b.settled, done)
	}
}

// Notice says that work on a network was announced beforehand. It takes nothing from what is measured: what is down is down.
type Notice struct {
	Entity string    `json:"entity"`
	By     string    `json:"by"`
	Cited  string    `json:"cited"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
}

// early is how long before work was announced to begin what begins is still counted into it.
const early = 15 * time.Minute

// notices are the announcements of work within which an incident began.
func notices(all []Order, in *detect.Incident) (list []Notice) {
	for i := range all {
		o := &all[i]
		if o.Kind != Maintenance || o.Monitor || !in.Start.Time.Before(o.Until) || in.Start.Time.Before(o.From.Add(-early)) {
			continue
		}
		if matches(o.Entity, in.Entity) || slices.ContainsFunc(in.Parts, func(p detect.Part) bool { return matches(o.Entity, p.Entity) }) {
			list = append(list, Notice{o.Entity, o.By, o.Cited, o.From, o.Until})
		}
		if len(list) == fewParts {
			break
		}
	}
	return list
}
