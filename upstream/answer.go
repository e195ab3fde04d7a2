package upstream

import (
	"bytes"
	"context"
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
		RequestId   requestID //nolint:revive // named by the API
	}

	// What the API's predecessor calls an error, as the SDK knows it too.
	OldCode int    `json:"code"`
	OldName string `json:"codeDesc"`
}

// A requestID is the API's name of a call, and where its value stands in the body.
type requestID struct {
	text     string
	from, to int64
}

// UnmarshalJSONFrom takes a string over; a null is none.
func (id *requestID) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	id.to = d.InputOffset()
	id.from = id.to - int64(len(value))
	if value.Kind() == 'n' {
		id.text = ""
		return nil
	}
	return json.Unmarshal(value, &id.text, tolerant)
}

// tolerant reads what the API could have meant: an answer is no place to be
// strict about a name given twice or a broken character.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// read reads a response to its end and parses it. Nothing of the reply lies in
// the buffer, which the next call uses; what ctx carries gets a copy. After "switching protocols" (101) there is
// no end, and the body is the bare connection, which no time bounds.
func (c *Client) read(ctx context.Context, resp *http.Response) reply {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return reply{err: newStatusError(resp), delivered: true}
	}
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
		var id requestID
		r, id = parse(buffer.Bytes())
		if x := captcha.ExchangeOf(ctx); x != nil {
			x.Before, x.After = split(buffer.Bytes(), id)
		}
	}
	if buffer.Cap() <= maxKept {
		buffer.Reset()
		c.buffers.Put(buffer)
	}
	return r
}

// split returns copies of what stands before and after the value of a body's RequestId.
// If it has none, one is made room for.
func split(body []byte, id requestID) (before, after []byte) {
	if id.to > 0 {
		body = bytes.Clone(body)
		return body[:id.from:id.from], body[id.to:]
	}
	begins := beginOfResponse(body)
	before = append(bytes.Clone(body[:begins]), `"RequestId":`...)
	return before, append([]byte(","), body[begins:]...)
}

// beginOfResponse is where the first member of Response stands in a body that was read.
func beginOfResponse(body []byte) int64 {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), tolerant)
	_, _ = d.ReadToken()
	for {
		name, err := d.ReadToken()
		if err != nil || name.String() == "Response" {
			_, _ = d.ReadToken()
			return d.InputOffset()
		}
		_ = d.SkipValue()
	}
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
func parse(body []byte) (reply, requestID) {
	var got response
	if err := json.Unmarshal(body, &got, tolerant); err != nil {
		return reply{err: errUnreadable, delivered: true}, requestID{}
	}
	return got.reply(), got.Response.RequestId
}

func (got *response) reply() reply {
	said := &got.Response
	switch {
	case said.Error.Code != "":
		return reply{code: said.Error.Code, requestID: said.RequestId.text, delivered: true}
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
		RequestID: clean(said.RequestId.text, maxRequestID),
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
