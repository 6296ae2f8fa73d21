package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// feedFiles writes the feeds of a configuration into a folder: files that any web server, mirror or archive can carry.
type feedFiles struct {
	conf  conf.Feeds
	pages conf.Pages
	data  detect.Data // only these; empty: all
	store *sqlite.Store
	words *alerts.Words
	log   zerolog.Logger

	mu  sync.Mutex // guards err
	err error      // why they are not up to date
}

// newFeedFiles gives nil when the configuration wants none.
func newFeedFiles(c conf.Config, store *sqlite.Store, log zerolog.Logger) (*feedFiles, error) {
	if len(c.Alerts.Feeds.List) == 0 {
		return nil, nil
	}
	words, err := alerts.Language(cmp.Or(c.Alerts.Feeds.Language, "en"))
	if err != nil {
		return nil, err
	}
	words.Use(c.Alerts.Texts())
	return &feedFiles{conf: c.Alerts.Feeds, pages: c.Pages, store: store, words: words, log: log}, nil
}

// feedsEvery is how often the store is looked at for revisions.
const feedsEvery = 2 * time.Second

// run keeps the files up to date until ctx ends. What cannot be written is told and tried again: it stops nothing else.
func (f *feedFiles) run(ctx context.Context) {
	tick := time.NewTicker(feedsEvery)
	defer tick.Stop()
	written := int64(-1)
	for {
		n, err := f.store.LastRevision(ctx)
		if err == nil && n != written {
			if err = f.write(ctx, time.Now()); err == nil {
				written = n
			}
		}
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		if err != nil && (f.err == nil || f.err.Error() != err.Error()) {
			f.log.Error().Err(err).Msg("the feeds are not up to date")
		}
		f.err = err
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// failure is why the files are not up to date; nil: they are.
func (f *feedFiles) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// write brings every file up to date. now is the date of a feed in which there is nothing yet.
func (f *feedFiles) write(ctx context.Context, now time.Time) error {
	if err := os.MkdirAll(f.conf.Folder, 0o755); err != nil {
		return err
	}
	for _, q := range f.conf.List {
		list, _, err := f.store.Incidents(ctx, sqlite.Query{Entity: q.Entity, Kinds: q.Kinds, Data: string(f.data), Limit: q.Limit})
		if err != nil {
			return err
		}
		feed := alerts.Feed{
			Title: "corewatch: incidents", Author: f.pages.Operator, Base: strings.TrimRight(f.pages.PublicURL, "/"), List: list, Updated: now.UTC().Truncate(time.Second),
		}
		if q.Entity != "" {
			feed.Title += ": " + cmp.Or(entityName(q.Entity), q.Entity)
		}
		forms := []struct {
			end  string
			make func() ([]byte, error)
		}{
			{".atom", func() ([]byte, error) { return feed.Atom(f.words) }},
			{".feed.json", func() ([]byte, error) { return feed.JSON(f.words) }},
			{".incidents.json", func() ([]byte, error) { return incidentsJSON(list) }},
		}
		for _, form := range forms {
			name := q.Name + form.end
			feed.Name, feed.At = "", ""
			if feed.Name = name; f.conf.URL != "" {
				feed.At = strings.TrimRight(f.conf.URL, "/") + "/" + name
			}
			text, err := form.make()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			file := filepath.Join(f.conf.Folder, name)
			if old, err := os.ReadFile(file); err == nil && (bytes.Equal(old, text) || len(list) == 0) {
				continue // a feed with nothing in it stays as it began
			}
			if err := replaceFile(file, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// incidentsJSON is a list in the form of the interface for machines, each incident in its canonical form on a line.
func incidentsJSON(list []detect.Incident) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"v":1,"incidents":[`)
	for i := range list {
		one, err := list[i].JSON()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(one)
	}
	b.WriteString("\n]}\n")
	return b.Bytes(), nil
}

// replaceFile puts a file in the place of another, so that readers see the one or the other, whole.
func replaceFile(name string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// AlertsFeeds writes the feeds of a configuration, of everything that stands in a store, into a folder ("": the configuration's).
func AlertsFeeds(ctx context.Context, file, dir, out string, notes io.Writer) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	if c.Alerts.Feeds.Folder = cmp.Or(out, c.Alerts.Feeds.Folder); len(c.Alerts.Feeds.List) == 0 {
		c.Alerts.Feeds.List = []conf.FeedQuery{{Name: "incidents"}}
	}
	if c.Alerts.Feeds.Folder == "" {
		return errors.New("no folder for the feeds: give --out DIR, or alerts.feeds.folder in the configuration")
	}
	texts, err := c.Alerts.LoadTemplates()
	if err != nil {
		return err
	}
	store, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	f, err := newFeedFiles(c, store, zerolog.Nop())
	if err != nil {
		return err
	}
	if err := f.write(ctx, time.Now()); err != nil {
		return err
	}
	if err := texts.Failure(); err != nil {
		return fmt.Errorf("the built-in text stands in for a template: %w", err)
	}
	fmt.Fprintf(notes, "%d feeds in %s\n", len(f.conf.List), f.conf.Folder)
	return nil
}
