package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/certs"
	"captchagate/config"
	"captchagate/control"
)

// certificates are what both listeners speak TLS with, nil = in the clear. Pages and
// whoever looks after the process need no certificate of their own, so that public leaves
// it to its routes who does.
type certificates struct{ public, operators *certs.Server }

func newCertificates(cfg config.Config) (c certificates, err error) {
	public, errPublic := certs.NewServer(cfg.TLS, tls.VerifyClientCertIfGiven)
	operators, errOperators := certs.NewServer(cfg.Admin.TLS, tls.RequireAndVerifyClientCert)
	return certificates{public, operators}, errors.Join(under("tls", errPublic), under("admin.tls", errOperators))
}

func under(section string, err error) error {
	if err != nil {
		return fmt.Errorf("%s.%w", section, err)
	}
	return nil
}

// expiryEvery is how often it is told that a certificate expires soon.
const expiryEvery = 24 * time.Hour

// A certificateLook watches the files of one listener.
type certificateLook struct {
	section string
	server  *certs.Server
	last    keysLook
	doubted time.Time // when it was told last that it expires soon
}

// watchCertificates has listeners show what stands in their files, until ctx ends.
func (g *Gateway) watchCertificates(ctx context.Context) {
	looks := []*certificateLook{{section: "tls", server: g.certificates.public}, {section: "admin.tls", server: g.certificates.operators}}
	every := time.NewTicker(keysEvery)
	defer every.Stop()
	for {
		for _, look := range looks {
			if look.server != nil {
				g.lookAtCertificate(look)
			}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// lookAtCertificate takes over what has stood in the files for long enough. Where that
// cannot be used nothing changes, and it is told once.
func (g *Gateway) lookAtCertificate(look *certificateLook) {
	g.tellExpiry(look)
	found, err := look.server.Load()
	if err == nil && found.Sum == look.server.InUse().Sum {
		look.last = keysLook{}
		return
	}
	was := map[string]string{}
	if err == nil {
		was["sum"] = fmt.Sprintf("%x", found.Sum)
	}
	if !look.last.again(was, err) {
		return
	}
	if err != nil {
		look.last.tell(func() {
			g.unfolded.Error("a certificate was not read again from its files; the one that was read before stays in force", "section", look.section, "error", err)
		})
		return
	}
	g.useCertificate(look.section, look.server, found)
	look.doubted = time.Time{}
}

func (g *Gateway) useCertificate(section string, server *certs.Server, found *certs.Pair) {
	server.Use(found)
	g.unfolded.Info("a certificate was read again from its files", "section", section, "expires", found.Expires.UTC().Format(time.RFC3339))
	g.control.Audit(control.KindReload, actor, "the certificate of "+section+" was read again from its files", nil)
}

func (g *Gateway) tellExpiry(look *certificateLook) {
	now := time.Now()
	doubt := look.server.InUse().Doubt(now)
	if doubt == "" || now.Sub(look.doubted) < expiryEvery {
		return
	}
	look.doubted = now
	g.unfolded.Warn(doubt, "section", look.section, "expires", look.server.InUse().Expires.UTC().Format(time.RFC3339))
}

// registerMetrics has Prometheus know too: 0 also for a listener in the clear.
func (c certificates) registerMetrics(reg prometheus.Registerer) {
	for section, server := range map[string]*certs.Server{"tls": c.public, "admin.tls": c.operators} {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
			Name: "captchagate_certificate_expires_soon", Help: "1 while the certificate of a listener expires soon, or has; the log says when.",
			ConstLabels: prometheus.Labels{"section": section},
		}, func() float64 { return truth(server != nil && server.InUse().Doubt(time.Now()) != "") })
	}
}

// rereadCertificates has a reload read the files too. What is wrong with them it has said
// when it loaded the configuration; where that names others they wait for a restart.
func (g *Gateway) rereadCertificates() {
	for section, server := range map[string]*certs.Server{"tls": g.certificates.public, "admin.tls": g.certificates.operators} {
		if server == nil {
			continue
		}
		if found, err := server.Load(); err == nil && found.Sum != server.InUse().Sum {
			g.useCertificate(section, server, found)
		}
	}
}
