package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"captchagate/control"
	"captchagate/fleet"
)

// adoptTime bounds what an adoption waits for the store.
const adoptTime = time.Second

// A fleetSwitch is the switch, the drills and what operators did, as the fleet shares
// them: whoever can write to Redis and has not the secret moves nothing, with what instances
// wrote there before neither.
type fleetSwitch struct {
	control *control.Control
	member  *fleet.Member
	log     *slog.Logger
	mac
}

var (
	errForged = errors.New("it was not written by an instance with this store.secret")
	errMoved  = errors.New("an instance wrote it as another version")
)

// Current is what is forced here.
func (s *fleetSwitch) Current(offset time.Duration) fleet.Register {
	version, name, text := s.control.Current(offset)
	return fleet.Register{Version: version, ID: name, Body: s.seal(text)}
}

// Adopt puts in force what is forced in the fleet. What cannot be read, though an instance
// wrote it, is one's of another version: it is theirs, and stays.
func (s *fleetSwitch) Adopt(r fleet.Register, offset time.Duration) (written bool) {
	text, err := s.read(r)
	if errors.Is(err, errForged) || errors.Is(err, errMoved) { // a trouble tells it, however often it comes
		s.log.Debug("what stands in Redis as the fleet's switch is not taken", "error", err)
		return false
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), adoptTime)
		defer cancel()
		err = s.control.Adopt(ctx, text, offset)
	}
	if err != nil {
		s.log.Error("the fleet's switch could not be taken over", "error", err)
	}
	return true
}

// read opens what an instance wrote as that version and name.
func (s *fleetSwitch) read(r fleet.Register) (text []byte, err error) {
	if text, err = s.open(r.Body); err != nil {
		return nil, err
	}
	made, err := control.Made(text, r.Version, r.ID)
	if err == nil && !made {
		err = errMoved
	}
	return text, err
}

// merge enters what operators did at other instances.
func (s *fleetSwitch) merge(entries [][]byte, offset time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), adoptTime)
	defer cancel()
	texts := make([][]byte, 0, len(entries))
	for _, sealed := range entries {
		text, err := s.open(sealed)
		if err != nil {
			s.log.Warn("an entry of the fleet's audit was left out", "error", err)
			continue
		}
		texts = append(texts, text)
	}
	if err := s.control.Merge(ctx, texts, offset); err != nil {
		s.log.Error("the fleet's audit could not be entered", "error", err)
	}
}

// publish has the others learn what an operator did here, at once.
func (s *fleetSwitch) publish(entry []byte) {
	s.member.Publish(fleet.Audit, s.seal(entry))
	s.member.Wake()
}

// A mac is a key by which instances know what another one of their fleet wrote.
type mac []byte

func (m mac) seal(text []byte) []byte {
	h := hmac.New(sha256.New, m)
	h.Write(text)
	return append(h.Sum(nil), text...)
}

func (m mac) open(sealed []byte) (text []byte, err error) {
	if len(sealed) < sha256.Size || !hmac.Equal(m.seal(sealed[sha256.Size:]), sealed) {
		return nil, errForged
	}
	return sealed[sha256.Size:], nil
}
