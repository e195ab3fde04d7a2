package rig

import (
	"context"
	"fmt"
	"net"
	"time"

	"captchagate/admin"
)

// startRedis runs a Redis that keeps nothing.
func (r *Rig) startRedis(ctx context.Context) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return r.Start(ctx, Redis, addr, "--bind", host, "--port", port, "--save", "", "--appendonly", "no")
}

// awaitFleet waits until an instance of ours has heard of so many.
func (p *Process) awaitFleet(ctx context.Context, instances int) error {
	operators := admin.Client{URL: "http://" + p.Admin, Token: p.Token}
	var said string
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(50 * time.Millisecond) {
		status, err := operators.Status(ctx)
		if err == nil && status.Fleet != nil && status.Fleet.Alive == instances {
			return nil
		}
		said = fmt.Sprintf("%+v %v", status.Fleet, err)
	}
	return fmt.Errorf("%s is not one of a fleet of %d: %s", p.Addr, instances, said)
}
