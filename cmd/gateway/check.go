package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"captchagate/config"
	"captchagate/gateway"
	"captchagate/strictyaml"
)

func newCheck() *cobra.Command {
	var path string
	var online bool
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check a configuration and print what it amounts to",
		Long: `check prints the effective configuration as YAML: your file over the defaults,
overridden by GATEWAY__SECTION__KEY from the environment, secrets as [redacted],
and "ok" on standard error. Where something is wrong it lists every mistake as
"file:line: key: what to do" and ends with 2. What is only odd, such as a short
key, it says in the same form on standard error, and ends with 0.

--online also asks the Captcha API once for each app, with a disaster ticket
(which is not billed), fetches the page's script, and looks at the host of
alarms.webhook and at the Redis of store.redis, if they are set. It says on standard error what came, a line each,
and ends with 1 where one failed.`,
		Example: "  gateway check --config configs/gateway.yaml\n  gateway check --config configs/gateway.yaml --online > /dev/null",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(path, os.Environ())
			if err != nil {
				return err
			}
			if err := gateway.CheckStore(cfg.Store); err != nil {
				return strictyaml.Mistakes{{File: path, Key: "store.path", Text: err.Error()}}
			}
			for _, odd := range cfg.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), odd)
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(cmd.OutOrStdout(), string(text)); err != nil {
				return err
			}
			if online {
				found, err := gateway.CheckOnline(cmd.Context(), cfg, nil)
				if err := errors.Join(err, writeFindings(cmd.ErrOrStderr(), found)); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), "ok")
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&online, "online", false, "also ask the Captcha API, the page's script and Redis, once each")
	return cmd
}

// writeFindings says what was found, a line each. Its error says that something
// failed.
func writeFindings(w io.Writer, found []gateway.Finding) error {
	failed := 0
	for _, f := range found {
		mark := "ok    "
		if !f.OK {
			mark = "FAILED"
			failed++
		}
		fmt.Fprintf(w, "%s %s: %s\n", mark, f.About, f.Text)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed; the configuration itself has no mistake", failed, len(found))
	}
	return nil
}
