package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// WatchdogName is the label alertname of the alert that fires as long as the monitor works.
const WatchdogName = "corewatch_watchdog"

// Watchdog sends the alert that fires as long as the monitor works: since an instant, and until another one unless it is sent again before.
func (m *Manager) Watchdog(ctx context.Context, since, until time.Time) error {
	body, err := json.Marshal([]alert{{
		Labels:      map[string]string{"alertname": WatchdogName, "source": "corewatch"},
		Annotations: map[string]string{"summary": "The monitor works. Somebody should be told when this alert is gone."},
		Starts:      since.UTC().Format(time.RFC3339), Ends: until.UTC().Format(time.RFC3339),
	}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.at, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address cannot be asked")
	}
	req.Header.Set("Content-Type", "application/json")
	if len(m.opt.Token) > 0 {
		req.Header.Set("Authorization", "Bearer "+string(m.opt.Token))
	}
	res, err := m.client.Do(req)
	if err != nil {
		return alerts.Unreachable(err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the Alertmanager answered %s: %s", strconv.Itoa(res.StatusCode), alerts.Plain(string(said)))
	}
	return nil
}
