package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newSLA() *cobra.Command {
	var at adminFlags
	var month string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sla [--month 2026-11]",
		Short: "Show a month's service levels, and what the provider owes by them",
		Long: `sla prints the service levels of a month as the provider's agreement counts them, of
what the gateway (or its whole fleet) saw for itself. If there is a claim, a text to paste
into a ticket to the provider follows, with its last day. The provider's own records decide.`,
		Example: "  gateway sla\n  gateway sla --month 2026-11\n  gateway sla --month 2026-11 --json | jq .claim",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.client()
			if err != nil {
				return err
			}
			report, err := client.SLA(cmd.Context(), month)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				enc := json.NewEncoder(out)
				enc.SetIndent("", "  ")
				return enc.Encode(report)
			}
			fmt.Fprint(out, report.Text())
			if ticket := report.Ticket(); ticket != "" {
				when := ""
				if time.Now().Before(report.To) {
					when = ", once the month is over"
				}
				fmt.Fprintf(out, "\nTo paste into a ticket to the provider%s:\n\n%s", when, ticket)
			}
			return nil
		},
	}
	at.add(cmd)
	cmd.Flags().StringVar(&month, "month", "", "the month, such as 2026-11 (default: the present one, in sla.zone)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}
