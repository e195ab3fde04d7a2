package strictyaml

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Override sets every scalar of what was decoded that the environment names:
// with the prefix "GATEWAY" the variable GATEWAY__BREAKER__WINDOW stands for
// breaker.window. A name reaches what is there: the keys of all sections, and
// the entries of maps and lists that the file has. Values are taken as they are,
// ${…} too. missing is the remedy for a name that stands for nothing.
func (d *Document) Override(prefix string, env Environment, missing string) {
	o := overrider{Document: d, env: env, keys: map[string]string{}}
	o.visit(valueOf(d.target), "", prefix)
	names := slices.Sorted(maps.Keys(o.keys))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, known := o.keys[name]; known || !strings.HasPrefix(name, prefix+"__") {
			if meant := twiceUnderlined(name, names); meant != "" {
				d.doubts = append(d.doubts, fmt.Errorf("%s: the environment has %s, which changes nothing; if it was meant for this key, it is called %s", o.keys[meant], name, meant))
			}
			continue
		}
		remedy := missing
		if meant := Nearest(name, names); meant != "" {
			remedy = "did you mean " + meant + "?"
		}
		d.mistake(Mistake{Variable: name, Text: "stands for no single value; " + remedy})
	}
}

// twiceUnderlined is the name that one with single underscores between the keys was
// probably meant to be.
func twiceUnderlined(name string, names []string) string {
	for _, known := range names {
		if name != known && name == strings.ReplaceAll(known, "__", "_") {
			return known
		}
	}
	return ""
}

// An overrider walks what was decoded together with the names of its scalars.
type overrider struct {
	*Document
	env  Environment
	keys map[string]string // by name of the variable
}

func (o *overrider) visit(v reflect.Value, path, name string) {
	switch {
	case isScalar(v):
		o.scalar(v, path, name)
	case v.Kind() == reflect.Struct:
		for _, one := range fieldsOf(v) {
			o.visit(one.value, join(path, one.key), name+"__"+variablePart(one.key))
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			o.visit(v.Index(i), fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%s__%d", name, i))
		}
	case v.Kind() == reflect.Map:
		for _, key := range slices.Sorted(maps.Keys(keysOf(v))) {
			changed := reflect.New(v.Type().Elem()).Elem() // what a map holds cannot be set in place
			changed.Set(v.MapIndex(reflect.ValueOf(key)))
			o.visit(changed, join(path, key), name+"__"+variablePart(key))
			v.SetMapIndex(reflect.ValueOf(key), changed)
		}
	}
}

func (o *overrider) scalar(v reflect.Value, path, name string) {
	other, twice := o.keys[name]
	o.keys[name] = path
	value, set := o.env[name]
	if !set {
		return
	}
	if twice {
		o.mistake(Mistake{Variable: name, Key: path, Text: "the variable stands for " + other + " too; rename one of the two"})
		return
	}
	o.written[path] = place{variable: name, source: value}
	delete(o.expanded, path)
	if err := setScalar(v, value); err != nil {
		o.failed[path] = true
		o.mistake(Mistake{Variable: name, Key: path, Text: err.Error()})
	}
}

// variablePart is a key as variables spell it: upper case, and _ for what a
// name cannot hold.
func variablePart(key string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, strings.ToUpper(key))
}

func keysOf(m reflect.Value) map[string]bool {
	keys := map[string]bool{}
	for _, key := range m.MapKeys() {
		keys[key.String()] = true
	}
	return keys
}
