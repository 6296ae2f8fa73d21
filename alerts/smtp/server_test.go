package smtp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/alerts/smtp/smtptest"
	"github.com/corewatch/corewatch/detect"
)

func words(t testing.TB, lang string) *alerts.Words {
	t.Helper()
	w, err := alerts.Language(lang)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// keys are one of each kind, and their records in the DNS.
func keys(t testing.TB) (list []Key, records map[string]string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&second.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return []Key{{"example.org", "ed", private}, {"example.org", "rs", second}}, map[string]string{
		"ed._domainkey.example.org": "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public),
		"rs._domainkey.example.org": "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der),
	}
}

func options(server string) Options {
	return Options{
		Server: server, TLS: Plain, From: netmail.Address{Name: "Wächter", Address: "alerts@news.example.org"}, List: "alerts.example.org", Name: "corewatch alerts",
	}
}

func incident(name string) detect.Incident {
	at := detect.At(time.Date(2030, 1, 1, 3, 20, 0, 0, time.UTC))
	return detect.Incident{
		V: 1, ID: "PK-20300101T0320Z-abcdefgh", Data: detect.Live, Kind: detect.Outage, State: detect.Confirmed, Severity: 2, Revision: 2, ConfirmedAt: at,
		Entity: detect.Entity{Type: "country", Code: "PK", Name: name}, Start: detect.Interval{Time: at}, Coverage: detect.Coverage{Level: "reduced", Because: []string{"learning"}},
		Parts:     []detect.Part{{Entity: detect.Entity{Type: "network", Code: "AS1", Name: name}, Lost: 3, Expected: 4}},
		Revisions: []detect.Revision{{Revision: 2, At: at, State: detect.Confirmed, Change: "confirmed", Reason: name}},
	}
}

func message(id, thread string) *alerts.Message {
	return &alerts.Message{
		ID: id, Receiver: "mail.a", At: time.Date(2030, 1, 1, 3, 23, 0, 0, time.UTC),
		Items: []alerts.Item{{Incident: incident("Pakistan"), Occasion: alerts.Confirmed, First: thread == "", Thread: thread, URL: "https://monitor.example.org/i/PK-1/v2"}},
	}
}

const leave = "https://monitor.example.org/mail/leave?t=abc.def"

// parts gives the text and HTML of a letter, decoded; the test fails on anything else.
func parts(t testing.TB, octets []byte) (h netmail.Header, text, html string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var got []string
	for _, want := range []string{"text/plain", "text/html"} {
		p, err := r.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || kind != want || !strings.EqualFold(params["charset"], "utf-8") || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("part %v %v, want %s", p.Header, err, want)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	if _, err := r.NextRawPart(); err != io.EOF {
		t.Fatalf("a third part: %v", err)
	}
	return m.Header, got[0], got[1]
}

// TestRealServer: letters arrive at a real server over TLS, with a password, and hold what they should; both signatures hold for go-msgauth and for
// dkimpy; each recipient gets a letter of his own; the same message has the same octets each time, but for the signatures.
func TestRealServer(t *testing.T) {
	for _, how := range []string{Implicit, StartTLS} {
		t.Run(how, func(t *testing.T) {
			real := smtptest.Start(t, "aiosmtpd", how, "alerts", "pass word")
			opt := options(real.Address)
			opt.TLS, opt.Roots, opt.User, opt.Password = how, real.Roots, real.User, real.Password
			list, records := keys(t)
			opt.Keys = list
			s, err := New(opt)
			if err != nil {
				t.Fatal(err)
			}
			own := t.TempDir()
			if err := os.WriteFile(filepath.Join(own, "full.ar.tmpl"), []byte("ours: {{.Line}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			templates, err := alerts.LoadTemplates(own)
			if err != nil {
				t.Fatal(err)
			}
			language := "en"
			l := List{Server: s, Templates: templates, To: func(_ context.Context, receiver string) (*alerts.Recipient, error) {
				return &alerts.Recipient{Address: strings.TrimPrefix(receiver, "mail.") + "@example.net", Language: language, Leave: leave}, nil
			}}
			first, second, other := message("0001", ""), message("0002", "0001"), message("0001", "")
			second.Items[0].Occasion = alerts.Retracted
			other.Receiver = "mail.b"
			for _, m := range []*alerts.Message{first, second, other, first} {
				if receipt, err := l.Send(t.Context(), m); err != nil || receipt != "250" {
					t.Fatal(receipt, err)
				}
			}
			got := real.Taken(t)
			if len(got) != 4 {
				t.Fatal(len(got))
			}
			for i, g := range got {
				if to := []string{"a@example.net", "a@example.net", "b@example.net", "a@example.net"}[i]; !g.TLS || !g.User || g.From != opt.From.Address || len(g.To) != 1 || g.To[0] != to {
					t.Errorf("%+v", g)
				}
				verify(t, g.Octets, records)
			}
			h, text, html := parts(t, got[0].Octets)
			for name, want := range map[string]string{
				"Message-Id": "<0001@news.example.org>", "From": "=?utf-8?q?W=C3=A4chter?= <alerts@news.example.org>", "To": "<a@example.net>", "List-Id": "corewatch alerts <alerts.example.org>",
				"List-Unsubscribe": "<" + leave + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Auto-Submitted": "auto-generated", "In-Reply-To": "", "References": "",
				"Date": "Tue, 01 Jan 2030 03:23:00 +0000", "Content-Language": "en", "Precedence": "list", "User-Agent": "", "X-Mailer": "",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if !strings.HasPrefix(h.Get("Subject"), "[CONFIRMED] Pakistan (PK)") {
				t.Errorf("subject %q", h.Get("Subject"))
			}
			for _, want := range []string{"[CONFIRMED] Pakistan (PK)", "https://monitor.example.org/i/PK-1/v2", leave, "(AS1)"} {
				if !strings.Contains(text, want) || !strings.Contains(html, want) {
					t.Errorf("%q is not in both parts:\n%s\n%s", want, text, html)
				}
			}
			if h, _, _ := parts(t, got[1].Octets); h.Get("In-Reply-To") != "<0001@news.example.org>" || h.Get("References") != "<0001@news.example.org>" || !strings.HasPrefix(h.Get("Subject"), "[TAKEN BACK]") {
				t.Errorf("the retraction does not stand in the thread: %v", h)
			}
			if a, b := unsigned(got[0].Octets), unsigned(got[3].Octets); !bytes.Equal(a, b) {
				t.Errorf("the same message, sent again, differs:\n%s\n%s", a, b)
			}
			language = "ar"
			if _, err := l.Send(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if _, text, _ := parts(t, real.Taken(t)[4].Octets); !strings.HasPrefix(text, "ours: ") || !strings.Contains(text, leave) {
				t.Errorf("with a text of the operator's own:\n%s", text)
			}
		})
	}
}

// unsigned is a letter without the signatures in front.
func unsigned(octets []byte) []byte {
	_, rest, _ := bytes.Cut(octets, []byte("\r\nAuto-Submitted:"))
	return rest
}

// verify holds both signatures of a letter to be true, by two programs, and a changed letter's to be false.
func verify(t *testing.T, octets []byte, records map[string]string) {
	t.Helper()
	look := &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return []string{records[name]}, nil }}
	got, err := dkim.VerifyWithOptions(bytes.NewReader(octets), look)
	if err != nil || len(got) != 2 || got[0].Err != nil || got[1].Err != nil {
		t.Errorf("%d signatures: %v", len(got), err)
		for _, g := range got {
			t.Error(g.Err)
		}
	}
	for _, change := range []string{"\r\nList-Unsubscribe: <", "\r\nFrom: x", "(AS1)"} {
		changed := bytes.Replace(octets, []byte(change), []byte(change+"x"), 1)
		if bytes.Equal(changed, octets) {
			changed = append([]byte("From: evil@example.com\r\n"), octets...)
		}
		got, err := dkim.VerifyWithOptions(bytes.NewReader(changed), look)
		if err == nil && len(got) == 2 && got[0].Err == nil {
			t.Errorf("a letter changed at %q still verifies", change)
		}
	}
	if _, err := exec.LookPath("dkimverify"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Log("signatures were not checked by a second program: dkimpy is not installed (Debian: python3-dkim)")
		return
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", `import sys, dkim
records = dict(a.split("|", 1) for a in sys.argv[1:])
letter = dkim.DKIM(sys.stdin.buffer.read())
look = lambda name, timeout=5: records.get(name.decode().rstrip(".") if isinstance(name, bytes) else name.rstrip("."), "").encode()
print(letter.verify(idx=0, dnsfunc=look), letter.verify(idx=1, dnsfunc=look))`)
	for name, text := range records {
		cmd.Args = append(cmd.Args, name+"|"+text)
	}
	cmd.Stdin = bytes.NewReader(octets)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "True True" {
		t.Errorf("dkimpy: %s %v", out, err)
	}
}

// TestAnswers: what an answer means for another attempt, and that no answer's text, which holds the address, is in an error.
func TestAnswers(t *testing.T) {
	real := smtptest.Start(t, "aiosmtpd", Plain, "", "")
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	opt := options(real.Address)
	opt.Now = func() time.Time { return clock }
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	send := func(local string) (string, error) {
		clock = clock.Add(time.Minute) // past any pause
		_, err := s.Write(t.Context(), &alerts.Letter{ID: local, At: clock, To: local + "@secret.example", Words: words(t, "en"), Subject: "s", Text: "t"})
		var permanent *alerts.Permanent
		var busy *alerts.Busy
		switch {
		case err == nil:
			return "", nil
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error tells the address: %v", local, err)
		case errors.As(err, &permanent):
			return "permanent", err
		case errors.As(err, &busy):
			return "busy", err
		}
		return "again", err
	}
	for _, c := range []struct{ local, want, text string }{
		{"fine", "", ""},
		{"grey", "again", "451 4.7.1"},
		{"grey", "", ""},
		{"full", "again", "452 4.2.2"},
		{"full", "", ""},
		{"gone", "permanent", "550 5.1.1"},
		{"spam", "permanent", "554 5.7.1"},
		{"drop", "again", "hung up"},
		{"drop", "", ""},
		{"busy", "again", "421 4.3.2"},
	} {
		if got, err := send(c.local); got != c.want || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %q (%v), want %q (%s)", c.local, got, err, c.want, c.text)
		}
	}
	// After "421" nobody asks for a while.
	if _, err := s.Write(t.Context(), &alerts.Letter{ID: "x", At: clock, To: "fine@secret.example", Words: words(t, "en")}); !errors.As(err, new(*alerts.Busy)) {
		t.Errorf("the server was asked again at once: %v", err)
	}
	byID := map[string]int{}
	for _, l := range real.Taken(t) {
		m, err := netmail.ReadMessage(bytes.NewReader(l.Octets))
		if err != nil {
			t.Fatal(err)
		}
		byID[m.Header.Get("Message-Id")]++
	}
	if byID["<drop@news.example.org>"] != 2 || byID["<grey@news.example.org>"] != 1 || len(byID) != 4 {
		t.Errorf("%v", byID)
	}
}

// TestConnection: nothing is said without TLS, to a server with another certificate, or with a wrong password; none of it is the letter's fault.
func TestConnection(t *testing.T) {
	starttls := smtptest.Start(t, "aiosmtpd", StartTLS, "alerts", "right")
	plain := smtptest.Start(t, "aiosmtpd", Plain, "", "")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	talker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer talker.Close()
	go func() {
		for {
			c, err := talker.Accept()
			if err != nil {
				return
			}
			for err == nil {
				_, err = io.WriteString(c, "220-and so on\r\n")
			}
			c.Close()
		}
	}()
	for name, c := range map[string]struct {
		opt  func(*Options)
		want string
	}{
		"another certificate": {func(o *Options) { o.Server, o.TLS, o.Roots = starttls.Address, StartTLS, x509.NewCertPool() }, "certificate"},
		"wrong password": {func(o *Options) {
			o.Server, o.TLS, o.Roots, o.User, o.Password = starttls.Address, StartTLS, starttls.Roots, "alerts", "wrong"
		}, "535"},
		"no password":       {func(o *Options) { o.Server, o.TLS, o.Roots = starttls.Address, StartTLS, starttls.Roots }, "530"},
		"no STARTTLS":       {func(o *Options) { o.Server, o.TLS = plain.Address, StartTLS }, "offers no STARTTLS"},
		"no TLS there":      {func(o *Options) { o.Server, o.TLS = plain.Address, Implicit }, "TLS"},
		"no authentication": {func(o *Options) { o.Server, o.User, o.Password = plain.Address, "a", "b" }, "offers no authentication"},
		"nobody":            {func(o *Options) { o.Server = "127.0.0.1:1" }, "cannot be reached"},
		"silence":           {func(o *Options) { o.Server = silent.Addr().String() }, "did not answer in time"},
		"talks without end": {func(o *Options) { o.Server = talker.Addr().String() }, "cannot be talked to"},
	} {
		t.Run(name, func(t *testing.T) {
			opt := options("")
			c.opt(&opt)
			s, err := New(opt)
			if err != nil {
				t.Fatal(err)
			}
			patience := 8 * time.Second
			if name == "silence" {
				patience = 300 * time.Millisecond
			}
			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			_, err = s.Write(ctx, &alerts.Letter{ID: "x", To: "a@example.net", Words: words(t, "en")})
			if err == nil || errors.As(err, new(*alerts.Permanent)) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wrong") {
				t.Errorf("%v, want %q", err, c.want)
			}
			before := time.Now()
			if _, err := s.Write(t.Context(), &alerts.Letter{ID: "x", To: "a@example.net", Words: words(t, "en")}); !errors.As(err, new(*alerts.Busy)) || time.Since(before) > 500*time.Millisecond {
				t.Errorf("tried again at once: %v", err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := keys(t)
	for want, change := range map[string]func(*Options){
		"host:port":        func(o *Options) { o.Server = "mail.example.org" },
		"on this machine":  func(o *Options) { o.Server = "mail.example.org:25" },
		"implicit":         func(o *Options) { o.TLS = "maybe" },
		"both, or none":    func(o *Options) { o.User = "a" },
		"List-Id":          func(o *Options) { o.List = "a\r\nBcc: b" },
		"name":             func(o *Options) { o.Name = "a <b>" },
		"from":             func(o *Options) { o.From.Address = "alerts@news.example.org\r\nBcc: b@example.org" },
		"2048":             func(o *Options) { o.Keys = []Key{{"example.org", "a", small}} },
		"is not in it":     func(o *Options) { o.Keys = []Key{{"example.com", "a", list[0].Signer}} },
		"want such as":     func(o *Options) { o.Keys = []Key{{"example.org", "a b", list[0].Signer}} },
		"RSA or Ed25519 k": func(o *Options) { o.Keys = []Key{{"example.org", "a", nil}} },
	} {
		opt := options("127.0.0.1:25")
		change(&opt)
		if _, err := New(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(list[0].Signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: der}, {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)}} {
		if _, err := ParseKey(pem.EncodeToMemory(b)); err != nil {
			t.Error(err)
		}
	}
	for _, text := range []string{"", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"} {
		if _, err := ParseKey([]byte(text)); err == nil || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"a@example.org", "first.last+tag@sub.example.org", "o'neil@example.museum", "a@xn--mgbaal8b0b9b2b.xn--mgbai9azgqp6j"} {
		if err := CheckAddress(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "a", "@example.org", "a@", "a@b", "a b@example.org", "a@example.org ", "a@example.org\r\nBcc: b@example.org", "<a@example.org>", "A <a@example.org>", "a@example.org, b@example.org",
		`"a"@example.org`, "a@[192.0.2.1]", "a..b@example.org", ".a@example.org", "ä@example.org", "a@exämple.org", "a@-b.org", "a@192.0.2.1", "a@example.org.", "a\u202e@example.org",
		strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("a.", 130) + "org",
	} {
		if err := CheckAddress(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad+" ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
