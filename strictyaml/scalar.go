package strictyaml

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"time"
)

// isScalar reports whether v is set from one text.
func isScalar(v reflect.Value) bool {
	if _, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return true
	}
	return v.Kind() != reflect.Struct && v.Kind() != reflect.Map && v.Kind() != reflect.Slice
}

// setScalar sets v from text; its error says what v must be.
func setScalar(v reflect.Value, text string) error {
	switch to := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("must be a duration such as 500ms, 20s or 5m, is %s", shown(text))
		}
		*to = d
		return nil
	case *netip.Prefix:
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("must be a CIDR such as 10.0.0.0/8 or 192.0.2.7/32, with nothing set behind its length, is %s", shown(text))
		}
		*to = p
		return nil
	case encoding.TextUnmarshaler:
		return guessed(to, text, to.UnmarshalText([]byte(text)))
	}
	return setBasic(v, text)
}

// guessed adds to err which of the words that to knows text was probably meant to be.
func guessed(to any, text string, err error) error {
	if words, ok := to.(interface{ Words() []string }); ok && err != nil {
		if meant := Nearest(text, words.Words()); meant != "" {
			return fmt.Errorf("%w; did you mean %s?", err, meant)
		}
	}
	return err
}

func setBasic(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("must be true or false, is %s", shown(text))
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("must be a whole number, is %s", shown(text))
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("must be a whole number not below 0, is %s", shown(text))
		}
		v.SetUint(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("must be a number such as 0.5, is %s", shown(text))
		}
		v.SetFloat(f)
	default:
		return errors.New("cannot be set: no way is known to read a " + v.Type().String())
	}
	return nil
}

// maxShown is how many bytes of a wrong value are repeated: enough to see a slip,
// and less than what a secret has that was put in the wrong place.
const maxShown = 16

func shown(text string) string {
	if len(text) > maxShown {
		return fmt.Sprintf("something else of %d bytes", len(text))
	}
	return strconv.Quote(text)
}
