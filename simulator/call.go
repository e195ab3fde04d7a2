package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The API's names.
const (
	apiVersion = "2019-07-22"
	actionWeb  = "DescribeCaptchaResult"
	actionMini = "DescribeCaptchaMiniResult"
	otherCall  = "other" // stands for any other action in the counts
	maxBody    = 1 << 20
)

// A refusal is an error as the Cloud API writes it.
type refusal struct{ code, message string }

func refuse(code, message string) *refusal { return &refusal{code, "simulator: " + message} }

// call is one request to the API, read and checked.
type call struct {
	action   string // actionWeb, actionMini or otherCall
	refused  *refusal
	ticket   string
	randstr  string
	appID    uint64
	appKey   string
	needTime bool // NeedGetCaptchaTime
}

func (c *call) mini() bool { return c.action == actionMini }

// disaster reports whether the call asks about a disaster ticket.
func (c *call) disaster() bool { return c.refused == nil && looksDisaster(c.ticket) }

// readCall reads a call and checks all that comes before the ticket. The error
// says that the request itself broke off.
func (s *Simulator) readCall(r *http.Request, now time.Time) (*call, error) {
	c := &call{action: otherCall}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return nil, err
		}
	}
	params := formOf(r, body)
	c.name(r.Header.Get("X-TC-Action"))
	if params.Has("Signature") && r.Header.Get("Authorization") == "" {
		c.name(params.Get("Action"))
		c.refused = s.checkOlder(r, c.action, params, now)
	} else if c.refused = checkHead(r, c.action, len(body)); c.refused == nil {
		c.refused = s.checkSignature(r, body, now)
	}
	switch {
	case c.refused != nil:
	case params != nil:
		c.refused = c.readFields(fieldsOf(params))
	default:
		c.refused = c.readBody(body)
	}
	return c, nil
}

func (c *call) name(action string) {
	if action == actionWeb || action == actionMini {
		c.action = action
	}
}

func checkHead(r *http.Request, action string, size int) *refusal {
	for _, name := range []string{"X-TC-Action", "X-TC-Version", "X-TC-Timestamp", "Authorization", "Content-Type"} {
		if r.Header.Get(name) == "" {
			return refuse("MissingParameter", "The header "+name+" is missing.")
		}
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case size > maxBody:
		return refuse("RequestSizeLimitExceeded", "The request is too large.")
	case action == otherCall:
		return refuse("InvalidAction", "There is no such action in this API.")
	case r.Header.Get("X-TC-Version") != apiVersion:
		return refuse("NoSuchVersion", "The only version of this API is "+apiVersion+".")
	case r.Method == http.MethodPost && !strings.EqualFold(strings.TrimSpace(kind), "application/json"):
		return refuse("InvalidParameter", "The content type must be application/json.")
	}
	return nil
}

// parameter is one field of a call's body.
type parameter struct {
	name     string
	number   bool
	optional bool
	webOnly  bool
}

var parameters = []parameter{
	{name: "CaptchaType", number: true},
	{name: "Ticket"},
	{name: "UserIp"},
	{name: "Randstr", webOnly: true},
	{name: "CaptchaAppId", number: true},
	{name: "AppSecretKey"},
	{name: "BusinessId", number: true, optional: true},
	{name: "SceneId", number: true, optional: true},
	{name: "MacAddress", optional: true},
	{name: "Imei", optional: true},
	{name: "NeedGetCaptchaTime", number: true, optional: true, webOnly: true},
}

// readBody reads a body of JSON. It and readFields are exact about names and types, because the real API is.
func (c *call) readBody(body []byte) *refusal {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return refuse("InvalidParameter", "The body is not a JSON object.")
	}
	return c.readFields(fields)
}

func (c *call) readFields(fields map[string]json.RawMessage) *refusal {
	numbers, texts, known := map[string]uint64{}, map[string]string{}, 0
	for _, p := range parameters {
		raw, given := fields[p.name]
		if p.webOnly && c.mini() {
			continue // if it is given, it is the unknown one below
		}
		if given {
			known++
		}
		if !given || string(raw) == "null" {
			if p.optional {
				continue
			}
			return refuse("MissingParameter", "The parameter "+p.name+" is missing.")
		}
		if !p.read(raw, numbers, texts) {
			return refuse("InvalidParameter", "The parameter "+p.name+" has the wrong type.")
		}
	}
	if known < len(fields) {
		return refuse("UnknownParameter", "The call has a parameter that this action does not know.")
	}
	return c.take(numbers, texts)
}

func (p parameter) read(raw json.RawMessage, numbers map[string]uint64, texts map[string]string) bool {
	if p.number {
		n, err := strconv.ParseUint(string(raw), 10, 64)
		numbers[p.name] = n
		return err == nil
	}
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		texts[p.name] = string(raw[1 : len(raw)-1])
		return true
	}
	var text string
	err := json.Unmarshal(raw, &text)
	texts[p.name] = text
	return err == nil
}

func (c *call) take(numbers map[string]uint64, texts map[string]string) *refusal {
	if numbers["CaptchaType"] != 9 {
		return refuse("InvalidParameterValue", "CaptchaType must be 9.")
	}
	if _, err := netip.ParseAddr(texts["UserIp"]); err != nil {
		return refuse("InvalidParameterValue", "UserIp is not an IP address.")
	}
	c.ticket, c.randstr = texts["Ticket"], texts["Randstr"]
	c.appID, c.appKey = numbers["CaptchaAppId"], texts["AppSecretKey"]
	c.needTime = numbers["NeedGetCaptchaTime"] == 1
	if c.ticket == "" {
		return refuse("InvalidParameterValue", "Ticket is empty.")
	}
	return nil
}
