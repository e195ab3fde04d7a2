package upstream

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"captchagate/captcha"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxBody = 1 << 20  // the longest answer that is read, in bytes; real ones have some hundreds
	maxKept = 16 << 10 // the largest buffer that is kept for the next answer, in bytes
)

// Longest texts of an answer that are passed on, in bytes.
const (
	maxMessage   = 256
	maxRequestID = 64
)

// response is what both actions may answer: an error, an answer or neither.
// Each field may be missing or null, and others may stand beside them.
type response struct {
	Response struct {
		Error       struct{ Code string }
		CaptchaCode *int64
		CaptchaMsg  string
		EvilLevel   int64
		Score       int64
		RequestId   string //nolint:revive // named by the API
	}

	// What the API's predecessor calls an error, as the SDK knows it too.
	OldCode int    `json:"code"`
	OldName string `json:"codeDesc"`
}

// tolerant reads what the API could have meant: an answer is no place to be
// strict about a name given twice or a broken character.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// read reads a response to its end and parses it. Nothing of the reply lies in
// the buffer, which the next call uses.
func (c *Client) read(resp *http.Response) reply {
	buffer, ok := c.buffers.Get().(*bytes.Buffer)
	if !ok {
		buffer = new(bytes.Buffer)
	}
	err := readBody(buffer, resp)
	if resp.StatusCode != http.StatusOK {
		err = newStatusError(resp)
	}
	r := reply{err: err, delivered: true}
	if err == nil {
		r = parse(buffer.Bytes())
	}
	if buffer.Cap() <= maxKept {
		buffer.Reset()
		c.buffers.Put(buffer)
	}
	return r
}

// readBody reads the body to its end, so that the connection can be used
// again, unless it is too long.
func readBody(buffer *bytes.Buffer, resp *http.Response) error {
	defer resp.Body.Close()
	if resp.ContentLength > maxBody {
		return errTooLong
	}
	_, err := buffer.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && buffer.Len() > maxBody {
		return errTooLong
	}
	return err
}

// parse reads the body of a response that came whole.
func parse(body []byte) reply {
	var got response
	if err := json.Unmarshal(body, &got, tolerant); err != nil {
		return reply{err: errUnreadable, delivered: true}
	}
	said := &got.Response
	switch {
	case said.Error.Code != "":
		return reply{code: said.Error.Code, requestID: said.RequestId, delivered: true}
	case got.OldCode != 0:
		return reply{code: got.OldName, delivered: true}
	case said.CaptchaCode == nil:
		return reply{delivered: true}
	}
	return reply{delivered: true, answer: &captcha.Answer{
		Code:      *said.CaptchaCode,
		Message:   clean(said.CaptchaMsg, maxMessage),
		EvilLevel: said.EvilLevel,
		Score:     said.Score,
		RequestID: clean(said.RequestId, maxRequestID),
	}}
}

// clean returns s as valid UTF-8 of at most the given number of bytes, cut
// between characters.
func clean(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
