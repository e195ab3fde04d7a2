package loadtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"captchagate/loadtest"
)

// Who gives the wrong file reads what it is, in words of the file and not of
// the program.
func TestReadJSON_SaysWhatAFileIs(t *testing.T) {
	folder := t.TempDir()
	for text, want := range map[string]string{
		"":                              "it holds no run",
		"name: hang":                    "it is not JSON at byte 2",
		"[1, 2]":                        "it holds a JSON array and not a run",
		"3":                             "it holds a JSON number and not a run",
		"{}":                            "what it holds is no run",
		`{"scenario": "hang", "targ`:    "it ends in the middle",
		`{"scenario": "hang"} {`:        "what it holds is no run",
		`{"scenario": 3}`:               "its scenario cannot be of the kind number",
		`{"targets": [{"name": [3]}]}`:  "its targets.name cannot be of the kind array",
		`{"targets": [{"kept": true}]}`: "its targets.kept cannot be of the kind bool",
	} {
		path := filepath.Join(folder, "x.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadtest.ReadJSON(path)
		if want := path + " is not what loadtest --json wrote: " + want; err == nil || err.Error() != want {
			t.Errorf("of %q it says\n%v\nwant\n%s", text, err, want)
		}
	}
	for path, want := range map[string]string{
		"nope.json": "nope.json cannot be read: no such file or directory",
		folder:      folder + " cannot be read: is a directory",
	} {
		if _, err := loadtest.ReadJSON(path); err == nil || err.Error() != want {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
}
