package alerts

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Unreachable says why an HTTP request came to nothing, without its URL, which may hold a token.
func Unreachable(err error) error {
	var permanent *Permanent
	if errors.As(err, &permanent) {
		return permanent
	}
	var at *url.Error
	if errors.As(err, &at) {
		if at.Timeout() {
			return errors.New("the receiver did not answer in time")
		}
		err = at.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("the receiver cannot be reached: %w", op.Err)
	}
	return fmt.Errorf("the receiver: %s", Plain(err.Error()))
}

// Refused is the error of an HTTP answer that is no receipt: whether another attempt may help, and when.
func Refused(res *http.Response, text string, now time.Time) error {
	err := errors.New(text)
	switch c := res.StatusCode; {
	case c == http.StatusTooManyRequests || c == http.StatusServiceUnavailable:
		return &Busy{Err: err, After: retryAfter(res.Header.Get("Retry-After"), now)}
	case c == http.StatusRequestTimeout || c == http.StatusTooEarly || c >= 500:
		return err
	}
	return &Permanent{Err: err}
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds, or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
