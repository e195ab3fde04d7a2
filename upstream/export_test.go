package upstream

import (
	"strconv"
	"time"

	tencent "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
)

// NewTransport is the transport that a Client makes for itself.
var NewTransport = newTransport

// Authorization is the Authorization header over the headers that signed
// names, in the canonical form.
func Authorization(id, key, signed, headers, body string, at time.Time) string {
	s := newSignerOf(tencent.NewCredential(id, key), service, signed, headers)
	return s.authorize([]byte(body), at.Unix(), strconv.FormatInt(at.Unix(), 10))
}
