package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"captchagate/admin"
	"captchagate/config"
	"captchagate/control"
	"captchagate/strictyaml"
)

// adminFlags say how to reach the operators' API.
type adminFlags struct {
	url, config string
	urlGiven    func() bool
}

func (f *adminFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "admin-url", "http://127.0.0.1:8081", "operators' listener of the gateway, unless --config names it; the token comes from GATEWAY_ADMIN_TOKEN, else from admin.token_file of --config")
	cmd.Flags().StringVar(&f.config, "config", "", "configuration `FILE` of the gateway, for its admin.listen and admin.token_file")
	f.urlGiven = func() bool { return cmd.Flags().Changed("admin-url") }
}

// client is one with a token from the environment, or else from the token file of
// the configuration, if there is either.
func (f *adminFlags) client() (*admin.Client, error) {
	c := &admin.Client{URL: f.url, Token: os.Getenv(admin.TokenVariable)}
	if f.config == "" {
		return c, nil
	}
	cfg, err := config.LoadAdmin(f.config, os.Environ())
	if err != nil {
		return nil, err
	}
	if url := cfg.URL(); !f.urlGiven() && url != "" {
		c.URL = url
	}
	if cfg.TLS.On() {
		if c.TLS, err = cfg.TLS.Trust(); err != nil {
			return nil, fmt.Errorf("admin.tls.%w", err)
		}
	}
	switch {
	case c.Token != "":
		c.From = admin.TokenVariable + ", which goes before --config (unset it to use that),"
	case len(cfg.Tokens) > 0:
		c.From = "admin.tokens of --config"
	default:
		c.From = "admin.token_file of --config"
		c.Token, err = cfg.FileToken()
	}
	return c, err
}

func newMode() *cobra.Command {
	var at adminFlags
	var change control.Change
	var share part
	cmd := &cobra.Command{
		Use:   "mode [auto|degraded|normal]",
		Short: "Show or set who decides: the breaker, or you",
		Long: `mode without an argument shows the switch. With one it sets it:

  auto      the circuit breaker decides (the usual state)
  degraded  treat the Captcha API as down: every scene does what it does then
  normal    never let through or challenge instead of the Captcha API

A reason is required and goes into the audit. Without --for it stands until
changed, normal in the next outage too. With --scene only that scene is degraded, a drill; --share drills a
part of its users, always the same ones. auto with --scene ends it.`,
		Example: `  gateway mode degraded --reason "maintenance at Tencent" --for 30m
  gateway mode degraded --scene login --share 0.05 --for 10m --reason drill
  gateway mode auto --scene login --reason "the drill is over"
  gateway mode auto --reason "over"`,
		Args: oneMode,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return showUnlessSetting(cmd, &at)
			}
			if err := change.Mode.UnmarshalText([]byte(args[0])); err != nil {
				return fmt.Errorf("%w: mode %w%s", errUsage, err, meant(args[0]))
			}
			if change.Reason == "" {
				return fmt.Errorf("%w: say why with --reason TEXT; it goes into the audit", errUsage)
			}
			if err := checkGiven(cmd, change); err != nil {
				return err
			}
			if cmd.Flags().Changed("share") {
				change.Share = (*float64)(&share)
			}
			client, err := at.client()
			if err != nil {
				return err
			}
			st, err := client.SetMode(cmd.Context(), change)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), admin.Sentence(change, st))
			return err
		},
	}
	cmd.ValidArgs = []cobra.Completion{"auto\tthe circuit breaker decides", "degraded\ttreat the Captcha API as down", "normal\tnever let through or challenge instead of it"}
	at.add(cmd)
	cmd.Flags().StringVar(&change.Reason, "reason", "", "why, for the audit (required to set)")
	cmd.Flags().DurationVar(&change.For, "for", time.Duration(0), "how long, for instance 30m (default: until changed)")
	cmd.Flags().StringVar(&change.Scene, "scene", "", "only this scene (a drill)")
	cmd.Flags().Var(&share, "share", "of the scene's users, for instance 0.05 or 5% (default: all)")
	_ = cmd.RegisterFlagCompletionFunc("scene", completeScenes(&at)) // the flag is there
	return cmd
}

