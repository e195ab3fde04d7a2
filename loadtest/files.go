package loadtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return nil, fmt.Errorf("%s cannot be read: %w", path, failed.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not what loadtest --json wrote: %w", path, plain(err))
	}
	return runs, nil
}

// plain says what is wrong with a file without a word of how it is read.
func plain(err error) error {
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not JSON at byte %d", wrong.Offset)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(wrong.Value, " ") // less the number itself
		if wrong.Field == "" {
			return fmt.Errorf("it holds a JSON %s and not a run", kind)
		}
		return fmt.Errorf("its %s cannot be of the kind %s", wrong.Field, kind)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends in the middle")
	}
	return err
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
