package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// StartSentinels starts a server, a replica of it and three sentinels that watch both,
// and returns the server and what a configuration says. A server that is killed is
// replaced after half a second.
func StartSentinels(t testing.TB) (master *Server, url string) {
	t.Helper()
	master = Start(t)
	replica := start(t, "--replicaof", "127.0.0.1", fmt.Sprint(master.Port))
	replica.await("the replica follows", "INFO replication", "master_link_status:up")
	var sentinels []*Server
	var hosts []string
	for range 3 {
		file := filepath.Join(t.TempDir(), "sentinel.conf") // which it writes to
		text := fmt.Sprintf("sentinel monitor fleet 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds fleet 500\nsentinel failover-timeout fleet 3000\n", master.Port)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, file, "--sentinel")
		sentinels, hosts = append(sentinels, s), append(hosts, s.Address())
	}
	for _, s := range sentinels {
		s.await("the sentinels know each other", "SENTINEL MASTER fleet", `num-slaves\r\n\$1\r\n1\r\n(.|\n)*num-other-sentinels\r\n\$1\r\n2\r\n`)
	}
	return master, "redis-sentinel://" + strings.Join(hosts, ",") + "/fleet"
}

// A Cluster is one of three nodes and a spare one.
type Cluster struct {
	Nodes []*Server

	t     testing.TB
	spare *Server
}

// slots is how many a Cluster has.
const slots = 16384

// StartCluster starts three nodes that have a third of the slots each, and a fourth that
// has none.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	var buses []int
	for range 4 {
		bus := freePort(t)
		buses = append(buses, bus)
		c.Nodes = append(c.Nodes, start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--cluster-require-full-coverage", "no", "--cluster-port", fmt.Sprint(bus)))
	}
	for i, node := range c.Nodes {
		if i < 3 {
			node.Do(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*slots/3, (i+1)*slots/3-1))
		}
		if i > 0 {
			c.Nodes[0].Do(fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %d", node.Port, buses[i]))
		}
	}
	for _, node := range c.Nodes {
		node.await("the nodes know each other", "CLUSTER INFO", `cluster_state:ok\r\n(.|\n)*cluster_slots_ok:16384\r\n(.|\n)*cluster_known_nodes:4\r\n`)
	}
	c.Nodes, c.spare = c.Nodes[:3], c.Nodes[3]
	return c
}

// Hosts are the nodes as a configuration lists them.
func (c *Cluster) Hosts() string {
	var urls []string
	for _, node := range c.Nodes {
		urls = append(urls, node.URL())
	}
	return "[" + strings.Join(urls, ", ") + "]"
}

// Owner is the node that has the most keys, a fleet's own, once the spare one is a replica
// of it. What fleets have beside each other has few, and may be on another.
func (c *Cluster) Owner() *Server {
	c.t.Helper()
	most, owner := 0, (*Server)(nil)
	for _, node := range c.Nodes {
		keys := 0
		if _, _ = fmt.Sscanf(node.Do("DBSIZE"), ":%d", &keys); keys > most {
			most, owner = keys, node
		}
	}
	if owner == nil {
		c.t.Fatal("no node has keys")
	}
	_, id, _ := strings.Cut(owner.Do("CLUSTER MYID"), "\r\n")
	c.spare.Do("CLUSTER REPLICATE " + strings.TrimSpace(id))
	c.spare.await("the spare node follows", "INFO replication", "master_link_status:up")
	return owner
}
