package watch

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// Bounds on one report of a page.
const (
	MaxReportBytes = 4 << 10 // bytes of a body
	MaxEvents      = 16      // in one body
	maxSceneLen    = 128     // bytes of a scene's name
)

// ErrReport says that a body is not a report. It repeats nothing of the body.
var ErrReport = errors.New("watch: not a report of a page")

// An Event is one failure that a page met with the vendor's script.
type Event struct {
	Code  int    `json:"code"`             // of the front end, as in a disaster ticket
	Scene string `json:"scene,omitempty"`  // what the page calls it; never a label, never logged
	AppID uint64 `json:"app_id,omitempty"` // 0 = not said
}

// ParseEvents reads the body of POST /v1/client-events:
//
//	{"events": [{"code": 1001, "scene": "login", "app_id": 190000001}]}
//
// with 1 to MaxEvents events; scene and app_id may be left out. An error is
// always an ErrReport that says what is wrong.
func ParseEvents(body []byte) ([]Event, error) {
	if len(body) > MaxReportBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrReport, MaxReportBytes)
	}
	var report struct {
		Events []Event `json:"events"`
	}
	if err := json.Unmarshal(body, &report, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: must be {\"events\": [{\"code\": 1001, \"scene\": \"login\", \"app_id\": 190000001}]}", ErrReport)
	}
	if n := len(report.Events); n < 1 || n > MaxEvents {
		return nil, fmt.Errorf("%w: events must be 1 to %d, are %d", ErrReport, MaxEvents, n)
	}
	for i, e := range report.Events {
		if e.Code <= 0 {
			return nil, fmt.Errorf("%w: events[%d].code must be a number above 0", ErrReport, i)
		}
		if len(e.Scene) > maxSceneLen {
			return nil, fmt.Errorf("%w: events[%d].scene is longer than %d bytes", ErrReport, i, maxSceneLen)
		}
	}
	return report.Events, nil
}
