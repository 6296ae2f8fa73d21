package sqlite

import (
	"hash/crc32"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/corewatch/corewatch/detect"
)

// maxJSON is the largest incident, part of members or fact that is stored or read, in bytes.
const maxJSON = 64 << 20

// The coders are shared: EncodeAll and DecodeAll may be called from several goroutines. Their options are constants, so
// making them cannot fail.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		return must(zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1)))
	})
	chunkDecoder = sync.OnceValue(func() *zstd.Decoder { return newDecoder(maxPlain) })
	jsonDecoder  = sync.OnceValue(func() *zstd.Decoder { return newDecoder(maxJSON) })
)

func newDecoder(limit uint64) *zstd.Decoder {
	return must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(limit)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("zstd options: " + err.Error())
	}
	return v
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of a stored value together with the names it belongs to, so that a value that strayed to another
// row is found as well.
func checksum(body []byte, names ...string) int64 {
	var c uint32
	for _, n := range names {
		c = crc32.Update(c, castagnoli, []byte(n))
		c = crc32.Update(c, castagnoli, []byte{0})
	}
	return int64(crc32.Update(c, castagnoli, body))
}

// timeOf makes event time of microseconds.
func timeOf(micros int64) detect.Time { return detect.At(time.UnixMicro(micros)) }
