package simulator

import (
	"net"
	"net/http"
)

// Faults of the connection: reset and half_body. A refused connection is the
// listener's (listener.go), or in process the caller's (roundtrip.go).

func reset() reply { return reply{ending: wasReset, outcome: string(Reset)} }

// cut lets half of an answer through.
func cut(r reply) reply {
	r.ending, r.outcome = truncated, string(HalfBody)
	return r
}

// resetConn closes the connection under w so that the other side sees a reset.
// If the connection cannot be had (HTTP/2), the stream is aborted instead.
func resetConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server's own way to break off quietly
	}
	closeHard(conn)
}

// closeHard drops what is unsent and resets the connection.
func closeHard(conn net.Conn) {
	conn = under(conn)
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // closing follows whatever it says
	}
	_ = conn.Close()
}
