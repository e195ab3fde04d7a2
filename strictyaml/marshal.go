package strictyaml

import (
	"encoding"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Marshal writes every key of the struct that from points to, with [redacted]
// for each secret that is set. Addresses lose their password and what follows
// their "?", those of webhooks also their path: chats have their tokens there.
func Marshal(from any) ([]byte, error) {
	shown, err := show(valueOf(from), "")
	if err != nil {
		return nil, err
	}
	return yaml.MarshalWithOptions(shown, yaml.IndentSequence(true))
}

// show turns a value into what the YAML encoder writes in the order of the
// struct's fields.
func show(v reflect.Value, key string) (any, error) {
	switch value := v.Interface().(type) {
	case time.Duration:
		return shortDuration(value), nil
	case encoding.TextMarshaler:
		text, err := value.MarshalText()
		return string(text), err
	case string:
		return showString(key, value), nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return showSection(v)
	case reflect.Map:
		return showMap(v)
	case reflect.Slice:
		if v.Len() == 0 && isScalar(v) {
			return "", nil
		}
		if v.Len() == 1 && isScalar(v) { // as it may be written
			return show(v.Index(0), key)
		}
		shown := make([]any, v.Len())
		for i := range shown {
			one, err := show(v.Index(i), key)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			shown[i] = one
		}
		return shown, nil
	}
	return v.Interface(), nil
}

func showSection(v reflect.Value) (any, error) {
	var shown yaml.MapSlice
	for _, one := range fieldsOf(v) {
		if one.omitEmpty && isEmpty(one.value) {
			continue
		}
		value, err := show(one.value, one.kind())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.key, err)
		}
		shown = append(shown, yaml.MapItem{Key: one.key, Value: value})
	}
	return shown, nil
}

func showMap(v reflect.Value) (any, error) {
	var shown yaml.MapSlice
	for _, key := range slices.Sorted(maps.Keys(keysOf(v))) {
		entry := reflect.New(v.Type().Elem()).Elem()
		entry.Set(v.MapIndex(reflect.ValueOf(key)))
		value, err := show(entry, key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		shown = append(shown, yaml.MapItem{Key: key, Value: value})
	}
	return shown, nil
}

func isEmpty(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

func showString(key, value string) string {
	if value == "" {
		return ""
	}
	if isSecret(key) {
		return redacted
	}
	if key == "webhook" {
		return showHost(value)
	}
	if strings.Contains(value, "://") {
		return showAddress(value)
	}
	return value
}

func showHost(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return redacted
	case u.User == nil && u.RawQuery == "" && u.Path == "" && u.Fragment == "":
		return address
	}
	return u.Scheme + "://" + u.Host + "/" + redacted
}

func showAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return redacted
	}
	if u.User == nil && u.RawQuery == "" {
		return address
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += redacted + "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + redacted
	}
	return shown
}

// shortDuration writes 5m where Duration.String writes 5m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
