package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// gap is a narrow space that no line breaks at.
const gap = "\u202f"

// Count writes a whole number with its thousands apart.
func Count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + gap + digits[i:]
	}
	return sign + digits
}

// Percent writes a share in percent. It never rounds up to all nor down to none:
// one user in a million who got nothing is not 100 %.
func Percent(v float64) string {
	switch {
	case v >= 100 || v <= 0:
		return trim(v, 0) + gap + "%"
	case v > 99.99:
		return ">" + gap + "99.99" + gap + "%"
	case v < 0.01:
		return "<" + gap + "0.01" + gap + "%"
	}
	return trim(math.Floor(v*100)/100, 2) + gap + "%"
}

// Millis writes milliseconds, as seconds from one second on.
func Millis(v float64) string {
	switch {
	case v >= 999.5:
		return Seconds(v / 1e3)
	case v >= 9.95:
		return trim(v, 0) + gap + "ms"
	case v >= 0.995:
		return trim(v, 1) + gap + "ms"
	}
	return trim(v, 2) + gap + "ms"
}

// Seconds writes a length of time, as minutes from two on.
func Seconds(v float64) string {
	switch {
	case v == 0:
		return "0" + gap + "s"
	case v < 0.9995:
		return trim(v*1e3, 0) + gap + "ms"
	case v < 9.995:
		return trim(v, 2) + gap + "s"
	case v < 120:
		return trim(v, 1) + gap + "s"
	}
	whole := int(math.Round(v))
	return strings.TrimSuffix(fmt.Sprintf("%d%smin %d%ss", whole/60, gap, whole%60, gap), " 0"+gap+"s")
}

// Clock writes a moment, in seconds from the axis' beginning, as the axis does.
func Clock(v float64) string {
	if v < 120 {
		return trim(v, 2) + gap + "s"
	}
	return fmt.Sprintf("%d:%02d", int(v)/60, int(v)%60)
}

// Rate writes how many a second.
func Rate(v float64) string {
	if v >= 100 {
		return Count(int(math.Round(v))) + "/s"
	}
	return trim(v, 1) + "/s"
}

// trim writes at most that many decimals, and no zeros behind them.
func trim(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
