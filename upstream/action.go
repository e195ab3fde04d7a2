package upstream

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"captchagate/tc3"

	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
)

const (
	service    = "captcha"
	version    = "2019-07-22"
	actionWeb  = "DescribeCaptchaResult"
	actionMini = "DescribeCaptchaMiniResult"

	contentType = "application/json"
)

// An action is one of the API's, with all of its calls that stays the same.
type action struct {
	base     *tchttp.BaseRequest // says which one it is
	signer   *tc3.Signer
	template http.Request // without header, body and context
	fixed    []field
}

// A field is a header. Its name is in the canonical form already and its
// values are shared by all calls, so nobody may write to them.
type field struct {
	name   string
	values []string
}

func newAction(name string, cfg Config, endpoint *url.URL) *action {
	base := new(tchttp.BaseRequest).WithApiInfo(service, version, name)
	a := &action{
		base: base,
		signer: tc3.NewSigner(cfg.SecretID, cfg.SecretKey, base.GetService(),
			"content-type;host", "content-type:"+contentType+"\nhost:"+endpoint.Host+"\n"), // as the SDK does
		template: http.Request{
			Method: http.MethodPost,
			URL:    &url.URL{Scheme: endpoint.Scheme, Host: endpoint.Host, Path: "/"},
			Host:   endpoint.Host,
			Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		},
		fixed: []field{
			{"Content-Type", []string{contentType}},
			{"X-Tc-Action", []string{base.GetAction()}},
			{"X-Tc-Language", []string{"en-US"}},
			{"X-Tc-Requestclient", []string{"captchagate"}},
			{"X-Tc-Version", []string{base.GetVersion()}},
		},
	}
	if cfg.Region != "" {
		a.fixed = append(a.fixed, field{"X-Tc-Region", []string{cfg.Region}})
	}
	if cfg.SessionToken != "" {
		a.fixed = append(a.fixed, field{"X-Tc-Token", []string{cfg.SessionToken}})
	}
	return a
}

// request returns a signed call with the body.
func (a *action) request(ctx context.Context, out *outgoing) *http.Request {
	unix := time.Now().Unix()
	own := []string{strconv.FormatInt(unix, 10), a.signer.Authorization(out.content, unix)}
	header := make(http.Header, len(a.fixed)+len(own))
	for _, f := range a.fixed {
		header[f.name] = f.values
	}
	header["X-Tc-Timestamp"] = own[0:1:1]
	header["Authorization"] = own[1:2:2]

	r := a.template.WithContext(ctx)
	r.Header, r.ContentLength, r.GetBody = header, int64(len(out.content)), out.open
	r.Body, _ = out.open()
	return r
}
