package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/entity"
)

// source is a table in the making and the digest of the file it comes from.
type source struct {
	builder entity.TableBuilder
	sha256  string
}

// readArchive calls each for every regular file of a gzip-compressed tar, and gives the digest of the archive.
func readArchive(name string, each func(file string, r io.Reader) error) (digest string, err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the data (set COREWATCH_DATA or -data): %w", err)
	}
	sum := sha256.Sum256(raw)
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum[:]), nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := each(h.Name, t); err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
}

// readNRO reads first,last,country rows from the two CSV files of addresses in the npm package.
func readNRO(name string) (*source, error) {
	var s source
	files := 0
	digest, err := readArchive(name, func(file string, r io.Reader) error {
		if base := path.Base(file); base != "asn-country-ipv4.csv" && base != "asn-country-ipv6.csv" {
			return nil
		}
		files++
		return eachLine(file, r, func(text string) error {
			f := strings.Split(text, ",")
			if len(f) != 3 {
				return fmt.Errorf("%d fields, want 3", len(f))
			}
			first, err := netip.ParseAddr(f[0])
			if err != nil {
				return err
			}
			last, err := netip.ParseAddr(f[1])
			if err != nil {
				return err
			}
			return addRange(&s.builder, first, last, f[2])
		})
	})
	if err == nil && files != 2 {
		err = fmt.Errorf("%s: %d of the two files found", filepath.Base(name), files)
	}
	s.sha256 = digest
	return &s, err
}

// readIPVerse reads country/<cc>/ipv4-aggregated.txt and ipv6-aggregated.txt: one prefix a line, "#" comments.
func readIPVerse(name string) (*source, error) {
	var s source
	digest, err := readArchive(name, func(file string, r io.Reader) error {
		if base := path.Base(file); base != "ipv4-aggregated.txt" && base != "ipv6-aggregated.txt" {
			return nil
		}
		country := strings.ToUpper(path.Base(path.Dir(file)))
		return eachLine(file, r, func(text string) error {
			if strings.HasPrefix(text, "#") || text == "" {
				return nil
			}
			p, err := bgp.ParsePrefix(text)
			if err != nil {
				return err
			}
			return addRange(&s.builder, p.Netip().Addr(), lastOf(p), country)
		})
	})
	s.sha256 = digest
	return &s, err
}

// addRange insists on ISO 3166-1 codes: the sources claim to have no others.
func addRange(b *entity.TableBuilder, first, last netip.Addr, country string) error {
	if _, ok := entity.CountryName(country); !ok {
		return fmt.Errorf("country %q is not in ISO 3166-1", country)
	}
	return b.AddRange(first, last, country)
}

// lastOf is the last address of a prefix.
func lastOf(p bgp.Prefix) netip.Addr {
	b := p.Netip().Addr().AsSlice()
	for i := p.Len(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func eachLine(file string, r io.Reader, fn func(string) error) error {
	line := 0
	for s := bufio.NewScanner(r); ; {
		if !s.Scan() {
			return s.Err()
		}
		line++
		if err := fn(s.Text()); err != nil {
			return fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
}
