package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tencent "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tcerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"

	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/tc3"
)

// droppedIn has the gateway answer as the Tencent Cloud API, for a scene.
func droppedIn(scene string) func(*config.Config) {
	return func(c *config.Config) { c.DropIn = public.DropIn{Scene: scene} }
}

// An sdk is Tencent's SDK for Go as a backend uses it, at an endpoint.
type sdk struct {
	id, key, sign, method string
	at                    http.RoundTripper
	headers               http.Header // of the last answer
}

// gatewayWire carries what the SDK sends to the gateway.
type gatewayWire struct {
	h    *house
	last *http.Header
}

func (w gatewayWire) RoundTrip(r *http.Request) (*http.Response, error) {
	in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	in.Header, in.Host, in.ContentLength = r.Header, r.URL.Host, r.ContentLength
	out := httptest.NewRecorder()
	w.h.public.ServeHTTP(out, in)
	*w.last = out.Header()
	return out.Result(), nil
}

// throughGateway is a backend that only changed its endpoint; directly one that did not.
func (h *house) throughGateway() *sdk {
	s := &sdk{id: simulator.DefaultSecretID, key: simulator.DefaultSecretKey}
	s.at = gatewayWire{h, &s.headers}
	return s
}

func (h *house) directly() *sdk {
	return &sdk{id: simulator.DefaultSecretID, key: simulator.DefaultSecretKey, at: h}
}

func (s *sdk) client() *tencent.Client {
	p := profile.NewClientProfile()
	p.HttpProfile.Endpoint, p.HttpProfile.Scheme, p.HttpProfile.ReqTimeout = "captcha.test", "http", 0
	p.DisableRegionBreaker = true
	if s.sign != "" {
		p.SignMethod = s.sign
	}
	if s.method != "" {
		p.HttpProfile.ReqMethod = s.method
	}
	return new(tencent.Client).Init("ap-guangzhou").WithSecretId(s.id, s.key).WithProfile(p).WithHttpTransport(s.at)
}

// resultCall and resultAnswer are those of the SDK's product package.
type resultCall struct {
	*tchttp.BaseRequest

	CaptchaType        *uint64 `json:",omitempty" name:"CaptchaType"`
	Ticket             *string `json:",omitempty" name:"Ticket"`
	UserIp             *string `json:",omitempty" name:"UserIp"`
	Randstr            *string `json:",omitempty" name:"Randstr"`
	CaptchaAppId       *uint64 `json:",omitempty" name:"CaptchaAppId"`
	AppSecretKey       *string `json:",omitempty" name:"AppSecretKey"`
	NeedGetCaptchaTime *int64  `json:",omitempty" name:"NeedGetCaptchaTime"`
}

type resultAnswer struct {
	*tchttp.BaseResponse

	Response *struct {
		CaptchaCode        *int64
		CaptchaMsg         *string
		EvilLevel          *int64
		GetCaptchaTime     *int64
		EvilBitmap         *int64
		SubmitCaptchaTime  *int64
		DeviceRiskCategory *string
		Score              *int64
		RequestId          *string
	}
}

// asks calls DescribeCaptchaResult, or for a mini program the other action, and returns
// what the SDK parses: fields, or an error.
func (s *sdk) asks(t *testing.T, ticket simulator.Ticket, mini bool, change func(*resultCall)) (map[string]any, error) {
	t.Helper()
	action, needTime := "DescribeCaptchaResult", new(int64(1))
	if mini {
		action, needTime = "DescribeCaptchaMiniResult", nil
	}
	call := &resultCall{
		BaseRequest: new(tchttp.BaseRequest).Init().WithApiInfo("captcha", "2019-07-22", action),
		CaptchaType: new(uint64(9)), Ticket: &ticket.Ticket, UserIp: new("192.0.2.7"),
		CaptchaAppId: new(simulator.DefaultAppID), AppSecretKey: new(simulator.DefaultAppSecretKey), NeedGetCaptchaTime: needTime,
	}
	if !mini {
		call.Randstr = &ticket.Randstr
	}
	if change != nil {
		change(call)
	}
	answer := &resultAnswer{BaseResponse: new(tchttp.BaseResponse)}
	if err := s.client().Send(call, answer); err != nil {
		return nil, err
	}
	text, err := json.Marshal(answer.Response)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	return fields, json.Unmarshal(text, &fields)
}

