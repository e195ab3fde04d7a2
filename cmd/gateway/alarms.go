package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newAlarms() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alarms",
		Short: "Test whether alarms reach your team",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newAlarmsTest())
	return cmd
}

func newAlarmsTest() *cobra.Command {
	var at adminFlags
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Have a running gateway send an alarm that is a test",
		Long: `test has a running gateway send an alarm of the kind "test" to alarms.webhook, at once
and without repeating it, and says whether it was taken.`,
		Example: "  gateway alarms test --config configs/gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.client()
			if err == nil {
				err = client.TestAlarms(cmd.Context())
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The test was taken: look into the chat, or at the program behind the webhook.")
			return err
		},
	}
	at.add(cmd)
	return cmd
}
