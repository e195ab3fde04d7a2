// Command simulator is a simulated Tencent Captcha API that fails on command.
//
// Exit codes: 0 fine, 1 failed at run time, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"captchagate/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// failure is an error at run time; all others are wrong usage.
type failure struct{ error }

func run(ctx context.Context, args []string, out, logs io.Writer) int {
	cmd := command(out, logs)
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(logs)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(logs, "simulator:", strings.TrimPrefix(err.Error(), "simulator: "))
	if _, ok := errors.AsType[failure](err); ok {
		return 1
	}
	return 2
}

func command(out, logs io.Writer) *cobra.Command {
	var listen string
	var latency, jitter time.Duration
	var cfg simulator.Config
	var apps map[string]string
	cmd := &cobra.Command{
		Use:   "simulator",
		Short: "A simulated Tencent Captcha API that fails on command; for tests only",
		Long:  about(),
		Example: `  simulator --listen 127.0.0.1:8082
  curl -s -X POST http://127.0.0.1:8082/_sim/tickets -d '{"kind":"forged"}'
  curl -s -X PUT http://127.0.0.1:8082/_sim/fault -d '{"kind":"internal_error","share":0.5}'`,
		Version:       version(),
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Latency, cfg.Jitter = flagLatency(latency), jitter
			cfg.Log = slog.New(slog.NewJSONHandler(logs, nil))
			if err := checkListen(listen); err != nil {
				return err
			}
			if err := readApps(apps, &cfg); err != nil {
				return err
			}
			if err := cfg.Validate(); err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, listen, out)
		},
	}
	cmd.SetFlagErrorFunc(flagError)
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8082", "address of the API and its controls")
	f.DurationVar(&latency, "latency", simulator.DefaultLatency, "latency of every answer")
	f.DurationVar(&jitter, "jitter", 5*time.Millisecond, "at most this much latency on top")
	f.Float64Var(&cfg.Capacity, "capacity", 0, "calls a second that can be worked off, 0 = unlimited")
	f.Uint64Var(&cfg.Seed, "seed", 0, "makes shares and jitter repeatable, 0 = random")
	f.StringVar(&cfg.SecretID, "secret-id", simulator.DefaultSecretID, "SecretId of the account")
	f.StringVar(&cfg.SecretKey, "secret-key", simulator.DefaultSecretKey, "SecretKey of the account")
	f.StringToStringVar(&apps, "app", nil, "an app as `ID=KEY` (CaptchaAppId=AppSecretKey), may be repeated")
	cmd.AddCommand(newReady())
	cmd.CompletionOptions.DisableDefaultCmd = true
	return cmd
}

// about says what one can have the simulator do.
func about() string {
	return `simulator is a simulated Tencent Captcha API. It answers on POST / as the real
one does, and fails in the ways that it is told under /_sim/. It checks
signatures and tickets, keeps nothing between runs, and proves nothing: it is
for tests only.

  PUT    /_sim/fault    {"kind":"hang","for":"30s"}: break it; DELETE mends it
  POST   /_sim/tickets  {"kind":"valid","count":3}: tickets to verify
  PUT    /_sim/script   {"kind":"not_found"}: have GET /TJCaptcha.js fail; DELETE mends it
  GET    /_sim/stats    what was asked

Kinds of faults:
  ` + inLines(simulator.Kinds()) + `.

Kinds of the page script:
  ` + inLines(simulator.ScriptKinds()) + `; error_code takes a code, such as 1004.

Kinds of tickets:
  ` + inLines(simulator.TicketKinds()) + `.

Fields of a fault besides kind: share (0..1 of the calls), for ("15s", else until
mended), latency ("500ms"), consume (a call that fails uses its ticket up),
spare_disaster (disaster tickets are answered, so that probes look healthy).`
}

// flagLatency keeps "--latency 0" from meaning the default.
func flagLatency(d time.Duration) time.Duration {
	if d == 0 {
		return simulator.NoLatency
	}
	return d
}

// checkListen tells an address that cannot be one from one that is taken.
func checkListen(address string) error {
	host, digits, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(digits, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, " /@") {
		return fmt.Errorf("--listen: must be HOST:PORT such as 127.0.0.1:8082, with port 0 for any free one, is %q", address)
	}
	return nil
}

func readApps(apps map[string]string, cfg *simulator.Config) error {
	cfg.Apps = make(map[uint64]string, len(apps))
	for text, key := range apps {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("--app: %q is not a CaptchaAppId; write 190000001=KEY", text)
		}
		cfg.Apps[id] = key
	}
	return nil
}

func serve(ctx context.Context, cfg simulator.Config, listen string, out io.Writer) error {
	err := simulator.New(cfg).Serve(ctx, listen, func(address string) {
		fmt.Fprintf(out, "simulator: simulated Captcha API on http://%s/ (not Tencent Cloud; its tickets prove nothing)\n", address)
	})
	if err != nil {
		return failure{err}
	}
	return nil
}

// flagError has a length of time that is none corrected in words of this
// program, not of Go.
func flagError(_ *cobra.Command, err error) error {
	if strings.HasSuffix(err.Error(), "must be formatted as key=value") {
		return errors.New("--app: must be ID=KEY (CaptchaAppId=AppSecretKey), for instance 190000001=KEY")
	}
	if what, _, ok := strings.Cut(err.Error(), ": time: "); ok {
		return fmt.Errorf("%s: it is no time; write for instance 30s or 5m", what)
	}
	return err
}

// version is the module's version as the build recorded it. The simulator takes
// nothing of the gateway's, not even this.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return "devel"
}

// inLines lists words in lines that fit a terminal.
func inLines[T ~string](words []T) string {
	var text strings.Builder
	column := 0
	for i, word := range words {
		switch {
		case i == 0:
		case column+len(word) > 70:
			text.WriteString(",\n  ")
			column = 0
		default:
			text.WriteString(", ")
		}
		text.WriteString(string(word))
		column += len(word) + len(", ")
	}
	return text.String()
}
