package app

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/entity/reference"
)

// liveReference names reference tables in a journal: a copy of them lies beside it, because what rests on them must come out the same after
// the folder was updated.
type liveReference struct {
	SHA256 string     `json:"sha256,omitempty"` // of the set, see reference.Keep; empty: the built-in tables only
	For    bgp.Micros `json:"for"`              // of several vintages, the nearest to this instant is taken
}

// tableFolder opens the tables that a journal names.
type tableFolder struct {
	kept   string // folder of the copies
	places func(dir string, at time.Time) (signal.Places, error)
}

// keptTables is where, in the folder of a log, the copies of reference tables are.
const keptTables = "reference"

// keptIn opens tables in the log in dir.
func keptIn(dir string, log zerolog.Logger) tableFolder {
	return tableFolder{filepath.Join(dir, keptTables), func(dir string, at time.Time) (signal.Places, error) {
		p, notes, err := newPlaces(dir, at)
		for _, n := range notes {
			log.Info().Msg(n)
		}
		return p, err
	}}
}

// keep copies a folder of reference tables beside the log and gives its name; "" is none.
func (t tableFolder) keep(folder string) (string, error) {
	if folder == "" {
		return "", nil
	}
	return reference.Keep(folder, t.kept)
}

func (t tableFolder) open(l liveReference) (signal.Places, error) {
	dir := ""
	if l.SHA256 != "" {
		var err error
		if dir, err = reference.Kept(t.kept, l.SHA256); err != nil {
			return nil, err
		}
	}
	return t.places(dir, l.For.Time())
}

// relocate puts other tables in force, as the journal says.
func (f *follower) relocate(to liveReference) {
	where, err := f.tables.open(to)
	if err != nil {
		f.err = err
		return
	}
	f.m.Relocate(where, fmt.Sprintf("reference tables %s became %s", f.inForce, to))
	f.inForce = to
}

func (l liveReference) String() string {
	if l.SHA256 == "" {
		return "built in"
	}
	return l.SHA256
}
