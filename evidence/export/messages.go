package export

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// mrtHeader is the length of the MRT common header; its last four octets are the length of what follows (RFC 6396 section 2).
const mrtHeader = 12

// Where the raw messages are, and where they came from.
const (
	rawFolder   = "data/raw/bgp/"
	sourcesPath = rawFolder + "sources.csv"
)

// rawPath is where the messages lie. Messages that nobody received say so in the name, which survives when the file is copied out.
func rawPath(d detect.Data) string {
	switch d {
	case detect.Live, detect.Archive:
		return rawFolder + "messages.mrt"
	case detect.Reconstruction, detect.Synthetic:
		return rawFolder + "messages." + string(d) + ".mrt"
	}
	return rawFolder + "messages.unknown.mrt"
}

// messages adds the raw messages, one after the other as received, and sources.csv, where each came from. It recomputes the
// evidence digest and compares it with the incident's.
func (b *builder) messages() error {
	var raw bytes.Buffer
	path := rawPath(b.inc.Data)
	t := b.newTable(sourcesPath, "seq", "time", "peer", "file", "file_sha256", "offset", "length", "sha256")
	var last uint64
	n, err := b.src.Messages(b.ctx, b.inc.ID, func(m bgp.Message) error {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		if b.digest.Messages() >= b.limits.Messages {
			return fmt.Errorf("it has more than %d messages, the limit", b.limits.Messages)
		}
		if b.digest.Messages() > 0 && m.Seq <= last {
			return fmt.Errorf("message %d comes after message %d: the store did not give them in journal order", m.Seq, last)
		}
		last = m.Seq
		if err := b.checkFrame(m); err != nil {
			return fmt.Errorf("message %d: %w", m.Seq, err)
		}
		in, err := b.inputOf(m)
		if err != nil {
			return fmt.Errorf("message %d: %w", m.Seq, err)
		}
		b.digest.Add(m.Raw)
		raw.Write(m.Raw)
		if err := b.room(path, raw.Len()+t.buf.Len()); err != nil {
			return err
		}
		return t.add(strconv.FormatUint(m.Seq, 10), instant(m.At), m.Peer.String(), in.Name, in.SHA256,
			strconv.FormatInt(m.Source.Offset, 10), strconv.FormatUint(uint64(m.Source.Length), 10), sha256Hex(m.Raw))
	})
	if err != nil {
		return fmt.Errorf("reading its messages: %w", err)
	}
	if n != b.digest.Messages() {
		return fmt.Errorf("the store says that it gave %d messages, but gave %d", n, b.digest.Messages())
	}
	if e := b.inc.Evidence; e != nil && (e.Messages != n || e.SHA256 != b.digest.Sum()) {
		return &MismatchError{ID: b.inc.ID, WantMessages: e.Messages, Messages: n, WantSHA256: cell(e.SHA256), StoredSHA256: b.digest.Sum()}
	}
	b.raw = raw.Bytes()
	if err := b.add(path, b.raw); err != nil {
		return err
	}
	return t.done()
}

// checkFrame makes sure that the messages put one after the other are an MRT file: each is one whole record.
func (b *builder) checkFrame(m bgp.Message) error {
	if len(m.Raw) < mrtHeader {
		return fmt.Errorf("%d octets are less than an MRT header", len(m.Raw))
	}
	if len(m.Raw) > b.limits.MessageBytes {
		return fmt.Errorf("%d octets are more than the limit of %d", len(m.Raw), b.limits.MessageBytes)
	}
	if says := uint64(binary.BigEndian.Uint32(m.Raw[8:])) + mrtHeader; says != uint64(len(m.Raw)) {
		return fmt.Errorf("its MRT header says %d octets, the store holds %d", says, len(m.Raw))
	}
	return nil
}

// inputOf finds the file that a message was read from. Messages that were synthesised need not have come from a file.
func (b *builder) inputOf(m bgp.Message) (bgp.Input, error) {
	if int64(m.Source.File) >= int64(len(b.inputs)) {
		if mark(b.inc.Data) != "" {
			return bgp.Input{}, nil
		}
		return bgp.Input{}, fmt.Errorf("its source is input %d, but the run has %d inputs", m.Source.File, len(b.inputs))
	}
	if mark(b.inc.Data) == "" && int64(m.Source.Length) != int64(len(m.Raw)) {
		return bgp.Input{}, fmt.Errorf("its source says %d octets, the store holds %d", m.Source.Length, len(m.Raw))
	}
	return b.inputs[m.Source.File], nil
}
