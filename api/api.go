// Package api holds the machine-readable contract of the gateway's HTTP doors.
package api

import _ "embed"

// OpenAPI is the contract as OpenAPI 3.0 YAML; do not write to it.
//
//go:embed openapi.yaml
var OpenAPI []byte
