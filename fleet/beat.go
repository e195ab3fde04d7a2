package fleet

import (
	"slices"
	"time"
)

// keptMembers is how long an instance is remembered that reports no more.
const keptMembers = int64(time.Minute / time.Millisecond)

// A board is what the instances share, in memory. Times are milliseconds of its
// clock. store/redis has the same arithmetic in Lua, and a test that holds the two
// against each other.
type board struct {
	run       string // of the server whose state it is
	gen, born int64

	epoch         uint64
	state         State // Closed, Open or Recovering
	since, outage int64
	answered      int
	spared        bool // a probe of this series failed, and took one of those back
	ill, of       int  // when it opened

	token          uint64
	holder         string // of the lease; "" for nobody
	granted, until int64
	next           int64  // when to probe
	last           string // who probed last,
	succeeded      bool   // and with which success
	candidate      string // who makes a connection
	candidacy      int64  // until then

	register Register

	seen, voting, illSet map[string]int64
	about                map[string][]byte
	newest               int64 // mark of the newest news
	news                 [Kinds][]entry
}

type entry struct {
	mark int64
	text string
}

func ms(d time.Duration) int64 { return int64(d / time.Millisecond) }

// beat takes in a report at a time and on a server, and returns how things are.
func (b *board) beat(now int64, run string, r Report) View {
	b.notice(now, run, r)
	b.learn(now, r)
	b.count(now, r)
	b.ended(now, r)
	b.decide(now, r)
	v := View{Now: time.UnixMilli(now), Gen: b.gen, Wait: -1}
	b.lease(now, r, &v)
	b.tell(now, r, &v)
	return v
}

// notice raises the generation if this is another server, or all was lost. Probes
// of before may be on their way: none begins until they have ended.
func (b *board) notice(now int64, run string, r Report) {
	if b.run == run && b.gen > 0 {
		return
	}
	b.run = run
	b.gen = max(b.gen+1, r.Gen+1, now)
	b.born = now
	b.holder, b.candidate, b.until = "", "", 0
	b.next = max(min(b.next, now+ms(r.Rules.Max)), now+ms(r.Rules.Lease))
	b.seen, b.voting, b.illSet = map[string]int64{}, map[string]int64{}, map[string]int64{}
	b.about = map[string][]byte{}
}

// learn takes over what the reporter knows better.
func (b *board) learn(now int64, r Report) {
	if r.Known.Epoch > b.epoch {
		b.epoch = r.Known.Epoch
		b.state = r.Known.State
		if b.state == HalfOpen {
			b.state = Open
		}
		b.since, b.outage = now-ms(r.Known.Since), now-ms(r.Known.Outage)
		b.answered, b.spared = 0, false
		b.illSet = map[string]int64{}
	}
	if !plausible(b.register, now) || b.register.Is(r.Void) {
		b.register = Register{}
	}
	if r.Switch.Body != nil && plausible(r.Switch, now) && r.Switch.Newer(b.register) {
		b.register = r.Switch
	}
}

// mostAhead is how far a version, which is a time in milliseconds or a little more, may be
// ahead: one that somebody wrote who is no instance must not hold for ever, also where those
// who could find it void are all of the last release.
const mostAhead = int64(time.Minute / time.Millisecond)

func plausible(r Register, now int64) bool { return r.Version <= uint64(now+mostAhead) }

// count notes who is there and has a say.
func (b *board) count(now int64, r Report) {
	old := now - ms(r.Rules.Window)
	for id, at := range b.seen {
		if at <= now-keptMembers {
			delete(b.seen, id)
			delete(b.about, id)
		}
	}
	for _, set := range []map[string]int64{b.voting, b.illSet} {
		for id, at := range set {
			if at <= old {
				delete(set, id)
			}
		}
	}
	if r.Leaves {
		delete(b.seen, r.ID)
		delete(b.about, r.ID)
	} else {
		b.seen[r.ID], b.about[r.ID] = now, slices.Clone(r.About)
	}
	b.vote(b.voting, r.Voting && !r.Leaves, now, r.ID)
	b.vote(b.illSet, r.Ill && r.Epoch == b.epoch && !r.Leaves, now, r.ID)
}

func (b *board) vote(set map[string]int64, yes bool, now int64, id string) {
	if yes {
		set[id] = now
	} else {
		delete(set, id)
	}
}

