package public

import (
	"crypto/hmac"
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"captchagate/api"
)

// commonParams stand in every form and query, whatever the action.
var commonParams = []string{"Action", "Version", "Timestamp", "Nonce", "SecretId", "Signature", "SignatureMethod", "Region", "Language", "RequestClient", "Token"}

// numbers are the parameters that are no texts.
var numbers = []string{"CaptchaType", "CaptchaAppId", "BusinessId", "SceneId", "NeedGetCaptchaTime"}

// jsonOf writes the action's parameters of a form or query as a body of JSON has them.
func jsonOf(params url.Values) (body []byte, wrong *refusal) {
	fields := map[string]json.RawMessage{}
	for name, values := range params {
		if slices.Contains(commonParams, name) {
			continue
		}
		if len(values) != 1 {
			wrong = wrongType
		}
		text, _ := json.Marshal(values[0]) // a string always can
		if digits := values[0]; slices.Contains(numbers, name) && digits != "" && strings.Trim(digits, "0123456789") == "" && (digits == "0" || digits[0] != '0') {
			text = []byte(digits)
		}
		fields[name] = text
	}
	body, _ = json.Marshal(fields) // as do numbers and strings
	return body, wrong
}

// callBody are the parameters of both actions, and what a newer API may know besides.
type callBody struct {
	CaptchaType        api.Member `json:"CaptchaType"`
	Ticket             api.Member `json:"Ticket"`
	UserIP             api.Member `json:"UserIp"`
	Randstr            api.Member `json:"Randstr"`
	CaptchaAppID       api.Member `json:"CaptchaAppId"`
	AppSecretKey       api.Member `json:"AppSecretKey"`
	BusinessID         api.Member `json:"BusinessId"`
	SceneID            api.Member `json:"SceneId"`
	MacAddress         api.Member `json:"MacAddress"`
	Imei               api.Member `json:"Imei"`
	NeedGetCaptchaTime api.Member `json:"NeedGetCaptchaTime"`
	Rest               api.Rest   `json:",embed"`
}

// readParameters reads what the call asks. It is exact about names and types, as the
// API is.
func (q *call) readParameters() *refusal {
	var b callBody
	if !utf8.Valid(q.sent) || api.ReadObject(q.sent, &b) != nil {
		return unreadableBody
	}
	var wrong api.Mistakes
	kind, _ := wrong.Whole("CaptchaType", b.CaptchaType)
	q.Ticket.AppID, _ = wrong.Whole("CaptchaAppId", b.CaptchaAppID)
	q.Ticket.Value = wrong.Foreign("Ticket", b.Ticket)
	q.Ticket.Randstr = wrong.Foreign("Randstr", b.Randstr)
	q.userIP, _ = wrong.Text("UserIp", b.UserIP)
	q.appKey, _ = wrong.Text("AppSecretKey", b.AppSecretKey)
	needed := []api.Member{b.CaptchaType, b.Ticket, b.UserIP, b.CaptchaAppID, b.AppSecretKey, b.Randstr}
	if q.Ticket.Mini {
		needed = needed[:5]
	}
	if slices.ContainsFunc(needed, func(m api.Member) bool { return !m.Given() || m.IsNull() }) {
		return missingParameter
	}
	if len(wrong) > 0 || !b.Ticket.IsString() || b.Randstr.Given() && !b.Randstr.IsString() || !api.Scalars(b.Rest) {
		return wrongType
	}
	if kind != captchaType {
		return otherType
	}
	q.Ticket = q.Ticket.Named()
	return q.readOptional(&b)
}

// readOptional takes over what goes to the API as it is.
func (q *call) readOptional(b *callBody) *refusal {
	var wrong api.Mistakes
	for _, p := range [...]struct {
		name   string
		number bool
		api.Member
	}{
		{"BusinessId", true, b.BusinessID}, {"SceneId", true, b.SceneID}, {"MacAddress", false, b.MacAddress},
		{"Imei", false, b.Imei}, {"NeedGetCaptchaTime", true, b.NeedGetCaptchaTime}, {"Randstr", false, b.Randstr},
	} {
		if !p.Given() || p.IsNull() || p.name == "Randstr" && !q.Ticket.Mini {
			continue
		}
		if p.number {
			wrong.Whole(p.name, p.Member)
		} else {
			wrong.Text(p.name, p.Member)
		}
		q.addExtra(`"` + p.name + `":` + p.JSON())
	}
	if len(wrong) > 0 {
		return wrongType
	}
	if q.Ticket.Mini {
		q.Ticket.Randstr = ""
	}
	if rest := strings.TrimSpace(string(b.Rest)); len(rest) > 2 {
		q.addExtra(rest[1 : len(rest)-1])
	}
	return nil
}

func (q *call) addExtra(members string) {
	if strings.TrimSpace(members) == "" {
		return
	}
	if len(q.extra) > 0 {
		q.extra = append(q.extra, ',')
	}
	q.extra = append(q.extra, members...)
}

// check refuses what the API would refuse too, without asking it.
func (d *dropIn) check(q *call) *refusal {
	key, known := d.known.Load().Apps[q.Ticket.AppID]
	if !known {
		return unknownApp
	}
	if !hmac.Equal([]byte(key), []byte(q.appKey)) {
		return wrongAppKey
	}
	ip, err := netip.ParseAddr(q.userIP)
	if err != nil || ip.Zone() != "" {
		return wrongUserIP
	}
	q.Ticket.UserIP, q.Scene = ip, d.SceneOf(q.Ticket.AppID)
	return nil
}
