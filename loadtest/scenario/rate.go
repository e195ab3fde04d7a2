package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the most requests a second that a phase may ask for.
const MaxRate = 20_000

// A Rate says how often requests leave, in words:
//
//	500/s, 2/m                         constant
//	100/s to 900/s                     a ramp over the phase
//	100/s, 900/s from 2s to 5s         a spike
//	200/s +- 150/s every 20s           a sine that begins at its trough
type Rate struct {
	text       string
	per        time.Duration // of a constant rate; 0 = a second
	first      int           // constant, or what it begins with, or the sine's middle
	second     int           // what the ramp ends with, the spike's height, the sine's amplitude
	from, till time.Duration // of the spike
	period     time.Duration // of the sine
	shape      shape
}

type shape int

const (
	constant shape = iota
	ramp
	spike
	sine
)

var rateForms = map[shape]*regexp.Regexp{
	constant: regexp.MustCompile(`^(\d+)/[sm]$`),
	ramp:     regexp.MustCompile(`^(\d+)/s to (\d+)/s$`),
	spike:    regexp.MustCompile(`^(\d+)/s, (\d+)/s from (\S+) to (\S+)$`),
	sine:     regexp.MustCompile(`^(\d+)/s \+- (\d+)/s every (\S+)$`),
}

// UnmarshalText reads a rate; the error says what it must be, and leaves the
// rate as it was.
func (r *Rate) UnmarshalText(text []byte) error {
	for shape, form := range rateForms {
		parts := form.FindStringSubmatch(string(text))
		if parts == nil {
			continue
		}
		read := Rate{text: string(text), shape: shape}
		if err := read.take(parts[1:]); err != nil {
			return err
		}
		*r = read
		return nil
	}
	return fmt.Errorf(`must be a rate: "500/s", "2/m", "100/s to 900/s", "100/s, 900/s from 2s to 5s" or "200/s +- 150/s every 20s"; is %q`, text)
}

func (r *Rate) take(parts []string) error {
	times, err := r.read(parts)
	switch {
	case err != nil:
		return err
	case r.shape == constant && strings.HasSuffix(r.text, "/m"):
		r.per = time.Minute
	case r.shape == spike && times[0] >= times[1]:
		return fmt.Errorf("must have a spike that ends after it begins, has %v to %v", times[0], times[1])
	case r.shape == spike:
		r.from, r.till = times[0], times[1]
	case r.shape == sine && (r.second >= r.first || times[0] <= 0):
		return fmt.Errorf("must swing by less than its middle and take some time, has %d/s, %d/s and %v", r.first, r.second, times[0])
	case r.shape == sine:
		r.period = times[0]
	}
	return nil
}

// read takes one or two numbers and what times come behind them.
func (r *Rate) read(parts []string) (times []time.Duration, err error) {
	for i, part := range parts {
		if i < 2 {
			n, err := strconv.Atoi(part)
			if err != nil || n < 1 || n > MaxRate {
				return nil, fmt.Errorf("must be between 1/s and %d/s, is %s/s", MaxRate, part)
			}
			if i == 0 {
				r.first = n
			} else {
				r.second = n
			}
			continue
		}
		d, err := time.ParseDuration(part)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("must have times such as 2s, has %q", part)
		}
		times = append(times, d)
	}
	return times, nil
}

// String says the rate for a reader.
func (r Rate) String() string {
	switch {
	case r.shape == ramp && r.second >= r.first:
		return fmt.Sprintf("%d/s rising to %d/s", r.first, r.second)
	case r.shape == ramp:
		return fmt.Sprintf("%d/s falling to %d/s", r.first, r.second)
	case r.shape == spike:
		return fmt.Sprintf("%d/s, %d/s from %v to %v", r.first, r.second, r.from, r.till)
	case r.shape == sine:
		return fmt.Sprintf("%d/s ± %d/s every %v", r.first, r.second, r.period)
	}
	return r.text
}
