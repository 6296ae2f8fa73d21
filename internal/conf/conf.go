// Package conf reads the configuration file: defaults first, unknown keys are errors, every number within its bounds.
package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// Config is everything a file can set; what it leaves out keeps its default. Keys are those of docs/method.md, section 9.
type Config struct {
	Detect     detect.Config `json:"detect"`     // floors and the life of an incident
	Peers      signal.Config `json:"peers"`      // health of the peers, votes
	Reference  string        `json:"reference"`  // folder of reference tables; the command's own flag goes first
	Listen     string        `json:"listen"`     // address of the pages
	Data       string        `json:"data"`       // folder of the store
	Sources    []Source      `json:"sources"`    // what corewatch run watches live; nil: what suits the machine; empty: nothing
	Pages      Pages         `json:"pages"`      // what the pages say about who publishes them
	Alerts     Alerts        `json:"alerts"`     // who is told of incidents
	Mail       Mail          `json:"mail"`       // how people are told by mail, and who may subscribe
	ClickHouse ClickHouse    `json:"clickhouse"` // what is kept is copied to it
	Archives   Archives      `json:"archives"`   // where what the collectors published is fetched from
	Keep       Keep          `json:"keep"`       // how much of what is received live stays on the disk
	Clock      Clock         `json:"clock"`      // who is asked how far the machine's clock is off
	Operator   Operator      `json:"operator"`   // who answers for what is published, and signs it
	Ledger     Ledger        `json:"ledger"`     // digests of what is received and said live, in a log that only grows (docs/ledger.md)
	Heartbeat  Heartbeat     `json:"heartbeat"`  // who outside is told again and again that the monitor works
}

// Keep bounds what of the messages received live stays on the disk. What incidents rest on is in the store, and stays.
type Keep struct {
	Days    int `json:"days"`     // 1 to 3,650
	GiB     int `json:"gib"`      // 1 to 100,000
	FreeGiB int `json:"free_gib"` // of the disk, to stay free: less is a monitor fault; 0 (nobody looks) to 100,000
}

// Clock says who is asked how far the machine's clock is off. It is never set.
type Clock struct {
	Chrony  bool     `json:"chrony"`  // the chrony of this machine, where there is one
	Servers []string `json:"servers"` // NTP servers, asked when chrony knows nothing: none, or at least three
}

// Archives are the addresses of archives: the public ones, or mirrors laid out like them. Empty: the public one.
type Archives struct {
	RouteViews string `json:"routeviews"` // of RouteViews
	RIS        string `json:"ris"`        // of RIPE RIS
}

// Source is where live messages come from: a folder, BGP sessions of our own, routers that speak BMP, or RIS Live.
type Source struct {
	Collector string   `json:"collector"` // of a folder or of sessions: the collector's name in peers, incidents and evidence
	Folder    string   `json:"folder"`    // into which a collector on this machine writes MRT files
	RISLive   *RISLive `json:"ris_live"`  // RIPE NCC's stream; instead of collector and folder
	BMP       *BMP     `json:"bmp"`       // a station that routers report to
	Peering   *Peering `json:"peering"`   // sessions of the monitor itself, under the name of the collector
}

// RISLive is the stream of RIPE NCC's collectors.
type RISLive struct {
	Endpoint string   `json:"endpoint"`  // empty: the public service
	Host     string   `json:"host"`      // one collector, such as rrc21; empty: all
	Prefixes []string `json:"prefixes"`  // these and their more specifics; empty: all
	SpillMiB *int     `json:"spill_mib"` // of the disk, for what waits while the monitor is slower than the stream; default 1,024; 0 (none) to 1,048,576
	Seed     *bool    `json:"seed"`      // read the tables of its collectors from the archive; nil: if the subscription has no prefixes
}

// DefaultSpill is how many octets of what waits may go to the disk, unless the configuration says otherwise.
const DefaultSpill = 1 << 30

