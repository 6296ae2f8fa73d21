package app

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/internal/conf"
)

// CheckConfig reads a configuration file without running anything, and says on out that it can be used.
func CheckConfig(file string, out io.Writer) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	if _, err := newWatcher(c, "", c.Data, nil, zerolog.Nop()); err != nil {
		return fmt.Errorf("configuration %s: %w", file, err)
	}
	if _, err := newDispatcher(c, nil, zerolog.Nop()); err != nil {
		return fmt.Errorf("configuration %s: %w", file, err)
	}
	if _, err := c.Alerts.LoadTemplates(); err != nil { // also where nobody is told: feeds use them
		return fmt.Errorf("configuration %s: %w", file, err)
	}
	fmt.Fprintf(out, "%s: sound; %d live sources; config_sha256 %s\n", file, len(c.Sources), c.Detect.Digest(c.Peers, visibility.Defaults()))
	return nil
}

// DumpConfig writes everything that is in force with a configuration file, defaults included, as such a file. Secrets stand in files of
// their own: only their names are in it.
func DumpConfig(file string, out io.Writer) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if text, err = yaml.JSONToYAML(text); err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
