package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/entity/reference"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// ErrUnfit is what Doctor gives when something that the monitor needs does not work.
var ErrUnfit = errors.New("something that the monitor needs does not work")

// Finding is what `corewatch doctor` says of one thing.
type Finding struct {
	Check  string `json:"check"`
	Level  string `json:"level"` // "ok", "warning" (it works, with less) or "failure"
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"` // what would help
}

const (
	fine    = "ok"
	warning = "warning"
	failure = "failure"
)

// Doctor tries everything that `corewatch run` with the same configuration needs of this machine and its network, and changes nothing.
type Doctor struct {
	Config string // as of Monitor
	Listen string
	Data   string
	JSON   bool
	Out    io.Writer
}

// What a monitor of the world needs; less is told, and what then happens.
const (
	enoughDisk   = 10 << 30 // octets: a day of raw messages of a few collectors
	enoughMemory = 4 << 30  // octets: full tables of several hundred peers
	enoughFiles  = 1024
	doctorWaits  = 10 * time.Second // for each source
)

// Run prints one line a check. It gives ErrUnfit when one failed.
func (d Doctor) Run(ctx context.Context) error {
	var all []Finding
	add := func(f Finding) { all = append(all, f) }
	c, err := conf.Load(d.Config)
	if err != nil {
		add(Finding{"configuration", failure, err.Error(), "correct the file; docs/configuration.md lists every key"})
		return d.print(all)
	}
	c.Listen, c.Data = cmp.Or(d.Listen, c.Listen), cmp.Or(d.Data, c.Data)
	add(Finding{Check: "configuration", Level: fine, Detail: cmp.Or(d.Config, "none given: the defaults hold")})
	add(checkTables(c.Reference))
	add(checkFolder(ctx, c.Data))
	add(checkDisk(c.Data))
	add(checkMachine())
	add(checkListen(c.Listen))
	for _, f := range checkSources(ctx, c) {
		add(f)
	}
	return d.print(all)
}

func (d Doctor) print(all []Finding) error {
	failed := false
	for _, f := range all {
		failed = failed || f.Level == failure
		if d.JSON {
			continue
		}
		fmt.Fprintf(d.Out, "%-8s %-22s %s\n", f.Level, f.Check, f.Detail)
		if f.Do != "" {
			fmt.Fprintf(d.Out, "%-8s %-22s to do: %s\n", "", "", f.Do)
		}
	}
	if d.JSON {
		e := json.NewEncoder(d.Out)
		e.SetEscapeHTML(false)
		if err := e.Encode(all); err != nil {
			return err
		}
	}
	if failed {
		return ErrUnfit
	}
	return nil
}

func checkTables(dir string) Finding {
	const check = "reference tables"
	if dir == "" {
		return Finding{check, warning, "none configured: countries follow the built-in table", "corewatch reference update, and reference: in the configuration (docs/reference.md)"}
	}
	set, err := reference.Load(dir)
	if err != nil {
		return Finding{check, failure, err.Error(), "corewatch reference update writes the folder anew"}
	}
	return Finding{Check: check, Level: fine, Detail: fmt.Sprintf("%s: %d vintages, %d zones, %d notes (corewatch reference show)", dir, len(set.Vintages()), len(set.Zones), len(set.Notes))}
}

// checkFolder asks whether a store can be made, or read, in a folder. A folder that is not there yet is not made.
func checkFolder(ctx context.Context, dir string) Finding {
	const check = "data folder"
	at := existing(dir)
	probe, err := os.CreateTemp(at, ".corewatch-doctor-*")
	if err != nil {
		return Finding{check, failure, err.Error(), "give the user that runs corewatch the right to write there, or choose another folder with --data"}
	}
	err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return Finding{check, failure, err.Error(), "look at the disk"}
	}
	if at != dir {
		return Finding{Check: check, Level: fine, Detail: dir + " will be made"}
	}
	store, err := sqlite.OpenReadOnly(ctx, dir)
	if errors.Is(err, os.ErrNotExist) {
		return Finding{Check: check, Level: fine, Detail: dir + " can be written; it holds no store yet"}
	}
	if err != nil {
		return Finding{check, failure, err.Error(), "corewatch check --store " + dir + " says more"}
	}
	defer store.Close()
	if _, _, err := store.Incidents(ctx, sqlite.Query{Limit: 1}); err != nil {
		return Finding{check, failure, err.Error(), "corewatch check --store " + dir + " says more"}
	}
	return Finding{Check: check, Level: fine, Detail: dir + " can be written, and its store be read"}
}

