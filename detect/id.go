package detect

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

// ID makes an incident's id: <code>-<UTC minute of t0>Z-<8 characters>, the last being the start of the lower-case base32 of
// SHA-256 over "v,entity type,code,kind,t0 in µs,method version". t0 is the event time, in this journal, at which the loss
// crossed its floor. Characters outside [A-Za-z0-9.-] of the code become "_".
func ID(e Entity, k Kind, t0 int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d,%s,%s,%s,%d,%s", SchemaVersion, e.Type, e.Code, k, t0, MethodVersion))
	tail := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:8])
	code := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, e.Code)
	return code + "-" + time.UnixMicro(t0).UTC().Format("20060102T1504") + "Z-" + tail
}
