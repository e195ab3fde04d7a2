package watch

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// SceneCount is what the users of a scene got.
type SceneCount struct {
	Scene      string `json:"scene"`
	Verified   int64  `json:"verified"` // let in by the Captcha API
	Solved     int64  `json:"solved"`   // let in for a solved challenge
	LetThrough int64  `json:"let_through"`
	Challenged int64  `json:"challenged"`
	Denied     int64  `json:"denied"`
}

// Plus is what the users of both got, under c's name.
func (c SceneCount) Plus(d SceneCount) SceneCount {
	return SceneCount{c.Scene, c.Verified + d.Verified, c.Solved + d.Solved, c.LetThrough + d.LetThrough, c.Challenged + d.Challenged, c.Denied + d.Denied}
}

// Sum is how many answers c counts.
func (c SceneCount) Sum() int64 {
	return c.Verified + c.Solved + c.LetThrough + c.Challenged + c.Denied
}

// maxScenes bounds the scenes of an incident; reloads may bring new ones. All others are
// counted under the name other.
const maxScenes = 256

// sceneTally counts the answers of a scene.
type sceneTally struct{ verified, solved, letThrough, challenged, denied atomic.Int64 }

func (t *sceneTally) of(a Answer) *atomic.Int64 {
	switch {
	case a.Decision == "challenge":
		return &t.challenged
	case a.Decision != "allow":
		return &t.denied
	case a.Solved:
		return &t.solved
	case a.Degraded:
		return &t.letThrough
	}
	return &t.verified
}

func (t *sceneTally) add(c SceneCount) {
	t.verified.Add(c.Verified)
	t.solved.Add(c.Solved)
	t.letThrough.Add(c.LetThrough)
	t.challenged.Add(c.Challenged)
	t.denied.Add(c.Denied)
}

func (t *sceneTally) shown(scene string) SceneCount {
	return SceneCount{scene, t.verified.Load(), t.solved.Load(), t.letThrough.Load(), t.challenged.Load(), t.denied.Load()}
}

// sceneTallies are those of all scenes. A scene that is known costs no lock.
type sceneTallies struct {
	known  atomic.Pointer[map[string]*sceneTally] // replaced, never changed
	adding sync.Mutex
}

func (ts *sceneTallies) scene(name string) *sceneTally {
	if known := ts.known.Load(); known != nil {
		if t := (*known)[name]; t != nil {
			return t
		}
	}
	ts.adding.Lock()
	defer ts.adding.Unlock()
	next := map[string]*sceneTally{}
	if known := ts.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	if len(next) >= maxScenes {
		name = other
	}
	t := next[name]
	if t == nil {
		t = &sceneTally{}
		next[name] = t
		ts.known.Store(&next)
	}
	return t
}

// shown lists the scenes by name; never nil.
func (ts *sceneTallies) shown() []SceneCount {
	list := []SceneCount{}
	if known := ts.known.Load(); known != nil {
		for name, t := range *known {
			list = append(list, t.shown(name))
		}
	}
	slices.SortFunc(list, func(a, b SceneCount) int { return cmp.Compare(a.Scene, b.Scene) })
	return list
}
