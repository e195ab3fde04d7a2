package gateway

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// foldFor is how long a warning or an error stands for those that are like it.
	foldFor = time.Minute
	// A state that comes and goes is told when it begins and ends. If it changes
	// again soon, its last line is told once that has stood for calm; if it is bad
	// news for foldFor, twice that the next time, and so on. It is told every restate
	// while it goes on.
	calm         = 10 * time.Minute
	restate      = time.Hour
	maxDoublings = 4
	// maxFolds bounds of how many different lines a folder knows; more than there are.
	maxFolds = 1000
)

// aboutKey is the attribute that lines about one state share, as of what: those of
// its beginning and of its end.
const aboutKey = "about"

// A folder is a slog.Handler that writes what repeats with traffic now and then, with
// how often it came, so that a full disk is not filled by the telling of it. Warnings
// and errors that differ in nothing but "error" are one line a minute. Lines about one
// state are told as a state and not as its flaps. Nothing else is touched.
type folder struct {
	slog.Handler
	folds *folds
	with  string // attributes and groups of the logger, as a part of the key
}

// folds are what all the handlers made of a folder know.
type folds struct {
	mu    sync.Mutex
	by    map[string]*fold
	ended bool
}

// A fold is what was written of lines that are alike, and what was not yet.
type fold struct {
	state   bool
	last    string // message
	bad     bool   // what is held is bad news
	late    int    // lines that were held first
	written time.Time
	told    int // lines that were written at once
	held    func(times int, since time.Time)
	times   int       // lines that the held one stands for
	since   time.Time // the first of them came
	timer   *time.Timer
	due     time.Time // when it goes off
}

func newFolder(h slog.Handler) *folder {
	return &folder{Handler: h, folds: &folds{by: map[string]*fold{}}}
}

// WithAttrs is the Handler's, and folds with it.
func (h *folder) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &folder{h.Handler.WithAttrs(attrs), h.folds, h.with + asText(attrs)}
}

// WithGroup is the Handler's, and folds with it.
func (h *folder) WithGroup(name string) slog.Handler {
	return &folder{h.Handler.WithGroup(name), h.folds, h.with + name + "."}
}

// Handle writes r, or keeps it for later.
func (h *folder) Handle(ctx context.Context, r slog.Record) error {
	about := aboutOf(r)
	if about == "" && r.Level < slog.LevelWarn { // such as the line of a decision
		return h.Handler.Handle(ctx, r)
	}
	return h.fold(ctx, r, about)
}

// fold is Handle for lines that may be folded.
func (h *folder) fold(ctx context.Context, r slog.Record, about string) error {
	key, state := "about "+h.with+about, about != ""
	if !state {
		key = h.key(r)
	}
	later := func(times int, since time.Time) {
		r := r.Clone()
		r.Time = time.Now()
		r.AddAttrs(slog.Int("times", times), slog.Time(sinceKey(r), since.UTC()))
		_ = h.Handler.Handle(context.WithoutCancel(ctx), r)
	}
	if h.folds.writesNow(key, state, r.Level >= slog.LevelWarn, r.Message, later) {
		return h.Handler.Handle(ctx, r)
	}
	return nil
}

// sinceKey is the attribute that says when the first of the lines came that one stands for:
// since, unless the line says itself since when something goes on.
func sinceKey(r slog.Record) (key string) {
	key = "since"
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			key = "first"
		}
		return key == "since"
	})
	return key
}

// aboutOf is the state that a line is about; "" if none.
func aboutOf(r slog.Record) (about string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == aboutKey {
			about = a.Value.String()
		}
		return about == ""
	})
	return about
}

// key is what lines that are alike share.
func (h *folder) key(r slog.Record) string {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "error" {
			attrs = append(attrs, a)
		}
		return true
	})
	return r.Level.String() + " " + h.with + r.Message + asText(attrs)
}

func asText(attrs []slog.Attr) string {
	var text strings.Builder
	for _, a := range attrs {
		text.WriteString(" " + a.String())
	}
	return text.String()
}

// writesNow reports whether a line is to be written now; else later is called with
// how many lines it stands for and since when, unless another comes that stands for it.
func (fs *folds) writesNow(key string, state, bad bool, message string, later func(times int, since time.Time)) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, known := fs.by[key]
	switch {
	case fs.ended:
		return true
	case !known && len(fs.by) >= maxFolds:
		return true
	case !known:
		f = &fold{state: state, last: message, written: time.Now(), told: 1}
		f.timer = time.AfterFunc(f.rest(), func() { fs.unfold(key, f) })
		fs.by[key] = f
		return true
	case state && f.told < 2 && message != f.last: // it ended as soon as it began
		f.told, f.last, f.written = 2, message, time.Now()
		f.held, f.times = nil, 0 // what began it said that already
		f.timer.Reset(f.rest())
		return true
	}
	f.bad = bad && (message != f.last || f.bad)
	if f.held == nil {
		f.since = time.Now()
	}
	f.held, f.times, f.last = later, f.times+1, message
	if state {
		f.timer.Reset(f.rest())
	}
	return false
}

// rest is how long nothing is written from now on, unless another line comes.
func (f *fold) rest() time.Duration {
	d := foldFor
	if f.state {
		if d = calm; f.bad {
			d = min(calm, foldFor<<min(f.late, maxDoublings))
		}
		d = max(0, min(d, time.Until(f.written.Add(restate))))
	}
	f.due = time.Now().Add(d)
	return d
}

// unfold writes what was held, or forgets a fold after which nothing came.
func (fs *folds) unfold(key string, f *fold) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	switch {
	case fs.ended || time.Now().Before(f.due): // it was put off when it had gone off already
	case f.held == nil:
		delete(fs.by, key)
	default:
		f.flush()
		f.timer.Reset(f.rest())
	}
}

func (f *fold) flush() {
	f.held(f.times, f.since)
	f.late++
	f.held, f.times, f.bad, f.written = nil, 0, false, time.Now()
}

// close writes all that is held, and folds nothing from now on.
func (h *folder) close() {
	h.folds.mu.Lock()
	defer h.folds.mu.Unlock()
	h.folds.ended = true
	for _, f := range h.folds.by {
		f.timer.Stop()
		if f.held != nil {
			f.flush()
		}
	}
	h.folds.by = nil
}
