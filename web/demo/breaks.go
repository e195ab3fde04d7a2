package demo

import (
	"encoding/json"
	"net/http"
)

// A fault is a way to break things: where it is told to the simulator, and how
// a person calls it.
type fault struct {
	path string // "" = nothing is broken
	body map[string]any
	told string
}

func faults() map[string]fault {
	const api, script = "/_sim/fault", "/_sim/script"
	return map[string]fault{
		"mend":        {told: "You mended everything"},
		"hang":        {api, map[string]any{"kind": "hang"}, "You broke the Captcha API: it hangs"},
		"busy":        {api, map[string]any{"kind": "captcha_code_26"}, "You broke the Captcha API: it says 26, system busy"},
		"blocked":     {script, map[string]any{"kind": "not_found"}, "You broke the page script: it is blocked"},
		"throws":      {script, map[string]any{"kind": "throw"}, "You broke the page script: it throws"},
		"never_shows": {script, map[string]any{"kind": "never_shows"}, "You broke the page script: it never shows"},
	}
}

// breaks breaks one thing, and mends what was broken before.
func (d *Demo) breaks(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Kind string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&asked)
	f, known := faults()[asked.Kind]
	if err != nil || !known {
		refuse(w, http.StatusBadRequest, `send {"kind": K} with mend, hang, busy, blocked, throws or never_shows`)
		return
	}
	var ignored map[string]any
	for _, path := range []string{"/_sim/fault", "/_sim/script"} {
		if err = d.call(r.Context(), http.MethodDelete, d.cfg.Simulator+path, nil, &ignored); err != nil {
			break
		}
	}
	if err == nil && f.path != "" {
		err = d.call(r.Context(), http.MethodPut, d.cfg.Simulator+f.path, f.body, &ignored)
	}
	if err != nil {
		refuse(w, http.StatusBadGateway, "the simulator could not be told: "+err.Error())
		return
	}
	d.story.tell("change", f.told)
	writeJSON(w, http.StatusOK, map[string]string{"kind": asked.Kind})
}
