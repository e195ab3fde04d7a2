package fleet

import "time"

// A Claim asks to be the one instance that answers a question.
type Claim struct {
	Key      string // names the key under which it is asked
	Own      string // names what its caller asks: the same key with another is refused
	Question string // names the question
	ID       string // of the instance: its own claims are not in its way
	Life     time.Duration
	Kept     time.Duration // how long the answer will be
}

// A Standing is how a question stands.
type Standing int

// The standings.
const (
	Yours    Standing = iota // the asker is to answer it
	Taken                    // another instance does
	Answered                 // another one did
	Misused                  // its key was used before with another Own
)

// Held is what came of a Claim.
type Held struct {
	Standing Standing
	Answer   []byte // with Answered only
}

// An Answer is what an instance answered that had a Claim.
type Answer struct {
	Claim
	Text []byte
}

// What a question holds: a claim, or its answer.
const (
	claimBy    = "?"
	answerText = "="
)

// KeyMark is what a board calls the key.
func (c Claim) KeyMark() string { return "asked:" + c.Key }

// QuestionMark is what a board calls the question.
func (c Claim) QuestionMark() string { return "answer:" + c.Question }

// Value is what a claim leaves under QuestionMark.
func (c Claim) Value() string { return claimBy + c.ID }

// Value is what an answer leaves under QuestionMark.
func (a Answer) Value() string { return answerText + string(a.Text) }

// StandingOf reads what there was under QuestionMark.
func StandingOf(held string) Held {
	switch {
	case held == "":
		return Held{Standing: Yours}
	case held[:1] == answerText:
		return Held{Standing: Answered, Answer: []byte(held[1:])}
	}
	return Held{Standing: Taken}
}
