package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"captchagate/strictyaml"
)

// An Objective is a line such as "p99 during outage <= 300ms": a measure, over
// which part of the run, and what it must be.
type Objective struct {
	Text    string
	Line    int // of the file, from 1
	Measure Measure
	Window  Window
	Phase   string // of InPhase and AfterPhase
	Op      string // <=, >=, <, > or =
	Value   float64
}

var objectiveForm = regexp.MustCompile(`^(.*?)\s*(<=|>=|=|<|>)\s*(.+)$`)

// UnmarshalText reads an objective; the error says what can be asked for.
func (o *Objective) UnmarshalText(text []byte) error {
	parts := objectiveForm.FindStringSubmatch(strings.TrimSpace(string(text)))
	if parts == nil {
		return fmt.Errorf("must compare a measure with a value, such as \"p99 during outage <= 300ms\", is %q", text)
	}
	*o = Objective{Text: strings.TrimSpace(string(text)), Op: parts[2]}
	if err := o.readMeasure(parts[1]); err != nil {
		return err
	}
	return o.readValue(parts[3])
}

func (o *Objective) readMeasure(text string) error {
	found, rest := Measure{}, ""
	for _, m := range Measures() {
		after, ok := strings.CutPrefix(text, m.Name)
		if ok && (after == "" || after[0] == ' ') && len(m.Name) > len(found.Name) {
			found, rest = m, strings.TrimSpace(after)
		}
	}
	if found.Name == "" {
		return unmeasured(text)
	}
	o.Measure = found
	switch word, phase, _ := strings.Cut(rest, " "); {
	case rest == "":
	case !found.Windowed:
		return fmt.Errorf("%q is measured over the whole run only; leave %q out", found.Name, rest)
	case rest == "during outage":
		o.Window = DuringOutage
	case rest == "outside outage":
		o.Window = OutsideOutage
	case word == "in" && phase != "":
		o.Window, o.Phase = InPhase, phase
	case word == "after" && phase != "":
		o.Window, o.Phase = AfterPhase, phase
	default:
		return fmt.Errorf("does not understand %q; write during outage, outside outage, in PHASE or after PHASE", rest)
	}
	return nil
}

// unmeasured says what the measure could have been, with and without what looks
// like its window.
func unmeasured(text string) error {
	var names []string
	for _, m := range Measures() {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	hint := "here are "
	for end := len(text); end > 0 && hint == "here are "; end = strings.LastIndex(text[:end], " ") {
		if meant := strictyaml.Nearest(text[:end], names); meant != "" {
			hint = "did you mean " + meant + "? Here are "
		}
	}
	return fmt.Errorf("asks for %q, which is not measured; %s", text, hint+strings.Join(names, ", "))
}

func (o *Objective) readValue(text string) (err error) {
	switch o.Measure.Unit {
	case Percent:
		number, ok := strings.CutSuffix(text, "%")
		if o.Value, err = strconv.ParseFloat(strings.TrimSpace(number), 64); err != nil || !ok {
			return fmt.Errorf("%s is a percentage such as 99.5%%, is compared with %q", o.Measure.Name, text)
		}
	case Milliseconds:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is a time such as 300ms or 1.5s, is compared with %q", o.Measure.Name, text)
		}
		o.Value = float64(d) / float64(time.Millisecond)
	case Number:
		if o.Value, err = strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("%s is a number, is compared with %q", o.Measure.Name, text)
		}
	}
	return nil
}

// NeedsOutage reports whether the objective has no meaning without an outage.
func (o Objective) NeedsOutage() bool {
	switch o.Measure.Name {
	case "upstream calls after opening", "opens after", "fast again after", "first verified after recovery", "normal after recovery":
		return true
	}
	return o.Window == DuringOutage
}

// NeedsShadow reports whether the objective has no meaning without shadow.
func (o Objective) NeedsShadow() bool {
	switch o.Measure.Name {
	case "as directly", "apart from directly p99", "would allow", "would challenge", "would deny":
		return true
	}
	return false
}

// NeedsStatus reports whether only a gateway that tells its operators the
// circuit's state can meet the objective.
func (o Objective) NeedsStatus() bool { return o.Measure.Name == "circuit changes" }

// Holds reports whether a value that was found meets the objective.
func (o Objective) Holds(found float64) bool {
	switch o.Op {
	case "<=":
		return found <= o.Value
	case ">=":
		return found >= o.Value
	case "<":
		return found < o.Value
	case ">":
		return found > o.Value
	default:
		return found == o.Value
	}
}

// HoldsWithin reports whether every value between two meets the objective, and
// whether any does.
func (o Objective) HoldsWithin(low, high float64) (always, ever bool) {
	always = o.Holds(low) && o.Holds(high)
	if o.Op == "=" {
		return always, low <= o.Value && o.Value <= high
	}
	return always, o.Holds(low) || o.Holds(high)
}

// Show writes a value in the objective's unit.
func (o Objective) Show(found float64) string {
	switch o.Measure.Unit {
	case Percent:
		return trim(found, 3) + "%"
	case Milliseconds:
		if found >= 1000 {
			return trim(found/1000, 2) + "s"
		}
		if found < 10 {
			return trim(found, 2) + "ms"
		}
		return trim(found, 1) + "ms"
	default:
		return trim(found, 3)
	}
}

// trim writes at most so many decimals, cut and not rounded up, so that 99.9996
// does not read 100.
func trim(f float64, decimals int) string {
	text := strconv.FormatFloat(f, 'f', decimals+3, 64)
	text = text[:len(text)-3]
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}
