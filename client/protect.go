package client

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
)

// maxForm is how long a protected form may be, in bytes.
const maxForm = 1 << 20

// A Gate protects routes that are reached by forms of a page with the gateway's script:
// it asks about each request before the route sees it.
type Gate struct {
	Client *Client
	Scene  string // of the gateway; "" = "default"

	// UserIP is the user's address; nil = of whoever connects. Behind a proxy it must
	// be what that one says, and nobody else.
	UserIP func(*http.Request) string
	// Refuse answers whoever is not let in, with err where the gateway gave no answer;
	// nil = 403 with the answer as JSON, or 503.
	Refuse func(w http.ResponseWriter, r *http.Request, a Answer, err error)
}

// Protect lets only those through to next whom the gateway allows. It reads the form,
// so next finds it in r.PostForm; the answer is in AnswerOf.
func (g *Gate) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		a, err := g.Client.Verify(r.Context(), g.question(r))
		if err != nil || a.Decision != Allow {
			g.refuse(w, r, a, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), answerKey{}, a)))
	})
}

type answerKey struct{}

// AnswerOf is the answer that let a protected request in, of its context.
func AnswerOf(ctx context.Context) (a Answer, ok bool) {
	a, ok = ctx.Value(answerKey{}).(Answer)
	return a, ok
}

// question is what the page's script put into the form: a ticket, or else a solution.
func (g *Gate) question(r *http.Request) Request {
	q := Request{Scene: g.Scene, UserIP: g.userIP(r), Ticket: r.PostFormValue("ticket"), Randstr: r.PostFormValue("randstr")}
	if q.Ticket == "" {
		q.Challenge = r.PostFormValue("captcha-response")
	}
	return q
}

func (g *Gate) userIP(r *http.Request) string {
	if g.UserIP != nil {
		return g.UserIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, a Answer, err error) {
	switch {
	case g.Refuse != nil:
		g.Refuse(w, r, a, err)
	case err != nil:
		http.Error(w, "nobody can be verified now; please try again", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(refused{a.Decision, a.ID, a.Challenge}) // whoever went away needs no answer
	}
}

// refused is what a page needs to go on.
type refused struct {
	Decision  Decision        `json:"decision"`
	ID        string          `json:"decision_id"`
	Challenge json.RawMessage `json:"challenge,omitempty"`
}
