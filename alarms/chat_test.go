package alarms_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"captchagate/alarms"
)

// What the chats get, literally: the bubble begins at 2000-01-01T00:00:00Z. The signatures
// are OpenSSL's:
//
//	printf '946684800000\nSEC-secret' | openssl dgst -sha256 -hmac SEC-secret -binary | base64
//	openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '946684800\nfeishu-secret' | xxd -p) -binary </dev/null | base64
func TestChats_GetTheirOwnForm(t *testing.T) {
	const address = "https://chat.example/hook?key=k"
	for name, tt := range map[string]struct {
		cfg       alarms.Config
		url, body string
	}{
		"wecom": {alarms.Config{Webhook: address, Format: alarms.WeCom}, address,
			`{"msgtype":"text","text":{"content":"a ＜b＞ & \"c\"\nhttps://gateway.example/"}}`},
		"dingtalk": {alarms.Config{Webhook: address, Format: alarms.DingTalk}, address,
			`{"msgtype":"text","text":{"content":"a ＜b＞ & \"c\"\nhttps://gateway.example/"}}`},
		"dingtalk signed": {alarms.Config{Webhook: address, Format: alarms.DingTalk, Secret: "SEC-secret"},
			address + "&sign=fCqNxfZubqCaanB5lepCHwbHF4%2Bm5X1SJbedoAryP98%3D&timestamp=946684800000",
			`{"msgtype":"text","text":{"content":"a ＜b＞ & \"c\"\nhttps://gateway.example/"}}`},
		"feishu": {alarms.Config{Webhook: address, Format: alarms.Feishu}, address,
			`{"content":{"text":"a ＜b＞ & \"c\"\nhttps://gateway.example/"},"msg_type":"text"}`},
		"feishu signed": {alarms.Config{Webhook: address, Format: alarms.Feishu, Secret: "feishu-secret"}, address,
			`{"content":{"text":"a ＜b＞ & \"c\"\nhttps://gateway.example/"},"msg_type":"text","sign":"y+6r9X3lTYSNn7WmSJEk0lbGCsZi57m4dwYkUA/xMV4=","timestamp":"946684800"}`},
		"slack": {alarms.Config{Webhook: address, Format: alarms.Slack}, address,
			`{"text":"a &lt;b&gt; &amp; \"c\"\nhttps://gateway.example/"}`},
	} {
		t.Run(name, func(t *testing.T) {
			inPost(t, tt.cfg, func(p *post) {
				p.Raise(alarms.Switched, "", `a <b> & "c"`, nil)
				pass(time.Minute)
				got := p.hook.deliveries()
				if len(got) != 1 || got[0].body != tt.body || got[0].url != tt.url {
					t.Errorf("got %+v\nwant %s\n%s", got, tt.url, tt.body)
				}
				if got[0].header.Get("X-Gateway-Signature") != "" || got[0].header.Get("Content-Type") != "application/json" {
					t.Errorf("headers %v", got[0].header)
				}
			})
		})
	}
}

// A reason is an operator's own words, and calls nobody in any chat: no mark of a mention or
// of a link is left in it. The gateway's own address stays a link.
func TestChats_MakeNoMentionsOfReasons(t *testing.T) {
	const reason = `drill <at user_id="all">all</at> <!channel> <@U1> @all @channel [look](https://evil.example)`
	for _, format := range []string{alarms.WeCom, alarms.DingTalk, alarms.Feishu, alarms.Slack} {
		inPost(t, alarms.Config{Webhook: "https://chat.example/hook", Format: format}, func(p *post) {
			p.Raise(alarms.Switched, "", reason, nil)
			pass(time.Minute)
			got := p.hook.deliveries()
			if len(got) != 1 || !strings.Contains(got[0].body, `\nhttps://gateway.example/"`) {
				t.Fatalf("%s: %+v", format, got)
			}
			for _, mark := range []string{"<at", "<!", "<@", "</", "@all", "]("} {
				if format == alarms.Slack && (mark == "@all" || mark == "](") {
					continue // Slack marks by <> alone
				}
				if strings.Contains(got[0].body, mark) {
					t.Errorf("%s is left with %s: %s", format, mark, got[0].body)
				}
			}
		})
	}
}

// An answer of 200 with an error code in it is a refusal; what the chats answer when all is
// well, or nothing, is none.
func TestChats_RefuseInTheirAnswer(t *testing.T) {
	for _, tt := range []struct {
		format, answer string
		refused        string
	}{
		{alarms.WeCom, `{"errcode":0,"errmsg":"ok"}`, ""},
		{alarms.WeCom, `{"errcode":93000,"errmsg":"invalid webhook url"}`, "error code 93000"},
		{alarms.DingTalk, `{"errcode":310000,"errmsg":"sign not match"}`, "error code 310000"},
		{alarms.Feishu, `{"code":0,"data":{},"msg":"success"}`, ""},
		{alarms.Feishu, `{"StatusCode":0,"StatusMessage":"success","code":0}`, ""},
		{alarms.Feishu, `{"code":19021,"msg":"sign match fail"}`, "error code 19021"},
		{alarms.Feishu, `{"code":"x<y","msg":""}`, "an error in its answer"},
		{alarms.Slack, "ok", ""},
		{alarms.Slack, `{"ok":false,"error":"no_service"}`, "an error in its answer"},
		{alarms.WeCom, "", ""},
		{alarms.WeCom, `{"errcode":`, "no whole JSON object"},
		{alarms.JSON, `{"errcode":4}`, ""}, // any 2xx acknowledges
	} {
		t.Run(tt.format+" "+tt.answer, func(t *testing.T) {
			cfg := signed
			cfg.Format = tt.format
			inPost(t, cfg, func(p *post) {
				p.hook.is(200, tt.answer, nil, 0)
				err := p.Test(p.t.Context(), "ops")
				if (err == nil) != (tt.refused == "") || err != nil && !strings.HasSuffix(err.Error(), tt.refused) {
					t.Errorf("%v, want %q", err, tt.refused)
				}
			})
		})
	}
}

// Each try is signed anew: chats refuse a time that is an hour old. Who reads it late is told
// when it was.
func TestChats_SignEachTry(t *testing.T) {
	inPost(t, alarms.Config{Webhook: "https://chat.example/hook", Format: alarms.Feishu, Secret: secret}, func(p *post) {
		p.hook.is(500, "", nil, 0)
		p.Raise(alarms.Opened, "", "it happened", nil)
		pass(5 * time.Minute)
		p.hook.fine()
		pass(2 * time.Minute)
		for _, d := range p.hook.deliveries() {
			var m struct {
				Timestamp string
				Content   struct{ Text string }
			}
			if err := json.Unmarshal([]byte(d.body), &m); err != nil || m.Timestamp != fmt.Sprint(d.at.Unix()) {
				t.Errorf("%s at %d (%v)", d.body, d.at.Unix(), err)
			}
			if late := d.at.Sub(p.hook.deliveries()[0].at); (late > 10*time.Second) != strings.Contains(m.Content.Text, fmt.Sprintf(" (told %d s late, this was at 00:00:00 UTC)", late/time.Second)) {
				t.Errorf("late %v: %s", late, m.Content.Text)
			}
		}
	})
}
