package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxScript = 4 << 20 // bytes that are read of a script
	minScript = 64      // bytes below which nothing can be the script
)

// FetchScript gets the script of cfg once, as a probe does, and says what is
// wrong with it; nil is nothing.
func FetchScript(ctx context.Context, cfg ScriptConfig, transport http.RoundTripper) error {
	once := &Script{cfg: cfg, client: &http.Client{Transport: transport, CheckRedirect: refuseRedirect, Timeout: probeTimeout}}
	return once.fetch(ctx)
}

// fetch gets the script once and says what is wrong with it; nil is nothing.
func (s *Script) fetch(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return errors.New("the address cannot be asked; look at script_probe.url")
	}
	r.Header.Set("User-Agent", "captchagate")
	answer, err := s.client.Do(r)
	if err != nil {
		return withoutAddress(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxScript+1))
	switch {
	case err != nil:
		return fmt.Errorf("broke off after %d bytes: %w", len(body), withoutAddress(err))
	case len(body) > maxScript:
		return fmt.Errorf("longer than %d bytes", maxScript)
	case answer.ContentLength >= 0 && int64(len(body)) != answer.ContentLength:
		return fmt.Errorf("has %d of %d bytes", len(body), answer.ContentLength)
	}
	return plausible(answer.Header.Get("Content-Type"), body)
}

// withoutAddress says why a fetch failed, without the address: it is known, and
// it may hold what should not be repeated.
func withoutAddress(err error) error {
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return fmt.Errorf("not there within %v", probeTimeout)
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return err
}

// plausible says why a body cannot be a page script; nil if it may be one.
// The vendor may change its script at any time, so this looks only for what an
// error page, a portal or a placeholder has and a script has not.
func plausible(kind string, body []byte) error {
	media, _, _ := mime.ParseMediaType(kind)
	switch text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff"))); {
	case !scriptMediaType(media):
		return errors.New("is not sent as a script but as another type of content")
	case len(text) < minScript:
		return fmt.Errorf("is too short for a script: %d bytes", len(text))
	case text[0] == '<':
		return errors.New("is a page of HTML and not a script")
	case bytes.IndexByte(text, 0) >= 0:
		return errors.New("is not text")
	case json.Valid(text):
		return errors.New("is JSON and not a script")
	case !bytes.ContainsAny(text, "(") || !bytes.ContainsAny(text, "{"):
		return errors.New("has nothing of a script in it")
	}
	return nil
}

// scriptMediaType reports whether a media type may be a script's. Servers are
// careless with it and browsers forgive them.
func scriptMediaType(media string) bool {
	return media == "" || media == "text/plain" || media == "application/octet-stream" ||
		strings.HasSuffix(media, "javascript") || strings.HasSuffix(media, "ecmascript")
}
