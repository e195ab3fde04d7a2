package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"captchagate/certs"
	"captchagate/config"
)

// Run serves both listeners until ctx ends. Then it is not ready and serves on for
// shutdown.delay, so that load balancers notice; and drains: no new connections,
// requests in flight end, for shutdown.timeout at most. ready, where not nil, is
// called with both addresses once they are open.
func (g *Gateway) Run(ctx context.Context, ready func(listen, admin string)) error {
	public, operators, err := listenBoth(ctx, g.cfg)
	if err != nil {
		return err
	}
	g.group.listens(public.Addr())
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	wait := g.Start(background)
	defer wait()
	defer stop()
	g.warn(g.cfg)
	if ready != nil {
		ready(public.Addr().String(), operators.Addr().String())
	}
	servers := []*http.Server{g.newServer(g.certificates.public), g.newServer(g.certificates.operators)}
	servers[1].RegisterOnShutdown(g.admin.EndStreams)
	failed := make(chan error, len(servers))
	go func() { failed <- g.connections.Serve(servers[0], public, g.certificates.public.Recheck(g.Handler())) }()
	go func() {
		failed <- g.operators.Serve(servers[1], operators, g.certificates.operators.Recheck(g.AdminHandler()))
	}()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = g.linger(failed)
	}
	g.public.NotReady()
	g.log.Info("draining: no new connections, requests in flight end", "at_most", g.cfg.Shutdown.Timeout.String())
	began := time.Now()
	err = errors.Join(err, drain(servers, g.cfg.Shutdown.Timeout))
	g.log.Info("drained", "took", time.Since(began).Round(time.Millisecond).String())
	return err
}

// linger is not ready and serves on for shutdown.delay. Its error is a server's
// that ended meanwhile.
func (g *Gateway) linger(failed <-chan error) error {
	g.public.NotReady()
	if g.cfg.Shutdown.Delay <= 0 {
		return nil
	}
	g.log.Info("not ready from now on, and serving on", "for", g.cfg.Shutdown.Delay.String())
	select {
	case err := <-failed:
		return err
	case <-time.After(g.cfg.Shutdown.Delay):
		return nil
	}
}

// TryListen says of an address that cannot be opened which key to change. Asked before New
// it keeps a gateway that will never run from leaving a store behind.
func TryListen(ctx context.Context, cfg config.Config) error {
	public, operators, err := listenBoth(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(public.Close(), operators.Close())
}

func listenBoth(ctx context.Context, cfg config.Config) (public, operators net.Listener, err error) {
	if public, err = listen(ctx, "listen", cfg.Listen); err != nil {
		return nil, nil, err
	}
	if operators, err = listen(ctx, "admin.listen", cfg.Admin.Listen); err != nil {
		_ = public.Close()
		return nil, nil, err
	}
	return public, operators, nil
}

// listen opens an address, or says which key to change.
func listen(ctx context.Context, key, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another process; stop that one or choose another address", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s: %s cannot be opened: %w; choose another address", key, addr, err)
	}
	return l, nil
}

// received bounds what one connection of HTTP/2 may have sent that no handler has read.
const received = 64 << 10

func (g *Gateway) newServer(with *certs.Server) *http.Server {
	return &http.Server{
		TLSConfig:      with.TLS(),
		HTTP2:          &http.HTTP2Config{MaxReceiveBufferPerConnection: received, MaxReceiveBufferPerStream: received},
		ReadTimeout:    10 * time.Second, // of head and body together
		WriteTimeout:   g.cfg.Upstream.Deadline + 10*time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// drain ends the servers, gently first.
func drain(servers []*http.Server, most time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(servers))
	for i, s := range servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				errs[i] = fmt.Errorf("requests were still in flight after %v and were cut: %w", most, errors.Join(err, s.Close()))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
