package scenario

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"captchagate/config"
)

// A decoder sets a Scenario from the parser's nodes, goes on after each
// mistake, and remembers where every key stood.
type decoder struct {
	file     string
	lines    map[string]int
	failed   map[string]bool // keys that were complained about
	mistakes Mistakes
}

func (d *decoder) mistake(key, format string, args ...any) {
	d.failed[key] = true
	d.mistakes = append(d.mistakes, Mistake{File: d.file, Line: d.lineOf(key), Key: key, Text: fmt.Sprintf(format, args...)})
}

// lineOf is where a key stands, or what is around it.
func (d *decoder) lineOf(key string) int {
	for ; key != ""; key = parent(key) {
		if line, ok := d.lines[key]; ok {
			return line
		}
	}
	return 1
}

func (d *decoder) decode(n ast.Node, path string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	_, text := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	switch {
	case text || v.Kind() != reflect.Struct && v.Kind() != reflect.Map && v.Kind() != reflect.Slice:
		d.scalar(n, path, v)
	case v.Kind() == reflect.Slice:
		d.list(n, path, v)
	default:
		d.mapping(n, path, v)
	}
}

func (d *decoder) list(n ast.Node, path string, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mistake(path, "must be a list; begin each entry with \"- \"")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, one := range list.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.lines[at] = one.GetToken().Position.Line
		d.decode(one, at, v.Index(i))
	}
}

func (d *decoder) mapping(n ast.Node, path string, v reflect.Value) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.mistake(path, "must be a mapping, such as {key: value}")
		return
	}
	if v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type()))
	}
	seen := map[string]bool{}
	for _, one := range values {
		key := one.Key.GetToken().Value
		at := join(path, key)
		if seen[key] {
			d.mistake(at, "stands here a second time; keep one")
			continue
		}
		seen[key] = true
		d.lines[at] = one.Key.GetToken().Position.Line
		d.entry(one.Value, key, at, v)
	}
}

func (d *decoder) entry(n ast.Node, key, at string, v reflect.Value) {
	if v.Kind() == reflect.Map {
		made := reflect.New(v.Type().Elem()).Elem()
		d.decode(n, at, made)
		v.SetMapIndex(reflect.ValueOf(key), made)
		return
	}
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == key && name != "-" {
			d.decode(n, at, v.Field(i))
			return
		}
		if name != "-" {
			names = append(names, name)
		}
	}
	meant := config.Nearest(key, names)
	if meant == "" {
		d.mistake(at, "is not a key; here are %s", strings.Join(names, ", "))
		return
	}
	d.mistake(at, "is not a key; did you mean %s?", meant)
	d.failed[join(parent(at), meant)] = true // it is here, and no second mistake by being missing
}

func (d *decoder) scalar(n ast.Node, path string, v reflect.Value) {
	var text string
	switch n := n.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		text = n.GetToken().Value
	default:
		d.mistake(path, "must be a single value")
		return
	}
	if err := setScalar(v, text); err != nil {
		d.mistake(path, "%s", err)
	}
}

// setScalar sets v from text; its error says what v must be.
func setScalar(v reflect.Value, text string) error {
	switch to := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("must be a duration such as 500ms, 20s or 5m, is %q", text)
		}
		*to = d
		return nil
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		v.SetBool(text == "true")
		if text != "true" && text != "false" {
			return fmt.Errorf("must be true or false, is %q", text)
		}
		return nil
	default:
		return setNumber(v, text)
	}
}

func setNumber(v reflect.Value, text string) (err error) {
	switch v.Kind() {
	case reflect.Int:
		var n int
		if n, err = strconv.Atoi(text); err != nil {
			err = fmt.Errorf("must be a whole number, is %q", text)
		}
		v.SetInt(int64(n))
	case reflect.Uint64:
		var n uint64
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			err = fmt.Errorf("must be a whole number not below 0, is %q", text)
		}
		v.SetUint(n)
	case reflect.Float64:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			err = fmt.Errorf("must be a number such as 0.5, is %q", text)
		}
		v.SetFloat(f)
	default:
		err = errors.New("cannot be read: no way is known to read a " + v.Type().String())
	}
	return err
}
