package demo

import (
	"encoding/json"
	"net/http"
)

// InstanceHeader is the header of an answer that says which instance gave it, where
// there are several.
const InstanceHeader = "X-Demo-Instance"

// A Fleet is the processes of a demonstration with several instances.
type Fleet interface {
	Processes() []Process
	// Kill ends a process as kill -9 does, Start starts it again.
	Kill(name string) error
	Start(name string) error
}

// A Process is an instance, or the Redis that they share.
type Process struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	Listen  string `json:"listen"` // of an instance, once it does
	State   string `json:"state"`  // of its circuit, as the others see it; "" if they do not
}

// A replica is an instance as a gateway's status has it.
type replica struct {
	Listen string `json:"listen"`
	State  string `json:"state"`
	AgeMS  int64  `json:"age_ms"`
}

// gone is how long an instance may be silent, in milliseconds.
const gone = 2000

// processes are those of the fleet, with what the status says of them.
func (d *Demo) processes(now state) []Process {
	if d.cfg.Fleet == nil {
		return nil
	}
	all := d.cfg.Fleet.Processes()
	for i := range all {
		for _, r := range now.Replicas {
			if all[i].Listen != "" && r.Listen == all[i].Listen && r.AgeMS < gone {
				all[i].State = r.State
			}
		}
	}
	return all
}

// process kills a process, or starts it again.
func (d *Demo) process(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Name string
		Runs bool
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&asked); err != nil || d.cfg.Fleet == nil {
		refuse(w, http.StatusBadRequest, `send {"name": N, "runs": false} to a demonstration with several instances`)
		return
	}
	do, told := d.cfg.Fleet.Kill, "You killed "
	if asked.Runs {
		do, told = d.cfg.Fleet.Start, "You started "
	}
	if err := do(asked.Name); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	d.story.tell("change", told+asked.Name)
	writeJSON(w, http.StatusOK, asked)
}
