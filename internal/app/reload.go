package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/internal/conf"
)

// reloads reads the configuration anew at each signal, until ctx ends. What cannot be used is told in the log and on /health, and changes nothing.
func (w *watcher) reloads(ctx context.Context, file string, again <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		err := w.reload(file)
		if err != nil {
			w.log.Error().Err(err).Msg("the reload changed nothing: what was in force goes on")
		}
		w.mu.Lock()
		w.unloaded, w.tried = err, time.Now()
		w.mu.Unlock()
	}
}

// reloaded says why the last reload changed nothing, and when that was; nil: it did, or there was none.
func (w *watcher) reloaded() (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tried, w.unloaded
}

// reload takes the subscriptions, the reference tables and the zones as the configuration and its folder have them now: all of them, or none. Everything
// else needs a restart, and is named.
func (w *watcher) reload(file string) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	if keys := changedKeys(w.given, c); len(keys) > 0 {
		w.log.Warn().Msg("changed, and in force after a restart only: " + strings.Join(keys, ", "))
	}
	if _, err := c.Alerts.LoadTemplates(); err != nil {
		return err
	}
	subs, err := subscriptions(c)
	if err != nil {
		return err
	}
	senders, err := channels(c)
	if err != nil {
		return err
	}
	sha := ""
	if len(w.sources) > 0 {
		t := keptIn(w.dir, w.log)
		if sha, err = t.keep(c.Reference); err != nil {
			return err
		}
		if _, err := t.open(liveReference{sha, bgp.Micros(time.Now().UnixMicro())}); err != nil { // better now than when they are in force
			return err
		}
	}
	// From here on nothing fails.
	w.resubscribe(c.Alerts, subs, senders)
	if len(w.sources) == 0 {
		w.log.Info().Msg("reloaded; without live sources nothing rests on the reference tables")
		return nil
	}
	select {
	case <-w.refresh: // of a signal before, not yet looked at
	default:
	}
	w.refresh <- sha
	w.log.Info().Msgf("reference tables read anew: %s", liveReference{SHA256: sha})
	return nil
}

// resubscribe puts subscriptions in force, and into the journal when they are other ones.
func (w *watcher) resubscribe(a conf.Alerts, subs []*alerts.Subscription, senders map[string]alerts.Channel) {
	if w.teller != nil { // the secrets in files are read anew, too
		w.teller.Replace(subs, senders, a.PerHour)
	}
	w.mu.Lock()
	was := w.alerts
	w.alerts = a
	w.mu.Unlock()
	now := subscriptionsOf(a)
	if subscriptionsOf(was) == now {
		return
	}
	select {
	case <-w.subscribed:
	default:
	}
	w.subscribed <- now
	w.log.Info().Msgf("subscriptions: %d receivers from now on, before that %d", now.Receivers, len(was.Receivers()))
}

// liveSubscriptions is what a journal has of subscriptions. It names nobody, and holds no address and no secret: journals are handed on.
type liveSubscriptions struct {
	Receivers int    `json:"receivers"`
	SHA256    string `json:"sha256"` // of what is wanted, without who wants it
}

func subscriptionsOf(a conf.Alerts) liveSubscriptions {
	list := a.Receivers()
	h := sha256.New()
	for i := range list {
		s := &list[i].Subscription
		text, _ := json.Marshal(s) // strings and numbers: cannot fail
		fmt.Fprintf(h, "%s %q\n", text, s.Troubles)
	}
	return liveSubscriptions{len(list), hex.EncodeToString(h.Sum(nil))}
}

// changedKeys names the keys, beside the reference folder and the subscriptions, in which two configurations differ.
func changedKeys(a, b conf.Config) (keys []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		key := x.Type().Field(i).Tag.Get("json")
		if key != "reference" && key != "alerts" && !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}
