package sqlite

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// TestOrdersStay: an order is neither changed nor deleted, by nobody; one that was changed past the database is found.
func TestOrdersStay(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	b, err := OpenBeside(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	o := alerts.Order{At: now, Kind: alerts.Silence, Who: "ana", Why: "a test", From: now, Until: now.Add(time.Hour), Receiver: "desk"}
	if n, err := b.Order(t.Context(), o); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	for _, text := range []string{"UPDATE alert_order SET until=0", "DELETE FROM alert_order"} {
		if _, err := b.w.ExecContext(t.Context(), text); err == nil || !strings.Contains(err.Error(), "an order is never") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for ends, ok := range map[int64]bool{2: false, 1: true} {
		if _, err := b.Order(t.Context(), alerts.Order{At: now.Add(time.Minute), Kind: alerts.EndOrder, Who: "bo", Why: "done", Ends: ends}); (err == nil) != ok {
			t.Errorf("an end of %d: %v", ends, err)
		}
	}
	if _, err := b.Order(t.Context(), alerts.Order{At: now.Add(time.Minute), Kind: alerts.EndOrder, Who: "bo", Why: "again", Ends: 1}); err == nil {
		t.Error("an order ended twice")
	}
	list, err := s.Orders(t.Context(), now)
	if err != nil || len(list) != 2 || list[0].N != 1 || list[0].Why != "a test" || !list[0].Until.Equal(o.Until) || list[1].Ends != 1 {
		t.Errorf("%+v %v", list, err)
	}
	if list, err = s.Orders(t.Context(), now.Add(2*time.Hour)); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if err := errors.Join(b.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	rawDB(t, dir, "DROP TRIGGER alert_order_stays; UPDATE alert_order SET body=replace(body, 'ana', 'bob')")
	s = openTest(t, dir)
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "order 1: its checksum does not match") {
		t.Error(err)
	}
}

// TestBeside: what another connection writes while a monitor writes is kept, and stops neither.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenBeside(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "no store in") {
		t.Error(err)
	}
	old := t.TempDir()
	text, err := os.ReadFile("testdata/schema-v3.sql")
	if err != nil {
		t.Fatal(err)
	}
	rawDB(t, old, string(text))
	if _, err := OpenBeside(t.Context(), old); err == nil || !strings.Contains(err.Error(), "start the monitor") {
		t.Error(err)
	}
	s := openTest(t, dir)
	b, err := OpenBeside(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const many = 40
	var both sync.WaitGroup
	both.Go(func() {
		for n := range uint64(many) {
			if err := s.AppendMessages(t.Context(), "one", messages(n*10, n*10+10)); err != nil {
				t.Error(err)
			}
		}
	})
	now := time.Now()
	for range many {
		if _, err := b.Order(t.Context(), alerts.Order{At: now, Kind: alerts.Silence, Who: "ana", Why: "a test", From: now, Until: now.Add(time.Hour), Receiver: "desk"}); err != nil {
			t.Error(err)
		}
	}
	both.Wait()
	if list, err := s.Orders(t.Context(), now); err != nil || len(list) != many {
		t.Errorf("%d orders, %v", len(list), err)
	}
	check(t, s)
}
