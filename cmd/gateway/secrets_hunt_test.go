package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/certs/certstest"
	"captchagate/simulator"
	"captchagate/store/redis/redistest"
)

// A hunt is a gateway, of a fleet of one, whose every secret is marked.
type hunt struct {
	*house

	api                    *simulator.Simulator
	redis                  *redistest.Server
	alarms, reports, spans *receiver
	events                 *transcript // the stream
	watching               *process    // gateway status --watch
	client                 *http.Client
	answers                *transcript // what callers and pages got
	marks                  []mark
	session                string
	users                  int
}

// secret is a text of the configuration that is marked, and known to be one.
func (h *hunt) secret(what string) string { return h.marked("secret: "+what, h.next(madeSecret)) }

// sends is a text that somebody sends; shows are the places that it is meant for.
func (h *hunt) sends(what string, shows ...string) string {
	return h.marked(what, h.next(madeUp), shows...)
}

func (h *hunt) next(begins string) string { return fmt.Sprintf("%s%04dend", begins, len(h.marks)) }

func (h *hunt) marked(what, text string, shows ...string) string {
	h.marks = append(h.marks, mark{what, text, shows})
	return text
}

// A receiver keeps what it is sent, but not where, and answers as it is told.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	bodies bytes.Buffer
	taken  int
	status int
}

func newReceiver(t *testing.T, status int) *receiver {
	r := &receiver{status: status}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range []string{"Authorization", "Api-Key"} { // in which a secret belongs
		q.Header.Del(name)
	}
	_ = q.Header.Write(&r.bodies)
	r.bodies.Write(body)
	r.taken++
	w.WriteHeader(r.status)
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got() (text string, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies.String(), r.taken
}

func newHunt(t *testing.T) *hunt {
	h := &hunt{
		house: &house{t: t, folder: t.TempDir()}, redis: redistest.Start(t), events: newTranscript(), answers: newTranscript(),
		alarms: newReceiver(t, http.StatusInternalServerError), reports: newReceiver(t, http.StatusInternalServerError), spans: newReceiver(t, http.StatusOK),
	}
	h.marked("secret: the operators' token", operatorsToken)
	h.marked("a user's address", userV4)
	h.marked("a user's address", userV6)
	secretID, secretKey, app := h.secret("SecretId"), h.secret("SecretKey"), h.secret("AppSecretKey")
	h.api = simulator.New(simulator.Config{SecretID: secretID, SecretKey: secretKey, Apps: map[uint64]string{simulator.DefaultAppID: app}, Latency: time.Millisecond})
	door := httptest.NewServer(h.api)
	t.Cleanup(func() { door.CloseClientConnections(); door.Close() })
	password := h.secret("Redis's password")
	h.redis.Do("CONFIG SET requirepass " + password)
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue(h.folder, 1, 90*24*time.Hour)
	h.marked("secret: the key of TLS", strings.Split(mustRead(t, key), "\n")[2])
	h.client = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: authority.Client(false), DisableKeepAlives: true}}
	with := func(to *receiver, who string) string { // an address with all that may be secret in one
		return strings.Replace(to.URL, "http://", "http://"+h.secret("user of "+who)+":"+h.secret("password of "+who)+"@", 1) + "/" + h.secret("path of "+who) + "?access_token=" + h.secret("query of "+who)
	}
	h.environ = slices.Concat(os.Environ(), patient, []string{
		admin.TokenVariable + "=" + operatorsToken, "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_EXPORTER_OTLP_HEADERS=api-key=" + h.secret("header for the collector"),
		"REDIS_PASSWORD=" + password, "GATEWAY__CHALLENGE__SECRET=" + h.secret("challenge.secret"),
	})
	h.write(fmt.Sprintf(`listen: 127.0.0.1:0
tls: {cert: %q, key: %q}
api_keys: [{name: shop, key: %s}]
admin: {listen: "127.0.0.1:0", public_url: "https://gateway.example", tokens: [{name: ops, role: operator, token: %s}, {name: eve, role: viewer, token: %s}]}
upstream: {endpoint: %q, secret_id: %s, secret_key: %s, session_token: %s, apps: [{captcha_app_id: 190000001, app_secret_key: %s}]}
breaker: {probe: {spacing: 10ms}}
scenes:
  login: {degraded: challenge}
  comment: {degraded: allow, budget: {total: 200/s, for: 15m}}
  payment: {degraded: deny}
script_probe: {url: %q, interval: 1s}
challenge: {cost: 100}
store: {path: data/gateway.db, redis: "redis://:${REDIS_PASSWORD}@%s/0", secret: %s}
reverify: {webhook: %q, secret: %s}
alarms: {webhook: %q, secret: %s}
drop_in: {scene: comment, credentials: [{secret_id: %s, secret_key: %s}]}
log: {level: debug, decisions: all}
telemetry: {otlp_endpoint: %q}
`, cert, key, h.secret("an API key"), operatorsToken, h.secret("a viewer's token"), door.URL, secretID, secretKey, h.secret("session_token"), app,
		door.URL+"/TJCaptcha.js", h.redis.Address(), h.secret("store.secret"), with(h.reports, "reports"), h.secret("reverify.secret"),
		with(h.alarms, "alarms"), h.secret("alarms.secret"), h.secret("SecretId of a shop"), h.secret("SecretKey of a shop"), h.spans.URL))
	h.start()
	h.listens()
	return h
}

// userV4 and userV6 are where users are.
const userV4, userV6 = "203.0.113.77", "2001:db8:ca:4a::77"

// the is a marked text by what it is.
func (h *hunt) the(what string) string {
	h.t.Helper()
	at := slices.IndexFunc(h.marks, func(m mark) bool { return strings.TrimPrefix(m.what, "secret: ") == what })
	if at < 0 {
		h.t.Fatalf("nothing is called %q", what)
	}
	return h.marks[at].text
}

// listens opens the event stream, looks on with a command, and logs in.
func (h *hunt) listens() {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.room("/admin/v1/events"), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operatorsToken)
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer resp.Body.Close()
		_, _ = io.Copy(h.events, resp.Body) // until the test ends
	}()
	h.watching = begin(h.t, h.folder, h.environ, "gateway", "status", "--watch", "--admin-url", h.room(""))
	h.session = h.logsIn(operatorsToken)
	h.marked("secret: a session", h.session)
}

// room is an address of the operators' listener.
func (h *hunt) room(path string) string { return "http://" + h.gateway.admin + path }

// asks sends a request to the listener of callers and pages, and returns the answer.
func (h *hunt) asks(method, path, body string, headers ...string) []byte {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, "https://"+h.gateway.listen+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	resp, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = resp.Header.Write(h.answers)
	_, _ = h.answers.Write(answer)
	return answer
}

// verifies asks about a good ticket, of a user whose every field is marked.
func (h *hunt) verifies(scene string, fields map[string]any, headers ...string) (d decision) {
	h.t.Helper()
	made, err := h.api.Issue(simulator.TicketValid, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	h.users++
	question := map[string]any{
		"ticket": h.marked("a ticket", made[0].Ticket), "randstr": h.marked("a randstr", made[0].Randstr), "scene": scene,
		"user_ip": userV4, "subject": h.sends("a subject"), "reference": h.sends("a reference", "reports", "/admin/v1/reverified"),
	}
	maps.Copy(question, fields)
	body, _ := json.Marshal(question) // texts and numbers
	answer := h.asks(http.MethodPost, "/v1/verify", string(body), append([]string{"Authorization: Bearer " + h.the("an API key")}, headers...)...)
	_ = json.Unmarshal(answer, &d) // a refusal is none
	return d
}
