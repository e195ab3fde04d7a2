package redis_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"captchagate/fleet"
	"captchagate/store/redis/redistest"
)

// What a beat costs Redis (F11): microseconds in the server a call, as it counts them.
func BenchmarkBoard_Beat(b *testing.B) {
	s := redistest.Start(b)
	board := open(b, s)
	rules := fleet.UsualRules(time.Second, 100*time.Millisecond, time.Second, 5*time.Second, 3)
	for n := 0; b.Loop(); n++ {
		_, _ = board.Beat(b.Context(), fleet.Report{ID: strconv.Itoa(n % 1000), About: make([]byte, 200), Voting: true, Closed: true, Rules: rules}) // a busy machine may lose some
	}
	found := regexp.MustCompile(`cmdstat_evalsha:calls=\d+,usec=\d+,usec_per_call=([0-9.]+)`).FindStringSubmatch(s.Do("INFO commandstats"))
	if found == nil {
		b.Fatal("Redis counts no beats")
	}
	spent, _ := strconv.ParseFloat(found[1], 64)
	b.ReportMetric(spent, "µs-in-redis/op")
}