// SpillBytes is how many octets of what waits may go to the disk.
func (r *RISLive) SpillBytes() int64 {
	if r.SpillMiB == nil {
		return DefaultSpill
	}
	return int64(*r.SpillMiB) << 20
}

// Seeded reports whether the tables of the collectors are read from the archive.
func (r *RISLive) Seeded() bool {
	if r.Seed != nil {
		return *r.Seed
	}
	return len(r.Prefixes) == 0
}

// Pages is what the pages say about who publishes them.
type Pages struct {
	PublicURL string `json:"public_url"` // how readers reach this server, for citations
	Operator  string `json:"operator"`   // who publishes; empty: everything is an unsigned draft
	Contact   string `json:"contact"`    // where readers write to
}

// Default is the configuration of a run without a file.
func Default() Config {
	return Config{Detect: detect.DefaultConfig(), Peers: signal.DefaultConfig(), Listen: "127.0.0.1:8480", Data: "data", Keep: Keep{Days: 30, GiB: 50, FreeGiB: 2}, Clock: Clock{Chrony: true}, Mail: Mail{Name: "corewatch alerts", Most: 1000}, Ledger: Ledger{Enabled: true, CheckpointS: 60}, ClickHouse: ClickHouse{Database: "corewatch", User: "default"}, Alerts: Alerts{Troubles: defaultTroubles()}, Heartbeat: Heartbeat{EveryS: 60, StalledAfterS: 30}}
}

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Load reads a file; an empty name gives the defaults. Errors name the file, and the key or line.
func Load(name string) (Config, error) {
	if name == "" {
		return Default(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", name, err)
	}
	c, err := Parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", name, err)
	}
	return c, nil
}

