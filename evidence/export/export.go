// Package export writes the evidence of one incident as a bundle that opens and can be checked with stock tools and no network:
// plain CSV, JSON, HTML and MRT in a BagIt bag in one canonical zip (docs/evidence-format.md). It reads a store, judges nothing and
// has no clock: the same content of the store, and the same edition, give the same octets.
package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence"
)

// Source is what an export reads. The slices are the caller's to keep; orders that are not stated here do not matter.
type Source interface {
	// Incident is the incident's last state.
	Incident(ctx context.Context, id string) (*detect.Incident, error)
	// Revision is the incident as revision n (from 1) left it.
	Revision(ctx context.Context, id string, n int) (*detect.Incident, error)
	// Members are the incident's prefixes.
	Members(ctx context.Context, id string) ([]detect.Member, error)
	// Samples are the points of one entity (detect.Entity.Key) and signal with from <= At < until.
	Samples(ctx context.Context, entity, signal string, from, until time.Time) ([]detect.Sample, error)
	// Messages yields the incident's raw messages in journal order and returns how many; an error of yield ends it and is returned.
	// The message and its Raw are valid only during the call.
	Messages(ctx context.Context, id string, yield func(bgp.Message) error) (int, error)
	// Inputs are all files and streams of the run; bgp.Source.File is an index into them.
	Inputs(ctx context.Context) ([]bgp.Input, error)
	// Peers are the peers of the run.
	Peers(ctx context.Context) ([]bgp.PeerStatus, error)
}

// Options are what an export needs besides the store.
type Options struct {
	Software      string          // name and version of the exporting program; part of the octets
	Configuration json.RawMessage // that decided the incident: {"detect":…,"peers":…}; nil when it is not known
	Edition       *Edition        // what a frozen version adds; nil: an unsigned draft
	Limits        Limits          // zero fields mean the defaults
}

// Limits bound what one export takes from a store, which is not trusted. Reaching one is an error: a bundle is never cut short silently.
type Limits struct {
	Revisions    int   // default 10,000
	Members      int   // default 2,000,000
	Samples      int   // over all signals; default 2,000,000
	Messages     int   // default 1,000,000
	MessageBytes int   // one raw record with its header; default 1 MiB
	Inputs       int   // default 1,000,000
	Peers        int   // default 100,000
	Bytes        int64 // all files together, all of which are held in memory; default 1 GiB, never above 4 GiB less 1 MiB
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Revisions, 10_000)
	set(&l.Members, 2_000_000)
	set(&l.Samples, 2_000_000)
	set(&l.Messages, 1_000_000)
	set(&l.MessageBytes, 1<<20)
	set(&l.Inputs, 1_000_000)
	set(&l.Peers, 100_000)
	if l.Bytes <= 0 {
		l.Bytes = 1 << 30
	}
	l.Bytes = min(l.Bytes, 1<<32-1<<20)
	return l
}

// Summary says what a bundle holds.
type Summary struct {
	ID             string
	Revision       int
	Data           detect.Data
	Files          int   // the manifest included
	Bytes          int64 // of the zip
	Members        int
	Samples        int
	Messages       int
	Identifier     string   // <ID>/v<N>, of a draft <ID>/r<N>
	Folder         string   // the folder in the zip
	EvidenceSHA256 string   // digest of the messages in the bundle
	BundleID       string   // urn:sha256:… of the tagmanifest: names the whole content
	Warnings       []string // what a reader of the bundle must know, in LIMITS.md too
}

// MismatchError says that the stored messages are not those the incident was computed from.
type MismatchError struct {
	ID                       string
	WantMessages, Messages   int    // in the incident; in the store
	WantSHA256, StoredSHA256 string // lower-case hex
}

// Error names both counts and both digests.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("incident %s was computed from %d messages with evidence digest %s, but the store holds %d messages with digest %s: "+
		"the store is damaged or incomplete; replay the input again", e.ID, e.WantMessages, e.WantSHA256, e.Messages, e.StoredSHA256)
}

// ErrChanged is returned when the incident got a new revision while it was being read; exporting again succeeds.
var ErrChanged = errors.New("the incident changed while it was being exported: export it again")

// Write exports incident id to w as an unsigned draft, whatever o.Edition says. Nothing is written before everything has been read and
// checked, so an error other than one of w leaves w untouched. A *MismatchError means that the evidence does not match the incident.
func Write(ctx context.Context, src Source, id string, o Options, w io.Writer) (Summary, error) {
	o.Edition = nil
	f, sum, err := Build(ctx, src, id, o)
	if err != nil {
		return Summary{}, err
	}
	out := &counting{w: w}
	err = f.Write(out)
	sum.Bytes = out.n
	return sum, err
}

