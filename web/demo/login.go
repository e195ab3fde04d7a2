package demo

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A decision is what the gateway answered.
type decision struct {
	Decision  string          `json:"decision"`
	Reason    string          `json:"reason"`
	Assurance string          `json:"assurance"`
	Mode      string          `json:"mode"`
	Cause     string          `json:"cause,omitempty"`
	Attempts  int             `json:"attempts"`
	Challenge json.RawMessage `json:"challenge,omitempty"`
	Instance  string          `json:"instance,omitempty"` // that answered, where there are several
	TookMS    float64         `json:"took_ms"`
	Kind      string          `json:"kind"` // of the four that the page has colours for
}

// kind is what became of the user: verified, allowed without that, challenged
// or denied.
func (d decision) kind() string {
	switch {
	case d.Decision == "allow" && d.Assurance == "full":
		return "verified"
	case d.Decision == "allow":
		return "allowed"
	case d.Decision == "challenge":
		return "challenged"
	}
	return "denied"
}

// told is what became of the user, in the words of the page's legend.
func (d decision) told() string {
	kinds := map[string]string{"verified": "verified by the API", "allowed": "let in without the API", "challenged": "asked for the challenge", "denied": "denied"}
	more := map[string]string{
		"rejected": ", the API says that the ticket is no good", "malicious": ", the API says that this is an attack",
		"challenge_solved": ", the challenge is solved", "challenge_failed": ", the solution of the challenge is no good",
		"degraded_deny": " without the API", "outcome_unknown": ", the ticket may be used up",
	}
	return kinds[d.kind()] + more[d.Reason]
}

// login is what a shop's backend does: it takes the fields that the page script
// filled in, asks the gateway about its scene, and goes by the decision. A shop
// knows which of its scenes it serves; this one plays three by turns.
func (d *Demo) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostBody)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "send a form")
		return
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		refuse(w, http.StatusBadRequest, "the connection has no address")
		return
	}
	scene := r.PostForm.Get("scene")
	if !slices.Contains(scenes, scene) {
		refuse(w, http.StatusBadRequest, "scene must be one of "+strings.Join(scenes, ", "))
		return
	}
	ask := map[string]any{"scene": scene, "user_ip": address}
	if solution := r.PostForm.Get("captcha-response"); r.PostForm.Get("ticket") == "" && solution != "" {
		ask["challenge"] = solution
	} else {
		ask["ticket"], ask["randstr"] = r.PostForm.Get("ticket"), r.PostForm.Get("randstr")
	}
	got, err := d.verify(r.Context(), ask)
	if err != nil {
		refuse(w, http.StatusBadGateway, "the gateway could not be asked: "+err.Error())
		return
	}
	d.story.tell("you", "You, "+scene+": "+got.told())
	writeJSON(w, http.StatusOK, got)
}

func (d *Demo) verify(ctx context.Context, ask map[string]any) (got decision, err error) {
	start := time.Now()
	got.Instance, err = d.ask(ctx, http.MethodPost, d.cfg.Gateway+"/v1/verify", ask, &got)
	got.TookMS, got.Kind = float64(time.Since(start).Microseconds())/1000, got.kind()
	return got, err
}
