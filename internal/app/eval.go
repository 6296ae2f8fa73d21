package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/signal"
)

// Eval scores the published method, with its default numbers, beside the rules of IODA and BGPalerter on the same input.
type Eval struct {
	Suite     string
	Data      string // folder of the measurement data; "" where a suite needs none
	Reference string // folder of reference tables; "" for the tables in Data
	Scenarios string // folder of scenario files
	Seeds     int    // how many draws the seeded suites make; 0: each suite's own number
	Seed      uint64 // the first of them
	JSON      bool
	Write     string // document to write beside the output; "" for none
	Out       io.Writer
	Err       io.Writer
	Terminal  bool // Err is a terminal
	Log       zerolog.Logger
}

// evalSuites are the names that Eval knows, in the order of "all".
var evalSuites = []string{"rv2008", "beacons", "faults", "scenarios", "synthetic"}

// evalResult is what one suite measured.
type evalResult struct {
	Suite   string        `json:"suite"`
	About   string        `json:"about"`   // what is counted, and against what
	Command string        `json:"command"` // gives these figures again
	Inputs  []evalInput   `json:"inputs,omitempty"`
	Goals   []evalGoal    `json:"goals,omitempty"`
	Reports []eval.Report `json:"reports,omitempty"`
	Tables  []eval.Table  `json:"tables,omitempty"`
	Differs []string      `json:"differs,omitempty"` // of Tables: each place where what was found is not what was expected

	References []detect.Reference `json:"references,omitempty"` // the tables that say where prefixes belong

	damaged bool // input was torn, truncated or malformed somewhere
}

// evalInput is one folder or file that was read.
type evalInput struct {
	Name   string `json:"name"`
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of a file; of a folder, over the lines that `sha256sum *` prints in it
}

// evalDocument is the JSON of a run.
type evalDocument struct {
	V       int           `json:"v"`
	Method  detect.Method `json:"method"`
	Results []*evalResult `json:"results"`
}

// Run scores. The error is ErrTorn when all input was read but some of it was damaged.
func (e Eval) Run(ctx context.Context) error {
	names := []string{e.Suite}
	if e.Suite == "all" {
		names = evalSuites
	}
	run := map[string]func(context.Context) (*evalResult, error){
		"rv2008": e.rv2008, "beacons": e.beacons, "faults": e.faults, "scenarios": e.scenarios, "synthetic": e.synthetic,
	}
	doc := evalDocument{V: 1, Method: publishedMethod()}
	var torn error
	for _, name := range names {
		suite, ok := run[name]
		if !ok {
			return fmt.Errorf("there is no suite %q: %s or all", name, strings.Join(evalSuites, ", "))
		}
		fmt.Fprintf(e.Err, "eval: suite %s\n", name)
		r, err := suite(ctx)
		if err != nil {
			return fmt.Errorf("suite %s: %w", name, err)
		}
		r.Suite, r.Command = name, e.command(name)
		doc.Results = append(doc.Results, r)
		if r.damaged {
			torn = ErrTorn
		}
		if !e.JSON {
			if err := r.writeText(e.Out); err != nil {
				return err
			}
		}
		if e.Write != "" { // after each suite: an interrupt loses one suite, not all
			if err := writeEvalDocument(e.Write, &doc); err != nil {
				return err
			}
			fmt.Fprintf(e.Err, "eval: suite %s written to %s\n", name, e.Write)
		}
	}
	if e.JSON {
		b, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("scores as JSON: %w", err)
		}
		if _, err := fmt.Fprintf(e.Out, "%s\n", b); err != nil {
			return fmt.Errorf("writing scores: %w", err)
		}
	}
	return torn
}

// publishedMethod names the rules that were scored.
func publishedMethod() detect.Method {
	return detect.Method{
		Name: detect.MethodName, Version: detect.MethodVersion, Software: Software(),
		ConfigSHA256: detect.DefaultConfig().Digest(signal.DefaultConfig(), visibility.Defaults()),
	}
}

// command is what a reader types to get a suite's figures again.
func (e Eval) command(suite string) string {
	c := "corewatch eval " + suite
	switch suite {
	case "faults", "synthetic":
		c += fmt.Sprintf(" --seeds %d --seed %d", e.seeds(suite), e.firstSeed())
	case "rv2008", "beacons":
		c += " --data DATA"
	}
	return c
}

// seeds is how many draws a suite makes.
func (e Eval) seeds(suite string) int {
	switch {
	case e.Seeds > 0:
		return e.Seeds
	case suite == "faults":
		return 1000
	}
	return 2 * 9 * len(outageSizes)
}

func (e Eval) firstSeed() uint64 { return max(e.Seed, 1) }

// reference is the folder of tables: the one given, or that of the data.
func (e Eval) reference() string {
	if e.Reference != "" {
		return e.Reference
	}
	dir := filepath.Join(e.Data, "reference", "as2org")
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return dir
	}
	return ""
}

// folder is a folder of the data that a suite cannot do without.
func (e Eval) folder(name ...string) (string, error) {
	if e.Data == "" {
		return "", errors.New("it needs the measurement data: name its folder with --data, or in COREWATCH_DATA")
	}
	dir := filepath.Join(slices.Concat([]string{e.Data}, name)...)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return "", fmt.Errorf("the data holds no folder %s", strings.Join(name, "/"))
	}
	return dir, nil
}

// writeText prints a suite for a person.
func (r *evalResult) writeText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", r.About); err != nil {
		return fmt.Errorf("writing scores: %w", err)
	}
	for i := range r.Tables {
		if err := r.Tables[i].WriteText(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	for _, d := range r.Differs {
		fmt.Fprintln(w, "  "+d)
	}
	for i := range r.Reports {
		if err := r.Reports[i].WriteText(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	for _, g := range r.Goals {
		fmt.Fprintf(w, "%s  %s: %s, goal %s\n", map[bool]string{true: "met    ", false: "NOT MET"}[g.Met], g.What, g.Got, g.Want)
	}
	for _, in := range r.Inputs {
		fmt.Fprintf(w, "input: %s, %d files, %d bytes, sha256 %s\n", in.Name, in.Files, in.Bytes, in.SHA256)
	}
	_, err := fmt.Fprintf(w, "again: %s\n", r.Command)
	return err
}
