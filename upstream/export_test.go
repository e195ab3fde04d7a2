package upstream

// NewTransport is the transport that a Client makes for itself.
var NewTransport = newTransport
