package policy

import (
	"context"
	"time"

	"captchagate/captcha"
)

// A Pass lets a user through without a verdict of the Captcha API.
type Pass struct {
	On                           Basis
	DecisionID, Scene, Reference string
	Ticket                       captcha.Ticket // with OnSolution only whose it is
	At                           time.Time
	Budget                       *Limiter      // that it is taken from
	Cause                        captcha.Cause // why the Captcha API did not decide
	Under                        Lasting       // whose time it takes

	Held     captcha.Key          // with OnDisasterTicket what names it in its user's hands
	Refusals func() []captcha.Key // with OnTicket under what a refusal of it by the API is remembered
}

// A Basis is what a user is let through on.
type Basis int

// The bases.
const (
	OnTicket         Basis = iota // counts once, and is asked about again later
	OnDisasterTicket              // all users of one second hold the same, and it can never be verified
	OnSolution                    // of a challenge; whoever checked it has spent it
)

// An Outcome is what came of a pass.
type Outcome int

// The outcomes. The zero value lets nobody through.
const (
	Unknown   Outcome = iota // nobody could tell, or keep it; the user is treated as Over
	Let                      // the user is let through
	Spent                    // the ticket let somebody in before, or a disaster ticket was seen
	Over                     // the budget has no room for this user
	Refuted                  // re-verification found the user to be bad; treated as Over
	Apart                    // the fleet cannot be asked, and this instance's part has no room; treated as Over
	Unsettled                // what the fleet shares was lost a moment ago; treated as Over
	Refused                  // the API refused the ticket, as another instance says; Refusals has that now
)

// Passes lets users through.
type Passes interface {
	// Let claims the ticket, takes from the budget and keeps the pass for
	// re-verification, of these what its basis needs, and all of it or
	// nothing: if it does not let through, the ticket is as it was. When it
	// has let through, that survives the process. Whoever re-verification
	// found to be bad within the last 24 hours has no budget.
	//
	// ctx bounds it. An error comes with Unknown and with nothing else; it
	// says why nobody is let through, and holds nothing that a user sent.
	Let(ctx context.Context, p Pass) (Outcome, error)
}

// A Ledger remembers for captcha.TicketLife which tickets let somebody in. None
// of its methods waits.
type Ledger interface {
	// Claim marks a verified ticket as letting somebody in, and reports
	// whether it is the first time.
	Claim(k captcha.Key) (first bool)
	// LetThrough reports whether the ticket let somebody in unverified.
	LetThrough(k captcha.Key) bool
	// Seen marks a disaster ticket in a user's hands as seen, and reports
	// whether it was before.
	Seen(k captcha.Key) bool
}
