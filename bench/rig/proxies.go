package rig

import (
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"strings"
)

// The proxies, with the best configuration for this job that we found. $NAMES
// stand for addresses and folders.
var (
	//go:embed haproxy.cfg
	haproxyConfig string
	//go:embed nginx.conf
	nginxConfig string
)

// StartProxied runs a backend behind "haproxy" or "nginx", which are found on
// PATH, over the API at the address.
func (r *Rig) StartProxied(ctx context.Context, proxy, api string) (*Process, error) {
	front, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	spare, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(r.Folder, proxy+"-")
	if err != nil {
		return nil, err
	}
	text, file, args := haproxyConfig, filepath.Join(folder, "haproxy.cfg"), []string{"-db", "-f"}
	if proxy == "nginx" {
		text, file, args = nginxConfig, filepath.Join(folder, "nginx.conf"), []string{"-p", folder, "-e", "error.log", "-c"}
	}
	text = strings.NewReplacer("$LISTEN", front, "$API", api, "$SPARE", spare, "$FOLDER", folder).Replace(text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if _, err := r.Start(ctx, proxy, front, append(args, file)...); err != nil {
		return nil, err
	}
	return r.startAt(ctx, Proxied, "--endpoint", front)
}
