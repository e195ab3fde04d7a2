package reverify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	// sendTimeout bounds one delivery, the answer's body included.
	sendTimeout = 5 * time.Second
	// mostAnswer is how much of an answer is read so that its connection can be
	// used again, in bytes. Nothing in it matters.
	mostAnswer = 64 << 10
	// After a failure the webhook is left alone for this long, and twice as
	// long after each further one.
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
)

// newClient returns a client that follows no redirect: the reports go where
// the configuration says and nowhere else.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: sendTimeout}).DialContext,
			TLSHandshakeTimeout:    sendTimeout,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}
	}
	return &http.Client{
		Transport: transport, Timeout: sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// sendAll sends batches to the webhook, one at a time. One that is refused goes
// behind the others, so that it does not hold them up for ever.
func (q *Queue) sendAll(ctx context.Context) {
	if q.cfg.Webhook == "" {
		return
	}
	failures := 0
	for ctx.Err() == nil {
		b := q.first()
		if b == nil {
			rest(ctx, q.tempo.look)
			continue
		}
		err := q.deliver(ctx, b)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if failures > 0 {
				q.log.Info("the webhook acknowledges reports again")
			}
			failures = 0
			continue
		}
		if failures == 0 {
			q.log.Warn("the webhook does not acknowledge reports; they are repeated", "error", err)
		}
		q.toTheEnd(b)
		rest(ctx, backoff(failures))
		failures++
	}
}

// backoff is how long to wait after failures in a row, up to half as long
// again so that a fleet does not come back as one.
func backoff(failures int) time.Duration {
	wait := doubled(minBackoff, failures, maxBackoff)
	return min(wait+rand.N(wait/2), maxBackoff)
}

func (q *Queue) first() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.batches) == 0 {
		return nil
	}
	return q.batches[0]
}

// deliver sends a batch, and once acknowledged keeps only its tally. Where
// that cannot be written the batch goes out again, under the same key.
func (q *Queue) deliver(ctx context.Context, b *batch) error {
	rec, ok, err := q.readBatch(ctx, b.key)
	if err != nil {
		return err
	}
	if !ok || rec.Body == nil {
		q.forget(b)
		return nil
	}
	if err := q.post(ctx, b.key, rec.Body); err != nil {
		return err
	}
	rec.Body = nil
	if err := q.put(context.WithoutCancel(ctx), batchBucket, b.key, rec, b.until); err != nil {
		return fmt.Errorf("the webhook's acknowledgement could not be kept: %w", err)
	}
	q.forget(b)
	return nil
}

func (q *Queue) forget(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.batches, b); i >= 0 {
		q.batches = slices.Delete(q.batches, i, i+1)
		q.held -= b.n
	}
}

func (q *Queue) toTheEnd(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.batches, b); i >= 0 {
		q.batches = append(slices.Delete(q.batches, i, i+1), b)
	}
}

// post sends body; nil means that it was acknowledged. Its errors never hold
// the address, in which there may be a token.
func (q *Queue) post(ctx context.Context, key string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.cfg.Webhook, bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "captchagate")
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("X-Gateway-Signature", sign(q.cfg.Secret, time.Now(), body))
	resp, err := q.client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the webhook answered with status %d", resp.StatusCode)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, mostAnswer) // the status has said it all
	return nil
}

// sign is the header that proves where a body comes from, and when it was
// sent: the receiver can refuse what is old.
func sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%x", at.Unix(), mac.Sum(nil))
}
