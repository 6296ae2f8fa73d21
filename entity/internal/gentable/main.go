// Command gentable writes entity/countries.bin, the built-in country table, from the NRO statistics as republished by
// ip-location-db, and measures it against an independent table on the way.
package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/corewatch/corewatch/entity"
)

// The files it reads, below the data folder.
const (
	sourceFile = "reference/npm_ip_location_db/ip-location-db-asn-country-2.3.2026061719.tgz"
	checkFile  = "reference/ipverse_rir_ip_20260201.tar.gz"
	vintage    = "2026-06-17" // of the source: the date in its version number
)

func main() {
	data := flag.String("data", cmp.Or(os.Getenv("COREWATCH_DATA"), "../../shared/data"), "folder with the reference data")
	out := flag.String("out", "countries.bin", "file to write")
	flag.Parse()
	if err := run(*data, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gentable:", err)
		os.Exit(1)
	}
}

func run(data, out string) error {
	table, p, err := generate(data)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := entity.EncodeCompact(&b, table, p); err != nil {
		return err
	}
	back, _, err := entity.DecodeCompact(bytes.NewReader(b.Bytes()))
	if err != nil {
		return fmt.Errorf("reading back what was written: %w", err)
	}
	v4, v6 := back.Size()
	fmt.Printf("%s: %d bytes, sha256 %s, %d IPv4 and %d IPv6 ranges\n", filepath.Base(out), b.Len(), back.Reference().SHA256, v4, v6)
	fmt.Printf("agreement with %s: IPv4 %+v, IPv6 %+v\n", p.Agreement.With, p.Agreement.V4, p.Agreement.V6)
	return os.WriteFile(out, b.Bytes(), 0o644)
}

// generate builds the table and its header from the files below data.
func generate(data string) (*entity.CountryTable, entity.Provenance, error) {
	source, err := readNRO(filepath.Join(data, sourceFile))
	if err != nil {
		return nil, entity.Provenance{}, err
	}
	check, err := readIPVerse(filepath.Join(data, checkFile))
	if err != nil {
		return nil, entity.Provenance{}, err
	}
	p := entity.Provenance{
		Name:         "nro-delegated",
		Vintage:      vintage,
		Quality:      entity.QualityProvisional,
		Source:       filepath.Base(sourceFile),
		SourceSHA256: source.sha256,
		Origin:       "Number Resource Organization (nro.net), republished by sapics/ip-location-db as npm @ip-location-db/asn-country",
		Licence:      "CC-BY-4.0",
		Agreement:    entity.Agreement{With: filepath.Base(checkFile), WithSHA256: check.sha256},
	}
	table := source.builder.Build(entity.Reference{Name: p.Name, Vintage: p.Vintage, Quality: p.Quality})
	p.Agreement.V4, p.Agreement.V6 = table.Compare(check.builder.Build(entity.Reference{Name: "ipverse"}))
	return table, p, nil
}
