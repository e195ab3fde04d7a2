package public

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/policy"
	"captchagate/tc3"
)

// The API's names.
const (
	apiVersion  = "2019-07-22"
	actionWeb   = "DescribeCaptchaResult"
	actionMini  = "DescribeCaptchaMiniResult"
	captchaType = 9 // the only one there is
)

// A call is a request for the Tencent Cloud API that is signed rightly.
type call struct {
	policy.Request
	appKey    string
	userIP    string
	extra     []byte // see captcha.Exchange
	signature tc3.Signature
	name      string // the same for the same signed request only
	action    string
	version   string
	language  string
	region    string
	sent      []byte // the parameters as JSON
}

// read reads a call and checks who signed it. A call that is signed rightly comes with
// what is wrong with it.
func (d *dropIn) read(c *gin.Context, now time.Time) (*call, *refusal) {
	body, err := d.server.wholeBody(c)
	if err != nil {
		return nil, unreadableBody
	}
	params, form := paramsOf(c.Request, body)
	var signed url.Values // may hold the signature; beside a body of JSON it would leave that out
	if form {
		signed = params
	}
	signature, err := d.checker.Check(c.Request, body, signed, now)
	if failed, ok := errors.AsType[*tc3.Refusal](err); ok {
		return nil, refusalOf(failed)
	}
	q := &call{signature: signature, sent: body}
	refused := q.readAction(c.Request, params)
	if form {
		sent, wrong := jsonOf(params)
		if q.sent = sent; refused == nil {
			refused = wrong
		}
	} else if kinds := c.Request.Header["Content-Type"]; refused == nil && (len(kinds) != 1 || !isJSON(kinds[0])) {
		refused = wrongContentType
	}
	if refused != nil {
		return q, refused
	}
	q.name = nameOf(signature.Sum, q.action, c.Request.URL.RawQuery, body)
	return q, q.readParameters()
}

// nameOf names a signed request by all that it asks, also by what its signature leaves out.
func nameOf(sum, action, query string, body []byte) string {
	var room [512]byte // more than they usually take
	text := append(append(append(append(room[:0], sum...), 0), action...), 0)
	text = append(append(text, query...), 0)
	asked := sha256.Sum256(body)
	name := sha256.Sum256(append(text, asked[:]...))
	return string(name[:])
}

// wholeBody reads a body to its end. One over maxBody is an error.
func (s *Server) wholeBody(c *gin.Context) ([]byte, error) {
	body, err := s.readBody(c)
	if c.Request.ContentLength > maxBody || len(body) > maxBody {
		_, _ = io.CopyN(io.Discard, c.Request.Body, maxDiscarded) // its sender gets to read the answer
		return nil, errTooLong
	}
	return body, err
}

var errTooLong = errors.New("the body is longer than 64 KiB")

// paramsOf returns the parameters in a form or a query, and whether the action's own are
// among them and not in a body of JSON.
func paramsOf(r *http.Request, body []byte) (params url.Values, form bool) {
	text, form := r.URL.RawQuery, r.Method != http.MethodPost
	if kinds := r.Header["Content-Type"]; !form && len(kinds) == 1 && !isJSON(kinds[0]) {
		media, _, err := mime.ParseMediaType(kinds[0])
		if form = err == nil && media == "application/x-www-form-urlencoded"; form {
			text = string(body)
		}
	}
	if text == "" {
		return nil, form
	}
	params, err := url.ParseQuery(text)
	if err != nil {
		return nil, form
	}
	return params, form
}

// word returns what stands in the header, else in the parameter, if it can be the name of
// a language or a region.
func word(header, parameter string) string {
	w := cmp.Or(header, parameter)
	if len(w) > 32 || strings.ContainsFunc(w, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return ""
	}
	return w
}

// readAction reads the action that a call names, in a header, in the form or in the
// query. Its version may stand in any of them, too.
func (q *call) readAction(r *http.Request, params url.Values) *refusal {
	query := params
	if r.Method == http.MethodPost && r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	var one, same bool
	q.action, one = only(r.Header["X-Tc-Action"], params["Action"], query["Action"])
	q.version, same = only(r.Header["X-Tc-Version"], params["Version"], query["Version"])
	q.language, q.region = word(r.Header.Get("X-Tc-Language"), params.Get("Language")), word(r.Header.Get("X-Tc-Region"), params.Get("Region"))
	q.Ticket.Mini = q.action == actionMini
	switch {
	case !one || !same:
		return namedTwice
	case q.action == "":
		return noAction
	case q.action != actionWeb && q.action != actionMini:
		return otherAction
	case q.version == "":
		return noVersion
	case q.version != apiVersion:
		return otherVersion
	}
	return nil
}

// only is the one value that the lists hold, "" where they are empty, and whether it is
// the only one.
func only(lists ...[]string) (value string, same bool) {
	found := false
	for _, list := range lists {
		for _, one := range list {
			if found && one != value {
				return value, false
			}
			value, found = one, true
		}
	}
	return value, true
}
