package gateway

import (
	"io"
	"log/slog"

	"captchagate/config"
)

// NewLogger returns the logger that cfg asks for. Lines that w drops, if it is a
// LogWriter, are counted in the metrics of a gateway that logs with it.
func NewLogger(w io.Writer, cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.SlogLevel()}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if cfg.Format == "text" {
		h = slog.NewTextHandler(w, options)
	}
	if lw, ok := w.(*LogWriter); ok {
		h = countedHandler{h, lw}
	}
	return slog.New(h)
}

// A countedHandler is a Handler over a LogWriter.
type countedHandler struct {
	slog.Handler
	*LogWriter
}

// WithAttrs is the Handler's, and stays counted.
func (h countedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return countedHandler{h.Handler.WithAttrs(attrs), h.LogWriter}
}

// WithGroup is the Handler's, and stays counted.
func (h countedHandler) WithGroup(name string) slog.Handler {
	return countedHandler{h.Handler.WithGroup(name), h.LogWriter}
}

// fold returns the logger of the rooms, which folds what repeats until the gateway is
// closed.
func (g *Gateway) fold(log *slog.Logger) *slog.Logger {
	folder := newFolder(traced(log.Handler(), g.cfg))
	g.unfolded, g.log = log, slog.New(folder)
	g.closers = append(g.closers, folder.close)
	return g.log
}

// droppedLines is how many lines of the log were dropped.
func (g *Gateway) droppedLines() float64 {
	if h, ok := g.unfolded.Handler().(countedHandler); ok {
		return float64(h.Dropped())
	}
	return 0
}

// warn logs the warnings of a configuration that was taken over.
func (g *Gateway) warn(c config.Config) {
	if len(c.APIKeys) == 0 {
		g.unfolded.Warn("no api_keys are set: whoever reaches the listener on this machine may ask")
	}
	for _, odd := range c.Warnings() {
		g.unfolded.Warn("the configuration was taken, but look at " + odd.String())
	}
}
