package gateway

import (
	"crypto/sha256"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/public"
)

// What a room is told that has no section of its own.

func sceneNames(scenes map[string]policy.Scene) []string {
	names := make([]string, 0, len(scenes))
	for name := range scenes {
		names = append(names, name)
	}
	return names
}

func publicConfig(cfg config.Config) public.Config {
	c := public.Config{APIKeys: cfg.APIKeys, AllowedOrigins: cfg.Client.AllowedOrigins, TrustedProxies: cfg.TrustedProxies}
	for _, app := range cfg.Upstream.Apps {
		c.Apps = append(c.Apps, app.CaptchaAppID)
	}
	return c
}

func policyConfig(cfg config.Config) policy.Config {
	c := policy.Config{
		Scenes: cfg.Scenes, Disaster: cfg.DisasterTickets, ChallengeExpires: cfg.Challenge.Expires,
		Apps: map[uint64][8]byte{},
	}
	for _, app := range cfg.Upstream.Apps {
		sum := sha256.Sum256([]byte("app key " + app.AppSecretKey))
		c.Apps[app.CaptchaAppID] = [8]byte(sum[:8])
	}
	return c
}
