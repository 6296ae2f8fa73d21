package app

import (
	"context"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/internal/conf"
)

// reloads reads the configuration anew at each signal, until ctx ends. What cannot be used is told in the log and changes nothing.
func (w *watcher) reloads(ctx context.Context, file string, again <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		if err := w.reload(file); err != nil {
			w.log.Error().Err(err).Msg("the reload changed nothing: what was in force goes on")
		}
	}
}

// reload takes the reference tables and zones as the configuration and its folder have them now. Everything else needs a restart, and is named.
func (w *watcher) reload(file string) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	if keys := changedKeys(w.given, c); len(keys) > 0 {
		w.log.Warn().Msg("changed, and in force after a restart only: " + strings.Join(keys, ", "))
	}
	if len(w.sources) == 0 {
		w.log.Info().Msg("reloaded; without live sources nothing rests on the reference tables")
		return nil
	}
	t := keptIn(w.dir, w.log)
	sha, err := t.keep(c.Reference)
	if err != nil {
		return err
	}
	if _, err := t.open(liveReference{sha, bgp.Micros(time.Now().UnixMicro())}); err != nil { // better now than when they are in force
		return err
	}
	select {
	case <-w.refresh: // of a signal before, not yet looked at
	default:
	}
	w.refresh <- sha
	w.log.Info().Msgf("reference tables read anew: %s", liveReference{SHA256: sha})
	return nil
}

// changedKeys names the keys, beside the reference folder, in which two configurations differ.
func changedKeys(a, b conf.Config) (keys []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		key := x.Type().Field(i).Tag.Get("json")
		if key != "reference" && !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}
