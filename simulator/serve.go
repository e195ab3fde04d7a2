package simulator

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// drainTime is how long Serve waits for calls under way when it is told to end.
const drainTime = 5 * time.Second

// Serve listens on address ("127.0.0.1:0" takes any free port) until ctx ends,
// then lets the calls under way finish, hanging ones excepted. It calls ready,
// which may be nil, with the address once connections are accepted. The error
// says why it could not listen, or could go on no longer; an end by ctx is nil.
func (s *Simulator) Serve(ctx context.Context, address string, ready func(address string)) error {
	l, err := s.listen(address)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.numbered++
	l.number = s.numbered
	s.mu.Unlock()
	return s.serve(ctx, l, ready)
}

// ServeControls is like Serve, but no fault of the network and none of the
// connection reaches who comes to this address.
func (s *Simulator) ServeControls(ctx context.Context, address string, ready func(address string)) error {
	l, err := s.listen(address)
	if err != nil {
		return err
	}
	return s.serve(ctx, l, ready)
}

func (s *Simulator) serve(ctx context.Context, l *listener, ready func(address string)) error {
	s.add(l)
	defer s.remove(l)
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       s.cfg.IdleClose,
		ConnContext:       l.connContext,
		ConnState:         l.untrack,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	s.log.Info("simulated Captcha API listens; not for production", "address", l.address)
	if ready != nil {
		ready(l.address)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l.secured()) }()
	select {
	case err := <-ended:
		_ = server.Close()
		return err
	case <-ctx.Done():
	}
	return drain(ctx, server, l, ended)
}

func drain(ctx context.Context, server *http.Server, l *listener, ended <-chan error) error {
	close(l.closing)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if server.Shutdown(bounded) != nil {
		_ = server.Close() // some calls took longer than anybody waits
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// add makes l follow the fault from now on.
func (s *Simulator) add(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[l] = struct{}{}
	l.applyFault()
}

func (s *Simulator) remove(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	_ = l.Close()
}
