package strictyaml_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"captchagate/strictyaml"
)

// house is a struct with one of everything that a file can set.
type house struct {
	Name   string             `yaml:"name"`
	Rooms  int                `yaml:"rooms"`
	Rent   time.Duration      `yaml:"rent"`
	Door   door               `yaml:"door"`
	Garden *garden            `yaml:"garden"` // nil = none
	Guests []string           `yaml:"guests"`
	Shares map[string]float64 `yaml:"shares"`
	Note   string             `yaml:"-"`
}

type door struct {
	Key  string `yaml:"key"`
	Open *bool  `yaml:"open"`
}

type garden struct {
	Trees uint64 `yaml:"trees"`
}

var kind = strictyaml.Kind{Name: "house", Sample: "houses/sample.yaml"}

// read decodes text over a house with defaults.
func read(text string, env ...string) (house, *strictyaml.Document) {
	h := house{Rooms: 3, Shares: map[string]float64{"old": 1}}
	doc := strictyaml.Parse("house.yaml", []byte(text), kind)
	doc.Decode(&h, strictyaml.EnvironmentOf(env).Expand)
	doc.Override("HOUSE", strictyaml.EnvironmentOf(env), "look at the sample")
	return h, doc
}

func TestDocument_DecodesOverDefaults(t *testing.T) {
	h, doc := read("name: ${NAME}\ndoor: {key: abc, open: false}\ngarden: {trees: 2}\nshares: {new: 0.5}\nguests:\n- ann\n- eve\n", "NAME=mill", "HOUSE__RENT=5m", "HOUSE__GUESTS__0=bob")
	if err := doc.Err(); err != nil {
		t.Fatal(err)
	}
	if h.Name != "mill" || h.Rooms != 3 || h.Rent != 5*time.Minute || h.Door.Open == nil || *h.Door.Open || h.Garden == nil || h.Garden.Trees != 2 {
		t.Errorf("it is read as %+v", h)
	}
	if len(h.Guests) != 2 || h.Guests[0] != "bob" || len(h.Shares) != 1 || h.Shares["new"] != 0.5 {
		t.Errorf("lists and maps are not the file's and the environment's: %+v", h)
	}
	if doc.Line("garden.trees") != 3 || doc.Line("guests[1]") != 7 || doc.Line("door.lock") != 2 || doc.Line("roof") != 1 {
		t.Error("lines are not where keys stand")
	}
}

func TestDocument_ListsEveryMistakeOnce(t *testing.T) {
	_, doc := read("nam: mill\nrooms: many\ndoor: [1]\ngarden:\nrent: ${MISSING}\nNote: x\n", "HOUSE__ROMS=2")
	doc.Judge(strictyaml.Under("door", errors.New("key: is empty"))) // what is around it could not be read
	doc.Judge(errors.New("guests: are too few beside rooms"))
	want := `house.yaml:1: nam: is not a key; did you mean name?
house.yaml:2: rooms: must be a whole number, is "many"
house.yaml:2: guests: are too few beside rooms
house.yaml:3: door: must be a mapping, is a list
house.yaml:4: garden: has no value; give one, or leave the key out for the default
house.yaml:5: rent: ${MISSING} is not set in the environment; set MISSING, or write ${file:PATH}
house.yaml:6: Note: is not a key; here are name, rooms, rent, door, garden, guests, shares
HOUSE__ROMS: stands for no single value; did you mean HOUSE__ROOMS?`
	if err := doc.Err(); err == nil || err.Error() != want {
		t.Errorf("it says\n%v\nwant\n%s", err, want)
	}
	for key, want := range map[string]bool{"rooms": true, "door.key": true, "shares": false} {
		if doc.IsUnread(key) != want {
			t.Errorf("%s is unread: %t", key, !want)
		}
	}
}

func TestDocument_SaysNothingIsMissingFromBrokenText(t *testing.T) {
	_, doc := read("name: [\n")
	doc.Judge(errors.New("rent: is empty"))
	if got := doc.Mistakes(); len(got) != 1 || !strings.Contains(got[0].Text, "is not YAML") {
		t.Errorf("it says %v", got)
	}
}

func TestMistakes_ShowNoSecret(t *testing.T) {
	_, doc := read("door: {key: hunter2}\n")
	doc.Judge(errors.New("door.key: must not be hunter2"))
	if got := doc.Err().Error(); strings.Contains(got, "hunter2") || !strings.Contains(got, "[redacted]") {
		t.Errorf("it says %s", got)
	}
}

func TestMarshal_WritesKeysInOrderWithoutSecrets(t *testing.T) {
	got, err := strictyaml.Marshal(&door{Key: "hunter2"})
	if err != nil || !strings.Contains(string(got), "key: '[redacted]'") && !strings.Contains(string(got), `key: "[redacted]"`) {
		t.Errorf("it writes %s, %v", got, err)
	}
}

func TestReadFile_IsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := strictyaml.ReadFile(path); err == nil || !strings.Contains(err.Error(), "is over 1 MiB") {
		t.Errorf("got %v", err)
	}
}

// A key that is mistyped hides no mistake below it, and what is there does not seem to be
// missing. Where the right one stands too, or none is near, nobody knows what was meant.
func TestDocument_AMistypedKeyHidesNothingBelowIt(t *testing.T) {
	for text, want := range map[string]string{
		"name: x\ndor:\n  kee: a\n  key: [1]\n": `house.yaml:2: dor: is not a key; did you mean door?
house.yaml:3: door.kee: is not a key; did you mean key?
house.yaml:4: door.key: must be a single value, is a list`,
		"name: x\ndor: {kee: a}\ndoor: {key: abc}\n": "house.yaml:2: dor: is not a key; did you mean door?",
		"name: x\nstairs: {kee: a}\n":                "house.yaml:2: stairs: is not a key; here are name, rooms, rent, door, garden, guests, shares",
	} {
		_, doc := read(text)
		if err := doc.Err(); err == nil || err.Error() != want {
			t.Errorf("%s: it says\n%v\nwant\n%s", text, err, want)
		}
	}
}

// A short word is near to what differs in one letter, a longer one in two.
func TestNearest_OffersOnlyWhatIsNear(t *testing.T) {
	names := []string{"check", "demo", "mode", "reload", "serve", "status", "version", "who"}
	for word, want := range map[string]string{"foo": "", "wo": "who", "woh": "who", "statsu": "status", "serv": "serve", "moed": "mode", "bake": "", "x": ""} {
		if got := strictyaml.Nearest(word, names); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
