package upstream_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/upstream"
)

// A signature worked out elsewhere, with other code.
const (
	vectorBody  = `{"CaptchaType":9,"Ticket":"tr03test","UserIp":"127.0.0.1","Randstr":"@abc","CaptchaAppId":190000001,"AppSecretKey":"appsecret"}`
	vectorPlain = "cba085cad94c035d648642e37ecac3f838d66423dd1a151e1decc84c3a8c01b7"
)

var vectorTime = time.Unix(1700000000, 0) // 2023-11-14 22:13:20 UTC

func TestVerify_SendsTheKnownSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(vectorTime))
		api := &recorder{answer: passes}
		c := mustNew(t, upstream.Config{
			Endpoint: "https://captcha.tencentcloudapi.com", SecretID: "AKIDEXAMPLE", SecretKey: "EXAMPLEKEY",
			Apps: []upstream.App{appWith(appID, "appsecret")},
		}, api)
		ticket := captcha.Ticket{Value: "tr03test", Randstr: "@abc", AppID: appID, UserIP: netip.MustParseAddr("127.0.0.1")}
		if _, err := c.Verify(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if got := api.requests[0].Header.Get("Authorization"); api.bodies[0] != vectorBody || !strings.HasSuffix(got, "Signature="+vectorPlain) {
			t.Errorf("sent %s\nwith %s", api.bodies[0], got)
		}
	})
}

// Texts longer than the room set aside for them are signed all the same.
func TestVerify_SignsLongTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := &recorder{answer: passes}, &recorder{answer: passes}
		cfg := config("https://" + strings.Repeat("long.", 200) + "example")
		cfg.SecretID, cfg.SecretKey = strings.Repeat("i", 999), strings.Repeat("k", 999)
		if _, err := mustNew(t, cfg, ours).Verify(t.Context(), webTicket()); err != nil {
			t.Fatal(err)
		}
		if _, err := newOracle(t, cfg, theirs).ask(t.Context(), webTicket(), appSecretKey); err != nil {
			t.Fatal(err)
		}
		compareLast(t, ours, theirs)
	})
}

// Calls on both sides of midnight, at once: each has its own day.
func TestVerify_SignsAroundMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &recorder{answer: passes}
		var mu sync.Mutex
		c := newClient(t, serialized(&mu, api))
		var calls sync.WaitGroup
		for i := range 40 {
			calls.Go(func() {
				time.Sleep(24*time.Hour + time.Duration(i/8-2)*time.Second)
				if _, err := c.Verify(t.Context(), webTicket()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		dates := map[string]int{}
		for _, r := range api.requests {
			_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "/")
			dates[scope[:len(time.DateOnly)]]++
		}
		if dates["2000-01-01"] != 16 || dates["2000-01-02"] != 24 {
			t.Errorf("signed for %v", dates)
		}
	})
}
