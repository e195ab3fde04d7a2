package loadtest

import (
	"encoding/json"
	"errors"
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
		err = errors.New("it holds no run")
	}
	if err != nil {
		return Run{}, fmt.Errorf("%s is not what loadtest --json wrote: %w", path, err)
	}
	return r, nil
}
