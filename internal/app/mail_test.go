package app

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/quotedprintable"
	"net/http"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/alerts/smtp/smtptest"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// mailConf is a configuration that tells people by the mail server of a test. Links in letters lead to 127.0.0.1:1.
func mailConf(t *testing.T, s *smtptest.Server, tls string) (file string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file = filepath.Join(dir, "corewatch.yaml")
	text := fmt.Sprintf(`sources: []
pages: {public_url: "http://127.0.0.1:1"}
mail:
  server: %q
  tls: %s
  ca_file: %s
  user: %s
  password_file: %s
  from: Watch desk <alerts@example.org>
  list: alerts.example.org
  dkim: [{domain: example.org, selector: a, key_file: %s}]
  subscribe: true
  offer: {networks: true}
`, s.Address, tls, s.RootFile, s.User, filepath.Join(dir, "password"), filepath.Join(dir, "dkim.pem"))
	for name, b := range map[string][]byte{file: []byte(text), filepath.Join(dir, "password"): []byte(s.Password + "\n"), filepath.Join(dir, "dkim.pem"): pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// letter is one that the mail server took: its header, and all of it with quoted-printable undone.
func letter(t *testing.T, l smtptest.Letter) (netmail.Header, string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(l.Octets))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, string(b)
}

var confirmLink = regexp.MustCompile(`http://127\.0\.0\.1:1(/mail/confirm\?\S+)`)

func post1(t *testing.T, to string, form url.Values) (int, string) {
	t.Helper()
	res, err := http.PostForm(to, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// holds names the files below a folder that hold a text, in any case of letters.
func holds(t *testing.T, dir, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		for _, form := range []string{text, base64.StdEncoding.EncodeToString([]byte(text)), fmt.Sprintf("%x", text)} {
			if bytes.Contains(bytes.ToLower(b), bytes.ToLower([]byte(form))) {
				names = append(names, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestMail: somebody subscribes on the page, confirms, is told, and leaves by one click, with the whole program and a real mail server. Nowhere in the
// folder, the log, the pages or the figures does his address stand, at any time, and in the end nothing of him is left.
func TestMail(t *testing.T) {
	if raceDetector {
		t.Skip("plays the demonstration, which takes long under the race detector; the parts of mail run under it in the tests beside this one")
	}
	server := smtptest.Start(t, "aiosmtpd", "starttls", "alerts", "pass word")
	file := mailConf(t, server, "starttls")
	root := t.TempDir()
	data := filepath.Join(root, "data")
	var log logText
	addr := running(t, Monitor{Config: file, Listen: "127.0.0.1:0", Data: data, Out: &log, Log: zerolog.New(&log)})
	const local = "Unusual.Reader"
	const address = local + "@secret.example"
	redacted := func(when string) {
		t.Helper()
		for _, part := range []string{local, "secret.example"} {
			if got := holds(t, root, part); len(got) > 0 {
				t.Errorf("%s: %s stands in %v", when, part, got)
			}
			log.mu.Lock()
			if strings.Contains(strings.ToLower(log.b.String()), strings.ToLower(part)) {
				t.Errorf("%s: the log tells %s: %s", when, part, log.b.String())
			}
			log.mu.Unlock()
			for _, page := range []string{"/health", "/healthz", "/metrics", "/mail", "/mail/asked"} {
				if _, body := get(t, addr, page); strings.Contains(strings.ToLower(body), strings.ToLower(part)) {
					t.Errorf("%s: %s tells %s", when, page, part)
				}
			}
		}
	}
	ask := url.Values{"address": {address}, "countries": {"pk ir"}, "networks": {"64512"}, "language": {"en"}, "stage": {"suspected"}}
	code, first := post1(t, "http://"+addr+"/mail", ask)
	if code != http.StatusOK || !strings.Contains(first, "Look into your mail") {
		t.Fatal(code, first)
	}
	h, text := letter(t, server.Wait(t, 1)[0])
	link := confirmLink.FindStringSubmatch(text)
	if link == nil || !strings.Contains(text, "PK, IR, AS64512; from the first suspicion on") || h.Get("List-Unsubscribe") != "" || h.Get("To") != "<"+address+">" {
		t.Fatalf("%v\n%s", h, text)
	}
	redacted("asked")
	// The same answer to whoever asks again, whether or not the address is known, and no third letter within the hour.
	for range 2 {
		if code, again := post1(t, "http://"+addr+"/mail", ask); code != http.StatusOK || again != first {
			t.Errorf("another answer: %d %s", code, again)
		}
	}
	link = confirmLink.FindStringSubmatch(func() string { _, text := letter(t, server.Wait(t, 2)[1]); return text }())
	if code, page := get(t, addr, link[1]); code != http.StatusOK || !strings.Contains(page, "Confirm") || strings.Contains(page, "You will be told") {
		t.Error(code, page)
	}
	beside, err := sqlite.OpenBeside(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	if list, err := beside.Subscribers(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("opening the link subscribed: %d %v", len(list), err)
	}
	q, err := url.ParseQuery(strings.SplitN(link[1], "?", 2)[1])
	if err != nil {
		t.Fatal(err)
	}
	if code, page := post1(t, "http://"+addr+"/mail/confirm", url.Values{"t": q["t"]}); code != http.StatusOK || !strings.Contains(page, "You will be told") {
		t.Fatal(code, page)
	}
	if code, page := post1(t, "http://"+addr+"/mail/confirm", url.Values{"t": q["t"]}); code != http.StatusNotFound {
		t.Error("a link works twice:", code, page)
	}
	if list, err := beside.OpenRequests(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%d requests are left: %v", len(list), err)
	}
	redacted("confirmed")

	storeOutage(t, beside, 0, 1, detect.Suspected)
	told := server.Wait(t, 3)
	if len(told) != 3 {
		t.Fatalf("%d letters", len(told))
	}
	h, text = letter(t, told[2])
	if sig := h.Get("DKIM-Signature"); !strings.Contains(sig, "d=example.org") || !strings.Contains(sig, "a=ed25519-sha256") || !told[2].TLS || !told[2].User { // that it holds: alerts/smtp
		t.Errorf("%q %+v", sig, told[2])
	}
	leave := strings.Trim(h.Get("List-Unsubscribe"), "<>")
	if !strings.Contains(h.Get("Subject"), "[SUSPECTED] AS64512") || h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.Contains(text, leave) {
		t.Errorf("%v\n%s", h, text)
	}
	redacted("told")
	var out strings.Builder
	cmd := Subscribers{Config: file, Store: data, Out: &out, Log: zerolog.New(&log)}
	if err := cmd.List(t.Context(), false); err != nil || strings.Contains(strings.ToLower(out.String()), "secret") || !strings.Contains(out.String(), "1 confirmed, 0 asked") {
		t.Errorf("%v %s", err, out.String())
	}
	if err := AlertsWaiting(t.Context(), data, &out); err != nil || strings.Contains(strings.ToLower(out.String()), "secret") {
		t.Errorf("%v %s", err, out.String())
	}
	if err := cmd.List(t.Context(), true); err != nil || !strings.Contains(out.String(), address) || !strings.Contains(out.String(), "1 addresses revealed by ") {
		t.Errorf("%v %s", err, out.String())
	}

	// What a mail program does.
	if !strings.HasPrefix(leave, "http://127.0.0.1:1/mail/leave?t=") {
		t.Fatal(leave)
	}
	leave = strings.Replace(leave, "127.0.0.1:1", addr, 1)
	if code, _ := get(t, addr, strings.TrimPrefix(leave, "http://"+addr)); code != http.StatusOK {
		t.Error(code)
	}
	if list, err := beside.Subscribers(t.Context()); err != nil || len(list) != 1 {
		t.Fatalf("opening the link ended it: %d %v", len(list), err)
	}
	if code, page := post1(t, leave[:len(leave)-1]+"x", url.Values{"List-Unsubscribe": {"One-Click"}}); code != http.StatusNotFound {
		t.Error("a forged link: ", code, page)
	}
	for range 2 {
		if code, page := post1(t, leave, url.Values{"List-Unsubscribe": {"One-Click"}}); code != http.StatusOK || !strings.Contains(page, "Unsubscribed") {
			t.Error(code, page)
		}
	}
	for what, n := range map[string]func(context.Context) ([]alerts.Subscriber, error){"subscribers": beside.Subscribers, "requests": beside.OpenRequests} {
		if list, err := n(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%d %s are left: %v", len(list), what, err)
		}
	}
	if list, err := beside.Told(t.Context(), "XA-0000"); err != nil || len(list) != 0 {
		t.Errorf("what was told is left: %+v %v", list, err)
	}
	if info, err := os.Stat(data + ".mail.key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v %v", info, err)
	}
	redacted("left")
}

// desk is mail without the rest of the program: a store, a dispatcher and a mail server, on a clock of the test's.
type desk struct {
	t      *testing.T
	store  *sqlite.Store
	d      *alerts.Dispatcher
	mail   *post
	server *smtptest.Server
	now    time.Time
	dir    string // of the store
	file   string // configuration
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	server := smtptest.Start(t, "aiosmtpd", "implicit", "alerts", "pass word")
	k := &desk{t: t, server: server, dir: filepath.Join(t.TempDir(), "data"), file: mailConf(t, server, "implicit")}
	k.now = time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour) // noon
	k.open()
	t.Cleanup(func() { k.store.Close() })
	k.decide()
	return k
}

// open opens the store, as a process that starts does.
func (k *desk) open() {
	k.t.Helper()
	c, err := conf.Load(k.file)
	if err != nil {
		k.t.Fatal(err)
	}
	if k.store, err = sqlite.Open(k.t.Context(), k.dir); err != nil {
		k.t.Fatal(err)
	}
	if k.mail, err = newPost(k.t.Context(), c, k.dir, k.store, true, zerolog.Nop()); err != nil {
		k.t.Fatal(err)
	}
	if k.d, err = newDispatcher(c, k.store, zerolog.Nop()); err != nil {
		k.t.Fatal(err)
	}
	k.d.Hold, k.d.Subscribers, k.d.Mail = time.Nanosecond, k.mail.list.Subscriptions, k.mail.channel
}

// subscribe adds somebody and confirms for him.
func (k *desk) subscribe(address string, sub alerts.Subscription) {
	k.t.Helper()
	before := len(k.server.Taken(k.t))
	if err := k.mail.list.Add(k.t.Context(), alerts.Request{Address: address, Language: "en", Subscription: sub}); err != nil {
		k.t.Fatal(err)
	}
	if err := k.mail.list.Work(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	_, text := letter(k.t, k.server.Wait(k.t, before+1)[before])
	_, token, _ := strings.Cut(confirmLink.FindStringSubmatch(text)[1], "t=")
	if err := k.mail.list.Confirm(k.t.Context(), token); err != nil {
		k.t.Fatal(err)
	}
}

func (k *desk) decide() {
	k.t.Helper()
	for range 2 {
		if _, err := k.d.Decide(k.t.Context(), k.now); err != nil {
			k.t.Fatal(err)
		}
		k.now = k.now.Add(time.Millisecond)
	}
}

// send lets some time go by and sends what is due; it gives the subjects of the letters that came of it.
func (k *desk) send(after time.Duration) (subjects []string) {
	k.t.Helper()
	before := len(k.server.Taken(k.t))
	k.now = k.now.Add(after)
	for range 10 {
		if err := k.d.Send(k.t.Context(), k.now); err != nil {
			k.t.Fatal(err)
		}
		k.d.Wait()
	}
	for _, l := range k.server.Taken(k.t)[before:] {
		h, _ := letter(k.t, l)
		subjects = append(subjects, h.Get("Subject"))
	}
	return subjects
}

func (k *desk) want(what string, got []string, want ...string) {
	k.t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		k.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// TestMailDigest: a daily letter tells what happened, what was taken back within the day included; what was sent already and is taken back is not held
// back; the retraction stands in the thread of the letter that it takes back.
func TestMailDigest(t *testing.T) {
	k := newDesk(t)
	k.subscribe("daily@example.net", alerts.Subscription{Stage: "suspected", Digest: alerts.Digest{Every: alerts.Daily, At: "08:00", Except: 4}})
	for n, states := range [][]detect.State{{detect.Suspected, detect.Confirmed, detect.Closed}, {detect.Suspected, detect.Retracted}, {detect.Suspected}} {
		for i, state := range states {
			storeOutage(t, k.store, n, i+1, state)
			k.decide()
		}
	}
	k.want("before its time", k.send(0))
	waiting, err := k.store.Waiting(t.Context(), "", 10)
	if err != nil || len(waiting) != 1 || waiting[0].NotUntil.Hour() != 8 || len(waiting[0].Message.Items) != 3 {
		t.Fatalf("%+v %v", waiting, err)
	}
	k.want("at its time", k.send(21*time.Hour), "[DIGEST] 3 incidents: AS6451")
	all := k.server.Taken(t)
	h, text := letter(t, all[len(all)-1])
	for _, line := range []string{"[OVER] AS64512", "[TAKEN BACK] AS64513", "[SUSPECTED] AS64514"} {
		if !strings.Contains(text, line) {
			t.Errorf("%s is not in the digest:\n%s", line, text)
		}
	}
	id := h.Get("Message-Id")
	// Taken back: at once, and in the thread. What begins meanwhile waits.
	storeOutage(t, k.store, 2, 2, detect.Retracted)
	storeOutage(t, k.store, 3, 1, detect.Suspected)
	k.decide()
	k.want("taken back", k.send(0), "[TAKEN BACK] AS64514")
	all = k.server.Taken(t)
	if h, _ := letter(t, all[len(all)-1]); h.Get("In-Reply-To") != id || h.Get("References") != id {
		t.Errorf("it is no answer to %s: %v", id, h)
	}
	k.want("the next day", k.send(24*time.Hour), "[DIGEST] 1 incidents: AS64515")
}

// TestMailAnswers: what a mail server answers for a while is tried again with the same Message-ID; what it refuses for good is given up and listed, without
// the address; a monitor that is killed while a letter is on its way sends it again with the same Message-ID.
func TestMailAnswers(t *testing.T) {
	if dir, file, ok := strings.Cut(os.Getenv("COREWATCH_MAIL_SENDS"), "|"); ok { // the process that is killed
		k := &desk{t: t, dir: dir, file: file}
		k.open()
		if err := k.d.Send(t.Context(), time.Now().Add(96*time.Hour)); err != nil {
			t.Fatal(err)
		}
		k.d.Wait()
		return
	}
	k := newDesk(t)
	only := func(n int) alerts.Subscription {
		return alerts.Subscription{Stage: "suspected", Networks: []string{fmt.Sprintf("AS%d", 64512+n)}}
	}
	for n, local := range []string{"full", "spam", "hang"} {
		k.subscribe(local+"@secret.example", only(n))
	}
	if err := k.mail.list.Add(t.Context(), alerts.Request{Address: "gone@example.net", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	if err := k.mail.list.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := k.store.OpenRequests(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a request of an address that nobody has is kept: %+v %v", list, err)
	}
	taken := len(k.server.Taken(t))
	for n := range 2 {
		storeOutage(t, k.store, n, 1, detect.Suspected)
	}
	k.decide()
	k.want("refused", k.send(0))
	waiting, err := k.store.Waiting(t.Context(), "", 10)
	if err != nil || len(waiting) != 1 || !strings.Contains(waiting[0].Note, "452 4.2.2") || strings.Contains(waiting[0].Note, "secret") {
		t.Errorf("%+v %v", waiting, err)
	}
	dead, err := k.store.DeadLetters(t.Context(), 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].Note, "554 5.7.1") || strings.Contains(dead[0].Note, "secret") {
		t.Errorf("%+v %v", dead, err)
	}
	k.want("once more", k.send(time.Minute), "[SUSPECTED] AS64512")

	// A process that is killed while a letter is on its way.
	storeOutage(t, k.store, 2, 1, detect.Suspected)
	k.decide()
	if err := k.store.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMailAnswers$")
	cmd.Env = append(os.Environ(), "COREWATCH_MAIL_SENDS="+k.dir+"|"+k.file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	k.server.Wait(t, taken+2) // it has the letter, and does not say so
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	k.open()
	if waiting, err := k.store.Waiting(t.Context(), "", 10); err != nil || len(waiting) != 1 || waiting[0].Attempts != 0 {
		t.Fatalf("%+v %v", waiting, err)
	}
	k.want("after the kill", k.send(time.Minute), "[SUSPECTED] AS64514")
	all := k.server.Taken(t)
	first, _ := letter(t, all[taken+1])
	second, _ := letter(t, all[taken+2])
	if len(all) != taken+3 || first.Get("Message-Id") != second.Get("Message-Id") || first.Get("Message-Id") == "" {
		t.Errorf("%d letters; %v, then %v", len(all)-taken, first, second)
	}
}

// TestMailBombs: nobody can have an address written to more than twice within an hour, however he writes it; a client is refused when it asks too often; a
// request that nobody confirmed is erased, and its link is worth nothing.
func TestMailBombs(t *testing.T) {
	k := newDesk(t)
	client := netip.MustParseAddr("192.0.2.1")
	var refused int
	for n := range 14 {
		address := []string{"victim@example.net", "Victim+1@example.net", "victim+two@EXAMPLE.net"}[n%3]
		err := k.mail.list.Ask(t.Context(), client, alerts.Request{Address: address, Language: "en"})
		if errors.Is(err, alerts.ErrTooMany) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := k.mail.list.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(k.server.Taken(t)); got != 2 || refused != 4 {
		t.Errorf("%d letters to one mailbox, %d of 14 requests refused", got, refused)
	}
	if err := k.mail.list.Ask(t.Context(), netip.MustParseAddr("2001:db8::1"), alerts.Request{Address: "other@example.net", Language: "en"}); err != nil {
		t.Error(err)
	}
	var many sync.WaitGroup
	for n := range 8 { // at once, each from elsewhere
		many.Go(func() {
			from := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
			if err := k.mail.list.Ask(t.Context(), from, alerts.Request{Address: "crowd@example.net", Language: "en"}); err != nil {
				t.Error(err)
			}
		})
	}
	many.Wait()
	for bad, r := range map[string]alerts.Request{
		"address":  {Address: "a@example.net\r\nBcc: b@example.net", Language: "en"},
		"language": {Address: "a@example.net", Language: "<b>"},
		"places":   {Address: "a@example.net", Language: "en", Subscription: alerts.Subscription{Countries: []string{"Buy now"}}},
		"networks": {Address: "a@example.net", Language: "en", Subscription: alerts.Subscription{Networks: []string{"AS" + strings.Repeat("9", 40)}}},
		"zones":    {Address: "a@example.net", Language: "en", Subscription: alerts.Subscription{Zones: []string{"https://evil.example"}}},
		"digest":   {Address: "a@example.net", Language: "en", Subscription: alerts.Subscription{Digest: alerts.Digest{Every: alerts.Daily, At: "08:00", TimeZone: "../../etc/passwd"}}},
		"offer":    {Address: "a@example.net", Language: "en", Subscription: alerts.Subscription{Kinds: []string{"monitor_fault"}}},
	} {
		var unfit *alerts.Unfit
		if err := k.mail.list.Ask(t.Context(), netip.MustParseAddr("2001:db8:1::1"), r); !errors.As(err, &unfit) || unfit.Key != bad {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// 48 hours later.
	open, err := k.store.OpenRequests(t.Context())
	if err != nil || len(open) != 5 { // two each of the victim and the crowd, and the other
		t.Fatalf("%d requests: %v", len(open), err)
	}
	for i := range open {
		open[i].Expires = time.Now().Add(-time.Second)
		if err := k.store.SaveSubscriber(t.Context(), &open[i]); err != nil {
			t.Fatal(err)
		}
	}
	_, text := letter(t, k.server.Taken(t)[1])
	_, token, _ := strings.Cut(confirmLink.FindStringSubmatch(text)[1], "t=")
	if err := k.mail.list.Confirm(t.Context(), token); !errors.Is(err, alerts.ErrNoLink) {
		t.Errorf("a link of the day before yesterday: %v", err)
	}
	if err := k.mail.list.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if open, err := k.store.OpenRequests(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("%d requests are kept: %v", len(open), err)
	}
}
