package admin

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// A refusal is why a request is not let in.
type refusal struct {
	reason string // in captchagate_admin_refused_total
	status int
	detail string
}

const tokenNeeded = "a token of admin.tokens is needed, as Authorization: Bearer TOKEN"

var (
	noToken    = &refusal{"no_token", http.StatusUnauthorized, tokenNeeded}
	wrongToken = &refusal{"wrong_token", http.StatusUnauthorized, tokenNeeded}
	tooMany    = &refusal{"too_many_wrong", http.StatusTooManyRequests, "too many wrong tokens came from this address; wait a minute, or take a right one, which is always let in"}
	foreign    = &refusal{"other_site", http.StatusForbidden, "a page of another site may not change anything here"}
	readOnly   = &refusal{"viewer", http.StatusForbidden, "the token's role is viewer, which reads only; take an operator's"}
	notHere    = &refusal{"not_from_here", http.StatusForbidden, ""} // each says why
	tooCurious = &refusal{"who_rate", http.StatusTooManyRequests, "this token asked for many users' names; it may once a second, and 30 times at once"}
)

// refusals count who was refused, and have the log tell of wrong tokens: who tries them
// would leave no trace otherwise.
type refusals struct {
	counted *prometheus.CounterVec
	log     *slog.Logger

	mu    sync.Mutex
	lines *rate.Limiter
	tries int // wrong tokens since the last line
}

func newRefusals(log *slog.Logger, reg prometheus.Registerer) *refusals {
	r := &refusals{log: log, lines: rate.NewLimiter(rate.Every(time.Second), 1), counted: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_admin_refused_total", Help: "Requests to the operators' listener that were not let in, by why.",
	}, []string{"reason"})}
	reg.MustRegister(r.counted)
	for _, no := range []*refusal{noToken, wrongToken, tooMany, foreign, readOnly, notHere, tooCurious} {
		r.counted.WithLabelValues(no.reason)
	}
	return r
}

func (r *refusals) count(no *refusal) { r.counted.WithLabelValues(no.reason).Inc() }

// wrong has the log tell of a wrong token, once a second at most, with how many came since
// the line before. It holds nothing of the token.
func (r *refusals) wrong(remote string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if !r.lines.Allow() {
		return
	}
	r.log.Warn("somebody showed a wrong operators' token; if nobody mistyped, look at who reaches the operators' listener", "from", peerOf(remote), "tries", r.tries)
	r.tries = 0
}

// peerOf is the address without the port.
func peerOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
