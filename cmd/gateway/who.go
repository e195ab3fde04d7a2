package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newWho() *cobra.Command {
	var at adminFlags
	var ip, subject string
	cmd := &cobra.Command{
		Use:   "who [--ip A] [--subject S]",
		Short: "Say what a user is called in the log, to find the user's lines",
		Long: `who prints the "who" of a user's lines in the log: keyed hashes of the household
(IPv4 /32, IPv6 /64) and, behind a dash, of the subject. Only the running gateway
has the key. It is another one each month, and the last month's is kept.`,
		Example: "  gateway who --ip 203.0.113.7\n  gateway who --ip 203.0.113.7 --subject user-17 | cut -d' ' -f2 | xargs -I{} grep -e {} gateway.log",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ip == "" && subject == "" {
				return fmt.Errorf("%w: say whom with --ip ADDRESS, --subject TEXT or both", errUsage)
			}
			client, err := at.client()
			if err != nil {
				return err
			}
			names, err := client.Who(cmd.Context(), ip, subject)
			for _, n := range names {
				fmt.Fprintln(cmd.OutOrStdout(), n.Month, n.Who)
			}
			return err
		},
	}
	at.add(cmd)
	cmd.Flags().StringVar(&ip, "ip", "", "the user's address, as user_ip was")
	cmd.Flags().StringVar(&subject, "subject", "", "the user's subject, as in the request")
	return cmd
}
