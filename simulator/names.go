package simulator

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// ServeNames answers DNS queries over UDP on address until ctx ends: every name
// has the addresses that Serve listens on, as the network in force has it. It
// calls ready, which may be nil, with the address once it listens.
func (s *Simulator) ServeNames(ctx context.Context, address string, ready func(address string)) error {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if ready != nil {
		ready(conn.LocalAddr().String())
	}
	query := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(query)
		if err != nil {
			_ = conn.Close()
			if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if answer := s.resolve(query[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from) // who asked may be gone, and asks again if not
		}
	}
}

// resolve answers a query; nil = not at all.
func (s *Simulator) resolve(query []byte) []byte {
	var parser dnsmessage.Parser
	head, err := parser.Start(query)
	if err != nil {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return nil
	}
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{question},
	}
	switch s.network.Load().Resolver {
	case ResolverHang:
		return nil
	case ResolverFail:
		answer.RCode = dnsmessage.RCodeServerFailure
	default:
		for _, at := range s.named() {
			if typeOf(at) == question.Type {
				answer.Answers = append(answer.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: dnsmessage.ClassINET},
					Body:   recordOf(at),
				})
			}
		}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func typeOf(at netip.Addr) dnsmessage.Type {
	if at.Is4() {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}

func recordOf(at netip.Addr) dnsmessage.ResourceBody {
	if at.Is4() {
		return &dnsmessage.AResource{A: at.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: at.As16()}
}