// asksCommonly is the same with the SDK's CommonRequest, which parses whatever comes.
func (s *sdk) asksCommonly(t *testing.T, ticket simulator.Ticket) (map[string]any, error) {
	t.Helper()
	call := tchttp.NewCommonRequest("captcha", "2019-07-22", "DescribeCaptchaResult")
	if err := call.SetActionParameters(map[string]any{
		"CaptchaType": 9, "Ticket": ticket.Ticket, "UserIp": "192.0.2.7", "Randstr": ticket.Randstr,
		"CaptchaAppId": simulator.DefaultAppID, "AppSecretKey": simulator.DefaultAppSecretKey,
	}); err != nil {
		t.Fatal(err)
	}
	answer := tchttp.NewCommonResponse()
	if err := s.client().Send(call, answer); err != nil {
		return nil, err
	}
	var got struct{ Response map[string]any }
	return got.Response, json.Unmarshal(answer.GetBody(), &got)
}

// said is a failure as a backend reads it.
func said(err error) string {
	if failed, ok := errors.AsType[*tcerrors.TencentCloudSDKError](err); ok {
		return failed.Code
	}
	return ""
}

// alike compares what two parsed, but for the name of the call.
func alike(a, b map[string]any) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, "RequestId")
	delete(b, "RequestId")
	return len(a) > 0 && reflect.DeepEqual(a, b)
}

