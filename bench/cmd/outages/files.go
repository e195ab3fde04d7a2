package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"captchagate/loadtest"
	"captchagate/loadtest/report"
)

// files are where the report goes.
type files struct{ html, json string }

// markdown is the same name as the page's with another end.
func (f files) markdown() string {
	return strings.TrimSuffix(f.html, filepath.Ext(f.html)) + ".md"
}

// writable finds out before some minutes of work whether it can be kept.
func (f files) writable() error {
	if f.html == f.markdown() || f.json == f.html || f.json == f.markdown() {
		return fmt.Errorf("the page (%s), its Markdown (%s) and the JSON (%s) need names of their own", f.html, f.markdown(), f.json)
	}
	for _, path := range []string{f.html, f.json} {
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%s cannot be written; its folder must exist", path)
		}
	}
	return nil
}

// tell prints the table and writes the report.
func (f files) tell(runs []loadtest.Run) error {
	if len(runs) == 0 {
		return nil
	}
	printTable(os.Stdout, runs)
	return errors.Join(
		toFile(f.json, func(w io.Writer) error { return writeAll(w, runs) }),
		toFile(f.html, func(w io.Writer) error { return report.HTML(w, runs...) }),
		toFile(f.markdown(), func(w io.Writer) error { return report.Markdown(w, runs...) }),
	)
}

func writeAll(w io.Writer, runs []loadtest.Run) error {
	for _, r := range runs {
		if err := r.WriteJSON(w); err != nil {
			return err
		}
	}
	return nil
}

func toFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
