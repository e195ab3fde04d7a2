package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	goredis "github.com/redis/go-redis/v9"
)

// refusals are what a server answers, by how that begins or what it holds, and what to
// do then.
var refusals = []struct{ begins, holds, remedy string }{
	{begins: "WRONGPASS", remedy: "compare user and password in store.redis with Redis's (ACL LIST)"},
	{holds: "invalid password", remedy: "compare the password in store.redis with Redis's requirepass"},
	{begins: "NOAUTH", remedy: "it asks for a password; write it into store.redis, as USER:PASSWORD@ before the host"},
	{holds: "without any password configured", remedy: "it knows no password; take it out of store.redis, or set one in Redis"},
	{holds: "unauthenticated", remedy: "it asks for a password; write it into store.redis, as USER:PASSWORD@ before the host"},
	{begins: "NOPERM", remedy: "its user may not do all that the gateway does; docs/fleet.md has an ACL that is enough"},
	{begins: "MOVED", remedy: "it is a node of a Cluster; write store.redis as a list of its nodes"},
	{begins: "CLUSTERDOWN", remedy: "the Cluster does not serve all slots; look at CLUSTER INFO"},
	{holds: "DB index is out of range", remedy: "it has not so many databases; write another number at the end of store.redis"},
	{holds: "SELECT is not allowed in cluster mode", remedy: "a Cluster has the database 0 alone; take the number out of store.redis"},
	{begins: "OOM", remedy: "its memory is full; raise maxmemory, or give the fleet a Redis of its own"},
	{begins: "READONLY", remedy: "it is a replica; store.redis must name the primary, or the Sentinels (redis-sentinel://)"},
	{begins: "MISCONF", remedy: "it takes no writes because it cannot save; mend its disk, or turn saving off (save \"\"), which a fleet does not need"},
	{begins: "MASTERDOWN", remedy: "it is a replica without its primary; store.redis must name the primary, or the Sentinels (redis-sentinel://)"},
	{begins: "LOADING", remedy: "it reads its file; it answers once it has"},
	{holds: "unknown command", remedy: "it is too old, or renames commands; the gateway needs Redis 6.2 or later, or Valkey"},
}

// remedy says what to do about an error of Redis; "" if nothing is known.
func remedy(err error) string {
	if refused := goredis.Error(nil); errors.As(err, &refused) {
		for _, r := range refusals {
			text := refused.Error()
			if r.begins != "" && strings.HasPrefix(text, r.begins) || r.holds != "" && strings.Contains(text, r.holds) {
				return r.remedy
			}
		}
		return ""
	}
	return unreached(err)
}

// unreached says what to do where no answer came.
func unreached(err error) string {
	var (
		notTLS    tls.RecordHeaderError
		alert     tls.AlertError
		untrusted *tls.CertificateVerificationError
		wrongName x509.HostnameError
		unknown   *net.DNSError
	)
	switch {
	case errors.As(err, &notTLS):
		return "it does not speak TLS there; write redis:// in place of rediss://, or the port of its TLS"
	case errors.As(err, &wrongName):
		return "its certificate is for another name; store.redis must name it as the certificate does"
	case errors.As(err, &untrusted):
		return "this machine does not trust its certificate; add the authority that signed it to those of the system"
	case errors.As(err, &alert):
		return "it breaks the TLS handshake off; look whether it asks for a client's certificate (tls-auth-clients no)"
	case errors.As(err, &unknown):
		return "its name is not known here; look at the host in store.redis and at DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there; start Redis, or look at host and port in store.redis"
	case errors.Is(err, os.ErrNotExist):
		return "there is no such socket; start Redis with it (unixsocket), or look at the path in store.redis"
	case errors.Is(err, os.ErrPermission):
		return "this user may not open the socket; look at unixsocketperm and the folder's rights"
	case errors.Is(err, syscall.ECONNRESET), strings.HasSuffix(err.Error(), "EOF"):
		return "it ends the connection; look whether it wants TLS (rediss://), lets this machine in (bind, protected-mode) and has room for clients (maxclients)"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "it did not answer in time; look whether it runs and what lies between (firewall, network), and with rediss:// whether it speaks TLS there"
	}
	return ""
}
