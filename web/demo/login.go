package demo

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
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
	TookMS    float64         `json:"took_ms"`
}

// login is what a shop's backend does: it takes the fields that the page script
// filled in, asks the gateway about its own scene, and goes by the decision.
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
	d.story.tell("you", "You: "+got.Decision+", "+got.Reason)
	writeJSON(w, http.StatusOK, got)
}

func (d *Demo) verify(ctx context.Context, ask map[string]any) (got decision, err error) {
	start := time.Now()
	err = d.call(ctx, http.MethodPost, d.cfg.Gateway+"/v1/verify", ask, &got)
	got.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return got, err
}
