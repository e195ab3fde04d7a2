package simulator

import (
	_ "embed"
	"html/template"
	"net/http"
	"time"
)

//go:embed assets/index.html
var pageText string

var page = template.Must(template.New("index.html").Parse(pageText))

// servePage says to a person what this is.
func (s *Simulator) servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, struct { // the client may be gone
		Host, Script string
		Fault        Kind
		Kinds        []Kind
		ScriptKinds  []ScriptKind
		AppID        uint64
	}{
		hostOf(r), string(s.script.Load().Kind),
		s.current(time.Now()).kind, Kinds(), ScriptKinds(), s.cfg.firstApp(),
	})
}
