package store_test

import (
	"strings"
	"testing"

	"captchagate/store"
)

func TestConfig_NeedsAFile(t *testing.T) {
	if err := (store.Config{Path: "data/gateway.db"}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (store.Config{}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "path: ") {
		t.Errorf("a store without a file: %v", err)
	}
}
