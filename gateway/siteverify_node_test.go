package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	recaptcha "gopkg.in/ezzarghili/recaptcha-go.v4"

	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
)

// A siteLibrary asks with a library as it is, but for the URL, and says what its user saw.
type siteLibrary struct {
	name, path    string
	ask           func(q siteQuestion) string
	passes, fails string // what an allowed user is to it, and a denied one
	tellsNoErrors bool   // else they stand after fails
}

// A siteQuestion is one for testdata/siteverify/ask.mjs.
type siteQuestion struct {
	Library  string `json:"library"`
	URL      string `json:"url"`
	Secret   string `json:"secret"`
	IP       string `json:"ip"`
	Response string `json:"response"`
}

// keyOfEachAction has a key for each action of a scene.
func keyOfEachAction(cfg *config.Config) {
	for _, scene := range []string{"login", "comment", "payment"} {
		cfg.APIKeys = append(cfg.APIKeys, public.APIKey{Name: scene, Key: scene + "-key-0123456789", Scenes: []string{scene}})
	}
}

// Libraries for reCAPTCHA, hCaptcha and Turnstile, unchanged but for the URL, tell their
// user through the gateway what he knows from them, in an outage too. It installs those
// for Node.js, 47 MB.
func TestSiteverify_IsTheServiceToLibraries(t *testing.T) {
	process := startNode(t, "siteverify", "ask.mjs", "libraries for siteverify")
	sim, gatewayAt, _ := onSockets(t, keyOfEachAction)
	libraries := []siteLibrary{
		{name: "@nestlab/google-recaptcha", path: "/siteverify", ask: process.asksSite, passes: "true", fails: "false"},
		{name: "ezzarghili/recaptcha-go", path: "/recaptcha/api/siteverify", ask: asksInGo, passes: "true", fails: "false"},
	}
	for _, provider := range []string{"Turnstile", "reCAPTCHA", "hCaptcha"} {
		libraries = append(libraries, siteLibrary{
			name: "better-auth as " + provider, path: "/siteverify", ask: process.asksSite, passes: "200", fails: "403 VERIFICATION_FAILED", tellsNoErrors: true,
		})
	}
	response := func(kind string) string { return siteResponse(t, sim, kind) }
	for _, l := range libraries {
		l.sees(t, gatewayAt, "verified", "login", response(simulator.TicketValid), l.passes)
		l.sees(t, gatewayAt, "rejected", "login", response(simulator.TicketForged), l.no("invalid-input-response"))
		once := response(simulator.TicketValid)
		l.sees(t, gatewayAt, "verified", "payment", once, l.passes)
		l.sees(t, gatewayAt, "the same again", "payment", once, l.no("timeout-or-duplicate"))
		l.sees(t, gatewayAt, "a wrong key", "other", response(simulator.TicketValid), l.no("invalid-input-secret"))
	}
	if err := sim.SetFault(simulator.Fault{Kind: simulator.InternalError}); err != nil {
		t.Fatal(err)
	}
	for _, l := range libraries {
		l.sees(t, gatewayAt, "an outage, allow", "comment", response(simulator.TicketValid), l.passes)
		l.sees(t, gatewayAt, "an outage, challenge", "login", response(simulator.TicketValid), l.no(""))
		l.sees(t, gatewayAt, "an outage, deny", "payment", response(simulator.TicketValid), l.no("internal-error"))
	}
}

// sees has the library ask with the key of the scene.
func (l siteLibrary) sees(t *testing.T, gatewayAt, story, scene, response, want string) {
	t.Helper()
	q := siteQuestion{Library: l.name, URL: "http://" + gatewayAt + l.path, Secret: scene + "-key-0123456789", IP: "192.0.2.7", Response: response}
	if got := l.ask(q); got != want {
		t.Errorf("%s, %s: its user sees %q, want %q", l.name, story, got, want)
	}
}

// no is a denied user to the library.
func (l siteLibrary) no(code string) string {
	if l.tellsNoErrors {
		return l.fails
	}
	return strings.TrimSpace(l.fails + " " + code)
}

// siteResponse is what the page script puts into its hidden field for a ticket.
func siteResponse(t *testing.T, sim *simulator.Simulator, kind string) string {
	t.Helper()
	tickets, err := sim.Issue(kind, 1)
	if err != nil {
		t.Fatal(err)
	}
	return siteForm(fields{"ticket": tickets[0].Ticket, "randstr": tickets[0].Randstr, "user_ip": "", "scene": ""}).Get("response")
}

func (n node) asksSite(q siteQuestion) string {
	n.t.Helper()
	var a struct {
		Saw string `json:"saw"`
	}
	n.asks(q, &a)
	return a.Saw
}

// asksInGo says true, or false and the error codes.
func asksInGo(q siteQuestion) string {
	r, err := recaptcha.NewReCAPTCHA(q.Secret, recaptcha.V2, time.Minute)
	if err != nil {
		return err.Error()
	}
	r.ReCAPTCHALink = q.URL
	err = r.VerifyWithOptions(q.Response, recaptcha.VerifyOption{RemoteIP: q.IP})
	told, ok := errors.AsType[*recaptcha.Error](err)
	switch {
	case err == nil:
		return "true"
	case !ok || told.RequestError:
		return fmt.Sprintf("failed: %v", err)
	}
	return strings.Join(append([]string{"false"}, told.ErrorCodes...), " ")
}
