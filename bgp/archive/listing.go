package archive

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	maxListing = 16 << 20 // octets of a page: a month of RIS has about 9,000 files, 2 MB
	maxLinks   = 100_000
	maxLink    = 1000
	listTime   = 5 * time.Minute
)

var (
	link = regexp.MustCompile(`(?i)href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)'|([^\s"'<>]+))`)
	// fileName is what the archives call their files: RouteViews rib. and updates., RIS bview. and updates.
	fileName = regexp.MustCompile(`^(rib|bview|updates)\.([0-9]{8}\.[0-9]{4})\.(?:gz|bz2)$`)
)

// list gives the files of a kind, a collector and a month, in order of time. A folder that is not there is an empty one: there is false.
func (a *Archive) list(ctx context.Context, collector string, kind Kind, month time.Time) (files []File, there bool, err error) {
	s, dir := a.folder(collector, kind, month)
	var page []byte
	var from *url.URL
	err = a.retry(ctx, "the list "+dir.String(), func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, listTime)
		defer cancel()
		ctx, body, stop := a.watched(ctx)
		defer stop()
		res, err := s.get(ctx, dir.String(), nil)
		if err != nil {
			return false, why(ctx, err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false, refused(res)
		}
		from = res.Request.URL
		page, err = io.ReadAll(io.LimitReader(body(res.Body), maxListing+1))
		if err == nil && len(page) > maxListing {
			err = refusal(fmt.Sprintf("it is longer than %d octets", maxListing))
		}
		return false, why(ctx, err)
	})
	var no *answer
	if errors.As(err, &no) && no.code == http.StatusNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, f := range parseListing(page, from) {
		if f.Kind == kind {
			f.Collector = collector
			files = append(files, f)
		}
	}
	return files, true, nil
}

// parseListing takes the files out of a page that a server made of a folder: links to files beside the page that are called what the archives
// call them. Whatever else the page says is passed over. In order of time, each instant once.
func parseListing(page []byte, at *url.URL) (files []File) {
	folder := at.Path[:strings.LastIndexByte(at.Path, '/')+1]
	for _, m := range link.FindAllSubmatch(page, maxLinks) {
		text := string(m[1]) + string(m[2]) + string(m[3])
		if len(text) > maxLink {
			continue
		}
		ref, err := url.Parse(html.UnescapeString(text))
		if err != nil {
			continue
		}
		u := at.ResolveReference(ref)
		name := strings.TrimPrefix(u.Path, folder)
		if u.Scheme != at.Scheme || u.Host != at.Host || u.User != nil || !strings.HasPrefix(u.Path, folder) {
			continue
		}
		parts := fileName.FindStringSubmatch(name)
		if parts == nil {
			continue
		}
		when, err := time.Parse("20060102.1504", parts[2])
		if err != nil || when.Year() < 1990 { // before there was an archive
			continue
		}
		f := File{Kind: Table, Name: name, Time: when, URL: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()}
		if parts[1] == "updates" {
			f.Kind = Updates
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b File) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return int(a.Kind) - int(b.Kind)
	})
	return slices.CompactFunc(files, func(a, b File) bool { return a.Time.Equal(b.Time) && a.Kind == b.Kind })
}
