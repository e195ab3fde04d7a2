package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"captchagate/gateway"
)

func newReload() *cobra.Command {
	var at adminFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running gateway read its configuration again",
		Long: `reload has a running gateway read its configuration again, as SIGHUP does: scenes,
api_keys, disaster_tickets, challenge.secret and the keys of upstream and drop_in. A
file with mistakes changes nothing; they are listed, and the exit code is 2. It says
what changed, what is gone and what waits for a restart. Keys that come from files
(${file:PATH}) need no reload: they are read again when their file changes.`,
		Example: "  gateway reload --config configs/gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.client()
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "The gateway was not asked, so nothing changed:")
				return err
			}
			came, err := client.Reload(cmd.Context())
			if err != nil {
				return err
			}
			for _, warning := range came.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "WARNING:", warning)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), came.Summary)
			return err
		},
	}
	at.add(cmd)
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), gateway.Build())
			return err
		},
	}
}
