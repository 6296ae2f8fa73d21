package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp/mrt"
)

const (
	maxTable    = 8 << 30  // octets of a table dump as it is sent; the largest of 2026 have less than 1 GiB
	maxUpdates  = 1 << 30  // of an update file; usual are a few MB
	maxPlain    = 64 << 30 // and decompressed
	maxFileTime = 12 * time.Hour
	maxAgain    = 3 // downloads of a file that arrives damaged
)

// most is how large a file may be.
func (k Kind) most() int64 {
	if k == Updates {
		return maxUpdates
	}
	return maxTable
}

// Fetch downloads a file, unless it is in the cache whole, and gives its path there. What an earlier call left half done is continued, when the
// server says that the file is still the same. A file that is damaged in the archive itself is kept as it is, and Say is told: its reader will
// find where.
func (a *Archive) Fetch(ctx context.Context, f File) (string, error) {
	path := a.Path(f)
	if !fileName.MatchString(f.Name) || CheckCollector(f.Collector) != nil {
		return "", fmt.Errorf("%s of %s is no file of an archive", f.Name, f.Collector)
	}
	if n, err := a.kept(ctx, path); err != nil {
		return "", err
	} else if n != nil {
		a.progress(f, n.Size, n.Size)
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", fmt.Errorf("folder for %s: %w", f.Name, err)
	}
	d := &download{a: a, file: f, path: path, part: beside(path, ".part")}
	if err := d.open(); err != nil {
		return "", err
	}
	defer d.out.Close()
	limited, cancel := context.WithTimeout(ctx, maxFileTime)
	defer cancel()
	if err := d.run(limited); err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("%s: not there after %s", f.URL, maxFileTime)
		}
		return "", err
	}
	return path, nil
}

func (a *Archive) progress(f File, have, size int64) {
	if a.opt.Progress != nil {
		a.opt.Progress(f, have, size)
	}
}

