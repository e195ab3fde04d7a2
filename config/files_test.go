package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"captchagate/config"
	"captchagate/strictyaml"
)

// account is the environment of every file in testdata.
var account = [...]string{"TENCENTCLOUD_SECRET_ID=AKIDTEST", "TENCENTCLOUD_SECRET_KEY=account-key-of-the-tests"}

// headerOf returns what the comments "# name: …" at the head of a file say.
func headerOf(t *testing.T, path, name string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		if said, ok := strings.CutPrefix(line, "# "+name+": "); ok {
			lines = append(lines, strings.TrimSpace(said))
		}
	}
	return lines
}

func filesOf(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "configs", "testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	return files
}

// A bad file begins with "# want: LINE: KEY: PART OF THE TEXT" for every
// mistake in it: in place of the line the variable for those of the
// environment, and "-" for no key. "# env: NAME=VALUE" sets a variable.
func TestLoad_ListsEveryMistakeOfBadFiles(t *testing.T) {
	for _, path := range filesOf(t, "bad") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			wants := headerOf(t, path, "want")
			if len(wants) == 0 {
				t.Fatal("the file does not say what is wrong with it")
			}
			_, err := config.Load(path, append(headerOf(t, path, "env"), account[:]...))
			mistakes, ok := errors.AsType[strictyaml.Mistakes](err)
			if !ok {
				t.Fatalf("got error %v, want Mistakes", err)
			}
			left := slices.Clone(mistakes)
			for _, want := range wants {
				i := slices.IndexFunc(left, func(m strictyaml.Mistake) bool { return isMistake(m, want) })
				if i < 0 {
					t.Errorf("missing: %s", want)
					continue
				}
				left = slices.Delete(left, i, i+1)
			}
			for _, m := range left {
				t.Errorf("not wanted: %v", m)
			}
			if !slices.IsSortedFunc(mistakes, inOrder) {
				t.Errorf("not in order:\n%v", err)
			}
		})
	}
}

func isMistake(m strictyaml.Mistake, want string) bool {
	at, rest, _ := strings.Cut(want, ": ")
	key, text, _ := strings.Cut(rest, ": ")
	place := m.Variable
	if place == "" {
		place = fmt.Sprint(m.Line)
	}
	return at == place && (key == m.Key || key == "-" && m.Key == "") && strings.Contains(m.Text, text)
}

func inOrder(a, b strictyaml.Mistake) int {
	if a.Variable != b.Variable {
		return strings.Compare(a.Variable, b.Variable)
	}
	return a.Line - b.Line
}

// A good file says with "# proves: …" what it is there for, and with
// "# want: KEY: VALUE" what must have come of it.
func TestLoad_TakesGoodFiles(t *testing.T) {
	for _, path := range filesOf(t, "good") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if len(headerOf(t, path, "proves")) == 0 {
				t.Error("the file does not say what it proves")
			}
			c, err := config.Load(path, append(headerOf(t, path, "env"), account[:]...))
			if err != nil {
				t.Fatal(err)
			}
			effective := flatYAML(t, c)
			for _, want := range headerOf(t, path, "want") {
				key, value, _ := strings.Cut(want, ":")
				value = strings.TrimSpace(value)
				if got, ok := effective[key]; !ok || got != value {
					t.Errorf("%s is %q (there: %v), want %q", key, got, ok, value)
				}
			}
			for _, key := range headerOf(t, path, "absent") {
				if got, ok := effective[key]; ok {
					t.Errorf("%s is there with %q, want it absent", key, got)
				}
			}
		})
	}
}

// flatYAML returns the effective configuration as one text a key.
func flatYAML(t *testing.T, c config.Config) map[string]string {
	t.Helper()
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	flat := map[string]string{}
	flatten(tree, "", flat)
	return flat
}

func flatten(value any, path string, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, one := range value {
			flatten(one, strings.TrimPrefix(path+"."+key, "."), into)
		}
	case []any:
		into[path] = fmt.Sprintf("%d entries", len(value))
		for i, one := range value {
			flatten(one, fmt.Sprintf("%s[%d]", path, i), into)
		}
	default:
		into[path] = fmt.Sprint(value)
	}
}

// Who takes a scenario of the load test for a configuration learns so in a
// line, and not in one for every key.
func TestLoad_KnowsAScenario(t *testing.T) {
	scenarios, err := filepath.Glob("../configs/scenarios/*.yaml")
	if err != nil || len(scenarios) == 0 {
		t.Fatalf("%d scenarios, %v", len(scenarios), err)
	}
	for _, path := range scenarios {
		_, err := config.Load(path, nil)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), path+": looks like a scenario of the load test") {
			t.Errorf("it says %v", err)
		}
	}
}
