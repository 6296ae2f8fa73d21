// Package alertmanager sends messages to a Prometheus Alertmanager, over its API v2. From there they reach what it can reach: pagers and chat.
package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

// Options are what an Alertmanager needs.
type Options struct {
	URL   string // of the server, without /api/v2: https, or http on a loopback address
	Token []byte // of HTTP's bearer authentication; empty: none
	Words *alerts.Words
}

// Manager implements alerts.Channel.
type Manager struct {
	opt    Options
	at     string
	client *http.Client
}

// New makes a channel. The error says which option cannot be used.
func New(opt Options) (*Manager, error) {
	u, err := url.Parse(opt.URL)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("url: want an address such as https://alertmanager.example, without user and password")
	}
	addr, notIP := netip.ParseAddr(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || notIP != nil || !addr.IsLoopback()) {
		return nil, errors.New("url: want https://, or http:// on a loopback address")
	}
	if strings.ContainsAny(string(opt.Token), "\r\n") {
		return nil, errors.New("token: more than one line")
	}
	return &Manager{opt, u.JoinPath("api/v2/alerts").String(), &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 20 * time.Second,
			MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second,
		},
	}}, nil
}

// alert is one alert of API v2. Its labels are its identity there: they never change during an incident.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Starts      string            `json:"startsAt"`
	Ends        string            `json:"endsAt"`
	URL         string            `json:"generatorURL,omitempty"`
}

// standsFor is how long an alert stands there unless it is said again or is over: an Alertmanager resolves by itself what is not repeated, and an
// outage may last for months.
const standsFor = 366 * 24 * time.Hour

func (m *Manager) alert(i *alerts.Item, at time.Time) alert {
	in := &i.Incident
	one := &alerts.Message{Items: []alerts.Item{*i}}
	a := alert{
		Labels: map[string]string{
			"alertname": "corewatch_" + string(in.Kind), "incident": in.ID, "entity_type": in.Entity.Type, "entity": alerts.Inert(in.Entity.Code), "source": "corewatch",
		},
		Annotations: map[string]string{
			"summary": m.opt.Words.Line(one), "description": m.opt.Words.Full(one), "occasion": string(i.Occasion), "severity": strconv.Itoa(in.Severity),
			"coverage": in.Coverage.Level, "revision": strconv.Itoa(in.Revision),
		},
		Starts: in.Start.Time.String(), URL: i.URL, Ends: at.Add(standsFor).UTC().Format(time.RFC3339),
	}
	switch i.Occasion {
	case alerts.Retracted:
		a.Ends = at.UTC().Format(time.RFC3339)
	case alerts.LostSight: // not "resolved": nobody knows
		a.Ends = at.Add(24 * time.Hour).UTC().Format(time.RFC3339)
	case alerts.Over:
		a.Ends = at.UTC().Format(time.RFC3339)
		if in.End != nil && in.State == detect.Closed {
			a.Ends = in.End.Time.String()
		}
	}
	return a
}

// Send implements alerts.Channel.
func (m *Manager) Send(ctx context.Context, msg *alerts.Message) (string, error) {
	list := make([]alert, 0, len(msg.Items))
	for i := range msg.Items {
		list = append(list, m.alert(&msg.Items[i], msg.At))
	}
	body, err := json.Marshal(list)
	if err != nil {
		return "", &alerts.Permanent{Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.at, bytes.NewReader(body))
	if err != nil {
		return "", &alerts.Permanent{Err: errors.New("the address cannot be asked")}
	}
	req.Header.Set("Content-Type", "application/json")
	if len(m.opt.Token) > 0 {
		req.Header.Set("Authorization", "Bearer "+string(m.opt.Token))
	}
	res, err := m.client.Do(req)
	if err != nil {
		return "", alerts.Unreachable(err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if res.StatusCode/100 == 2 {
		return strconv.Itoa(res.StatusCode), nil
	}
	return "", alerts.Refused(res, fmt.Sprintf("the Alertmanager answered %d: %s", res.StatusCode, alerts.Inert(string(said))), time.Now())
}
