package export

import (
	"fmt"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// warn collects what a reader must know before citing the bundle.
func (b *builder) warn() error {
	i := b.inc
	say := func(format string, args ...any) { b.warnings = append(b.warnings, cell(fmt.Sprintf(format, args...))) }
	if m := mark(i.Data); m != "" {
		say("%s", m)
	}
	if b.edition == nil {
		say("unsigned draft: nothing in the bundle proves who made it or when")
	}
	if i.Evidence == nil {
		say("the incident states no evidence digest, so its messages could not be compared with it")
	}
	if b.digest.Messages() == 0 {
		say("the bundle holds no raw messages: nothing in it can be traced to what a collector received")
	}
	if i.State.Open() {
		say("the incident is not over (state %s): a later revision may say something else", i.State)
	}
	if i.State == detect.Retracted {
		say("the incident was retracted: its cause was the monitor itself")
	}
	if i.Coverage.Level != "full" {
		say("coverage is %s", reasons(i.Coverage))
	}
	unnamed := 0
	for _, in := range b.inputs {
		if in.SHA256 == "" {
			unnamed++
		}
	}
	if unnamed > 0 {
		say("%d of %d inputs were streams without a file digest: their messages cannot be fetched again", unnamed, len(b.inputs))
	}
	if n := b.story.slice.unread; n > 0 {
		say("%d raw messages are entries of table dumps or cannot be read by themselves: the slice replay passes over them", n)
	}
	lost := 0
	for _, r := range b.story.slice.rows {
		if !r.witness.set && r.m.FirstPeer != "" {
			lost++
		}
	}
	if lost > 0 {
		say("of %d of %d prefixes the first withdrawal has no witness among the raw messages", lost, len(b.members))
	}
	return nil
}

func (b *builder) end() string {
	switch i := b.inc; {
	case i.End != nil:
		return interval(*i.End)
	case !i.OpenAt.IsZero():
		return "none: still open at " + i.OpenAt.String() + ", where the input ended"
	}
	return "none"
}

func interval(i detect.Interval) string {
	s := i.Time.String()
	if !i.Earliest.IsZero() && !i.Latest.IsZero() {
		s += " (not before " + i.Earliest.String() + ", not after " + i.Latest.String() + ")"
	}
	return s
}

func reasons(c detect.Coverage) string {
	if len(c.Because) == 0 {
		return c.Level
	}
	return c.Level + ": " + strings.Join(c.Because, ", ")
}

func orUnnamed(s string) string {
	if s == "" {
		return "a program that did not give its name"
	}
	return s
}