// ended takes in what came of a probe. Only the holder's counts, and only once.
func (b *board) ended(now int64, r Report) {
	e := r.Ended
	if !e.Made {
		return
	}
	if e.Token == 0 { // no connection
		if b.candidate == r.ID {
			b.candidate = ""
			b.next = max(b.next, now+b.interval(now, r.Rules))
		}
		return
	}
	if b.holder != r.ID || b.token != e.Token {
		return
	}
	b.holder, b.until, b.last, b.succeeded = "", 0, r.ID, e.Finding == Healthy
	if b.state != Open {
		return
	}
	switch {
	case e.Finding == Healthy:
		b.answered++
		b.next = now + ms(r.Rules.Spacing)
		if b.answered >= r.Rules.Successes {
			b.epoch++
			b.state, b.since, b.answered, b.spared = Recovering, now, 0, false
			b.illSet = map[string]int64{}
		}
	case e.Finding == Ill && b.answered > 1 && !b.spared: // one of several of the API's instances may be ill
		b.spared = true
		b.answered--
		b.next = now + ms(r.Rules.Spacing)
	default:
		if e.Finding == Ill {
			b.answered, b.spared = 0, false
		}
		b.next = max(now, b.granted+b.interval(b.granted, r.Rules))
	}
}

// interval is how long after a probe that failed the next one comes.
func (b *board) interval(at int64, rules Rules) int64 {
	return min(max((at-b.outage)/30, ms(rules.Initial)), ms(rules.Max))
}

// decide opens the circuit at a quorum, not before all had the time to report, and
// closes it once an instance has ended its recovery.
func (b *board) decide(now int64, r Report) {
	k, n := len(b.illSet), len(b.voting)
	switch {
	case b.state != Open && k >= 2 && 2*k >= n && now-b.born >= ms(r.Rules.Window):
		if b.state == Closed {
			b.outage = now
		}
		b.epoch++
		b.state, b.since, b.answered, b.spared = Open, now, 0, false
		b.ill, b.of = k, n
		b.next = now + ms(r.Rules.Initial)
		b.holder, b.candidate, b.last = "", "", ""
		b.succeeded = false
	case b.state == Recovering && r.Closed && r.Epoch == b.epoch:
		b.state = Closed
	}
}

// lease grants the lease, or says when it may be had: who succeeded last goes on,
// who failed hands over.
func (b *board) lease(now int64, r Report, v *View) {
	if b.state != Open || r.Leaves {
		return
	}
	free := b.next
	if b.holder != "" {
		free = max(free, b.until)
	}
	if b.last != "" && (b.last == r.ID) != b.succeeded {
		free += ms(r.Rules.Handover)
	}
	waits := free
	if b.candidate != "" && b.candidate != r.ID {
		waits = max(waits, b.candidacy)
	}
	switch {
	case r.Wants && free <= now:
		b.token++
		b.holder, b.granted, b.until = r.ID, now, now+ms(r.Rules.Lease)
		b.candidate = ""
		v.Token = b.token
		waits = b.until
	case !r.Wants && waits <= now:
		b.candidate, b.candidacy = r.ID, now+ms(r.Rules.Candidacy)
		v.Due = true
		waits = b.candidacy
	}
	v.Wait = time.Duration(max(waits-now, 0)) * time.Millisecond
}

// tell fills in the rest of a view.
func (b *board) tell(now int64, r Report, v *View) {
	old := now - ms(r.Rules.Window)
	for _, at := range b.seen {
		if at > old {
			v.Alive++
		}
	}
	v.Voting, v.Ill = len(b.voting), len(b.illSet)
	v.Circuit = Circuit{Epoch: b.epoch, State: b.state, Since: age(now, b.since), Answered: b.answered}
	if b.state != Closed {
		v.Circuit.Outage = age(now, b.outage)
	}
	if b.state == Open && b.answered > 0 {
		v.Circuit.State = HalfOpen
	}
	v.OpenIll, v.OpenOf = b.ill, b.of
	v.Switch = Register{Version: b.register.Version, ID: b.register.ID}
	if b.register.Newer(r.Switch) {
		v.Switch.Body = b.register.Body
	}
	for kind := range Kinds {
		v.News[kind] = b.exchange(Kind(kind), now, r.News[kind])
	}
}

func age(now, since int64) time.Duration {
	return time.Duration(max(now-since, 0)) * time.Millisecond
}

// exchange takes in the reporter's news of a kind, and returns others'.
func (b *board) exchange(kind Kind, now int64, n News) News {
	life, most := kind.Limits()
	for _, text := range n.Entries {
		if slices.ContainsFunc(b.news[kind], func(e entry) bool { return e.text == string(text) }) {
			continue
		}
		b.newest = max(b.newest+1, now*1000)
		b.news[kind] = append(b.news[kind], entry{b.newest, string(text)})
	}
	kept := b.news[kind]
	for len(kept) > 0 && (kept[0].mark <= (now-ms(life))*1000 || len(kept) > most) {
		kept = kept[1:]
	}
	b.news[kind] = kept
	out := News{Since: n.Since}
	for _, e := range kept {
		if e.mark > n.Since && len(out.Entries) < MostNews {
			out.Entries, out.Since = append(out.Entries, []byte(e.text)), e.mark
		}
	}
	return out
}
