package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"captchagate/loadtest/scenario"
	"captchagate/loadtest/send"
)

const (
	startDelay    = 300 * time.Millisecond // from the preparations' end to the first request
	maxLastWait   = time.Second            // for requests under way when the run is ended early
	progressEvery = 200 * time.Millisecond
)

// Play sends the scenario's traffic at all gateways at once, the same to each,
// and does to each what the scenario says. It ends early with ctx, and then
// tells what was until then. The error says why there is nothing to tell.
// progress, if not nil, is called from time to time.
func Play(ctx context.Context, s scenario.Scenario, gateways []Gateway, progress func(Progress)) (Run, error) {
	if err := ready(s, gateways); err != nil {
		return Run{}, err
	}
	requests := plan(s)
	load := loadAverage()
	var subjects []*subject
	for _, g := range gateways {
		t := newSubject(g, s, slices.Clone(requests))
		defer t.close()
		if err := errors.Join(t.reach(ctx), t.issue(ctx)); err != nil {
			return Run{}, err
		}
		subjects = append(subjects, t)
	}
	begin := time.Now().Add(startDelay)
	for _, t := range subjects {
		t.begin = begin
		if t.Redis != nil {
			t.seen.redisIs(0, "up")
		}
	}
	length, stopped := s.Length(), make(chan time.Duration, 1)
	toTheEnd := context.AfterFunc(ctx, func() { stopped <- time.Since(begin) }) // not when the last answer was waited for
	err := drive(ctx, s, subjects, progress)
	early := false
	if !toTheEnd() {
		length = min(length, <-stopped)
		early = length < s.Length() || slices.ContainsFunc(subjects, (*subject).isOwed)
	}
	for _, t := range subjects {
		err = errors.Join(err, t.clearFaults(context.WithoutCancel(ctx)))
	}
	if err == nil && length <= 0 {
		err = errors.New("ended before the first request")
	}
	if err != nil {
		return Run{}, err
	}
	return tell(s, subjects, length, early, load), nil
}

// isOwed reports whether a request was never sent, or its answer not waited for.
func (t *subject) isOwed() bool {
	return slices.ContainsFunc(t.requests, func(s request) bool { return s.tries == 0 })
}

// ready refuses what cannot be played.
func ready(s scenario.Scenario, gateways []Gateway) error {
	if len(gateways) == 0 {
		return errors.New("no gateway is given to play against")
	}
	var wrong []error
	wrong = append(wrong, untold(s, gateways)...)
	for _, g := range gateways {
		wrong = append(wrong, g.validate())
		if !g.isOurs() {
			wrong = append(wrong, foreign(s, g.Name)...)
		}
		for _, step := range s.Steps {
			if step.Switch != nil && !g.isTelling() {
				wrong = append(wrong, fmt.Errorf("%w: it throws a switch, and %s has no operators' address; give --target-admin", ErrScenario, g.Name))
			}
		}
	}
	return errors.Join(wrong...)
}

// foreign finds what only a gateway that was started here can be played.
func foreign(s scenario.Scenario, name string) (wrong []error) {
	refuse := func(format string) {
		wrong = append(wrong, fmt.Errorf("%w: "+format+"; leave --target out", ErrScenario, name))
	}
	if s.Kills() {
		refuse("it kills the gateway, and %s is not ours to kill")
	}
	if s.Shadow {
		refuse("its gateway is in shadow and its API has a twin, which %s has not")
	}
	if s.OnNetwork() {
		refuse("its API is behind a name with addresses of its own, which %s cannot be given")
	}
	if s.Instances > 1 || s.HasRedis() {
		refuse("its gateway has instances or a Redis of its own, and %s was started without")
	}
	return wrong
}

// untold finds the objectives that a gateway cannot meet however well it does,
// because it does not tell what they are about.
func untold(s scenario.Scenario, gateways []Gateway) (wrong []error) {
	var silent, flags []string
	for _, g := range gateways {
		if !g.isTelling() {
			silent, flags = append(silent, g.Name), append(flags, "--target-admin "+g.Name+"=URL")
		}
	}
	if len(silent) == 0 {
		return nil
	}
	for _, o := range s.Objectives {
		if o.NeedsStatus() {
			wrong = append(wrong, fmt.Errorf("%w: %s:%d: %q asks for what nobody tells of %s; give %s, or drop the objective",
				ErrScenario, s.File, o.Line, o.Text, strings.Join(silent, ", "), strings.Join(flags, " ")))
		}
	}
	return wrong
}

// drive sends, steers and watches until all is answered.
func drive(ctx context.Context, s scenario.Scenario, subjects []*subject, progress func(Progress)) error {
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	sending, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	answering, giveUp := context.WithCancel(context.WithoutCancel(ctx)) // outlives an early end by a little
	defer giveUp()
	defer context.AfterFunc(sending, func() { time.AfterFunc(maxLastWait, giveUp) })()
	var watchers, steering, requests sync.WaitGroup
	for _, t := range subjects {
		watchers.Go(func() { t.watch(watching) })
		steering.Go(func() {
			if err := t.steer(sending, actions(s)); err != nil {
				abort(err)
			}
		})
	}
	if progress != nil {
		watchers.Go(func() { every(watching, progressEvery, func() { progress(progressOf(s, subjects)) }) })
	}
	times := dueTimes(subjects[0].requests)
	send.OnTime(sending, subjects[0].begin, times, func(n int) {
		for _, t := range subjects {
			requests.Go(func() { t.send(answering, n) })
		}
	})
	requests.Wait()
	rest(sending, time.Until(subjects[0].begin.Add(s.Length())))
	steering.Wait()
	stopWatching()
	watchers.Wait()
	for _, t := range subjects { // the last word on how it was
		t.lookAtCounts(context.WithoutCancel(ctx))
		if t.direct != nil {
			t.lookAtWould(context.WithoutCancel(ctx))
		}
		for _, one := range t.parts {
			if one.admin != nil {
				t.lookAtStatus(context.WithoutCancel(ctx), one)
			}
		}
	}
	if err := context.Cause(sending); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func dueTimes(requests []request) []time.Duration {
	times := make([]time.Duration, len(requests))
	for i := range requests {
		times[i] = requests[i].due
	}
	return times
}
