package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Redis says where a Redis is: one URL, or those of some nodes of a Cluster. None of
// its errors shows a URL, for that may hold a password.
type Redis []string

// UnmarshalText reads one URL; "" is none.
func (r *Redis) UnmarshalText(text []byte) error {
	if *r = nil; len(text) > 0 {
		*r = Redis{string(text)}
	}
	return nil
}

// A RedisAddress is where a Redis is, and how to get in.
type RedisAddress struct {
	Hosts              []string // host:port: the one, Sentinels, or nodes of a Cluster
	Socket             string   // path of a unix socket, instead of Hosts
	Master             string   // its name among Sentinels
	Cluster            bool
	TLS                bool
	Username, Password string
	Database           int
}

const redisForms = "redis://HOST:PORT/DB, rediss://… with TLS, unix:///PATH?db=DB, redis-sentinel://HOST,HOST/MASTER, each with USER:PASSWORD@ where it is needed, or a list of redis:// for a Cluster"

// Parse returns where r leads; the zero value if r is empty.
func (r Redis) Parse() (a RedisAddress, err error) {
	for i, text := range r {
		one, err := parseRedis(text)
		switch {
		case err != nil && len(r) > 1:
			return a, fmt.Errorf("entry %d: %w", i, err)
		case err != nil:
			return a, err
		case i == 0:
			a = one
		case one.Socket != "" || one.Master != "" || a.Socket != "" || a.Master != "" || one.Database != 0 || a.Database != 0:
			return a, errors.New("a list is of the nodes of a Cluster: redis:// or rediss:// with host and port alone")
		case one.TLS != a.TLS || one.Username != a.Username || one.Password != a.Password:
			return a, errors.New("the nodes of a Cluster must have the same scheme, user and password")
		default:
			a.Hosts = append(a.Hosts, one.Hosts...)
		}
	}
	a.Cluster = len(r) > 1
	return a, nil
}

func parseRedis(text string) (a RedisAddress, err error) {
	scheme, rest, _ := strings.Cut(text, "://")
	sentinels := ""
	if scheme == "redis-sentinel" { // several hosts are no URL: the first stands for them
		authority, path, _ := strings.Cut(rest, "/")
		sentinels = authority[strings.LastIndex(authority, "@")+1:]
		text = scheme + "://" + strings.TrimSuffix(authority, sentinels) + "sentinels/" + path
	}
	u, err := url.Parse(text)
	if err != nil {
		return a, errors.New("cannot be read; write " + redisForms)
	}
	a.Username = u.User.Username()
	a.Password, _ = u.User.Password()
	query := u.Query()
	database := strings.Trim(u.Path, "/")
	switch scheme {
	case "redis", "rediss":
		a.TLS = scheme == "rediss"
		a.Hosts = []string{withPort(u.Host, "6379")}
	case "unix":
		a.Socket, database = u.Path, query.Get("db")
		query.Del("db")
	case "redis-sentinel":
		a.Master, database = database, query.Get("db")
		query.Del("db")
		for host := range strings.SplitSeq(sentinels, ",") {
			a.Hosts = append(a.Hosts, withPort(host, "26379"))
		}
	default:
		return a, errors.New("has no scheme that is known; write " + redisForms)
	}
	if database != "" {
		if a.Database, err = strconv.Atoi(database); err != nil || a.Database < 0 {
			return a, errors.New("the database must be a number from 0 on")
		}
	}
	return a, a.check(u, query)
}

func (a RedisAddress) check(u *url.URL, query url.Values) error {
	switch {
	case slices.Contains(a.Hosts, ""):
		return errors.New("a host or port is missing or wrong; write " + redisForms)
	case u.Scheme == "unix" && (strings.Trim(a.Socket, "/") == "" || u.Host != ""):
		return errors.New("names no socket; write unix:///PATH with three slashes")
	case u.Scheme == "redis-sentinel" && a.Master == "":
		return errors.New("names no master; write redis-sentinel://HOST,HOST/MASTER")
	case len(query) > 0 || u.Fragment != "":
		return errors.New("has a parameter that is not known; only unix and redis-sentinel take one, ?db=N")
	}
	return nil
}

// withPort is a host and a port, or "" if it is none.
func withPort(host, usual string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), usual
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || name == "" || strings.ContainsAny(name, " /@,") {
		return ""
	}
	return net.JoinHostPort(name, port)
}
