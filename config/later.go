package config

// later are the keys which come with a later version, each with what says that
// it is off. Whoever sets one to anything else is told, for nothing would come
// of it. A key without an off value can only be left out.
var later = map[string][]string{
	"tls.cert":            {""},
	"tls.key":             {""},
	"tls.client_ca":       {""},
	"admin.tls.cert":      {""},
	"admin.tls.key":       {""},
	"admin.tls.client_ca": {""},
	"admin.public_url":    {""},

	"upstream.session_token": {""},

	"store.redis":  {""},
	"store.prefix": {""},
	"store.secret": {""},

	"alarms.webhook": {""},
	"alarms.secret":  {""},
	"alarms.format":  {"json"},

	"sla.target":            nil,
	"sla.minute_error_rate": nil,
	"sla.zone":              nil,

	"drop_in.scene":       {""},
	"drop_in.by_app":      nil,
	"drop_in.credentials": nil,
	"drop_in.shadow":      {"false"},

	"client.encrypt_app_id": {""},

	"shutdown.delay":   {"0s"},
	"shutdown.timeout": {"10s"}, // which is what it takes

	"log.decisions": {"none"},

	"telemetry.otlp_endpoint": {""},
}
