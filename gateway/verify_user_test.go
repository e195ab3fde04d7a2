package gateway_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"captchagate/simulator"
)

// Nothing that a user can put into a ticket is a mistake of the backend: it is
// denied with 200, and nobody is asked about it.
func TestVerify_DeniesTicketsThatCannotBeOne(t *testing.T) {
	rows := map[string]string{
		"empty ticket": request(fields{"ticket": ""}), "empty randstr": request(fields{"randstr": ""}), "no randstr": request(fields{"randstr": left}),
		"a ticket of 2,049 bytes": request(fields{"ticket": strings.Repeat("t", 2049)}), "a randstr of 257 bytes": request(fields{"randstr": strings.Repeat("r", 257)}),
		"a ticket of 60 KB": request(fields{"ticket": strings.Repeat("t", 60_000)}), "an empty mini ticket": request(fields{"ticket": "", "type": "mini"}),
		"a disaster ticket's randstr of 257 bytes": request(fields{"ticket": "trerror_1001_190000001_1767323045", "randstr": strings.Repeat("r", 257)}),
		"a disaster ticket's randstr with a space": request(fields{"ticket": "trerror_1001_190000001_1767323045", "randstr": "@a b"}),
		"half a character in the ticket":           put("ticket", `"tr03\ud83d"`), "half a character in the randstr": put("randstr", `"@\udc00"`),
		"an empty disaster ticket": request(fields{"ticket": "trerror_"}), "a disaster ticket of no form": request(fields{"ticket": "terror_x_y_z"}),
		"a disaster ticket of 2,049 bytes": request(fields{"ticket": "trerror_1001_190000001_1767323045_" + strings.Repeat("e", 2049)}),
		"a disaster ticket with a blank":   request(fields{"ticket": "trerror_1001_190000001_1767323045 "}),
	}
	for _, odd := range []string{" ", "a b", "\t", "a\nb", "a\r\nX-Header: b", "a\x00", "\x7f", "é", "тикет", "\u202e", "\ufffd", "😀"} {
		rows[fmt.Sprintf("ticket %q", odd)] = request(fields{"ticket": odd})
		rows[fmt.Sprintf("randstr %q", odd)] = request(fields{"randstr": odd})
		rows[fmt.Sprintf("mini ticket %q", odd)] = request(fields{"ticket": odd, "type": "mini", "randstr": left})
	}
	inHouse(t, nil, func(h *house) {
		for name, body := range rows {
			h.denies(name, body, "deny rejected normal -")
		}
		h.throws(`{"mode":"degraded","reason":"also while nobody is asked"}`)
		for name, body := range rows {
			h.denies("degraded: "+name, strings.Replace(body, `"login"`, `"comment"`, 1), "deny rejected normal -")
		}
	})
}

// Tickets at the very limit are asked about.
func TestVerify_AsksAboutTicketsAtTheLimit(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for name, f := range map[string]fields{
			"a ticket of 2,048 bytes": {"ticket": strings.Repeat("t", 2048), "randstr": "@abc"},
			"a randstr of 256 bytes":  {"ticket": "t", "randstr": strings.Repeat("r", 256)},
			"every printable letter":  {"ticket": `!"#$%&'()*+,-./09:;<=>?@AZ[\]^_` + "`az{|}~", "randstr": `!"<>&\~`},
		} {
			f["user_ip"] = "192.0.2.1"
			a := h.ask(f)
			if h.expect(name, a, "deny rejected normal -"); a.Attempts != 1 || a.Captcha == nil || a.Captcha.Code != 15 {
				t.Errorf("%s: %d attempts, captcha %+v, want one and code 15", name, a.Attempts, a.Captcha)
			}
		}
		if n := h.sim.Stats().ByOutcome["captcha_code_15"]; n != 3 {
			t.Errorf("outcomes %v, want code 15 three times", h.sim.Stats().ByOutcome)
		}
	})
}

// Nor is anything that a user can put into a solution.
func TestVerify_DeniesSolutionsThatCannotBeOne(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	shape := func(cost, counter, key string) string {
		return encode(`{"challenge":{"parameters":{"algorithm":"PBKDF2/SHA-256","nonce":"` + strings.Repeat("ab", 16) + `","salt":"` + strings.Repeat("cd", 16) +
			`","cost":` + cost + `,"keyLength":32,"keyPrefix":"00","expiresAt":4102444800,"data":{}},"signature":"` + strings.Repeat("00", 32) +
			`"},"solution":{"counter":` + counter + `,"derivedKey":"` + key + `"}}`)
	}
	key := strings.Repeat("00", 32)
	rows := map[string]string{
		"empty": "", "4,097 bytes": strings.Repeat("A", 4097), "60 KB": strings.Repeat("A", 60_000), "not base64": "%%%", "base64 without its end": "eyJ", "URL base64": "_-_-",
		"no JSON": encode("x"), "half": encode(`{"challenge":`), "null": encode("null"), "a number": encode("1e999"), "an array": encode("[[[]]]"), "another object": encode(`{"a":1}`),
		"other types": encode(`{"challenge":"x","solution":[]}`), "forged": shape("5000", "1", key), "a huge cost": shape("1e309", "1", key), "a cost of 10^18": shape("1000000000000000000", "1", key),
		"no cost": shape("0", "1", key), "a negative cost": shape("-5", "1", key), "a huge counter": shape("5000", "1e99", key), "a negative counter": shape("5000", "-1", key),
		"a counter over 32 bits": shape("5000", "4294967296", key), "no key": shape("5000", "1", ""), "a long key": shape("5000", "1", key+key), "blanks": " ", "NUL": "\x00", "beyond ASCII": "решение",
		"a deep nest": encode(strings.Repeat("[", 3000)), "a line end": encode("{}") + "\n",
	}
	inHouse(t, nil, func(h *house) {
		for name, solution := range rows {
			h.denies(name, request(fields{"ticket": left, "randstr": left, "challenge": solution}), "deny challenge_failed normal -")
		}
		h.denies("half a character", strings.Replace(request(fields{"ticket": left}), "{", `{"challenge":"\ud83d",`, 1), "deny challenge_failed normal -")
		h.throws(`{"mode":"degraded","reason":"also while solutions count"}`)
		for name, solution := range rows {
			h.denies("degraded: "+name, request(fields{"ticket": left, "challenge": solution}), "deny challenge_failed normal -")
		}
	})
}

// denies checks what became of a user without any call to the API.
func (h *house) denies(name, body, want string) {
	h.t.Helper()
	a := h.answered(name, h.post(body))
	h.expect(name, a, want)
	if a.Attempts != 0 || a.Captcha != nil || a.Assurance != "none" {
		h.t.Errorf("%s: %d attempts, captcha %v, assurance %s", name, a.Attempts, a.Captcha, a.Assurance)
	}
	h.untouched(name)
}

// Two apps: which one must be said.
func TestVerify_AsksForTheAppWhereThereAreTwo(t *testing.T) {
	inHouse(t, twoApps, func(h *house) {
		h.refuses("no app", h.post(request(nil)), 400, "captcha_app_id")
		h.refuses("another app", h.post(request(fields{"captcha_app_id": 190000003})), 400, "captcha_app_id")
		h.refuses("an app as text", h.post(request(fields{"captcha_app_id": "x"})), 400, "captcha_app_id")
		h.untouched("no app")
		for _, id := range []uint64{simulator.DefaultAppID, secondApp} {
			h.expect(fmt.Sprint(id), h.ask(h.userOf(id, "login")), "allow verified normal -")
		}
	})
}
