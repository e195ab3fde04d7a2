package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// A ResponseWriter knows whether it was written to.
type ResponseWriter interface {
	http.ResponseWriter
	Written() bool
}

// Guard has serve answer a request, and answers 500 if that panics; ok is false
// then. What it panicked with may hold what a user sent, so only its type and
// the place are logged. route is the pattern that the request matched and not
// its path. A panic with http.ErrAbortHandler goes on: net/http wants it.
func Guard(w ResponseWriter, route string, log *slog.Logger, serve func()) (ok bool) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		log.Error("a request made the gateway panic; please report it",
			"route", route, "panic", fmt.Sprintf("%T", cause), "at", string(debug.Stack()))
		if !w.Written() {
			Refuse(w, http.StatusInternalServerError, "something is wrong inside the gateway; its log says more")
		}
	}()
	serve()
	return true
}
