package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"captchagate/loadtest"
)

// Files are where a report goes: the page, Markdown beside it, and the runs as
// loadtest.ReadJSON reads them. Without a name for JSON there is none.
type Files struct{ HTML, JSON string }

// Markdown is the page's name with another end.
func (f Files) Markdown() string {
	return strings.TrimSuffix(f.HTML, filepath.Ext(f.HTML)) + ".md"
}

// Writable finds out before some minutes of work whether it can be kept.
func (f Files) Writable() error {
	if f.HTML == f.Markdown() {
		return fmt.Errorf("%s would be written over by the Markdown beside it; let the page's name end with .html", f.HTML)
	}
	if f.JSON == f.HTML || f.JSON == f.Markdown() {
		return fmt.Errorf("the JSON needs a name of its own; %s is the page's or its Markdown's", f.JSON)
	}
	for _, path := range []string{f.HTML, f.JSON} {
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%s cannot be written; its folder must exist", path)
		}
	}
	return nil
}

// Write writes them all, the JSON first. The error names the file.
func (f Files) Write(runs ...loadtest.Run) error {
	var kept error
	if f.JSON != "" {
		kept = toFile(f.JSON, func(w io.Writer) error {
			for _, r := range runs {
				if err := r.WriteJSON(w); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(kept,
		toFile(f.HTML, func(w io.Writer) error { return HTML(w, runs...) }),
		toFile(f.Markdown(), func(w io.Writer) error { return Markdown(w, runs...) }))
}

func toFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
