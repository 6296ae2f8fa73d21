// Package conf reads the configuration file: defaults first, unknown keys are errors, every number within its bounds.
package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// Config is everything a file can set; what it leaves out keeps its default. Keys are those of docs/method.md, section 9.
type Config struct {
	Detect    detect.Config `json:"detect"`    // floors and the life of an incident
	Peers     signal.Config `json:"peers"`     // health of the peers, votes
	Reference string        `json:"reference"` // folder of reference tables; the command's own flag goes first
	Listen    string        `json:"listen"`    // address of the pages
	Data      string        `json:"data"`      // folder of the store
	Pages     Pages         `json:"pages"`
}

// Pages is what the pages say about who publishes them.
type Pages struct {
	PublicURL string `json:"public_url"` // how readers reach this server, for citations
	Operator  string `json:"operator"`   // who publishes; empty: everything is an unsigned draft
	Contact   string `json:"contact"`
}

// Default is the configuration of a run without a file.
func Default() Config {
	return Config{Detect: detect.DefaultConfig(), Peers: signal.DefaultConfig(), Listen: "127.0.0.1:8480", Data: "data"}
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
	return c, Check(c.Detect, c.Peers)
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
