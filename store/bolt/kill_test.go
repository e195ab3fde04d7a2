package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/store"
	"captchagate/store/bolt"
)

// childPath in the environment makes the test binary the child of the test
// below: a process that writes to the store at that path until it is killed.
const childPath = "STORE_TEST_CHILD_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeUntilKilled(path, os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled writes from eight goroutines in every way there is and says
// on standard output what was acknowledged, a line each.
func writeUntilKilled(path, round string) {
	b, err := bolt.Open(path, quiet)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	ctx := context.Background()
	var out sync.Mutex
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%d", round, worker, i)
				how, err := writeSomehow(ctx, b, i, key)
				out.Lock()
				switch {
				case err == nil:
					fmt.Println(how, key)
				case strings.Contains(err.Error(), "no answer from the disk"): // a busy machine: not acknowledged
				default:
					fmt.Println("error", err)
				}
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

func writeSomehow(ctx context.Context, b *bolt.Store, i int, key string) (how string, err error) {
	switch {
	case i%50 == 49: // it syncs, which takes long
		return "set", b.PutWithEntry(ctx, "control", key, []byte(key), "audit", time.Now(), []byte(key))
	case i%3 == 0:
		first, err := b.Once(ctx, "spent", key, time.Hour)
		if err == nil && !first {
			err = fmt.Errorf("%s was spent before", key)
		}
		return "once", err
	case i%3 == 1:
		return "put", b.Put(ctx, "things", key, []byte(key), 0)
	default:
		return "entry", b.Append(ctx, "audit", time.Now(), []byte(key))
	}
}

func TestBolt_LosesNothingAcknowledgedWhenKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	var all []string
	for round := range 20 {
		lines := 1 + rand.IntN(1500) // the moment of the kill
		acknowledged := killedAfter(t, path, round, lines)
		b := open(t, path)
		wantKept(t, b, acknowledged)
		must(t, b.Close())
		all = append(all, acknowledged...)
	}
	all = slices.DeleteFunc(all, func(line string) bool {
		return strings.HasPrefix(line, "entry") // the old ones were trimmed
	})
	wantKept(t, open(t, path), all)
	t.Logf("%d acknowledged writes are kept, entries of logs apart", len(all))
}

// killedAfter runs a child, kills it after that many lines and returns all the
// lines that came out of it.
func killedAfter(t *testing.T, path string, round, lines int) (acknowledged []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], strconv.Itoa(round))
	child.Env = append(os.Environ(), childPath+"="+path)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	reader := bufio.NewReader(out)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break // the line is cut short: not acknowledged
		}
		if strings.HasPrefix(line, "error") {
			t.Fatalf("round %d: %s", round, line)
		}
		acknowledged = append(acknowledged, strings.TrimSpace(line))
		if len(acknowledged) == lines {
			must(t, child.Process.Kill())
		}
	}
	_ = child.Wait()
	if len(acknowledged) < lines {
		t.Fatalf("round %d: the child ended by itself after %d lines", round, len(acknowledged))
	}
	return acknowledged
}

// wantKept looks lines of the child up.
func wantKept(t *testing.T, b *bolt.Store, acknowledged []string) {
	t.Helper()
	logged := make(map[string]bool)
	for entry := range strings.FieldsSeq(entries(t, b, "audit", time.Time{}, store.MaxEntries)) {
		logged[entry] = true
	}
	for _, line := range acknowledged {
		if how, key, _ := strings.Cut(line, " "); !kept(t, b, logged, how, key) {
			t.Errorf("acknowledged and lost: %s", line)
		}
	}
}

func kept(t *testing.T, b *bolt.Store, logged map[string]bool, how, key string) bool {
	bucket := map[string]string{"put": "things", "once": "spent", "set": "control"}[how]
	if how == "entry" {
		return logged[key]
	}
	_, ok, err := b.Get(t.Context(), bucket, key)
	return ok && err == nil
}