// kept is the note of a file that is in the cache whole and as it was when it came; nil when it is not.
func (a *Archive) kept(ctx context.Context, path string) (*note, error) {
	n := readNote(beside(path, ".json"))
	if n == nil {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil // it is not there: it is fetched
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() != n.Size {
		return nil, nil
	}
	sum, err := digest(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("reading %s of the cache: %w", filepath.Base(path), err)
	}
	if sum != n.SHA256 {
		a.say("%s in the cache is not what came from %s: it is fetched again", filepath.Base(path), n.URL)
		return nil, nil
	}
	return n, nil
}

// interruptible ends a long read when ctx ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}

func digest(ctx context.Context, r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, interruptible{ctx, r}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// download is one file on its way. Its lock is that of the part file, which becomes the file.
type download struct {
	a    *Archive
	file File
	path string
	part string
	out  *os.File
	have int64 // octets in the part file
	note *note // what the server said of the file; nil before it did
}

// open opens the part file, or goes on with the one that is there.
func (d *download) open() (err error) {
	if d.out, err = os.OpenFile(d.part, os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		return fmt.Errorf("downloading %s: %w", d.file.Name, err)
	}
	if err := lock(d.out); err != nil {
		d.out.Close()
		return fmt.Errorf("%s: another program is downloading it into this folder: wait for it, or use another --cache: %w", d.file.Name, err)
	}
	st, err := d.out.Stat()
	if err != nil {
		d.out.Close()
		return fmt.Errorf("downloading %s: %w", d.file.Name, err)
	}
	d.have, d.note = st.Size(), readNote(d.part+".json")
	if n := d.note; n != nil && (n.URL != d.file.URL || n.Size >= 0 && d.have > n.Size) {
		d.note = nil
	}
	return nil
}

// run downloads until the file is there as the archive has it.
func (d *download) run(ctx context.Context) error {
	last := "" // digest of a damaged download
	for range maxAgain {
		if err := d.a.retry(ctx, d.file.URL, func() (bool, error) {
			before := d.have
			err := d.attempt(ctx)
			return d.have > before, err
		}); err != nil {
			return err
		}
		sum, damage, err := d.check(ctx)
		if err != nil {
			return fmt.Errorf("checking %s: %w", d.file.Name, err)
		}
		if damage == nil || sum == last {
			return d.finish(sum, damage)
		}
		d.a.say("%s arrived damaged (%v): it is fetched once more", d.file.URL, damage)
		last, d.have, d.note = sum, 0, nil
	}
	return fmt.Errorf("%s arrived damaged %d times, each time otherwise: the connection, or a box in it, changes what is sent", d.file.URL, maxAgain)
}

// attempt asks for the file, or for what is missing of it, once.
func (d *download) attempt(ctx context.Context) error {
	if d.note != nil && d.note.Size > 0 && d.have == d.note.Size {
		return nil
	}
	header := map[string]string{}
	if d.have > 0 && d.note != nil && d.note.validator() != "" {
		header["Range"] = fmt.Sprintf("bytes=%d-", d.have)
		header["If-Range"] = d.note.validator()
	}
	ctx, body, stop := d.a.watched(ctx)
	defer stop()
	res, err := d.a.site(d.file).get(ctx, d.file.URL, header)
	if err != nil {
		return why(ctx, err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		err = d.restart(res)
	case http.StatusPartialContent:
		err = d.resumed(res, len(header) > 0)
	case http.StatusRequestedRangeNotSatisfiable:
		d.have, d.note = 0, nil
		err = errors.New("what is there does not fit the file any more")
	default:
		err = refused(res)
	}
	if err != nil {
		return err
	}
	return d.receive(ctx, body(res.Body))
}

// restart notes what the server says of the file, and empties the part file.
func (d *download) restart(res *http.Response) error {
	if most := d.file.Kind.most(); res.ContentLength > most {
		return refusal(fmt.Sprintf("the server announces %d octets; at most %d are taken", res.ContentLength, most))
	}
	if err := d.out.Truncate(0); err != nil {
		return err
	}
	d.have = 0
	d.note = &note{URL: d.file.URL, ETag: short(res.Header.Get("ETag")), LastModified: short(res.Header.Get("Last-Modified")), Size: res.ContentLength}
	return d.note.write(d.part + ".json")
}

// short leaves out what is too long to be what it should be.
func short(header string) string {
	if len(header) > 200 {
		return ""
	}
	return header
}

// resumed checks that the server goes on where we stopped, in the same file.
func (d *download) resumed(res *http.Response, asked bool) error {
	from, size, ok := contentRange(res.Header.Get("Content-Range"))
	etag := res.Header.Get("ETag")
	if !asked || !ok || from != d.have || d.note.Size >= 0 && size >= 0 && size != d.note.Size || etag != "" && d.note.ETag != "" && etag != d.note.ETag || size > d.file.Kind.most() {
		d.have, d.note = 0, nil
		return errors.New("the server gave another part than the one asked for")
	}
	d.note.Size = max(d.note.Size, size)
	return nil
}

// contentRange reads "bytes FROM-TO/SIZE" (RFC 9110 section 14.4); size is -1 for "*".
func contentRange(text string) (from, size int64, ok bool) {
	rest, isBytes := strings.CutPrefix(text, "bytes ")
	span, total, both := strings.Cut(rest, "/")
	first, _, isSpan := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if !isBytes || !both || !isSpan || err != nil || from < 0 {
		return 0, 0, false
	}
	if total == "*" {
		return from, -1, true
	}
	size, err = strconv.ParseInt(total, 10, 64)
	return from, size, err == nil && size >= from
}

// receive takes octets until the end of the file. What came stays, whatever ends it.
func (d *download) receive(ctx context.Context, body io.Reader) error {
	most := d.file.Kind.most()
	if d.note.Size >= 0 {
		most = d.note.Size
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		if d.have+int64(n) > most {
			d.have, d.note = 0, nil
			return refusal(fmt.Sprintf("the server sends more than the %d octets that it may", most))
		}
		if n > 0 {
			if _, err := d.out.WriteAt(buf[:n], d.have); err != nil {
				return refusal(err.Error()) // a full disk does not get better by asking again
			}
			d.have += int64(n)
			d.a.progress(d.file, d.have, max(d.note.Size, 0))
		}
		if errors.Is(err, io.EOF) {
			if d.note.Size >= 0 && d.have < d.note.Size {
				return fmt.Errorf("the transfer ended after %d of %d octets", d.have, d.note.Size)
			}
			d.note.Size = d.have
			return nil
		}
		if err != nil {
			return fmt.Errorf("the transfer broke off after %d octets: %w", d.have, why(ctx, err))
		}
	}
}

// check reads the whole file once as it is and once decompressed: damage is what is wrong with it.
func (d *download) check(ctx context.Context) (sum string, damage, err error) {
	if err := d.out.Truncate(d.have); err != nil {
		return "", nil, err
	}
	if sum, err = digest(ctx, io.NewSectionReader(d.out, 0, d.have)); err != nil {
		return "", nil, err
	}
	if d.have == 0 {
		return sum, errors.New("it is empty"), nil
	}
	f, damage := mrt.Open(d.part)
	if damage == nil {
		defer f.Close()
		if f.Format() == "plain" {
			return "", nil, refusal("what the server sent is no compressed file; is there a gateway between that answers in its stead?")
		}
		var n int64
		if n, damage = io.Copy(io.Discard, io.LimitReader(interruptible{ctx, f}, maxPlain+1)); n > maxPlain {
			return "", nil, refusal(fmt.Sprintf("it decompresses to more than %d octets", int64(maxPlain)))
		}
	}
	return sum, damage, ctx.Err()
}

// finish makes the part file the file. The note comes first: a file with a note that fits is whole.
func (d *download) finish(sum string, damage error) error {
	n := *d.note
	n.Size, n.SHA256, n.Retrieved = d.have, sum, time.Now().UTC().Truncate(time.Second)
	if damage != nil {
		n.Damaged = strings.ReplaceAll(damage.Error(), d.part, d.file.Name)
		d.a.say("%s is damaged in the archive itself: %s; what can be read of it is used", d.file.URL, n.Damaged)
	}
	if err := d.out.Sync(); err != nil {
		return fmt.Errorf("keeping %s: %w", d.file.Name, err)
	}
	if err := n.write(beside(d.path, ".json")); err != nil {
		return err
	}
	if err := os.Rename(d.part, d.path); err != nil {
		return fmt.Errorf("keeping %s: %w", d.file.Name, err)
	}
	if err := os.Remove(d.part + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("keeping %s: %w", d.file.Name, err)
	}
	return syncFolder(filepath.Dir(d.path))
}
