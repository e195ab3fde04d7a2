package gateway

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"captchagate/fleet"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/public"
)

const (
	// askAgainEvery is how often a request looks whether another instance has decided
	// the same one.
	askAgainEvery = 25 * time.Millisecond
	// claimSlack is how much longer than the deadline of a verification a claim lasts: for
	// a solution that waits to be checked, and what comes after it.
	claimSlack = maxCheckWait + time.Second
	// endSlack is how far apart instances may hold the board's clock to be.
	endSlack = time.Second
)

// An answerBoard is where instances share answers.
type answerBoard interface {
	Claim(ctx context.Context, c fleet.Claim) (fleet.Held, error)
	Answer(ctx context.Context, a fleet.Answer) error
}

// sharedAnswers has the instances of a fleet give the same answer to the same request
// with an Idempotency-Key. Its names are keyed hashes and its answers sealed, so that the
// board knows nothing of users.
type sharedAnswers struct {
	board    answerBoard
	id       string
	naming   []byte
	sealing  cipher.AEAD
	deadline time.Duration        // of a verification
	ahead    func() time.Duration // the board's clock, of this host's
	telling  sync.WaitGroup
}

func newSharedAnswers(board answerBoard, id string, secret fleet.Secret, deadline time.Duration, ahead func() time.Duration) (*sharedAnswers, error) {
	block, err := aes.NewCipher(secret.Key("answers"))
	if err != nil {
		return nil, err
	}
	sealing, err := cipher.NewGCMWithRandomNonce(block)
	return &sharedAnswers{board: board, id: id, naming: secret.Key("questions"), sealing: sealing, deadline: deadline, ahead: ahead}, err
}

// Ask and Tell are once's Others.

// Ask claims the question, and waits as long as a verification may take for an instance
// that claimed it before: if that one died, or Redis goes away, this one decides.
func (s *sharedAnswers) Ask(ctx context.Context, q once.Question) (d policy.Decision, found bool, err error) {
	claim, until := s.claim(q), time.Now().Add(s.deadline)
	for {
		got, err := s.board.Claim(ctx, claim)
		switch {
		case err != nil || got.Standing == fleet.Yours:
			return d, false, nil
		case got.Standing == fleet.Misused:
			return d, false, once.ErrOtherBody
		case got.Standing == fleet.Answered:
			d, err = s.open(claim, got.Answer)
			return d, err == nil, nil // else it was written with another version or secret
		case !time.Now().Before(until):
			return d, false, nil
		}
		pause(ctx, askAgainEvery)
	}
}

// Tell leaves the answer on the board.
func (s *sharedAnswers) Tell(q once.Question, d policy.Decision) {
	s.telling.Go(func() {
		claim := s.claim(q)
		if text, err := s.seal(claim, d); err == nil {
			_ = s.board.Answer(context.Background(), fleet.Answer{Claim: claim, Text: text}) // bounded; without it another instance decides anew
		}
	})
}

func (s *sharedAnswers) claim(q once.Question) fleet.Claim {
	return fleet.Claim{
		Key: s.name("key", q.Caller, q.Key), Own: s.name("own", string(q.Own)), Question: s.name("question", q.Caller, q.Key, q.OfUser),
		ID: s.id, Life: s.deadline + claimSlack, Kept: public.AnswerLife,
	}
}

// name is a keyed hash of parts.
func (s *sharedAnswers) name(parts ...string) string {
	mac := hmac.New(sha256.New, s.naming)
	for _, part := range parts {
		mac.Write(append(binary.AppendUvarint(nil, uint64(len(part))), part...))
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// A sealedDecision is a decision as the board holds it, with what answers do not tell.
type sealedDecision struct {
	policy.Decision
	Challenge json.RawMessage `json:"challenge,omitempty"` // byte for byte
	OwnCause  string          `json:"own_cause,omitempty"`
	Why       string          `json:"why,omitempty"`
	Ends      time.Time       `json:"ends"` // by the board's clock: whoever can write there could keep it for longer
}

var errOver = errors.New("the answer is over")

// now is the board's.
func (s *sharedAnswers) now() time.Time { return time.Now().Add(s.ahead()) }

func (s *sharedAnswers) seal(c fleet.Claim, d policy.Decision) ([]byte, error) {
	sealed := sealedDecision{Decision: d, OwnCause: d.OwnCause, Why: d.Why, Ends: s.now().Add(c.Kept)}
	if d.Challenge != nil {
		var err error
		if sealed.Challenge, err = json.Marshal(d.Challenge); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(sealed)
	if err != nil {
		return nil, err
	}
	return s.sealing.Seal(nil, nil, text, bound(c)), nil //nolint:gosec // this AEAD draws the nonce itself and refuses another
}

func (s *sharedAnswers) open(c fleet.Claim, text []byte) (d policy.Decision, err error) {
	plain, err := s.sealing.Open(nil, nil, text, bound(c))
	if err != nil {
		return d, err
	}
	var sealed sealedDecision
	if err := json.Unmarshal(plain, &sealed); err != nil {
		return d, err
	}
	if !s.now().Before(sealed.Ends.Add(endSlack)) {
		return d, errOver
	}
	d = sealed.Decision
	d.OwnCause, d.Why = sealed.OwnCause, sealed.Why
	if sealed.Challenge != nil {
		d.Challenge = sealed.Challenge
	}
	return d, nil
}

// bound is what an answer is sealed for: it opens as the answer to nothing else.
func bound(c fleet.Claim) []byte { return []byte(c.Question + " " + c.Own) }

// others are once's, of this instance: those of its fleet.
func (g *Gateway) others() (once.Others[policy.Decision], error) {
	if g.group == nil {
		return nil, nil //nolint:nilnil // a single instance has none
	}
	s, err := newSharedAnswers(g.group.board, g.group.member.ID(), g.group.secret, g.cfg.Upstream.Deadline, g.group.ahead)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, s.telling.Wait)
	return s, nil
}
