package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// WriteJSON writes the run as ReadJSON reads it.
func (r Run) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// ReadJSON reads the run that is in a file.
func ReadJSON(path string) (Run, error) {
	var r Run
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && (r.Scenario == "" || len(r.Targets) == 0) {
		err = fmt.Errorf("%s holds no run; it must be what loadtest --json wrote", path)
	}
	return r, err
}
