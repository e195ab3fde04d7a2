package alarms

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"captchagate/webhook"
)

// A post is one that can be sent: chats sign its time, so that each try has its own.
type post struct {
	address, signature string
	body               []byte
}

// body is what is sent in the gateway's own form.
type body struct {
	Kind     Kind            `json:"kind"`
	At       time.Time       `json:"at"`
	Summary  string          `json:"summary"`
	Detail   json.RawMessage `json:"detail"`
	Instance string          `json:"instance"`
	URL      string          `json:"url"`
}

type object = map[string]any

// posted is what is sent now under a key.
func (c Config) posted(b body, key string, now time.Time) post {
	p := post{address: c.Webhook}
	if c.Format == WeCom || c.Format == DingTalk || c.Format == Feishu {
		b.Summary = plainly.Replace(b.Summary)
	}
	switch c.Format {
	case WeCom:
		p.body = encode(object{"msgtype": "text", "text": object{"content": b.text(now)}})
	case DingTalk:
		p.body = encode(object{"msgtype": "text", "text": object{"content": b.text(now)}})
		p.address = c.signDingTalk(now)
	case Feishu:
		p.body = encode(c.signFeishu(object{"msg_type": "text", "content": object{"text": b.text(now)}}, now))
	case Slack:
		p.body = encode(object{"text": slackEscapes.Replace(b.text(now))})
	default:
		p.body = encode(b)
		p.signature = webhook.Sign(c.Secret, now, key, p.body)
	}
	return p
}

// plainly writes out what chats without a way to escape make mentions and links of, such as
// <at user_id="all"> or [text](address): a reason that an operator gave calls nobody.
var plainly = strings.NewReplacer("<", "＜", ">", "＞", "@", "＠", "](", "] (")

// slackEscapes are the three characters by which Slack marks links and mentions.
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// lateAfter is how old an alarm is of which a chat says that it is told late.
const lateAfter = 10 * time.Second

// text is what people read in a chat.
func (b body) text(now time.Time) string {
	text := b.Summary
	if late := now.Sub(b.At); late > lateAfter {
		text += fmt.Sprintf(" (told %d s late, this was at %s)", late/time.Second, b.At.UTC().Format("15:04:05 UTC"))
	}
	if b.URL != "" {
		text += "\n" + b.URL
	}
	return text
}

// signDingTalk is the webhook's address with a time in milliseconds and its signature: of
// the time, a line feed and the secret, under the secret, as the security settings of custom
// robots have it (open.dingtalk.com, "customize robot security settings"). A time that is
// more than an hour off is refused.
func (c Config) signDingTalk(now time.Time) string {
	u, err := url.Parse(c.Webhook)
	if err != nil || c.Secret == "" {
		return c.Webhook
	}
	at := strconv.FormatInt(now.UnixMilli(), 10)
	q := u.Query()
	q.Set("timestamp", at)
	q.Set("sign", mac(c.Secret, at+"\n"+c.Secret))
	u.RawQuery = q.Encode()
	return u.String()
}

// signFeishu adds a time in seconds and its signature: of nothing, under a key that is the
// time, a line feed and the secret (open.feishu.cn/document/client-docs/bot-v3/add-custom-bot,
// "signature verification"). A time that is more than an hour off is refused.
func (c Config) signFeishu(message object, now time.Time) object {
	if c.Secret != "" {
		at := strconv.FormatInt(now.Unix(), 10)
		message["timestamp"], message["sign"] = at, mac(at+"\n"+c.Secret, "")
	}
	return message
}

func mac(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = h.Write([]byte(text)) // it never fails
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// encode leaves <, > and & as they are: these bodies are no HTML.
func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // texts and what was JSON before: cannot fail
	return bytes.TrimSpace(out.Bytes())
}

var errGarbled = errors.New("the webhook answered with something that is no whole JSON object")

// refusal is why an answer with a status of 2xx acknowledges nothing: chats put their error
// code into it. It repeats the code only.
func (c Config) refusal(answer []byte) error {
	answer = bytes.TrimSpace(answer)
	if c.Format == JSON || len(answer) == 0 || answer[0] != '{' {
		return nil
	}
	var said struct {
		ErrCode    json.RawMessage `json:"errcode"`    // WeCom, DingTalk
		Code       json.RawMessage `json:"code"`       // Feishu
		StatusCode json.RawMessage `json:"StatusCode"` // Feishu's older robots
		OK         *bool           `json:"ok"`         // Slack
	}
	if json.Unmarshal(answer, &said) != nil {
		return errGarbled
	}
	for _, code := range []json.RawMessage{said.ErrCode, said.Code, said.StatusCode} {
		switch text := strings.Trim(string(code), `"`); text {
		case "", "0", "null":
		default:
			return refused(text)
		}
	}
	if said.OK != nil && !*said.OK {
		return refused("ok: false")
	}
	return nil
}

func refused(code string) error {
	if n, err := strconv.ParseInt(code, 10, 64); err == nil {
		return fmt.Errorf("the chat refused it with error code %d", n)
	}
	return errors.New("the chat refused it with an error in its answer")
}
