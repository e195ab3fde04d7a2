package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const maxControl = 64 << 10 // bytes of a control's body

func (s *Simulator) newRoutes() *http.ServeMux {
	m := http.NewServeMux()
	control := func(path string, methods map[string]http.HandlerFunc) {
		m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { serveControl(w, r, methods) })
	}
	control("/_sim/fault", map[string]http.HandlerFunc{
		http.MethodGet: s.getFault, http.MethodPut: s.putFault, http.MethodDelete: s.deleteFault,
	})
	control("/_sim/network", map[string]http.HandlerFunc{
		http.MethodGet: s.getNetwork, http.MethodPut: s.putNetwork, http.MethodDelete: s.deleteNetwork,
	})
	control("/_sim/script", map[string]http.HandlerFunc{
		http.MethodGet: s.getScript, http.MethodPut: s.putScript, http.MethodDelete: s.deleteScript,
	})
	control("/_sim/stats", map[string]http.HandlerFunc{
		http.MethodGet: s.getStats, http.MethodDelete: s.deleteStats,
	})
	control("/_sim/tickets", map[string]http.HandlerFunc{http.MethodPost: s.postTickets})
	m.HandleFunc("GET /TJCaptcha.js", s.serveScript)
	m.HandleFunc("GET /{$}", s.servePage)
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, errors.New("the simulator has no such page; GET / lists what it has"))
	})
	return m
}

func serveControl(w http.ResponseWriter, r *http.Request, methods map[string]http.HandlerFunc) {
	w.Header().Set("Cache-Control", "no-store")
	allowOrigin(w, r)
	if r.Method == http.MethodOptions { // a browser asks before it sends JSON
		w.Header().Set("Access-Control-Allow-Methods", "GET, PUT, POST, DELETE")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	serve, ok := methods[r.Method]
	if !ok {
		writeProblem(w, http.StatusMethodNotAllowed, errors.New("this control does not know "+r.Method))
		return
	}
	serve(w, r)
}

// allowOrigin lets any page fetch tickets, as the page script must. What breaks
// the API is for pages of this machine only.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case r.URL.Path == "/_sim/tickets":
		w.Header().Set("Access-Control-Allow-Origin", "*")
	case fromThisMachine(origin):
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
}

func fromThisMachine(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	host := u.Host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}

// readControl reads a control's body into its fields; it has answered if it
// returns false.
func readControl(w http.ResponseWriter, r *http.Request, into form) bool {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxControl))
	if err == nil {
		err = into.read(body)
	}
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return false
	}
	return true
}

// faultAnswer is how a fault in force is written.
type faultAnswer struct {
	Kind    Kind       `json:"kind"`
	Share   float64    `json:"share"`
	For     string     `json:"for,omitempty"`
	EndsAt  *time.Time `json:"ends_at,omitempty"`
	Latency string     `json:"latency"`
	Consume bool       `json:"consume"`
	Spare   bool       `json:"spare_disaster"`

	Address    int     `json:"address,omitempty"`
	Instances  int     `json:"instances,omitempty"`
	Limit      float64 `json:"limit,omitempty"`
	RetryAfter string  `json:"retry_after,omitempty"`
	Capacity   float64 `json:"capacity,omitempty"`
	Note       string  `json:"note,omitempty"`
}

const refuseNote = "While connections are refused no new one reaches these controls: the fault ends by itself at ends_at, or sooner by DELETE on the connection that this answer came on."

func (s *Simulator) getFault(w http.ResponseWriter, _ *http.Request) {
	fault := s.current(time.Now())
	out := faultAnswer{
		Kind: fault.kind, Share: fault.share, Latency: fault.latency.String(),
		Consume: fault.consume || fault.kind == None, Spare: fault.spareDisaster,
		Address: fault.address, Instances: fault.instances, Capacity: fault.capacity,
	}
	if fault.served != nil {
		out.Limit = fault.served.rate
	}
	if fault.retryAfter > 0 {
		out.RetryAfter = fault.retryAfter.String()
	}
	if fault.duration > 0 {
		out.For, out.EndsAt = fault.duration.String(), &fault.ends
	}
	if fault.kind == Refuse {
		out.Note = refuseNote
	}
	writeJSON(w, out)
}

func (s *Simulator) putFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	var kind string
	asked := form{
		fields: map[string]fieldReader{
			"kind": stringInto(&kind), "share": valueInto(&f.Share, "a number"),
			"for": durationInto(&f.For), "latency": durationInto(&f.Latency),
			"consume":        valueInto(&f.Consume, "true or false"),
			"spare_disaster": valueInto(&f.SpareDisaster, "true or false"),
			"address":        valueInto(&f.Address, "a whole number"),
			"instances":      valueInto(&f.Instances, "a whole number"),
			"limit":          valueInto(&f.Limit, "a number"),
			"retry_after":    durationInto(&f.RetryAfter),
			"capacity":       valueInto(&f.Capacity, "a number"),
		},
		check: func() error { f.Kind = Kind(kind); return f.Validate() },
	}
	if !readControl(w, r, asked) {
		return
	}
	s.install(f.activate(time.Now()))
	s.getFault(w, r)
}

func (s *Simulator) deleteFault(w http.ResponseWriter, r *http.Request) {
	s.ClearFault()
	s.getFault(w, r)
}

func (s *Simulator) postTickets(w http.ResponseWriter, r *http.Request) {
	o := Order{Count: 1}
	asked := form{
		fields: map[string]fieldReader{
			"kind": stringInto(&o.Kind), "type": stringInto(&o.Type),
			"count":          valueInto(&o.Count, "a whole number"),
			"captcha_app_id": valueInto(&o.AppID, "a whole number"),
		},
		check: func() error { return s.checkOrder(s.withDefaults(o)) },
	}
	if !readControl(w, r, asked) {
		return
	}
	tickets, err := s.IssueOrder(o)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, tickets)
}

func (s *Simulator) getStats(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Stats()) }

func (s *Simulator) deleteStats(w http.ResponseWriter, _ *http.Request) {
	s.ResetStats()
	writeJSON(w, s.Stats())
}