// existing is a folder, or what is nearest above it and exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

func checkDisk(dir string) Finding {
	const check = "free disk"
	free, total, err := freeDisk(dir)
	if err != nil {
		return Finding{check, warning, err.Error(), ""}
	}
	text := fmt.Sprintf("%.1f GiB of %.1f GiB", float64(free)/(1<<30), float64(total)/(1<<30))
	if free < enoughDisk {
		return Finding{check, warning, text, "raw messages are kept: make room, or the monitor stops when the disk is full"}
	}
	return Finding{Check: check, Level: fine, Detail: text}
}

func checkMachine() Finding {
	const check = "memory, cores, files"
	var info syscall.Sysinfo_t
	var files syscall.Rlimit
	if err := errors.Join(syscall.Sysinfo(&info), syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)); err != nil {
		return Finding{check, warning, err.Error(), ""}
	}
	memory := uint64(info.Totalram) * uint64(info.Unit)
	text := fmt.Sprintf("%.1f GiB, %d cores, %d open files allowed", float64(memory)/(1<<30), runtime.NumCPU(), files.Cur)
	switch {
	case files.Cur < enoughFiles:
		return Finding{check, warning, text, fmt.Sprintf("allow at least %d open files (ulimit -n)", enoughFiles)}
	case memory < enoughMemory:
		return Finding{check, warning, text, "full tables of many peers may not fit: name the prefixes or collectors that are wanted under sources"}
	}
	return Finding{Check: check, Level: fine, Detail: text}
}

// checkListen asks whether the pages can be served, or are served already.
func checkListen(addr string) Finding {
	const check = "pages"
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		ln.Close()
		return Finding{Check: check, Level: fine, Detail: "can listen on " + addr}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		client := http.Client{Timeout: 2 * time.Second}
		if res, err := client.Get("http://" + addr + "/healthz"); err == nil {
			defer res.Body.Close()
			var h struct {
				Phase string `json:"phase"`
			}
			if json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&h) == nil && h.Phase != "" {
				return Finding{Check: check, Level: fine, Detail: "a monitor is running on " + addr + ", and is " + h.Phase}
			}
		}
		return Finding{check, failure, addr + " is in use by another program", "stop it, or choose another address with --listen"}
	}
	return Finding{check, failure, err.Error(), "choose another address with --listen"}
}

// prober is a source that can say, without taking anything from it, whether it could be read now.
type prober interface {
	probe(ctx context.Context) (detail string, err error)
}

func checkSources(ctx context.Context, c conf.Config) (out []Finding) {
	c, why, err := withDefaults(c, thisMachine(os.DirFS("/")), time.Now())
	if err != nil {
		return []Finding{{"sources", failure, err.Error(), "correct the configuration"}}
	}
	w, err := newWatcher(c, why, c.Data, nil, zerolog.Nop())
	if err != nil {
		return []Finding{{"sources", failure, err.Error(), "correct the configuration"}}
	}
	if len(w.sources) == 0 {
		return []Finding{{"sources", warning, cmp.Or(why, "none is configured: only the demonstration is shown"), "name some under sources (docs/live.md)"}}
	}
	for _, s := range w.sources {
		f := Finding{Check: s.status().Name, Level: fine}
		if p, ok := s.(prober); ok {
			ctx, stop := context.WithTimeout(ctx, doctorWaits)
			if f.Detail, err = p.probe(ctx); err != nil {
				f.Level, f.Detail = warning, err.Error()
				f.Do = "the monitor keeps trying and says on /health that it hears nothing; what was not heard is unknown, not down"
			}
			stop()
		} else {
			f.Detail = "can be tried by running it only"
		}
		out = append(out, f)
	}
	return out
}
