package loadtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// WriteJSON writes the run as ReadJSON reads it. Several may go to one writer,
// one after the other.
func (r Run) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// ReadJSON reads the runs that are in a file, one or more.
func ReadJSON(path string) ([]Run, error) {
	runs, err := readRuns(path)
	if err == nil && len(runs) == 0 {
		err = errors.New("it holds no run")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not what loadtest --json wrote: %w", path, err)
	}
	return runs, nil
}

func readRuns(path string) (runs []Run, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	for d := json.NewDecoder(file); ; {
		var r Run
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return runs, nil
		} else if err != nil {
			return nil, err
		}
		if r.Scenario == "" || len(r.Targets) == 0 {
			return nil, errors.New("what it holds is no run")
		}
		runs = append(runs, r)
	}
}
