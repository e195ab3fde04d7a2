package upstream

import (
	"encoding/json"
	"net/netip"

	"captchagate/captcha"

	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
)

const captchaType = 9 // the only one there is

// resultRequest is the request of DescribeCaptchaResult.
type resultRequest struct {
	*tchttp.BaseRequest

	CaptchaType  uint64
	Ticket       string
	UserIp       string //nolint:revive // named by the API
	Randstr      string
	CaptchaAppId uint64 //nolint:revive // named by the API
	AppSecretKey string
}

// miniRequest is the request of DescribeCaptchaMiniResult.
type miniRequest struct {
	*tchttp.BaseRequest

	CaptchaType  uint64
	Ticket       string
	UserIp       string //nolint:revive // named by the API
	CaptchaAppId uint64 //nolint:revive // named by the API
	AppSecretKey string
}

// write returns the body that asks about t, with what x brings besides; it may be nil.
func (a *action) write(t captcha.Ticket, appSecretKey string, x *captcha.Exchange) ([]byte, error) {
	body, err := a.writeTicket(t, appSecretKey)
	if err != nil || x == nil || len(x.Extra) == 0 {
		return body, err
	}
	return append(append(append(body[:len(body)-1], ','), x.Extra...), '}'), nil
}

func (a *action) writeTicket(t captcha.Ticket, appSecretKey string) ([]byte, error) {
	if t.Mini {
		return json.Marshal(&miniRequest{
			BaseRequest:  a.base,
			CaptchaType:  captchaType,
			Ticket:       t.Value,
			UserIp:       userIP(t.UserIP),
			CaptchaAppId: t.AppID,
			AppSecretKey: appSecretKey,
		})
	}
	return json.Marshal(&resultRequest{
		BaseRequest:  a.base,
		CaptchaType:  captchaType,
		Ticket:       t.Value,
		UserIp:       userIP(t.UserIP),
		Randstr:      t.Randstr,
		CaptchaAppId: t.AppID,
		AppSecretKey: appSecretKey,
	})
}

// userIP writes an address as the API knows it: IPv4 as such, no zone.
func userIP(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}
