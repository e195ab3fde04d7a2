package upstream

import (
	"context"
	"net"
	"net/http"
	"net/netip"
)

// Transport is what makes c's HTTP connections.
func (c *Client) Transport() *http.Transport { return c.pool.transport }

// DialWith has c open its connections with dial, and resolve names with lookup.
func (c *Client) DialWith(
	dial func(ctx context.Context, at netip.AddrPort) (net.Conn, error),
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error),
) {
	c.pool.dialer.dial = dial
	if lookup != nil {
		c.pool.dialer.resolver.lookup = lookup
	}
}

// Dial opens a connection as c does.
func (c *Client) Dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	return c.pool.dialer.dial(ctx, at)
}
