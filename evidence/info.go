package evidence

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Info is what bag-info.txt says. Empty fields are left out of the file.
type Info struct {
	Organization string // who publishes
	Contact      string
	Identifier   string    // <incident>/v<N>, of a draft <incident>/r<N>
	Date         time.Time // when it was frozen, whole seconds; of a draft, some time of the day of its last revision
	Octets       int64     // of the payload
	Files        int       // of the payload
	Software     string
	Form         string // Signed or Draft
	Data         string
	Status       string   // Current or Retracted
	Supersedes   string   // id of the version before
	Signer       string   // fingerprint
	TimeStamps   []string // names of the authorities that were asked
	Log          string   // origin
}

// Values of Info.
const (
	Signed    = "signed"
	Draft     = "unsigned draft"
	Current   = "current"
	Retracted = "retracted"
)

// Format is the version of the bundle format.
const Format = "1"

const (
	bagitText = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
	maxInfo   = 1 << 14
	maxValue  = 500
)

var (
	nameForm       = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	identifierForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,120}/[vr][1-9][0-9]{0,8}$`)
	urnForm        = regexp.MustCompile(`^urn:sha256:[0-9a-f]{64}$`)
	printForm      = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)
)

// fields are the labels in their order, with the values.
func (i Info) fields() [][2]string {
	frozen := ""
	if i.Form == Signed {
		frozen = i.Date.UTC().Format(time.RFC3339)
	}
	return [][2]string{
		{"Source-Organization", i.Organization},
		{"Contact-Name", i.Contact},
		{"External-Identifier", i.Identifier},
		{"Bagging-Date", i.Date.UTC().Format(time.DateOnly)},
		{"Payload-Oxum", fmt.Sprintf("%d.%d", i.Octets, i.Files)},
		{"Bag-Software-Agent", i.Software},
		{"Corewatch-Format", Format},
		{"Corewatch-Form", i.Form},
		{"Corewatch-Frozen", frozen},
		{"Corewatch-Data", i.Data},
		{"Corewatch-Status", i.Status},
		{"Corewatch-Supersedes", i.Supersedes},
		{"Corewatch-Signer", i.Signer},
		{"Corewatch-Time-Stamps", strings.Join(i.TimeStamps, " ")},
		{"Corewatch-Log", i.Log},
	}
}

// appendText writes the file. It fails on what parseInfo would refuse.
func (i Info) appendText(b []byte) ([]byte, error) {
	if err := i.check(); err != nil {
		return b, err
	}
	for _, f := range i.fields() {
		if f[1] != "" {
			b = append(b, f[0]+": "+f[1]+"\n"...)
		}
	}
	return b, nil
}

// check holds the rules of docs/evidence-format.md, section 3.
func (i Info) check() error {
	for _, f := range i.fields() {
		if len(f[1]) > maxValue || !utf8.ValidString(f[1]) || strings.ContainsFunc(f[1], func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(f[1]) != f[1] {
			return fmt.Errorf("bag-info.txt: %s: %.80q is not a value of printable text of at most %d octets", f[0], f[1], maxValue)
		}
	}
	signed := i.Form == Signed
	switch {
	case !signed && i.Form != Draft:
		return fmt.Errorf("bag-info.txt: Corewatch-Form is %q, want %q or %q", i.Form, Signed, Draft)
	case !identifierForm.MatchString(i.Identifier) || signed != strings.Contains(i.Identifier, "/v"):
		return fmt.Errorf("bag-info.txt: External-Identifier %q is not that of a bundle that is %s", i.Identifier, i.Form)
	case i.Software == "":
		return fmt.Errorf("bag-info.txt: Bag-Software-Agent is missing")
	case i.Data == "" || signed && i.Data != "live" && i.Data != "archive":
		return fmt.Errorf("bag-info.txt: Corewatch-Data %q is nothing that a bundle that is %s holds", i.Data, i.Form)
	case i.Status != Current && i.Status != Retracted:
		return fmt.Errorf("bag-info.txt: Corewatch-Status is %q, want %q or %q", i.Status, Current, Retracted)
	case signed && (i.Organization == "" || i.Contact == "" || !printForm.MatchString(i.Signer)):
		return fmt.Errorf("bag-info.txt: a signed bundle names Source-Organization, Contact-Name and Corewatch-Signer")
	case !signed && i.Organization+i.Contact+i.Supersedes+i.Signer+i.Log+strings.Join(i.TimeStamps, "") != "":
		return fmt.Errorf("bag-info.txt: an unsigned draft speaks for nobody and announces no seal")
	case i.Supersedes != "" && !urnForm.MatchString(i.Supersedes):
		return fmt.Errorf("bag-info.txt: Corewatch-Supersedes %q is no urn:sha256", i.Supersedes)
	}
	for n, name := range i.TimeStamps {
		if !nameForm.MatchString(name) || n > 0 && i.TimeStamps[n-1] >= name {
			return fmt.Errorf("bag-info.txt: Corewatch-Time-Stamps: %q is no name, or out of order", name)
		}
	}
	return nil
}

// parseInfo reads what appendText writes and nothing else.
func parseInfo(text []byte) (i Info, err error) {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		label, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if _, twice := values[label]; !ok || twice {
			return i, fmt.Errorf("bag-info.txt: the line %.80q is no label and value, or is there twice", line)
		}
		values[label] = value
	}
	i = Info{
		Organization: values["Source-Organization"], Contact: values["Contact-Name"], Identifier: values["External-Identifier"], Software: values["Bag-Software-Agent"],
		Form: values["Corewatch-Form"], Data: values["Corewatch-Data"], Status: values["Corewatch-Status"], Supersedes: values["Corewatch-Supersedes"],
		Signer: values["Corewatch-Signer"], Log: values["Corewatch-Log"],
	}
	if s := values["Corewatch-Time-Stamps"]; s != "" {
		i.TimeStamps = strings.Split(s, " ")
	}
	if i.Date, err = time.Parse(time.DateOnly, values["Bagging-Date"]); err != nil {
		return i, fmt.Errorf("bag-info.txt: Bagging-Date %.40q is no day", values["Bagging-Date"])
	}
	if i.Form == Signed {
		if i.Date, err = time.Parse(time.RFC3339, values["Corewatch-Frozen"]); err != nil {
			return i, fmt.Errorf("bag-info.txt: Corewatch-Frozen %.40q is no instant", values["Corewatch-Frozen"])
		}
	}
	octets, files, _ := strings.Cut(values["Payload-Oxum"], ".")
	i.Octets, err = strconv.ParseInt(octets, 10, 64)
	if i.Files, _ = strconv.Atoi(files); err != nil {
		return i, fmt.Errorf("bag-info.txt: Payload-Oxum %.40q is no number of octets and files", values["Payload-Oxum"])
	}
	again, err := i.appendText(nil)
	if err != nil {
		return i, err
	}
	if string(again) != string(text) {
		return i, fmt.Errorf("bag-info.txt is not in the canonical form (order of labels, spelling of values, format version other than %s)", Format)
	}
	return i, nil
}
