package gateway_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// cheap keeps solving quick.
func cheap(c *config.Config) { c.Challenge.Cost = 100 }

// fetches has a page fetch the challenge of a scene.
func (h *house) fetches(scene string) (status int, puzzle json.RawMessage) {
	w, _ := h.send(h.public, "GET", "/v1/challenge?scene="+scene, "")
	return w.Code, w.Body.Bytes()
}

// puzzle is the challenge that a page gets.
func (h *house) puzzle(scene string) json.RawMessage {
	h.t.Helper()
	status, body := h.fetches(scene)
	if status != http.StatusOK {
		h.t.Fatalf("/v1/challenge?scene=%s: %d %s", scene, status, body)
	}
	return body
}

// solve solves a challenge as a browser does, from its JSON alone.
func (h *house) solve(puzzle json.RawMessage) string {
	h.t.Helper()
	var p struct {
		Parameters struct {
			Nonce, Salt string
			Cost        int
		}
	}
	if err := json.Unmarshal(puzzle, &p); err != nil {
		h.t.Fatalf("%v: %s", err, puzzle)
	}
	nonce, _ := hex.DecodeString(p.Parameters.Nonce)
	salt, _ := hex.DecodeString(p.Parameters.Salt)
	for counter := range uint32(100_000) {
		password := string(binary.BigEndian.AppendUint32(slices.Clip(nonce), counter))
		key, err := pbkdf2.Key(sha256.New, password, salt, p.Parameters.Cost, 32)
		if err != nil {
			h.t.Fatal(err)
		}
		if key[0] == 0 {
			text, _ := json.Marshal(fields{"challenge": puzzle, "solution": fields{"counter": counter, "derivedKey": hex.EncodeToString(key), "time": 1.5}})
			return base64.StdEncoding.EncodeToString(text)
		}
	}
	h.t.Fatal("no solution")
	return ""
}

// solves asks about a user who brings a solution; more fields may be given.
func (h *house) solves(scene, solution string, more ...fields) answer {
	h.t.Helper()
	f := fields{"scene": scene, "challenge": solution, "user_ip": "192.0.2.7"}
	for _, m := range more {
		maps.Copy(f, m)
	}
	return h.ask(f)
}

// A solution may be base64 of JSON, that JSON in a string, or the JSON itself; it
// is one solution however it is written.
func TestPage_SolutionsAreTakenInEachForm(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		forms := map[string]func(encoded string) any{
			"base64":      func(encoded string) any { return encoded },
			"JSON string": func(encoded string) any { return string(decoded(encoded)) },
			"JSON object": func(encoded string) any { return json.RawMessage(decoded(encoded)) },
		}
		for name, form := range forms {
			solution := h.solve(h.puzzle("login"))
			f := fields{"scene": "login", "user_ip": "192.0.2.7", "challenge": form(solution)}
			h.expect(name, h.ask(f), "allow challenge_solved degraded forced")
			for other, again := range forms {
				f["challenge"] = again(solution)
				h.expect(name+", then as "+other, h.ask(f), "deny challenge_failed degraded forced")
			}
		}
	})
}

func decoded(encoded string) []byte {
	text, _ := base64.StdEncoding.DecodeString(encoded) // solve made it
	return text
}

// The page gets a challenge where its scene's action is challenge now, and
// nowhere else.
func TestPage_GetsAChallengeOnlyWhereOneIsAskedFor(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		gives := func(when string, want map[string]int) {
			h.t.Helper()
			for scene, status := range want {
				if got, body := h.fetches(scene); got != status {
					h.t.Errorf("%s: %s got %d %s, want %d", when, scene, got, body, status)
				}
			}
		}
		never := map[string]int{"login": 409, "default": 409, "comment": 409, "payment": 409, "nowhere": 400, "": 400}
		asked := map[string]int{"login": 200, "default": 200, "comment": 409, "payment": 409, "nowhere": 400}
		gives("in peace", never)
		h.throws(`{"mode":"degraded","reason":"test"}`)
		gives("forced degraded", asked)
		h.throws(`{"mode":"normal","reason":"test"}`)
		gives("forced normal", never)
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.awaits("closed", time.Minute) // it ramps
		h.throws(`{"mode":"degraded","reason":"test","scene":"login","share":0.01}`)
		gives("in a drill", map[string]int{"login": 200, "default": 409, "comment": 409})
		h.throws(`{"mode":"degraded","reason":"test","scene":"login","share":0}`)
		gives("in a drill of nobody", never)
		h.throws(`{"mode":"auto","reason":"test","scene":"login"}`)
		gives("after the drill", never)
		h.outage(simulator.Empty)
		gives("circuit open", asked)
		if w, _ := h.send(h.public, "GET", "/v1/challenge", ""); w.Code != http.StatusOK {
			t.Errorf("without a scene: %d", w.Code)
		}
		h.throws(`{"mode":"normal","reason":"a raid"}`)
		gives("circuit open, forced normal", never)
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.sim.ClearFault()
		h.awaits("recovering", 5*time.Second)
		gives("recovering", asked)
		h.awaits("closed", time.Minute)
		gives("closed again", never)
	})
}

