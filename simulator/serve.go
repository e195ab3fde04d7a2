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
	d, err := s.openDoor(address)
	if err != nil {
		return err
	}
	s.join(d)
	defer s.part(d)
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ConnContext:       d.introduce,
		ConnState:         d.watch,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	s.log.Info("simulated Captcha API listens; not for production", "address", d.address)
	if ready != nil {
		ready(d.address)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(d) }()
	select {
	case err = <-ended:
		_ = server.Close()
		return err
	case <-ctx.Done():
	}
	return drain(ctx, server, d, ended)
}

func drain(ctx context.Context, server *http.Server, d *door, ended <-chan error) error {
	close(d.closing)
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

// join makes d follow the fault from now on.
func (s *Simulator) join(d *door) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doors[d] = struct{}{}
	d.follow()
}

func (s *Simulator) part(d *door) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.doors, d)
	_ = d.Close()
}
