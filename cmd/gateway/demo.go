package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"captchagate/config"
	"captchagate/configs"
	"captchagate/gateway"
	"captchagate/simulator"
	"captchagate/strictyaml"
	webdemo "captchagate/web/demo"
)

// demo is where the parts of a demonstration listen.
type demo struct {
	listen, admin, simulator string

	instances int
	token     string // of operators; "" for one instance, which needs none
}

func newDemo() *cobra.Command {
	var at demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole thing on this machine, with a simulated Captcha API",
		Long: `demo runs a gateway and a simulated Captcha API in one process, without
configuration. It prints addresses, tickets and commands to try, also those that
break the API. Nothing is kept: the store is in a temporary folder.

With --instances 3 it runs a fleet: three gateways and a Redis, each a process of its
own, behind a load balancer. The page shows which of them answered, and kills them and
starts them again. It needs redis-server on PATH.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if at.instances < 1 || at.instances > mostInstances {
				return fmt.Errorf("%w: --instances must be from 1 to %d, is %d", errUsage, mostInstances, at.instances)
			}
			// A terminal that is closed ends the demo too, and its folder.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			return at.run(ctx, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&at.listen, "listen", "127.0.0.1:8080", "address of the gateway")
	cmd.Flags().StringVar(&at.admin, "admin-listen", "127.0.0.1:8081", "address of the operators' API")
	cmd.Flags().StringVar(&at.simulator, "simulator-listen", "127.0.0.1:8082", "address of the simulated Captcha API")
	cmd.Flags().IntVar(&at.instances, "instances", 1, "gateways behind a load balancer, with a Redis")
	return cmd
}

// run keeps the demonstration going until ctx ends.
func (d demo) run(ctx context.Context, out io.Writer) error {
	folder, err := os.MkdirTemp("", "captchagate-demo-")
	if err != nil {
		return fmt.Errorf("a temporary folder for the store is needed: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // the system clears what stays
	log := gateway.NewLogger(os.Stderr, config.Log{Level: "warn", Format: "text"})

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sim := simulator.New(simulator.Config{Jitter: 5 * time.Millisecond, Log: log})
	addresses, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- sim.Serve(ctx, d.simulator, func(addr string) { addresses <- addr }) }()
	select {
	case d.simulator = <-addresses:
	case err := <-ended:
		return takenFlag(err, "simulator", "--simulator-listen")
	}
	if d.instances > 1 {
		err = d.fleet(ctx, folder, sim, out)
		err = takenFlag(takenFlag(err, "listen", "--listen"), "admin.listen", "--admin-listen")
	} else {
		err = d.gateway(ctx, log, folder, sim, out)
	}
	cancel()
	return errors.Join(err, <-ended)
}

func (d demo) gateway(ctx context.Context, log *slog.Logger, folder string, sim *simulator.Simulator, out io.Writer) error {
	cfg, err := d.config(folder)
	if err != nil {
		return err
	}
	g, err := gateway.New(ctx, cfg, nil, nil, log)
	if err != nil {
		return err
	}
	defer g.Close()
	var page atomic.Pointer[http.Handler] // once the addresses are known
	g.Mount("/demo/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := page.Load(); h != nil {
			(*h).ServeHTTP(w, r)
		}
	}))
	for _, path := range []string{"/", "/demo"} {
		g.Mount(path, http.RedirectHandler("/demo/", http.StatusFound))
	}
	err = g.Run(ctx, func(listen, admin string) {
		d.listen, d.admin = listen, admin
		shown, err := webdemo.New(webdemo.Config{
			Gateway: "http://" + listen, Admin: "http://" + admin, Simulator: "http://" + d.simulator,
			Policy: g.PagePolicy(),
		})
		if err != nil {
			log.Error("the demo page cannot be shown", "error", err)
			return
		}
		var h http.Handler = shown
		page.Store(&h)
		go shown.Run(ctx)
		d.explain(out, sim)
	})
	return takenFlag(takenFlag(err, "listen", "--listen"), "admin.listen", "--admin-listen")
}

// takenFlag names the flag to change if err says that an address cannot be opened.
func takenFlag(err error, key, flag string) error {
	if err == nil || !strings.HasPrefix(err.Error(), key+": ") {
		return err
	}
	return fmt.Errorf("%w, for instance %s 127.0.0.1:0 (any free port)", err, flag)
}

// config loads configs/demo.yaml, as "gateway serve" would from a file.
func (d demo) config(folder string) (config.Config, error) {
	path := filepath.Join(folder, "gateway.yaml")
	if err := os.WriteFile(path, []byte(configs.Demo()), 0o600); err != nil {
		return config.Config{}, err
	}
	cfg, err := config.Load(path, []string{
		"DEMO_LISTEN=" + d.listen, "DEMO_ADMIN_LISTEN=" + d.admin,
		"DEMO_SIMULATOR_LISTEN=" + d.simulator, "DEMO_FOLDER=" + folder,
	})
	cfg.Admin.Demo = true
	cfg.Store.Patience = 20 // whoever tries it may have a busy machine
	return cfg, d.inFlags(err)
}

// inFlags says what is wrong in words of the command line: nobody has written
// the file.
func (d demo) inFlags(err error) error {
	mistakes, ok := errors.AsType[strictyaml.Mistakes](err)
	if !ok {
		return err
	}
	given := strings.NewReplacer("${DEMO_LISTEN}", d.listen, "${DEMO_ADMIN_LISTEN}", d.admin)
	flags := map[string]string{"listen": "--listen", "admin.listen": "--admin-listen"}
	var told []error
	for _, m := range mistakes {
		text := given.Replace(m.Text)
		if m.Key == "listen" && strings.Contains(text, "api_keys") {
			text = "the demo has no keys, so it is for this machine alone: give a port of 127.0.0.1, and reach it from another machine over SSH (ssh -L 8080:127.0.0.1:8080 HOST)"
		}
		told = append(told, fmt.Errorf("%w: %s: %s", errUsage, cmp.Or(flags[m.Key], m.Key), text))
	}
	return errors.Join(told...)
}

// explain prints what there is and what to try.
func (d demo) explain(out io.Writer, sim *simulator.Simulator) {
	good, _ := sim.Issue(simulator.TicketValid, 4) // cannot fail: kind and number are right
	bad, _ := sim.Issue(simulator.TicketForged, 1)
	fmt.Fprintf(out, `Captchagate demo. Nothing here is real: the Captcha API is a simulator.

  page       http://%s/demo/    a login page, and switches that break things
  gateway    http://%s    for backends: POST /v1/verify, POST /siteverify; Tencent's SDKs
  operators  http://%s    the dashboard, for a browser; /admin/v1/…, /metrics%s
  simulator  http://%s    the Captcha API, and its faults under /_sim/

Scenes, by what they do while nobody can verify:
  login = challenge    comment = allow (within a budget)    payment = deny

Tickets are good once and for 5 minutes. Paste these into another terminal:

# 1. a good ticket: allow, verified
%s

# 2. a forged ticket: deny, rejected
%s

# 3. break the API: it hangs
curl -s -X PUT http://%s/_sim/fault -d '{"kind":"hang"}'

# 4. the same question now: challenge, degraded (it takes about a second, in which the gateway makes sure by a probe of its own)
%s

# 5. a scene that lets through within its budget: allow, degraded_allow
%s

# 6. mend the API
curl -s -X DELETE http://%s/_sim/fault

# 7. two seconds later it is verified again
%s

# more tickets
curl -s -X POST http://%s/_sim/tickets -d '{"kind":"valid","count":3}'

# the switch, and how things stand
curl -s -X PUT http://%s/admin/v1/mode%s -H 'Content-Type: application/json' -d '{"mode":"degraded","reason":"trying it out","for":"1m"}'
curl -s http://%s/admin/v1/status%s
%s
Ctrl-C ends the demo.
`, d.listen, d.listen, d.admin, d.tokenLine(), d.simulator,
		d.curl(good[0], "login"), d.curl(bad[0], "login"), d.simulator,
		d.curl(good[1], "login"), d.curl(good[2], "comment"), d.simulator,
		d.curl(good[3], "login"), d.simulator, d.admin, d.bearer(), d.admin, d.bearer(), d.more())
}

// tokenLine is what the dashboard asks for, where the operators' address is told.
func (d demo) tokenLine() string {
	if d.token == "" {
		return ""
	}
	return "\n             " + d.token + "    the token to log in there with"
}

// bearer is what curl needs to be an operator.
func (d demo) bearer() string {
	if d.token == "" {
		return ""
	}
	return " -H 'Authorization: Bearer " + d.token + "'"
}

// more is what there is to try with a fleet.
func (d demo) more() string {
	if d.token == "" {
		return ""
	}
	return fmt.Sprintf(`
%d gateways and a Redis answer here, each a process of its own; both addresses lead to
those that run. The page kills them and starts them again. How they stand:

GATEWAY_ADMIN_TOKEN=%s gateway status --admin-url http://%s
`, d.instances, d.token, d.admin)
}

// curl is a command that asks the gateway about a ticket.
func (d demo) curl(t simulator.Ticket, scene string) string {
	return fmt.Sprintf(`curl -s http://%s/v1/verify -H 'Content-Type: application/json' -d '{"ticket":%q,"randstr":%q,"user_ip":"203.0.113.7","scene":%q}'`,
		d.listen, t.Ticket, t.Randstr, scene)
}
