package gateway

import (
	"io"
	"log/slog"

	"captchagate/config"
)

// NewLogger returns the logger that cfg asks for.
func NewLogger(w io.Writer, cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.SlogLevel()}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// warn logs the warnings of a configuration.
func (g *Gateway) warn(c config.Config) {
	for _, odd := range c.Warnings() {
		g.log.Warn("the configuration was taken, but look at " + odd.String())
	}
}