func (h *house) ticket(kind string) simulator.Ticket {
	h.t.Helper()
	tickets, err := h.sim.Issue(kind, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	return tickets[0]
}

// Tencent's SDK for Go parses the same through the gateway as from the API, field by
// field, however it signs and sends.
func TestDropIn_IsTheAPIToTheSDK(t *testing.T) {
	kinds := []string{simulator.TicketValid, simulator.TicketExpired, simulator.TicketUsed, simulator.TicketForged, simulator.TicketEvil}
	for _, way := range []sdk{
		{}, {method: "GET"}, {sign: "HmacSHA256"}, {sign: "HmacSHA1"}, {sign: "HmacSHA256", method: "GET"},
	} {
		t.Run(way.sign+way.method, func(t *testing.T) {
			inHouse(t, droppedIn("login"), func(h *house) {
				through, direct := h.throughGateway(), h.directly()
				through.sign, through.method, direct.sign, direct.method = way.sign, way.method, way.sign, way.method
				for _, kind := range kinds {
					for _, mini := range []bool{false, true} {
						got, err := through.asks(t, h.ticket(kind), mini, nil)
						want, wantErr := direct.asks(t, h.ticket(kind), mini, nil)
						if err != nil || wantErr != nil || !alike(got, want) {
							t.Errorf("%s, mini %v: through the gateway %v (%v), directly %v (%v)", kind, mini, got, err, want, wantErr)
						}
						if id := through.headers.Get("X-Gateway-Decision-Id"); got["RequestId"] != id || id == "" {
							t.Errorf("the RequestId is %v, the decision's id %s", got["RequestId"], id)
						}
					}
				}
			})
		})
	}
}

func TestDropIn_IsTheAPIToTheCommonClient(t *testing.T) {
	inHouse(t, droppedIn("login"), func(h *house) {
		for _, kind := range []string{simulator.TicketValid, simulator.TicketForged, simulator.TicketEvil} {
			got, err := h.throughGateway().asksCommonly(t, h.ticket(kind))
			want, wantErr := h.directly().asksCommonly(t, h.ticket(kind))
			if err != nil || wantErr != nil || !alike(got, want) {
				t.Errorf("%s: through the gateway %v (%v), directly %v (%v)", kind, got, err, want, wantErr)
			}
		}
	})
}

// What the API refuses as an error is the same error, whoever refuses it.
func TestDropIn_RefusesAsTheAPI(t *testing.T) {
	inHouse(t, droppedIn("login"), func(h *house) {
		for name, change := range map[string]func(*sdk, *resultCall){
			"wrong key":    func(s *sdk, _ *resultCall) { s.key = "another" },
			"unknown id":   func(s *sdk, _ *resultCall) { s.id = "AKIDOTHER" },
			"other action": func(_ *sdk, c *resultCall) { c.WithApiInfo("captcha", "2019-07-22", "DescribeInstances") },
			"other version": func(_ *sdk, c *resultCall) {
				c.WithApiInfo("captcha", "2017-03-12", "DescribeCaptchaResult")
			},
			"no user":      func(_ *sdk, c *resultCall) { c.UserIp = nil },
			"other type":   func(_ *sdk, c *resultCall) { c.CaptchaType = new(uint64(8)) },
			"unknown app":  func(_ *sdk, c *resultCall) { c.CaptchaAppId = new(uint64(7)) },
			"wrong secret": func(_ *sdk, c *resultCall) { c.AppSecretKey = new("another") },
		} {
			calls := h.sim.Stats().Requests
			code := func(s *sdk) any {
				got, err := s.asks(t, h.ticket(simulator.TicketValid), false, func(c *resultCall) { change(s, c) })
				if err != nil {
					return said(err)
				}
				return got["CaptchaCode"]
			}
			through := code(h.throughGateway())
			if h.sim.Stats().Requests != calls {
				t.Errorf("%s: the API was called", name)
			}
			if direct := code(h.directly()); through != direct {
				t.Errorf("%s: through the gateway %v, directly %v", name, through, direct)
			}
		}
	})
}

// While the API is away, users get what the scene says, in a form that backends know.
func TestDropIn_StandsInForTheAPI(t *testing.T) {
	for scene, want := range map[string]float64{"comment": 1, "login": 21, "payment": 21} {
		inHouse(t, droppedIn(scene), func(h *house) {
			h.breaks(simulator.Fault{Kind: simulator.InternalError})
			decisions := map[string]bool{}
			for i := range 24 { // the circuit opens meanwhile
				if i > 20 {
					time.Sleep(20 * time.Second)
				}
				for _, mini := range []bool{false, true} {
					s := h.throughGateway()
					began := time.Now()
					got, err := s.asks(t, h.ticket(simulator.TicketValid), mini, nil)
					if took := time.Since(began); took > h.cfg.Upstream.Deadline {
						t.Errorf("it took %v", took)
					}
					message, _ := got["CaptchaMsg"].(string)
					if err == nil && got["CaptchaCode"] == want && strings.HasPrefix(message, "captchagate: ") && s.headers.Get("X-Gateway-Mode") == "degraded" {
						decisions[s.headers.Get("X-Gateway-Decision")+" "+message] = true
						continue
					}
					t.Fatalf("%s, call %d: %v (%v), %v", scene, i, got, err, s.headers)
				}
			}
			if len(decisions) < 2 {
				t.Errorf("%s: only %v was said; did the circuit not open?", scene, slices.Collect(maps.Keys(decisions)))
			}
		})
	}
}

// Fields that the API sends, and no release of ours knows, reach the caller; so do an
// error of the call and what the caller asks for beside the ticket.
func TestDropIn_PassesOnWhatItDoesNotKnow(t *testing.T) {
	inHouse(t, droppedIn("login"), func(h *house) {
		for _, row := range []struct{ answer, want string }{
			{`{"Response":{"CaptchaCode":1,"Novel":{"a":[1,2]},"RequestId":"of the API","CaptchaMsg":"OK","Big":12345678901234567890},"retcode":0}`,
				`{"Response":{"CaptchaCode":1,"Novel":{"a":[1,2]},"RequestId":"ID","CaptchaMsg":"OK","Big":12345678901234567890},"retcode":0}`},
			{`{"Response":{"RequestId":null,"CaptchaCode":15}}`, `{"Response":{"RequestId":"ID","CaptchaCode":15}}`},
			{`{"code":0,"Response":{"CaptchaCode":8}}`, `{"code":0,"Response":{"RequestId":"ID","CaptchaCode":8}}`},
			{`{"Response":{"Error":{"Code":"InvalidParameterValue.Novel","Message":"what?"},"RequestId":"x"}}`,
				`{"Response":{"Error":{"Code":"InvalidParameterValue.Novel","Message":"what?"},"RequestId":"ID"}}`},
		} {
			h.scripted.Store(&row.answer)
			w := h.drops(`"Novel":"x","SceneId":5,"NeedGetCaptchaTime":1,"Imei":null`, h.ticket(simulator.TicketValid).Ticket)
			if got := strings.Replace(w.Body.String(), w.Header().Get("X-Gateway-Decision-Id"), "ID", 1); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			var sent map[string]any
			if err := json.Unmarshal([]byte(*h.sent.Load()), &sent); err != nil || sent["Novel"] != "x" || sent["SceneId"] != 5.0 || sent["NeedGetCaptchaTime"] != 1.0 || sent["CaptchaType"] != 9.0 {
				t.Errorf("the API got %v (%v)", *h.sent.Load(), err)
			}
		}
	})
}

// drops sends a call to the drop-in, with members that no SDK has.
func (h *house) drops(members, ticket string) *httptest.ResponseRecorder {
	h.t.Helper()
	body := fmt.Sprintf(`{%s,"CaptchaType":9,"Ticket":%q,"UserIp":"192.0.2.7","Randstr":"@abc","CaptchaAppId":%d,"AppSecretKey":%q}`,
		members, ticket, simulator.DefaultAppID, simulator.DefaultAppSecretKey)
	now := time.Now().Unix()
	signer := tc3.NewSigner(simulator.DefaultSecretID, simulator.DefaultSecretKey, "captcha", "content-type;host", "content-type:application/json\nhost:127.0.0.1:8081\n")
	w, _ := h.send(h.public, "POST", "/", body, "Content-Type", "application/json", "X-TC-Action", "DescribeCaptchaResult", "X-TC-Version", "2019-07-22",
		"X-TC-Timestamp", fmt.Sprint(now), "Authorization", signer.Authorization([]byte(body), now))
	return w
}

// A ticket lets in once, in whatever calls it comes: a second pass of the API is not
// passed on, and what it refused once is not asked about again.
func TestDropIn_LetsInOnce(t *testing.T) {
	inHouse(t, droppedIn("login"), func(h *house) {
		const passes = `{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":%d,"RequestId":"x"}}`
		h.scripted.Store(new(fmt.Sprintf(passes, 0)))
		if codes := h.droppedAtOnce(h.ticket(simulator.TicketValid), 200); codes[1] != 1 || codes[9] != 199 {
			t.Errorf("of 200 calls with a ticket that the API passes each time, the codes are %v", codes)
		}
		h.scripted.Store(new(fmt.Sprintf(passes, 100)))
		evil := h.ticket(simulator.TicketEvil)
		if got, err := h.throughGateway().asks(t, evil, false, nil); err != nil || got["EvilLevel"] != 100.0 {
			t.Errorf("of a malicious one it says %v (%v)", got, err)
		}
		time.Sleep(time.Second) // what is signed then is another call
		h.breaks(simulator.Fault{Kind: simulator.InternalError})
		h.scripted.Store(nil)
		if codes := h.droppedAtOnce(evil, 10); codes[9] != 10 {
			t.Errorf("then the codes are %v", codes)
		}
	})
}

// droppedAtOnce asks about a ticket for as many users, and counts the codes.
func (h *house) droppedAtOnce(ticket simulator.Ticket, users int) map[int]int {
	codes := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() {
			s := h.throughGateway()
			got, err := s.asks(h.t, ticket, false, func(c *resultCall) { c.UserIp = new(fmt.Sprintf("192.0.2.%d", i)) })
			code, _ := got["CaptchaCode"].(float64)
			mu.Lock()
			defer mu.Unlock()
			if codes[int(code)]++; err != nil {
				h.t.Error(err)
			}
		})
	}
	all.Wait()
	return codes
}

// The same signed call again, at once or later, costs no second call to the API.
func TestDropIn_AsksOnceForTheSameCall(t *testing.T) {
	inHouse(t, droppedIn("login"), func(h *house) {
		ticket := h.ticket(simulator.TicketValid)
		bodies := make([]string, 20)
		var all sync.WaitGroup
		for i := range bodies {
			all.Go(func() { bodies[i] = h.drops(`"SceneId":1`, ticket.Ticket).Body.String() })
		}
		all.Wait()
		if bodies = slices.Compact(bodies); len(bodies) != 1 || h.sim.Stats().Requests != 1 {
			t.Errorf("%d calls to the API, and the answers are %v", h.sim.Stats().Requests, bodies)
		}
	})
}
