package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"captchagate/config"
)

func newReady() *cobra.Command {
	var url, path string
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Say whether a running gateway takes requests: a health check without a token",
		Long: `ready asks GET /readyz of a gateway on this machine, waits three seconds at most, and
ends with 0 where it takes requests, with 1 where it does not: it starts, it drains, or it
is not there. It is for a container's health check: the image has no shell and no curl,
and a check needs no token.

With --config it asks where "listen" of that file says, over TLS where "tls" is set.
It takes whatever certificate it is shown: it asks this machine, and sends nothing.`,
		Example: "  gateway ready --config /etc/captchagate/gateway.yaml\n  gateway ready --url http://127.0.0.1:8080",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path != "" && !cmd.Flags().Changed("url") {
				var err error
				if url, err = config.LoadURL(path, os.Environ()); err != nil {
					return err
				}
			}
			if url == "" {
				return fmt.Errorf("%w: only the gateway itself knows its port where \"listen\" names port 0; say --url http://HOST:PORT", errUsage)
			}
			if err := askReady(cmd.Context(), url); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), url, "takes requests")
			return err
		},
	}
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:8080", "`ADDRESS` of the gateway for backends and pages, unless --config names it")
	cmd.Flags().StringVar(&path, "config", "", "configuration `FILE` of the gateway, for its listen and tls")
	return cmd
}

// askReady returns nil if the gateway at url takes requests.
func askReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil || request.URL.Host == "" {
		return fmt.Errorf("%w: --url must be http://HOST:PORT or https://HOST:PORT, is %q", errUsage, url)
	}
	ours := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing is sent, and an expired certificate stops no gateway
	answer, err := (&http.Transport{TLSClientConfig: ours}).RoundTrip(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s has not answered in three seconds", url)
	}
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", url, err)
	}
	defer func() { _ = answer.Body.Close() }() // of an answer whose status is all that counts
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: it starts, drains, or is no gateway", url, answer.Status)
	}
	return nil
}
