package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/alerts"
)

// mailbox is a list of subscribers that notes what it is asked. The real one, with a real mail server, is in the tests of internal/app.
type mailbox struct {
	offer  alerts.Offer
	shut   bool
	err    error
	client netip.Addr
	asked  alerts.Request
	done   []string
}

func (m *mailbox) Offer() (alerts.Offer, bool) { return m.offer, !m.shut }

func (m *mailbox) Ask(_ context.Context, client netip.Addr, r alerts.Request) error {
	m.client, m.asked = client, r
	return m.err
}

func (m *mailbox) Confirm(_ context.Context, token string) error {
	m.done = append(m.done, "confirm "+token)
	return m.err
}

func (m *mailbox) Leave(_ context.Context, token string) error {
	m.done = append(m.done, "leave "+token)
	return m.err
}

func mailServer(t testing.TB, m *mailbox) *Server {
	t.Helper()
	s := testServer(t, &memory{}, nil)
	deps := s.deps
	deps.Mail = m
	s, err := New(DefaultConfig(), deps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func send(s *Server, method, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.RemoteAddr = "198.51.100.7:1234"
	if len(header) > 0 && header[0] == "X-Forwarded-For" {
		r.RemoteAddr = "127.0.0.1:1234"
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// TestMailForm: what is filled in arrives as it was meant; what is wrong is said beside the form, which keeps the rest.
func TestMailForm(t *testing.T) {
	m := &mailbox{offer: alerts.Offer{Networks: true, Zones: []string{"sahel"}}}
	s := mailServer(t, m)
	form := url.Values{
		"address": {" a@example.org "}, "countries": {"pk, ir"}, "networks": {"as17557 64512"}, "zone": {"sahel"}, "stage": {"suspected"}, "severity": {"3"}, "language": {"ar"},
		"digest": {"daily"}, "at": {"07:00"}, "timezone": {"Asia/Karachi"},
	}
	w := send(s, "POST", "/mail?lang=ar", form)
	want := alerts.Request{Address: "a@example.org", Language: "ar", Subscription: alerts.Subscription{
		Countries: []string{"PK", "IR"}, Networks: []string{"AS17557", "AS64512"}, Zones: []string{"sahel"}, Stage: "suspected", Severity: 3,
		Digest: alerts.Digest{Every: alerts.Daily, At: "07:00", TimeZone: "Asia/Karachi"},
	}}
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/mail/asked?lang=ar" || !reflect.DeepEqual(m.asked, want) || m.client != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("%d %s %s\n%+v\n%+v", w.Code, w.Header(), m.client, m.asked, want)
	}
	send(s, "POST", "/mail", form, "X-Forwarded-For", "203.0.113.1, 2001:db8::7")
	if m.client != netip.MustParseAddr("2001:db8::7") {
		t.Errorf("client %s", m.client)
	}
	for err, status := range map[error]int{&alerts.Unfit{Key: "address"}: 400, &alerts.Unfit{Key: "digest"}: 400, alerts.ErrTooMany: 429, alerts.ErrNoRoom: 503, errors.New("the disk"): 500} {
		m.err = err
		form.Set("address", `"><script>x@example.org`)
		w := send(s, "POST", "/mail", form)
		body := w.Body.String()
		if w.Code != status || strings.Contains(body, "<script>x") || status != 500 && (!strings.Contains(body, `role="alert"`) || !strings.Contains(body, `value="PK IR"`) || !strings.Contains(body, `value="sahel" checked`)) {
			t.Errorf("%v: %d %s", err, w.Code, body)
		}
	}
	m.err, m.asked = nil, alerts.Request{}
	if w := send(s, "POST", "/mail", form, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusBadRequest || m.asked.Address != "" {
		t.Errorf("another site's form was taken: %d", w.Code)
	}
	if w := send(s, "POST", "/mail", url.Values{"address": {strings.Repeat("a", mostForm)}}); w.Code != http.StatusBadRequest || m.asked.Address != "" {
		t.Errorf("a large form was taken: %d", w.Code)
	}
}

// TestMailLinks: a link does nothing when it is opened; one POST does, with the token in the address or in the form; nothing of it is kept by caches.
func TestMailLinks(t *testing.T) {
	m := &mailbox{}
	s := mailServer(t, m)
	for _, what := range []string{"confirm", "leave"} {
		for _, method := range []string{"GET", "HEAD"} {
			w := send(s, method, "/mail/"+what+"?t=a%22b", nil)
			if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" || len(m.done) > 0 {
				t.Errorf("%s %s: %d %v %v", method, what, w.Code, w.Header(), m.done)
			}
			if method == "GET" && !strings.Contains(w.Body.String(), `value="a&#34;b"`) {
				t.Error(w.Body.String())
			}
		}
	}
	send(s, "POST", "/mail/leave?t=one", url.Values{"List-Unsubscribe": {"One-Click"}})
	send(s, "POST", "/mail/leave", url.Values{"t": {"two"}})
	send(s, "POST", "/mail/confirm?lang=ar", url.Values{"t": {"three"}})
	send(s, "POST", "/mail/confirm?t="+strings.Repeat("x", 300), nil)
	if want := []string{"leave one", "leave two", "confirm three"}; !reflect.DeepEqual(m.done, want) {
		t.Errorf("%v, want %v", m.done, want)
	}
	m.err = alerts.ErrNoLink
	if w := send(s, "POST", "/mail/confirm", url.Values{"t": {"four"}}); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "does not work any more") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// Without self-service the links of letters work, and there is no form.
	m.shut, m.err = true, nil
	s = mailServer(t, m)
	if w := send(s, "GET", "/mail", nil); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
	if w := send(s, "POST", "/mail", url.Values{"address": {"a@example.org"}}); w.Code == http.StatusOK || m.asked.Address != "" {
		t.Error(w.Code)
	}
	if w := send(s, "POST", "/mail/leave?t=five", nil); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
}

// TestMailArabic: the pages are whole in Arabic, from right to left.
func TestMailArabic(t *testing.T) {
	s := mailServer(t, &mailbox{offer: alerts.Offer{Networks: true}})
	english, err := loadCatalogue("en")
	if err != nil {
		t.Fatal(err)
	}
	for key := range english.msgs {
		if strings.HasPrefix(key, "mail.") && s.tongues["ar"].cat.msgs[key] == english.msgs[key] {
			t.Errorf("%s is not translated", key)
		}
	}
	body := send(s, "GET", "/mail?lang=ar", nil).Body.String()
	if !strings.Contains(body, `<html lang="ar" dir="rtl">`) || !strings.Contains(body, "عنوان البريد") || strings.Contains(body, "E-mail address") {
		t.Error(body)
	}
	if body := send(s, "GET", "/mail", nil).Body.String(); !strings.Contains(body, `<html lang="en" dir="ltr">`) || strings.Contains(body, "عنوان البريد") {
		t.Error(body)
	}
}
