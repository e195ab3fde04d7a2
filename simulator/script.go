package simulator

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// A ScriptKind is a way in which the page script fails.
type ScriptKind string

// The ways of the page script.
const (
	ScriptOK         ScriptKind = "ok"
	ScriptNotFound   ScriptKind = "not_found"   // 404 instead of the script
	ScriptHang       ScriptKind = "hang"        // it never arrives
	ScriptThrow      ScriptKind = "throw"       // its constructor throws
	ScriptNeverShows ScriptKind = "never_shows" // show() shows nothing and calls nothing back
	ScriptErrorCode  ScriptKind = "error_code"  // show() calls back with Code and a disaster ticket
)

// ScriptKinds lists every kind, ScriptOK first.
func ScriptKinds() []ScriptKind { return slices.Clone(scriptKinds) }

var scriptKinds = []ScriptKind{ScriptOK, ScriptNotFound, ScriptHang, ScriptThrow, ScriptNeverShows, ScriptErrorCode}

// A ScriptFault says how the page script fails.
type ScriptFault struct {
	Kind ScriptKind `json:"kind"`
	Code int        `json:"code,omitempty"` // of ScriptErrorCode: 1001..1014 or 1085; 0 = 1001
}

// Validate lists every mistake in f, each as "key: what is wrong".
func (f ScriptFault) Validate() error {
	var m mistakes
	if !slices.Contains(scriptKinds, f.Kind) {
		names := make([]string, len(scriptKinds))
		for i, k := range scriptKinds {
			names[i] = string(k)
		}
		m.add("kind", "must be one of %s, is %q", strings.Join(names, ", "), f.Kind)
	}
	switch {
	case f.Code != 0 && f.Kind != ScriptErrorCode:
		m.add("code", "goes with kind error_code only")
	case f.Code != 0 && f.Code != 1085 && (f.Code < 1001 || f.Code > 1014):
		m.add("code", "must be between 1001 and 1014, or 1085, is %d", f.Code)
	}
	return m.err()
}

// SetScriptFault makes the page script fail as f says. The error lists what is
// wrong with f; then nothing has changed.
func (s *Simulator) SetScriptFault(f ScriptFault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Kind == ScriptErrorCode && f.Code == 0 {
		f.Code = 1001
	}
	s.script.Store(&f)
	s.log.Info("script fault set", "kind", string(f.Kind), "code", f.Code)
	return nil
}

func (s *Simulator) getScript(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.script.Load()) }

func (s *Simulator) putScript(w http.ResponseWriter, r *http.Request) {
	var f ScriptFault
	var kind string
	asked := form{
		fields: map[string]fieldReader{"kind": stringInto(&kind), "code": valueInto(&f.Code, "a whole number")},
		check:  func() error { f.Kind = ScriptKind(kind); return f.Validate() },
	}
	if !readControl(w, r, asked) {
		return
	}
	_ = s.SetScriptFault(f) // just checked
	s.getScript(w, r)
}

func (s *Simulator) deleteScript(w http.ResponseWriter, r *http.Request) {
	_ = s.SetScriptFault(ScriptFault{Kind: ScriptOK}) // always fine
	s.getScript(w, r)
}

//go:embed assets/TJCaptcha.js
var scriptText string

// scriptFaultLine is the line of the script that is replaced by the fault.
const scriptFaultLine = `const simulated = { kind: "ok", code: 0 };`

// serveScript serves the stand-in for Tencent's page script.
func (s *Simulator) serveScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	f := s.script.Load()
	switch f.Kind {
	case ScriptNotFound:
		http.Error(w, "simulator: the page script is told to be missing", http.StatusNotFound)
		return
	case ScriptHang:
		var closing <-chan struct{}
		if c := connOf(r); c != nil {
			closing = c.listener.closing
		}
		keepSilent(r.Context(), closing)
		panic(http.ErrAbortHandler)
	default: // the script itself fails, or works
	}
	fault, _ := json.Marshal(f) // a struct of a string and a number
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = w.Write([]byte(strings.Replace(scriptText, scriptFaultLine, "const simulated = "+string(fault)+";", 1)))
}
