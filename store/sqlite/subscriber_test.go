package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// inFolder reports which files of a folder hold some octets.
func inFolder(t *testing.T, dir string, octets []byte) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, octets) {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestForgottenSubscribers: what was sealed, and the hashes of the address, are in no file once a subscriber was forgotten or replaced, and nothing he was told is.
func TestForgottenSubscribers(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	make1 := func(n int) *alerts.Subscriber {
		pad := bytes.Repeat([]byte{byte(n)}, 300)
		return &alerts.Subscriber{
			ID: fmt.Sprint("id", n), Active: true, Address: fmt.Appendf(nil, "hash-of-address-%d", n), Mailbox: []byte("hash-of-mailbox"), Asked: now.Add(time.Duration(n) * time.Minute),
			Sealed: append(pad, fmt.Sprintf("sealed-%d-sealed", n)...), Token: fmt.Appendf(nil, "token-%d", n), Expires: now.Add(time.Hour),
		}
	}
	for n := range 20 {
		if err := s.SaveSubscriber(t.Context(), make1(n)); err != nil {
			t.Fatal(err)
		}
	}
	told := []alerts.Told{{Receiver: "mail.id7", Incident: "one"}, {Receiver: "desk", Incident: "one"}}
	var out []alerts.Outgoing
	for _, to := range []string{"mail.id7", "desk"} {
		out = append(out, alerts.Outgoing{Message: alerts.Message{ID: "m-" + to, Receiver: to}, NotUntil: now, First: now})
	}
	if err := s.Decide(t.Context(), &alerts.Decision{UpTo: 1, Told: told, Out: out}); err != nil {
		t.Fatal(err)
	}
	if got := inFolder(t, dir, []byte("sealed-7-sealed")); len(got) == 0 {
		t.Fatal("it was never in a file: the test sees nothing")
	}
	if err := s.ForgetSubscribers(t.Context(), "id7", "id8"); err != nil {
		t.Fatal(err)
	}
	changed := make1(9)
	changed.ID, changed.Sealed = "id10", []byte("new")
	if err := s.SaveSubscriber(t.Context(), changed, "id9"); err != nil { // id10 is changed, id9 is gone
		t.Fatal(err)
	}
	if err := s.SaveSubscriber(t.Context(), make1(7), "id8"); !errors.Is(err, ErrNotFound) { // forgotten meanwhile
		t.Errorf("what was forgotten came back: %v", err)
	}
	for _, gone := range []string{"sealed-7-sealed", "sealed-8-sealed", "sealed-9-sealed", "sealed-10-sealed", "hash-of-address-7", "hash-of-address-10", "token-8", "mail.id7"} {
		if got := inFolder(t, dir, []byte(gone)); len(got) > 0 {
			t.Errorf("%s is still in %v", gone, got)
		}
	}
	if got := inFolder(t, dir, []byte("sealed-6-sealed")); len(got) == 0 {
		t.Error("what was not forgotten is gone")
	}
	left, err := s.Subscribers(t.Context())
	if err != nil || len(left) != 17 || !slices.IsSortedFunc(left, func(a, b alerts.Subscriber) int { return a.Asked.Compare(b.Asked) }) {
		t.Errorf("%d left: %v", len(left), err)
	}
	if list, err := s.Told(t.Context(), "one"); err != nil || len(list) != 1 || list[0].Receiver != "desk" {
		t.Errorf("told %+v %v", list, err)
	}
	if list, err := s.Waiting(t.Context(), "", 10); err != nil || len(list) != 1 || list[0].Message.Receiver != "desk" {
		t.Errorf("waiting %+v %v", list, err)
	}
	if gone, err := s.Subscriber(t.Context(), "id7"); err != nil || gone != nil {
		t.Error(gone, err)
	}
	for id, want := range map[string]bool{"id7": false, "id6": false, "request": true} { // gone, confirmed, a request
		if id == "request" {
			if err := s.SaveSubscriber(t.Context(), &alerts.Subscriber{ID: id, Address: []byte{1}, Mailbox: []byte{1}, Sealed: []byte{1}, Asked: now}); err != nil {
				t.Fatal(err)
			}
		}
		if there, err := s.UpdateRequest(t.Context(), id, []byte("hash"), now, 3); err != nil || there != want {
			t.Errorf("%s: %v %v", id, there, err)
		}
	}
	if got, err := s.SubscriberByToken(t.Context(), []byte("hash")); err != nil || got == nil || got.ID != "request" || got.Attempts != 3 {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := s.SubscriberByToken(t.Context(), nil); err != nil || got != nil {
		t.Errorf("no token gives %+v %v", got, err)
	}
	if of, all, err := s.Asked(t.Context(), []byte("hash-of-mailbox"), now.Add(6*time.Minute)); err != nil || of != 11 || all != 11 {
		t.Errorf("%d of %d requests: %v", of, all, err)
	}
}

// TestOpenBeside: a second process writes subscribers while the owner of the store writes on.
func TestOpenBeside(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenBeside(t.Context(), dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without a store: %v", err)
	}
	owner := openTest(t, dir)
	beside, err := OpenBeside(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	for n := range 20 {
		at := time.Unix(int64(n), 0)
		if err := beside.SaveSubscriber(t.Context(), &alerts.Subscriber{ID: fmt.Sprint("b", n), Address: []byte{1}, Mailbox: []byte{1}, Sealed: []byte{1}, Asked: at}); err != nil {
			t.Fatal(err)
		}
		if err := owner.SubscriberLog(t.Context(), at, "added"); err != nil {
			t.Fatal(err)
		}
		if list, err := owner.OpenRequests(t.Context()); err != nil || len(list) != n+1 {
			t.Fatalf("the owner sees %d of %d: %v", len(list), n+1, err)
		}
	}
	if list, err := beside.SubscriberLogged(t.Context(), 5); err != nil || len(list) != 5 {
		t.Errorf("%v %v", list, err)
	}
}
