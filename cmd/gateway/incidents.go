package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"captchagate/admin"
)

func newIncidents() *cobra.Command {
	var at adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "incidents [ID]",
		Short: "List the outages, or tell one of them",
		Long: `incidents lists the outages that the gateway (or its whole fleet) kept, newest first:
when, for how long, the id, what users got, and how it was seen.

With an ID it tells that one as Markdown, for people who were not there: how it was seen,
what users got by scene, what was found when they were asked about again, what the Captcha
API was spared, and which request ids to quote to the provider. The dashboard has the same
as a page to print, at /admin/v1/incidents/ID.`,
		Example: "  gateway incidents\n  gateway incidents 019b7caa-a9b3-70b2-8470-060956695d71 > incident.md\n  gateway incidents --json | jq '.[0].scenes'",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%w: one id at most, got %q", errUsage, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := at.client()
			switch {
			case err != nil:
				return err
			case len(args) == 0:
				return listIncidents(cmd, client, asJSON)
			case asJSON:
				i, err := client.Incident(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), i)
			}
			story, err := client.Story(cmd.Context(), args[0])
			if err == nil {
				_, err = io.WriteString(cmd.OutOrStdout(), story)
			}
			return err
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return idsOf(cmd, &at, args), cobra.ShellCompDirectiveNoFileComp
		},
	}
	at.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// idsOf are the ids of incidents for a shell to complete, if the gateway answers.
func idsOf(cmd *cobra.Command, at *adminFlags, args []string) (ids []cobra.Completion) {
	client, err := at.client()
	if len(args) > 0 || err != nil {
		return nil
	}
	list, _ := client.Incidents(cmd.Context()) // none to complete is no mistake
	for _, i := range list {
		ids = append(ids, cobra.CompletionWithDesc(i.ID, i.Began.UTC().Format(time.RFC3339)))
	}
	return ids
}

func listIncidents(cmd *cobra.Command, client *admin.Client, asJSON bool) error {
	list, err := client.Incidents(cmd.Context())
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), list)
	}
	return admin.WriteIncidents(cmd.OutOrStdout(), list)
}

func printJSON(w io.Writer, what any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(what)
}
