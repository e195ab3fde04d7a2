package gateway

import (
	"crypto/sha256"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/web"
)

// What a room is told that has no section of its own.

func sceneNames(scenes map[string]policy.Scene) []string {
	names := make([]string, 0, len(scenes))
	for name := range scenes {
		names = append(names, name)
	}
	return names
}

func publicConfig(cfg config.Config, who *names) (public.Config, error) {
	c := public.Config{
		APIKeys: cfg.APIKeys, Certified: cfg.TLS.ClientCA != "", AllowedOrigins: cfg.Client.AllowedOrigins, TrustedProxies: cfg.TrustedProxies,
		Lines:  public.Lines{Decisions: cfg.Log.Decisions, Who: who.Who},
		DropIn: cfg.DropIn, Accounts: accounts(cfg),
	}
	for _, app := range cfg.Upstream.Apps {
		c.Apps = append(c.Apps, app.CaptchaAppID)
	}
	id, err := pageAppID(cfg)
	c.AppID = id
	return c, err
}

// pageAppID encrypts the app id of pages, if they want that.
func pageAppID(cfg config.Config) (public.AppID, error) {
	if cfg.Client.EncryptAppID == "" {
		return nil, nil //nolint:nilnil // pages use it as it is
	}
	first := cfg.Upstream.Apps[0]
	return web.NewAppID(cfg.Client.EncryptAppID, first.CaptchaAppID, first.AppSecretKey)
}

// accounts are whose signatures the drop-in takes, and for which apps.
func accounts(cfg config.Config) public.Accounts {
	a := public.Accounts{Owner: cfg.Upstream.SecretID, Keys: map[string]string{cfg.Upstream.SecretID: cfg.Upstream.SecretKey}, Apps: map[uint64]string{}}
	for _, one := range cfg.DropIn.Credentials {
		a.Keys[one.SecretID] = one.SecretKey
	}
	for _, app := range cfg.Upstream.Apps {
		a.Apps[app.CaptchaAppID] = app.AppSecretKey
	}
	return a
}

func policyConfig(cfg config.Config) policy.Config {
	return policy.Config{
		Scenes: cfg.Scenes, Disaster: cfg.DisasterTickets, ChallengeExpires: cfg.Challenge.Expires,
		Apps: appKeys(cfg),
	}
}

// appKeys are the apps, each with a fingerprint of its key.
func appKeys(cfg config.Config) map[uint64][8]byte {
	keys := map[uint64][8]byte{}
	for _, app := range cfg.Upstream.Apps {
		sum := sha256.Sum256([]byte("app key " + app.AppSecretKey))
		keys[app.CaptchaAppID] = [8]byte(sum[:8])
	}
	return keys
}
