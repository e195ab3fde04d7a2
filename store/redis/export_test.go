package redis

import goredis "github.com/redis/go-redis/v9"

// The scripts that boards use.
var (
	BeatScript = beatScript
	TakeScript = takeScript
)

// Use has the board use other scripts.
func (b *Board) Use(beat, take string) {
	b.beatLua, b.takeLua = goredis.NewScript(beat), goredis.NewScript(take)
}

// OpenGate lets the next request to Redis whatever became of those before.
func (b *Board) OpenGate() {
	b.asks.gate.mu.Lock()
	defer b.asks.gate.mu.Unlock()
	b.asks.gate.open = true
}
