package connlimit

import (
	"net"
	"net/netip"
	"slices"

	"captchagate/captcha"
)

// A peer is everybody at one address, by one class: its connections that are
// trusted are another peer than those that are not.
type peer struct {
	peerName
	class *class
	open  int
}

type peerName struct {
	household netip.Prefix
	trusted   bool
}

// A class counts its peers by how many connections they hold.
type class struct {
	holding map[int]int // how many peers hold so many, from 1
	most    int         // that one of them holds
}

// holds has p hold one connection more, or less.
func (p *peer) holds(more int) {
	c, before := p.class, p.open
	p.open += more
	if c.holding[before]--; c.holding[before] <= 0 {
		delete(c.holding, before)
	}
	if p.open > 0 {
		c.holding[p.open]++
	}
	if p.open > c.most || before == c.most && c.holding[before] == 0 {
		c.most = p.open
	}
}

// outranks reports whether those of p make room before those of q: strangers before
// trusted ones, who holds most before who holds less.
func (p *peer) outranks(q *peer) bool {
	if p.trusted != q.trusted {
		return q.trusted
	}
	return p.open > q.open
}

// nameOf returns who is at the other end: the household of its address.
func (l *Limiter) nameOf(nc net.Conn) peerName {
	var ip netip.Addr
	if at, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		ip = at.Addr().Unmap()
	}
	trusted := slices.ContainsFunc(l.prefixes, func(t netip.Prefix) bool { return t.Contains(ip) })
	return peerName{captcha.Household(ip), trusted}
}

func (l *Limiter) peer(name peerName) *peer {
	p := l.peers[name]
	if p == nil {
		p = &peer{peerName: name, class: &l.strangers}
		if name.trusted {
			p.class = &l.trusted
		}
		l.peers[name] = p
	}
	return p
}

// leave takes one connection from p.
func (l *Limiter) leave(p *peer) {
	if p.holds(-1); p.open == 0 {
		delete(l.peers, p.peerName)
	}
}
