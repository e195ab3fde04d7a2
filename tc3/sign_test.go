package tc3_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"captchagate/tc3"
)

const body = `{"CaptchaType":9,"Ticket":"tr03test","UserIp":"127.0.0.1","Randstr":"@abc","CaptchaAppId":190000001,"AppSecretKey":"appsecret"}`

// The signatures were worked out elsewhere, with other code. The second signer
// is asked about another day between: it has to forget that day's key.
func TestSigner_AgreesWithKnownSignatures(t *testing.T) {
	const at = 1700000000 // 2023-11-14 22:13:20 UTC
	rows := []struct{ signed, headers, want string }{
		{
			"content-type;host",
			"content-type:application/json\nhost:captcha.tencentcloudapi.com\n",
			"cba085cad94c035d648642e37ecac3f838d66423dd1a151e1decc84c3a8c01b7",
		}, {
			"content-type;host;x-tc-action",
			"content-type:application/json; charset=utf-8\nhost:captcha.tencentcloudapi.com\nx-tc-action:describecaptcharesult\n",
			"7f3191e05291c5ec1dfb9968d9085be9aa092bd9186c61bf12eda89ba1f064b0",
		},
	}
	for _, row := range rows {
		s := tc3.NewSigner("AKIDEXAMPLE", "EXAMPLEKEY", "captcha", row.signed, row.headers)
		if tomorrow := s.Authorization([]byte(body), at+24*60*60); !strings.Contains(tomorrow, "AKIDEXAMPLE/2023-11-15/") || strings.HasSuffix(tomorrow, row.want) {
			t.Errorf("the next day's is %s", tomorrow)
		}
		want := fmt.Sprintf("TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/captcha/tc3_request, SignedHeaders=%s, Signature=%s", row.signed, row.want)
		if got := s.Authorization([]byte(body), at); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
}

// A day begins at midnight UTC, to the second.
func TestSigner_ChangesItsKeyAtMidnight(t *testing.T) {
	s := tc3.NewSigner("id", "key", "captcha", "host", "host:h\n")
	midnight := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC).Unix()
	for at, date := range map[int64]string{midnight - 1: "2024-02-28", midnight: "2024-02-29", midnight + 86399: "2024-02-29", midnight + 86400: "2024-03-01"} {
		if got := s.Authorization(nil, at); !strings.Contains(got, "id/"+date+"/captcha") {
			t.Errorf("%d is signed as %s, want %s", at, got, date)
		}
	}
}
