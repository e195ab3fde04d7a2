package connlimit

import (
	"container/heap"
	"container/list"
	"net"
	"net/netip"
)

// A state is how far a connection's request has come.
type state int

const (
	idle      state = iota // no byte of a request yet, or of the next one
	receiving              // its head or its body is not whole yet
	sending                // its answer waits for whoever reads it
	busy                   // its request has arrived and is not answered yet: it is not cut
)

// A conn is one connection that was accepted.
type conn struct {
	net.Conn
	peer  *peer
	state state
	since uint64        // of its state: later ones have higher numbers
	place *list.Element // among its peer's, unless it is busy
	gone  bool
	limit *Limiter
}

// Write sends a part of an answer. While that waits for its reader the connection
// may make room: whoever does not read would else hold it for long.
func (c *conn) Write(p []byte) (int, error) {
	before := c.limit.sends(c)
	defer c.limit.sent(c, before)
	return c.Conn.Write(p)
}

// A peer is everybody at one address.
type peer struct {
	name     netip.Prefix
	trusted  bool
	open     int
	cuttable [busy]list.List // by state, the longest in it first
	index    int             // among peers; -1 if nothing of it can be cut
}

// first returns the connection that would make room; there must be one.
func (p *peer) first() *conn {
	for s := range p.cuttable {
		if e := p.cuttable[s].Front(); e != nil {
			c, _ := e.Value.(*conn)
			return c
		}
	}
	return nil
}

func (p *peer) put(c *conn) {
	if c.state != busy {
		c.place = p.cuttable[c.state].PushBack(c)
	}
}

func (p *peer) take(c *conn) {
	if c.place != nil {
		p.cuttable[c.state].Remove(c.place)
		c.place = nil
	}
}

// peers is a heap of those with connections that can be cut. The first of them
// makes room: strangers before trusted ones, who holds most before who holds less,
// an idle connection before one that is receiving or sending, and then who waits
// longest.
type peers []*peer

// update puts p where it belongs after a change.
func (ps *peers) update(p *peer) {
	can := p.first() != nil
	switch {
	case can && p.index < 0:
		heap.Push(ps, p)
	case can:
		heap.Fix(ps, p.index)
	case p.index >= 0:
		heap.Remove(ps, p.index)
	}
}

func (ps peers) Len() int { return len(ps) }

func (ps peers) Less(i, j int) bool {
	a, b := ps[i].first(), ps[j].first()
	switch {
	case ps[i].trusted != ps[j].trusted:
		return ps[j].trusted
	case ps[i].open != ps[j].open:
		return ps[i].open > ps[j].open
	case a.state != b.state:
		return a.state < b.state
	}
	return a.since < b.since
}

func (ps peers) Swap(i, j int) {
	ps[i], ps[j] = ps[j], ps[i]
	ps[i].index, ps[j].index = i, j
}

// Push is the heap's.
func (ps *peers) Push(x any) {
	p, _ := x.(*peer)
	p.index = len(*ps)
	*ps = append(*ps, p)
}

// Pop is the heap's.
func (ps *peers) Pop() any {
	last := len(*ps) - 1
	p := (*ps)[last]
	(*ps)[last] = nil
	*ps = (*ps)[:last]
	p.index = -1
	return p
}