// Build makes all of a bundle but its seals. The summary lacks the size of the zip.
func Build(ctx context.Context, src Source, id string, o Options) (*evidence.Fixed, Summary, error) {
	b := &builder{ctx: ctx, src: src, limits: o.Limits.withDefaults(), software: orUnnamed(cell(o.Software)), configuration: o.Configuration, edition: o.Edition}
	f, sum, err := b.build(id)
	if err != nil {
		return nil, Summary{}, fmt.Errorf("evidence of incident %s: %w", cell(id), err)
	}
	return f, sum, nil
}

// builder reads one incident and collects the bundle's files. It lives for one Build and is used by one goroutine.
type builder struct {
	ctx           context.Context
	src           Source
	limits        Limits
	software      string
	configuration json.RawMessage
	edition       *Edition

	inc      *detect.Incident
	members  []detect.Member
	inputs   []bgp.Input
	series   []detect.Sample
	samples  int
	digest   evidence.Digest
	raw      []byte
	story    *replayed
	warnings []string
	// sentences are the claims about the incident as a whole
	sentences []string

	files []evidence.File
	bytes int64 // of files
}

func (b *builder) build(id string) (*evidence.Fixed, Summary, error) {
	inc, err := b.src.Incident(b.ctx, id)
	if err != nil {
		return nil, Summary{}, fmt.Errorf("reading it: %w", err)
	}
	if inc == nil || inc.ID != id {
		return nil, Summary{}, errors.New("the store returned another incident")
	}
	b.inc = inc
	if err := b.mayBeSigned(); err != nil {
		return nil, Summary{}, err
	}
	if b.members, err = b.src.Members(b.ctx, id); err != nil {
		return nil, Summary{}, fmt.Errorf("reading its prefixes: %w", err)
	}
	if b.inputs, err = b.src.Inputs(b.ctx); err != nil {
		return nil, Summary{}, fmt.Errorf("reading the list of inputs: %w", err)
	}
	for _, step := range []func() error{
		b.incident, b.memberTable, b.signals, b.peers, b.inputTable, b.messages, b.timeline, b.warn,
		b.claims, b.feed, b.page, b.texts, b.citations, b.shapes, b.licences, b.custody, b.provenance, b.crate,
	} {
		if err := errors.Join(b.ctx.Err(), step()); err != nil {
			return nil, Summary{}, err
		}
	}
	again, err := b.src.Incident(b.ctx, id)
	if err != nil {
		return nil, Summary{}, fmt.Errorf("reading it again: %w", err)
	}
	if again == nil || again.Revision != inc.Revision {
		return nil, Summary{}, ErrChanged
	}
	return b.fix()
}

// add puts a file into the bundle.
func (b *builder) add(path string, data []byte) error {
	if b.bytes += int64(len(data)); b.bytes > b.limits.Bytes {
		return fmt.Errorf("%s: the bundle would be larger than the limit of %d octets", path, b.limits.Bytes)
	}
	b.files = append(b.files, evidence.File{Path: path, Data: data})
	return nil
}

// room fails when n more octets would exceed the limit; loops ask it so that they do not build what add would refuse.
func (b *builder) room(path string, n int) error {
	if b.bytes+int64(n) > b.limits.Bytes {
		return fmt.Errorf("%s: the bundle would be larger than the limit of %d octets", path, b.limits.Bytes)
	}
	return nil
}

// counting counts the octets that reach w.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// file is the content of a file that was added.
func (b *builder) file(path string) []byte {
	for _, f := range b.files {
		if f.Path == path {
			return f.Data
		}
	}
	return nil
}

// fix settles the bundle.
func (b *builder) fix() (*evidence.Fixed, Summary, error) {
	info := b.info()
	tags, err := b.tags(info)
	if err != nil {
		return nil, Summary{}, err
	}
	f, err := evidence.Bag{Info: info, Payload: b.files, Tags: tags}.Fix()
	if err != nil {
		return nil, Summary{}, err
	}
	return f, Summary{
		ID: b.inc.ID, Revision: b.inc.Revision, Data: b.inc.Data, Files: f.Files(),
		Members: len(b.members), Samples: b.samples, Messages: b.digest.Messages(), Identifier: info.Identifier, Folder: evidence.FolderOf(info),
		EvidenceSHA256: b.digest.Sum(), BundleID: f.ID(),
		Warnings: b.warnings,
	}, nil
}

// TimelineOf makes the octets of timeline.json of an incident in a store: what a full replay compares.
func TimelineOf(ctx context.Context, src Source, id string) ([]byte, error) {
	b := &builder{ctx: ctx, src: src, limits: Limits{}.withDefaults(), software: orUnnamed("")}
	if _, _, err := b.build(id); err != nil {
		return nil, fmt.Errorf("evidence of incident %s: %w", cell(id), err)
	}
	return b.file("data/timeline.json"), nil
}
