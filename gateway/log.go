package gateway

import (
	"io"
	"log/slog"
)

// NewLogger returns the logger that cfg asks for.
func NewLogger(w io.Writer, cfg Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.SlogLevel()}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
