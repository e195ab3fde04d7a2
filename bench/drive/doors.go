package drive

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"captchagate/simulator"
	"captchagate/tc3"
)

// MadeCalls makes bodies as an SDK for the Tencent Cloud API does, about tickets as Made
// makes them.
func MadeCalls(run string) Bodies {
	return func(into []byte, n int) []byte {
		t := made(run, n)
		return fmt.Appendf(into, `{"CaptchaType":9,"Ticket":%q,"UserIp":"10.%d.%d.7","Randstr":%q,"CaptchaAppId":%d,"AppSecretKey":%q}`,
			t.Ticket, n/250%250, n%250, t.Randstr, simulator.DefaultAppID, simulator.DefaultAppSecretKey)
	}
}

// Signed signs such bodies, for this host, as the SDK does.
func Signed(host string) func(into, body []byte) []byte {
	signer := tc3.NewSigner(simulator.DefaultSecretID, simulator.DefaultSecretKey, "captcha", "content-type;host",
		"content-type:application/json\nhost:"+host+"\n")
	return func(into, body []byte) []byte {
		now := time.Now().Unix()
		into = append(into, "X-TC-Action: DescribeCaptchaResult\r\nX-TC-Version: 2019-07-22\r\nX-TC-Timestamp: "...)
		into = append(strconv.AppendInt(into, now, 10), "\r\nAuthorization: "...)
		return append(append(into, signer.Authorization(body, now)...), "\r\n"...)
	}
}

// MadeResponses makes bodies as a library for siteverify does, about tickets as Made
// makes them.
func MadeResponses(run string) Bodies {
	return func(into []byte, n int) []byte {
		t := made(run, n)
		response := fmt.Appendf(nil, `{"v":1,"ticket":%q,"randstr":%q,"captcha_app_id":%d}`, t.Ticket, t.Randstr, simulator.DefaultAppID)
		return fmt.Appendf(into, `{"secret":"none is configured","response":"%s","remoteip":"10.%d.%d.7"}`,
			base64.RawURLEncoding.EncodeToString(response), n/250%250, n%250)
	}
}
