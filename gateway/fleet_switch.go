package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"

	"captchagate/control"
	"captchagate/fleet"
)

// adoptTime bounds what an adoption waits for the store.
const adoptTime = time.Second

// A fleetSwitch is the switch, the drills and what operators did, as the fleet shares
// them: whoever can write to Redis and has not the secret moves nothing.
type fleetSwitch struct {
	control *control.Control
	group   *group
	mac
}

var errForged = errors.New("it was not written by an instance with this store.secret")

// Current is what is forced here.
func (s *fleetSwitch) Current(offset time.Duration) fleet.Register {
	version, name, text := s.control.Current(offset)
	return fleet.Register{Version: version, ID: name, Body: s.seal(text)}
}

// Adopt puts in force what is forced in the fleet.
func (s *fleetSwitch) Adopt(r fleet.Register, offset time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), adoptTime)
	defer cancel()
	text, err := s.open(r.Body)
	if err == nil {
		err = s.control.Adopt(ctx, text, offset)
	}
	if err != nil {
		s.group.log.Error("the fleet's switch could not be taken over", "error", err)
	}
}

// merge enters what operators did at other instances.
func (s *fleetSwitch) merge(entries [][]byte, offset time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), adoptTime)
	defer cancel()
	texts := make([][]byte, 0, len(entries))
	for _, sealed := range entries {
		text, err := s.open(sealed)
		if err != nil {
			s.group.log.Warn("an entry of the fleet's audit was left out", "error", err)
			continue
		}
		texts = append(texts, text)
	}
	if err := s.control.Merge(ctx, texts, offset); err != nil {
		s.group.log.Error("the fleet's audit could not be entered", "error", err)
	}
}

// publish has the others learn what an operator did here, at once.
func (s *fleetSwitch) publish(entry []byte) {
	s.group.member.Publish(fleet.Audit, s.seal(entry))
	s.group.member.Wake()
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
