package api_test

import (
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"captchagate/api"
	"captchagate/captcha"
)

// The document cannot import the list of causes: this holds its copies against it.
func TestOpenAPI_HasEveryCause(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	all := captcha.Causes()
	same(t, "Cause", doc.Components.Schemas["Cause"].Value.Enum, all)
	decision := doc.Components.Schemas["Decision"].Value
	under := slices.DeleteFunc(captcha.Causes(), func(c captcha.Cause) bool { return c == captcha.CauseBudgetSpent })
	same(t, "Decision.degraded_by", decision.Properties["degraded_by"].Value.Enum, under)

	whole := 0 // rules that have a row for each cause
	for _, rule := range decision.AllOf {
		var named []any
		for _, row := range rule.Value.OneOf {
			if cause := row.Value.Properties["cause"]; cause != nil {
				named = append(named, cause.Value.Enum...)
			}
		}
		for _, c := range named {
			if !slices.Contains(all, captcha.Cause(c.(string))) {
				t.Errorf("a rule of Decision names %q, which is no cause", c)
			}
		}
		if len(named) == len(all) {
			whole++
		}
	}
	if whole != 2 {
		t.Errorf("%d rules of Decision have a row for each cause, want those of degraded_by and of calls", whole)
	}
}

func same(t *testing.T, what string, named []any, want []captcha.Cause) {
	t.Helper()
	got := make([]captcha.Cause, len(named))
	for i, c := range named {
		got[i] = captcha.Cause(c.(string))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s names %v, want %v", what, got, want)
	}
}