// oneMode refuses more than one.
func oneMode(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%w: one mode at most, got %q", errUsage, args)
	}
	return nil
}

// completeScenes has a shell complete scenes: those of --config, or where a drill is to be
// ended those that have one, if the gateway answers.
func completeScenes(at *adminFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (scenes []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) == 0 || args[0] != control.Auto.String() {
			scenes, _ = config.LoadScenes(at.config, os.Environ()) // none to complete is no mistake
			return scenes, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := at.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		st, _ := client.Status(cmd.Context())
		for _, drill := range st.Drills {
			scenes = append(scenes, cobra.CompletionWithDesc(drill.Scene, drill.Reason))
		}
		return scenes, cobra.ShellCompDirectiveNoFileComp
	}
}

// meant guesses at a mode that is none.
func meant(word string) string {
	if mode := strictyaml.Nearest(word, []string{"auto", "degraded", "normal"}); mode != "" {
		return "; did you mean " + mode + "?"
	}
	return ""
}

// A part of all, as a number up to 1 or in per cent.
type part float64

// String is the number.
func (p *part) String() string { return strconv.FormatFloat(float64(*p), 'g', -1, 64) }

// Type is what help calls it.
func (*part) Type() string { return "part" }

// Set reads 0.05 or 5%.
func (p *part) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || !percent && n > 1 || n > 100 {
		return errors.New("it is no part of all; write for instance 0.05 or 5%")
	}
	if percent {
		n /= 100
	}
	*p = part(n)
	return nil
}

// showUnlessSetting shows the switch. Who gives what only goes with a mode has
// forgotten the mode, and must not believe that it was set.
func showUnlessSetting(cmd *cobra.Command, at *adminFlags) error {
	for _, name := range []string{"reason", "for", "scene", "share"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("%w: --%s sets a mode, and none is named; say auto, degraded or normal", errUsage, name)
		}
	}
	return show(cmd, at, admin.WriteSwitch)
}

// checkGiven refuses what would be taken for not given, and so do more than was
// asked for: a script with an unset variable must not switch all scenes.
func checkGiven(cmd *cobra.Command, change control.Change) error {
	if cmd.Flags().Changed("for") && change.For <= 0 {
		return fmt.Errorf("%w: --for must be longer than 0, is %v; leave it out for a mode that stands until changed", errUsage, change.For)
	}
	if share := cmd.Flags().Lookup("share"); share.Changed && share.Value.String() == "0" && change.Mode == control.Degraded {
		return fmt.Errorf("%w: --share 0 is a drill of nobody; give a part of the users, or end a drill with \"gateway mode auto --scene S\"", errUsage)
	}
	if cmd.Flags().Changed("scene") && change.Scene == "" {
		return fmt.Errorf("%w: --scene is empty; leave it out for all scenes", errUsage)
	}
	return nil
}

func newStatus() *cobra.Command {
	var at adminFlags
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show mode, circuit and the last transitions of a running gateway",
		Long: `status shows how a running gateway is. With --watch it goes on until you end it: on a
terminal the screen is drawn again whenever something changes, elsewhere a line is printed
for each change, or with --json a status a line. It says when the connection is lost, and
comes back by itself.`,
		Example: "  gateway status\n  gateway status --watch\n  gateway status --json | jq .breaker.state",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON && !follow {
				return show(cmd, &at, admin.WriteStatus)
			}
			client, err := at.client()
			if err != nil {
				return err
			}
			if follow {
				return newFollower(cmd, client, asJSON).run(cmd.Context())
			}
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), st)
		},
	}
	at.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status as JSON")
	cmd.Flags().BoolVar(&follow, "watch", false, "go on, and show each change")
	return cmd
}

func show(cmd *cobra.Command, at *adminFlags, write func(io.Writer, admin.Status) error) error {
	client, err := at.client()
	if err != nil {
		return err
	}
	st, err := client.Status(cmd.Context())
	if err != nil {
		return err
	}
	return write(cmd.OutOrStdout(), st)
}
