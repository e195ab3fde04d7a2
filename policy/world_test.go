package policy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/policy"
)

const (
	ourApp   = 190000001
	theScene = "scene"
	noKind   = captcha.Kind(-1)
)

// A world is everything around a policy of one scene, as a test sets it.
type world struct {
	cfg policy.Config
	reg *prometheus.Registry
	log *slog.Logger

	verdict captcha.Verdict
	fails   captcha.Kind // instead of the verdict; noKind: it does not
	left    bool         // its callers made the fate unknown
	asked   int

	force      policy.Force
	degraded   bool
	last       time.Time
	scriptDown bool
	standing   policy.Standing

	solution policy.Solution
	factor   int            // of the last challenge
	issued   policy.Binding // what it is for
	claimed  map[captcha.Key]bool
	let      map[captcha.Key]bool
	seen     map[captcha.Key]bool
	refusals refusals
	passes   []policy.Pass // that were asked for
	keep     error         // of the pass

	elsewhere func(policy.Pass) policy.Outcome // what other instances know of it

	key []byte // that users are named under; nil: the policy makes one
}

func newWorld(s policy.Scene) *world {
	return &world{
		cfg: policy.Config{
			Scenes: map[string]policy.Scene{theScene: s}, Apps: map[uint64][8]byte{ourApp: {1}}, ChallengeExpires: 5 * time.Minute,
			Disaster: policy.DisasterTickets{Otherwise: policy.DisasterAction(policy.Challenge), MaxAge: 5 * time.Minute},
		},
		reg: prometheus.NewRegistry(), log: slog.New(slog.DiscardHandler), fails: noKind,
		claimed: map[captcha.Key]bool{}, let: map[captcha.Key]bool{}, seen: map[captcha.Key]bool{},
	}
}

func (w *world) policy() *policy.Policy {
	return policy.New(w, policy.Ports{Situation: w, Challenger: w, Ledger: w, Passes: w, Refusals: &w.refusals}, w.cfg, w.key, w.log, w.reg)
}

func (w *world) Verify(context.Context, captcha.Ticket) (captcha.Verdict, error) {
	w.asked++
	if w.fails != noKind {
		return captcha.Verdict{}, &captcha.Failure{Kind: w.fails, Answer: w.verdict.Answer, Attempts: 2, Abandoned: w.left}
	}
	return w.verdict, nil
}

func (w *world) Forced(string, captcha.Ticket) policy.Force { return w.force }
func (w *world) Degraded(string) (bool, time.Time)          { return w.degraded, w.last }
func (w *world) Standing(string) policy.Standing            { return w.standing }
func (w *world) ScriptDown() bool                           { return w.scriptDown }

func (w *world) Issue(b policy.Binding, factor int) any {
	w.issued, w.factor = b, factor
	return "challenge"
}

func (w *world) Check(context.Context, string, policy.Binding) policy.Solution { return w.solution }

func (w *world) Claim(k captcha.Key) bool      { first := !w.claimed[k]; w.claimed[k] = true; return first }
func (w *world) LetThrough(k captcha.Key) bool { return w.let[k] }
func (w *world) Seen(k captcha.Key) bool       { before := w.seen[k]; w.seen[k] = true; return before }

// Let is the contract of policy.Passes in as few lines as it takes.
func (w *world) Let(_ context.Context, p policy.Pass) (policy.Outcome, error) {
	w.passes = append(w.passes, p)
	switch {
	case w.elsewhere != nil:
		return w.elsewhere(p), nil
	case w.keep != nil:
		return policy.Unknown, w.keep
	case p.On == policy.OnTicket && w.claimed[p.Ticket.Key()]:
		return policy.Spent, nil
	case !p.Budget.Take(p.Under, p.Ticket.UserIP, p.Ticket.Subject):
		return policy.Over, nil
	}
	if p.On == policy.OnTicket {
		w.claimed[p.Ticket.Key()] = true
	}
	return policy.Let, nil
}

// refusals are a memory without bounds; forgetful says that it has some.
type refusals struct {
	known     map[captcha.Key]bool
	forgetful bool
}

func (r *refusals) Add(k captcha.Key) bool {
	if r.known == nil {
		r.known = map[captcha.Key]bool{}
	}
	first := !r.known[k]
	r.known[k] = true
	return first
}
func (r *refusals) Has(k captcha.Key) bool { return r.known[k] }
func (r *refusals) Forgetful() bool        { return r.forgetful }

var errAway = errors.New("the store is away")

var alice = netip.MustParseAddr("192.0.2.1")

// ticket is the n-th ticket of a user.
func ticket(n int) policy.Request {
	return policy.Request{Scene: theScene, Reference: "order", Ticket: captcha.Ticket{
		Value: fmt.Sprint("tr03", n), Randstr: "@abc", AppID: ourApp, UserIP: alice, Subject: "alice",
	}}
}

func solved() policy.Request {
	r, solution := ticket(0), "solution"
	r.Ticket.Value, r.Solution = "", &solution
	return r
}

// words are a decision in the order of the contract's table: what, why, who
// decided and the cause, with the one that budget_spent stands over.
func words(d policy.Decision) string {
	s := fmt.Sprint(d.Action, " ", d.Reason, " ", d.Mode)
	if d.Cause != captcha.NoCause {
		s += " " + string(d.Cause)
	}
	if d.DegradedBy != captcha.NoCause {
		s += "<" + string(d.DegradedBy)
	}
	return s
}