// Parse reads the text of a configuration file: YAML, over the defaults.
func Parse(text []byte) (Config, error) {
	c := Default()
	if len(text) > maxFile {
		return c, fmt.Errorf("larger than %d bytes", maxFile)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return c, nil
	}
	// YAML's own reader finds doubled keys and bad syntax with their lines; JSON's is the one that knows the key names.
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return c, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	if bytes.Equal(bytes.TrimSpace(asJSON), []byte("null")) { // only comments
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(asJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, errors.New(explain(err))
	}
	if err := sources(c.Sources); err != nil {
		return c, err
	}
	if err := subscribers(c.Alerts); err != nil {
		return c, err
	}
	if err := c.Mail.check(c.Pages.PublicURL); err != nil {
		return c, fmt.Errorf("mail.%w", err)
	}
	if err := clickHouse(c.ClickHouse); err != nil {
		return c, err
	}
	if err := heartbeat(c.Heartbeat); err != nil {
		return c, err
	}
	for key, address := range map[string]string{"routeviews": c.Archives.RouteViews, "ris": c.Archives.RIS} {
		if err := archiveAddress(address); err != nil {
			return c, fmt.Errorf("archives.%s: %w", key, err)
		}
	}
	if k := c.Keep; k.Days < 1 || k.Days > 3650 {
		return c, fmt.Errorf("keep.days: %d; want 1 to 3,650", k.Days)
	} else if k.GiB < 1 || k.GiB > 100_000 {
		return c, fmt.Errorf("keep.gib: %d; want 1 to 100,000", k.GiB)
	} else if k.FreeGiB < 0 || k.FreeGiB > 100_000 {
		return c, fmt.Errorf("keep.free_gib: %d; want 0 to 100,000", k.FreeGiB)
	}
	if err := ntpServers(c.Clock.Servers); err != nil {
		return c, err
	}
	if err := c.Operator.check(); err != nil {
		return c, err
	}
	if err := c.Ledger.check(); err != nil {
		return c, err
	}
	return c, Check(c.Detect, c.Peers)
}

// Bounds of the NTP servers: with fewer than three, one that is wrong cannot be told.
const minServers, maxServers = 3, 16

func ntpServers(list []string) error {
	if n := len(list); n != 0 && (n < minServers || n > maxServers) {
		return fmt.Errorf("clock.servers: %d; want none, or %d to %d", n, minServers, maxServers)
	}
	for i, s := range list {
		host, port, err := net.SplitHostPort(s)
		if err != nil { // no port
			host, port = strings.Trim(s, "[]"), "123"
		}
		if n, err := strconv.ParseUint(port, 10, 16); host == "" || len(host) > 253 || err != nil || n == 0 || strings.ContainsAny(host, " \t\n/@") {
			return fmt.Errorf("clock.servers[%d]: %q; want a host, or host:port", i, s)
		}
		if slices.Contains(list[:i], s) {
			return fmt.Errorf("clock.servers[%d]: %q stands twice", i, s)
		}
	}
	return nil
}

// maxSources bounds how many sources a configuration may name.
const maxSources = 1000

func sources(list []Source) error {
	if len(list) > maxSources {
		return fmt.Errorf("sources: %d; want at most %d", len(list), maxSources)
	}
	seen := map[string]bool{}
	for i, s := range list {
		switch {
		case s.BMP != nil && (s.Collector != "" || s.Folder != "" || s.RISLive != nil):
			return fmt.Errorf("sources[%d]: either bmp, or ris_live, or collector and folder", i)
		case s.BMP != nil:
			if err := s.BMP.check(fmt.Sprintf("sources[%d].bmp", i), seen); err != nil {
				return err
			}
			continue
		case s.RISLive != nil && (s.Collector != "" || s.Folder != "" || s.Peering != nil):
			return fmt.Errorf("sources[%d]: either ris_live, or collector and folder or peering", i)
		case s.RISLive != nil && seen["ris_live"]:
			return fmt.Errorf("sources[%d].ris_live: stands twice; one names all prefixes wanted", i)
		case s.RISLive != nil:
			if err := prefixes(s.RISLive.Prefixes); err != nil {
				return fmt.Errorf("sources[%d].ris_live.prefixes: %w", i, err)
			}
			if n := s.RISLive.SpillMiB; n != nil && (*n < 0 || *n > 1<<20) {
				return fmt.Errorf("sources[%d].ris_live.spill_mib: %d; want 0 to 1,048,576", i, *n)
			}
			seen["ris_live"] = true
			continue
		case !collectorName(s.Collector, 64):
			return fmt.Errorf("sources[%d].collector: %q; want a name of 1 to 64 characters without %s and blanks", i, s.Collector, notInNames)
		case seen[s.Collector]:
			return fmt.Errorf("sources[%d].collector: %q is named twice", i, s.Collector)
		case s.Folder != "" && s.Peering != nil:
			return fmt.Errorf("sources[%d]: either folder or peering", i)
		case s.Peering != nil:
			if key, err := s.Peering.check(); err != nil {
				return fmt.Errorf("sources[%d].peering.%s: %w", i, key, err)
			}
		case s.Folder == "":
			return fmt.Errorf("sources[%d].folder: missing; want the folder of the MRT files of %s", i, s.Collector)
		}
		seen[s.Collector] = true
	}
	return nil
}

func archiveAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return nil
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("want an address such as https://archive.example")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("holds a user, a query or a fragment; want none")
	}
	return nil
}

func prefixes(list []string) error {
	if len(list) > maxSources {
		return fmt.Errorf("%d; want at most %d", len(list), maxSources)
	}
	for _, p := range list {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("%q is no prefix such as 192.0.2.0/24", p)
		}
	}
	return nil
}

// explain says what to do in the words of the file.
func explain(err error) string {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return fmt.Sprintf("%s: want %s, not a %s", typed.Field, typed.Type, typed.Value)
	}
	if _, key, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return fmt.Sprintf("unknown key %s; the keys are in docs/configuration.md", key)
	}
	return err.Error()
}
