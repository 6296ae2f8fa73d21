// Package webhook sends messages to an HTTP address: CloudEvents 1.0 in structured JSON, signed with HMAC-SHA256 and, where a key is given, with
// Ed25519. docs/alerts.md says how a receiver checks both.
package webhook

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// Options are what a webhook needs.
type Options struct {
	URL     string             // https, or http on a loopback address
	Secret  []byte             // of HMAC-SHA256, at least 16 octets
	Before  []byte             // the secret before it: while both are in force, both sign; nil: none
	Key     ed25519.PrivateKey // nil: no second signature
	KeyWas  ed25519.PrivateKey // the key before it, likewise
	Source  string             // a URI that names this monitor, for the event's source
	Private bool               // addresses of private networks are allowed; loopback only where the URL names one
	Words   *alerts.Words
	Now     func() time.Time // nil: time.Now
}

// Hook implements alerts.Channel.
type Hook struct {
	opt    Options
	client *http.Client
}

// New makes a webhook. The error says which option cannot be used; it never holds the URL, which may be a secret itself.
func New(opt Options) (*Hook, error) {
	u, err := url.Parse(opt.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("url: not an address such as https://receiver.example/hook")
	}
	addr, notIP := netip.ParseAddr(u.Hostname())
	loopback := notIP == nil && addr.IsLoopback()
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback):
		return nil, errors.New("url: want https://, or http:// on a loopback address")
	case u.User != nil:
		return nil, errors.New("url: user and password do not belong in it")
	case len(opt.Secret) < 16, opt.Before != nil && len(opt.Before) < 16:
		return nil, errors.New("secret: want at least 16 octets")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	// The address is looked at when it is dialled, after the name was resolved: a name may point anywhere, and elsewhere the next time.
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return err
		}
		if ip = ip.Unmap(); loopback && ip.IsLoopback() || opt.Private && ip.IsPrivate() || ip.IsGlobalUnicast() && !ip.IsPrivate() {
			return nil
		}
		return &alerts.Permanent{Err: errors.New("the receiver's name leads into a private network; allow it with private: true")}
	}}
	return &Hook{opt, &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 20 * time.Second, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// event is a CloudEvent 1.0.
type event struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Time        string `json:"time"`
	Subject     string `json:"subject,omitempty"`
	ContentType string `json:"datacontenttype"`
	Schema      string `json:"dataschema"`
	Data        data   `json:"data"`
}

type data struct {
	Line  string        `json:"line"`
	Short string        `json:"short"`
	Text  string        `json:"text"`
	Items []alerts.Item `json:"items"`
	More  int           `json:"more,omitempty"`
}

const (
	typePrefix = "org.corewatch.incident."
	schema     = "https://github.com/corewatch/corewatch/docs/schema/alert-v1.json"
)

// body is the event of a message: the same octets each time.
func (h *Hook) body(m *alerts.Message) ([]byte, error) {
	e := event{
		SpecVersion: "1.0", ID: m.ID, Source: h.opt.Source, Type: typePrefix + "several", Time: m.At.UTC().Format(time.RFC3339), ContentType: "application/json", Schema: schema,
		Data: data{h.opt.Words.Line(m), h.opt.Words.Short(m), h.opt.Words.Full(m), m.Items, m.More},
	}
	if len(m.Items) == 1 {
		e.Type, e.Subject = typePrefix+string(m.Items[0].Occasion), m.Items[0].Incident.ID
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(&e)
	return b.Bytes(), err
}

// Send implements alerts.Channel. The receipt is what the receiver answered.
func (h *Hook) Send(ctx context.Context, m *alerts.Message) (string, error) {
	body, err := h.body(m)
	if err != nil {
		return "", &alerts.Permanent{Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.opt.URL, bytes.NewReader(body))
	if err != nil {
		return "", &alerts.Permanent{Err: errors.New("the address cannot be asked")}
	}
	stamp := strconv.FormatInt(h.opt.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/cloudevents+json; charset=UTF-8")
	req.Header.Set("User-Agent", "corewatch")
	req.Header.Set("Idempotency-Key", m.ID)
	req.Header.Set("Corewatch-Timestamp", stamp)
	req.Header.Set("Corewatch-Signature", h.sign(stamp, m.ID, body))
	res, err := h.client.Do(req)
	if err != nil {
		return "", alerts.Unreachable(err)
	}
	defer res.Body.Close()
	_, readErr := io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	status := strconv.Itoa(res.StatusCode)
	switch c := res.StatusCode; {
	case c >= 200 && c < 300 && readErr != nil:
		return "", errors.New("the receiver hung up within its answer")
	case c >= 200 && c < 300:
		return status, nil
	}
	return "", alerts.Refused(res, "the receiver answered "+status, h.opt.Now())
}

// sign signs the time, the message's ID and the body, joined by full stops. A receiver that refuses old times and IDs it has seen cannot be
// told the same twice by somebody who listened. The newest secret signs first; one signature that holds is enough.
func (h *Hook) sign(stamp, id string, body []byte) string {
	signed := append([]byte(stamp+"."+id+"."), body...)
	var list []string
	for _, secret := range [][]byte{h.opt.Secret, h.opt.Before} {
		if secret != nil {
			mac := hmac.New(sha256.New, secret)
			mac.Write(signed)
			list = append(list, "hmac-sha256="+hex.EncodeToString(mac.Sum(nil)))
		}
	}
	for _, key := range []ed25519.PrivateKey{h.opt.Key, h.opt.KeyWas} {
		if key != nil {
			list = append(list, "ed25519="+base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed)))
		}
	}
	return strings.Join(list, ", ")
}
