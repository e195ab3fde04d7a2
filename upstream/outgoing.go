package upstream

import (
	"bytes"
	"io"
)

// An outgoing is the body of a request. It tells whether a transport began to write
// the request: it takes the body only once it has a connection to write to, and
// without its body no request is whole.
//
// It is a plain reader in memory because net/http sends those in one packet
// with the headers, and all others in two.
type outgoing struct {
	content []byte
	reader  *bytes.Reader // the last one given out
}

// open begins the body. A transport that found its connection closed before it
// wrote anything begins it anew, and nothing has left by then.
func (o *outgoing) open() (io.ReadCloser, error) {
	o.reader = bytes.NewReader(o.content)
	return io.NopCloser(o.reader), nil
}

// taken reports whether the transport took any of the body. It may be asked
// once the transport has failed: net/http then waits for its writer first.
func (o *outgoing) taken() bool { return o.reader.Len() < len(o.content) }
