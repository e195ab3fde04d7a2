package fleet

import "time"

// An outbox holds what this instance tells its fleet: each entry once, and all of them
// again if the board may have lost them.
type outbox struct {
	life    time.Duration // how long an entry is worth telling
	most    int           // entries
	entries []said        // the oldest first,
	sent    int           // of which so many are on the board
}

type said struct {
	text string
	at   time.Time
}

// add puts an entry in.
func (o *outbox) add(text string, now time.Time) {
	for len(o.entries) > 0 && (len(o.entries) >= o.most || now.Sub(o.entries[0].at) > o.life) {
		o.entries, o.sent = o.entries[1:], max(o.sent-1, 0)
	}
	o.entries = append(o.entries, said{text, now})
}

// next are the next entries to tell, at most that many.
func (o *outbox) next(most int) (texts []string) {
	for _, one := range o.entries[o.sent:min(len(o.entries), o.sent+most)] {
		texts = append(texts, one.text)
	}
	return texts
}

// arrived notes that so many are on the board now.
func (o *outbox) arrived(n int) { o.sent = min(o.sent+n, len(o.entries)) }

// again has all of them be told again.
func (o *outbox) again() { o.sent = 0 }
