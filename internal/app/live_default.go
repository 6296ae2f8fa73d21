package app

import (
	"bufio"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/entity"
	"github.com/corewatch/corewatch/entity/reference"
	"github.com/corewatch/corewatch/internal/conf"
)

// machine is what the monitor may use.
type machine struct {
	cpus   int
	memory int64 // octets; 0: not known
}

// What the whole stream of RIS Live asks for: JSON of all collectors, and the tables of their sessions, with room for the seeds. Chosen with a margin,
// see docs/decisions/042-ris-seeds-and-defaults.md; who knows better names the sources.
const (
	worldCPUs   = 4
	worldMemory = 7 << 30 // what is called 8 GB has a little less
)

// thisMachine reads what the monitor may use, from the root of the file system: limits of a container go before what the machine has.
func thisMachine(root fs.FS) machine {
	m := machine{cpus: runtime.GOMAXPROCS(0)}
	if f, err := root.Open("proc/meminfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
				if n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil && n > 0 && n < math.MaxInt64>>10 {
					m.memory = n << 10
				}
			}
		}
	}
	for _, name := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (m.memory == 0 || n < m.memory) {
			m.memory = n
		}
	}
	return m
}

func (m machine) String() string {
	if m.memory == 0 {
		return fmt.Sprintf("%d processors and memory that it does not tell", m.cpus)
	}
	return fmt.Sprintf("%d processors and %.1f GiB of memory", m.cpus, float64(m.memory)/(1<<30))
}

// maxDefaultPrefixes bounds a subscription that nobody wrote down.
const maxDefaultPrefixes = 1000

// withDefaults fills in what a configuration that does not speak of sources watches: RIS Live, of the whole world where the machine allows, else
// of the zones configured. why says which, and is empty when the configuration says itself; it may say that nothing is watched.
func withDefaults(c conf.Config, m machine, now time.Time) (_ conf.Config, why string, err error) {
	if c.Sources != nil {
		return c, "", nil
	}
	if m.cpus >= worldCPUs && m.memory >= worldMemory {
		c.Sources = []conf.Source{{RISLive: &conf.RISLive{}}}
		return c, fmt.Sprintf("by default, the whole world: this machine has %s", m), nil
	}
	small := fmt.Sprintf("the whole world asks for %d processors and %d GiB, and this machine has %s", worldCPUs, worldMemory>>30, m)
	set := &reference.Set{}
	if c.Reference != "" {
		if set, err = reference.Load(c.Reference); err != nil {
			return c, "", fmt.Errorf("loading reference tables: %w", err)
		}
	}
	r, err := set.Resolver(now, true)
	if err != nil {
		return c, "", fmt.Errorf("choosing reference tables: %w", err)
	}
	var all []bgp.Prefix
	var part []string
	zones, today := 0, entity.DayOf(now)
	for i := range set.Zones {
		z := &set.Zones[i]
		if z.Since != 0 && today < z.Since || z.Until != 0 && today > z.Until {
			continue
		}
		of, whole := r.Extent(z)
		if len(of) > 0 {
			zones++
			all = append(all, of...)
		}
		if !whole {
			part = append(part, z.Slug)
		}
	}
	list := entity.Cover(all, maxDefaultPrefixes)
	switch {
	case len(all) == 0:
		return c, "nothing, by default: " + small + ", and no zone with prefixes is configured (reference, docs/reference.md); sources says what else to watch (docs/live.md)", nil
	case len(list) == 0:
		return c, fmt.Sprintf("nothing, by default: the zones configured are too large for a subscription, and %s; sources says what else to watch (docs/live.md)", small), nil
	}
	ris := &conf.RISLive{}
	for _, p := range list {
		ris.Prefixes = append(ris.Prefixes, p.String())
	}
	c.Sources = []conf.Source{{RISLive: ris}}
	why = fmt.Sprintf("by default, the zones configured (%d, in %d prefixes): %s", zones, len(list), small)
	if len(part) > 0 {
		why += "; of " + strings.Join(part[:min(len(part), 5)], ", ") + " only what the tables say, which know no networks"
	}
	return c, why, nil
}
