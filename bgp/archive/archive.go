// Package archive fetches what route collectors published as MRT files: the archives of RouteViews and of RIPE RIS, over HTTP. It lists what
// there is of a period, and downloads it into a folder: half downloads go on where they stopped, and a file counts only when its length, its
// compression and its digest are right. The servers are strangers: what they list and send is bounded in number, size and time.
package archive

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The public archives.
const (
	RouteViews = "https://archive.routeviews.org"
	RIS        = "https://data.ris.ripe.net"
)

// Options say where the archives are and where their files go. Zero times take the defaults.
type Options struct {
	RouteViews string        // address of an archive laid out as RouteViews'; default RouteViews
	RIS        string        // address of an archive laid out as that of RIPE RIS; default RIS
	Cache      string        // folder for the files, one below it for each collector
	Wait       time.Duration // for a connection and for the header of an answer, each; default 30 s
	Stall      time.Duration // without an octet, after which a transfer is broken off and resumed; default 60 s
	Pause      time.Duration // after a first failure; doubles to 32 times; default 1 s

	// Say is told, in a sentence, what somebody who waits may want to know: failures that are tried again, damage. May be nil.
	Say func(string)
	// Progress is told how many octets of a file are there, of how many (0: unknown). May be nil.
	Progress func(f File, have, size int64)
}

// Archive fetches from both archives. Safe for concurrent use, each file by one at a time: two downloads of one file exclude each other.
type Archive struct {
	opt             Options
	routeViews, ris *site
}

// site is one archive: where it is, and the client that goes there and nowhere inside.
type site struct {
	base   *url.URL
	client *http.Client
}

// Kind says what a file holds.
type Kind uint8

// The kinds of files.
const (
	Table   Kind = iota + 1 // a dump of the tables at an instant
	Updates                 // what was heard from an instant on
)

// File is one file of an archive.
type File struct {
	Collector string
	Kind      Kind
	Name      string    // in the archive and in the cache; never with a separator
	Time      time.Time // that its name says: of the dump, or at which the updates begin
	URL       string
}

// New makes an Archive. Nothing is fetched yet. The error says which option cannot be used.
func New(o Options) (*Archive, error) {
	for p, def := range map[*time.Duration]time.Duration{&o.Wait: 30 * time.Second, &o.Stall: time.Minute, &o.Pause: time.Second} {
		if *p <= 0 {
			*p = def
		}
	}
	if o.Cache == "" {
		return nil, fmt.Errorf("archive: no folder for the files is named")
	}
	a := &Archive{opt: o}
	var err error
	if a.routeViews, err = newSite(o.RouteViews, RouteViews, o.Wait); err != nil {
		return nil, fmt.Errorf("archive of RouteViews: %w", err)
	}
	if a.ris, err = newSite(o.RIS, RIS, o.Wait); err != nil {
		return nil, fmt.Errorf("archive of RIPE RIS: %w", err)
	}
	return a, nil
}

func newSite(address, def string, wait time.Duration) (*site, error) {
	if address == "" {
		address = def
	}
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return &site{u, newClient(u, wait)}, nil
}

// CheckAddress says what is wrong with the address of an archive.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%q is no address such as %s", address, RIS)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the address of %s holds a user, a query or a fragment; want none", u.Host)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q: want https:// or http://", address)
	}
	return nil
}

var (
	collectorName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)
	risName       = regexp.MustCompile(`^rrc[0-9]{2}$`)
)

// CheckCollector says what is wrong with the name of a collector. Any name that is well formed may be one: the archive knows.
func CheckCollector(name string) error {
	if !collectorName.MatchString(name) || strings.Contains(name, "..") {
		return fmt.Errorf("%q is no collector of an archive: want the name that RouteViews or RIPE RIS gives it, such as route-views2, route-views.linx or rrc04", name)
	}
	return nil
}

// folder is where an archive has the files of a collector and a month. RIS keeps tables and updates in one folder; RouteViews' first collector
// with MRT files has the archive's own top folder.
func (a *Archive) folder(collector string, kind Kind, month time.Time) (*site, *url.URL) {
	s, dir := a.routeViews, path.Join(collector, "bgpdata", month.Format("2006.01"), "UPDATES")
	switch {
	case risName.MatchString(collector):
		s, dir = a.ris, path.Join(collector, month.Format("2006.01"))
	case kind == Table:
		dir = path.Join(path.Dir(dir), "RIBS")
	}
	if collector == "route-views2" {
		dir = strings.TrimPrefix(dir, collector+"/")
	}
	u := *s.base
	u.Path += "/" + dir + "/"
	return s, &u
}

// site is the archive that a file is of.
func (a *Archive) site(f File) *site {
	if risName.MatchString(f.Collector) {
		return a.ris
	}
	return a.routeViews
}

// Path is where a file stands in the cache, whether it is there or not.
func (a *Archive) Path(f File) string {
	return filepath.Join(a.opt.Cache, f.Collector, f.Time.Format("2006.01"), f.Name)
}

func (a *Archive) say(format string, args ...any) {
	if a.opt.Say != nil {
		a.opt.Say(fmt.Sprintf(format, args...))
	}
}