// A challenge that a page fetched opens its own scene, once, and names why it
// was issued.
func TestPage_SolvesItsChallengeOnce(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.outage(simulator.Hang)
		solution := h.solve(h.puzzle("login"))
		h.expect("for a scene that also challenges", h.solves("default", solution), "deny challenge_failed degraded circuit_open")
		h.expect("for one that allows", h.solves("comment", solution), "deny challenge_failed degraded circuit_open")
		h.expect("for one that denies", h.solves("payment", solution), "deny challenge_failed degraded circuit_open")
		a := h.solves("login", solution)
		if h.expect("solved", a, "allow challenge_solved degraded circuit_open"); a.Assurance != "reduced" || a.Attempts != 0 {
			t.Errorf("assurance %s after %d attempts, want reduced and none", a.Assurance, a.Attempts)
		}
		h.expect("again", h.solves("login", solution), "deny challenge_failed degraded circuit_open")
		h.expect("by another user", h.solves("login", solution, fields{"user_ip": "192.0.2.8"}), "deny challenge_failed degraded circuit_open")

		wrong := h.solve(h.puzzle("login"))
		raw, _ := base64.StdEncoding.DecodeString(wrong)
		forged := strings.Replace(string(raw), `"counter":`, `"counter":1`, 1)
		h.expect("wrong counter", h.solves("login", base64.StdEncoding.EncodeToString([]byte(forged))), "deny challenge_failed degraded circuit_open")
		h.expect("the right one after it", h.solves("login", wrong), "deny challenge_failed degraded circuit_open")

		cheaper := strings.Replace(string(raw), `"cost":100`, `"cost":1`, 1)
		h.expect("a cheaper challenge", h.solves("login", base64.StdEncoding.EncodeToString([]byte(cheaper))), "deny challenge_failed normal -")
		h.throws(`{"mode":"normal","reason":"a raid"}`)
	})
}

// S3: solutions count while the scene is degraded and shortly after, and never
// where nobody may stand in for the API.
func TestPage_SolutionsDoNotCountInPeace(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test","for":"1s"}`)
		var stock []string
		for range 4 {
			stock = append(stock, h.solve(h.puzzle("login")))
		}
		h.throws(`{"mode":"normal","reason":"a raid","for":"1s"}`)
		h.expect("forced normal", h.solves("login", stock[0]), "deny degraded_deny normal forced")
		time.Sleep(2 * time.Second)
		h.mode("normal", "closed")
		h.expect("shortly after", h.solves("login", stock[1]), "allow challenge_solved degraded forced")
		time.Sleep(5*time.Minute - 3*time.Second)
		h.expect("almost expired", h.solves("login", stock[2]), "allow challenge_solved degraded forced")
		time.Sleep(time.Second)
		h.expect("expired", h.solves("login", stock[3]), "deny challenge_failed degraded forced")
	})
}

// A scene that denies takes no solution, whatever it was before; one that a
// page fetched while its scene challenged counts nowhere once it allows.
func TestPage_SolutionsFollowTheScene(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		first, second := h.solve(h.puzzle("login")), h.solve(h.puzzle("login"))
		h.reloads(func(c *config.Config) { c.Scenes["login"] = c.Scenes["payment"] })
		h.expect("denies by now", h.solves("login", first), "deny challenge_failed degraded forced")
		h.reloads(func(c *config.Config) { c.Scenes["login"] = c.Scenes["comment"] })
		h.expect("allows by now", h.solves("login", second), "deny challenge_failed degraded forced")
	})
}

// A challenge of a decision belongs to that household, whatever the subject, and
// to no other. It counts although nothing is degraded.
func TestPage_ADecisionsChallengeBelongsToItsHousehold(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.Throttle})
		f := h.user("login", simulator.TicketValid)
		f["user_ip"], f["subject"] = "2001:db8::7", "anna"
		a := h.ask(f)
		h.expect("throttled", a, "challenge challenge_required degraded throttled")
		h.sim.ClearFault()
		solution, failed := h.solve(a.Challenge), "deny challenge_failed degraded throttled"
		h.expect("another address", h.solves("login", solution, fields{"subject": "anna"}), failed)
		h.expect("the household next to it", h.solves("login", solution, fields{"subject": "anna", "user_ip": "2001:db8:0:1::7"}), failed)
		h.expect("another scene", h.solves("default", solution, fields{"subject": "anna", "user_ip": "2001:db8::7"}), failed)
		mine := fields{"subject": "berta", "user_ip": "2001:0DB8:0::0008"}
		h.expect("another address of it", h.solves("login", solution, mine), "allow challenge_solved degraded throttled")
		h.expect("again", h.solves("login", solution, mine), failed)
	})
}

// A scene that allows asks for a challenge where load may be the cause, and
// beyond its budget; such a challenge counts there.
func TestPage_AnAllowingScenesChallengeCounts(t *testing.T) {
	tight := func(c *config.Config) {
		cheap(c)
		s := c.Scenes["comment"]
		s.Budget.Total = policy.Rate{N: 1, Per: time.Hour}
		c.Scenes["comment"] = s
	}
	inHouse(t, tight, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.AuthFailure})
		refused := h.user("comment", simulator.TicketValid)
		a := h.ask(refused)
		h.expect("account refused", a, "challenge challenge_required degraded misconfigured")
		h.expect("solved", h.solves("comment", h.solve(a.Challenge), fields{"user_ip": refused["user_ip"]}), "allow challenge_solved degraded misconfigured")

		h.throws(`{"mode":"degraded","reason":"test"}`)
		h.expect("within the budget", h.ask(h.user("comment", simulator.TicketValid)), "allow degraded_allow degraded forced")
		over := h.user("comment", simulator.TicketValid)
		a = h.ask(over)
		if h.expect("beyond it", a, "challenge challenge_required degraded budget_spent"); a.DegradedBy != "forced" {
			t.Errorf("degraded by %q, want forced", a.DegradedBy)
		}
		a = h.solves("comment", h.solve(a.Challenge), fields{"user_ip": over["user_ip"]})
		if a.Decision != "allow" || a.Reason != "challenge_solved" {
			t.Errorf("its solution: %v", a)
		}
	})
}
