package loadtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Redis is one that was started for a gateway and can be broken. Nothing that it
// keeps outlives its process.
type Redis struct {
	child  *child
	server string // where it listens
	delay  atomic.Int64
	door   net.Listener // between it and the gateway; nil = there is none
}

// slowRedis is how late a slow one answers.
const slowRedis = 50 * time.Millisecond

// newRedis prepares one whose files are in the folder; command runs what it is given,
// and kills it when its standard input ends. Where it is to be slow, it is behind a door
// that holds back what is asked.
func newRedis(ctx context.Context, command []string, folder string, door bool) (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: it needs redis-server on PATH, and there is none; install it, for instance with apt-get install redis-server or brew install redis", ErrScenario)
	}
	folder = filepath.Join(folder, "redis")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	r := &Redis{}
	if r.server, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(r.server)
	r.child = &child{
		what: "Redis", group: true, log: filepath.Join(folder, "redis.log"), ready: r.ping,
		command: slices.Concat(command, []string{program, "--port", port, "--bind", "127.0.0.1", "--dir", folder,
			"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"}),
	}
	if door {
		r.door, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	return r, err
}

// url is where the gateway finds it.
func (r *Redis) url() string {
	address := r.server
	if r.door != nil {
		address = r.door.Addr().String()
	}
	return "redis://" + address + "/0"
}

// open starts it.
func (r *Redis) open(ctx context.Context) error {
	if r.door != nil {
		go r.serve()
	}
	return r.start(ctx)
}

func (r *Redis) close() {
	_ = r.child.Kill()
	if r.door != nil {
		_ = r.door.Close()
	}
}

func (r *Redis) start(ctx context.Context) error { return r.child.Start(ctx) }

// kill returns when nobody listens where it did.
func (r *Redis) kill(ctx context.Context) error {
	if err := r.child.Kill(); err != nil {
		return err
	}
	for ctx.Err() == nil && r.ping(ctx) == nil {
		rest(ctx, readyEvery)
	}
	return nil
}

func (r *Redis) restart(ctx context.Context) error { return errors.Join(r.kill(ctx), r.start(ctx)) }
func (r *Redis) stop(context.Context) error        { return r.child.signal(stopIt) }
func (r *Redis) resume(context.Context) error      { return r.child.signal(goOn) }
func (r *Redis) slow(context.Context) error        { r.delay.Store(int64(slowRedis)); return nil }
func (r *Redis) quick(context.Context) error       { r.delay.Store(0); return nil }
func (r *Redis) flush(ctx context.Context) error   { return r.tell(ctx, "FLUSHALL", "+OK") }
func (r *Redis) ping(ctx context.Context) error    { return r.tell(ctx, "PING", "+PONG") }

// tell sends a command and wants an answer.
func (r *Redis) tell(ctx context.Context, command, want string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", r.server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // of a connection that has just been made
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return err
	}
	got, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.TrimSpace(got) != want {
		err = fmt.Errorf("Redis answers %s with %.200q", command, got)
	}
	return err
}

// serve leads what the gateway asks to Redis, late where it is slow.
func (r *Redis) serve() {
	for {
		conn, err := r.door.Accept()
		if err != nil {
			return
		}
		go r.lead(conn)
	}
}

func (r *Redis) lead(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	server, err := net.DialTimeout("tcp", r.server, time.Second) //nolint:noctx // it is loopback
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		pass(conn, server, nil)
		_ = conn.Close()
	}()
	pass(server, conn, &r.delay)
}

// pass copies until either side ends, each piece delayed.
func pass(to, from net.Conn, delay *atomic.Int64) {
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if delay != nil {
			<-time.After(time.Duration(delay.Load()))
		}
		if _, broken := to.Write(piece[:n]); err != nil || broken != nil {
			return
		}
	}
}

// signal sends a signal to the process and those that it has started.
func (c *child) signal(s syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return signalAll(c.cmd, s)
}
