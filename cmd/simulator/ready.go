package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// newReady is a health check for a container that has no shell.
func newReady() *cobra.Command {
	return &cobra.Command{
		Use:     "ready [URL]",
		Short:   "Say whether a simulator runs, as exit code 0 or 1",
		Long:    "ready asks a simulator for its figures (http://127.0.0.1:8082 unless another address is\nnamed) and waits three seconds at most. A fault that it was told does not count.",
		Example: "  simulator ready\n  simulator ready http://127.0.0.1:9000",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			url := "http://127.0.0.1:8082"
			if len(args) > 0 {
				url = args[0]
			}
			return askReady(cmd.Context(), url)
		},
	}
}

func askReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/_sim/stats", nil)
	if err != nil || request.URL.Host == "" {
		return fmt.Errorf("the address must be http://HOST:PORT, is %q", url)
	}
	answer, err := (&http.Transport{}).RoundTrip(request)
	if err != nil {
		return failure{fmt.Errorf("%s does not answer: %w", url, err)}
	}
	defer func() { _ = answer.Body.Close() }() // of an answer whose status is all that counts
	if answer.StatusCode != http.StatusOK {
		return failure{fmt.Errorf("%s answers %s; is it a simulator?", url, answer.Status)}
	}
	return nil
}
