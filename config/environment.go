package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// environment is what the process was started with.
type environment map[string]string

func environmentOf(environ []string) environment {
	env := environment{}
	for _, one := range environ {
		name, value, _ := strings.Cut(one, "=")
		env[name] = value
	}
	return env
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${file:PATH} in a scalar. That happens after
// parsing, so what comes in cannot change the structure. Nothing else is
// special, and what came in is not looked at again. It returns everything
// that is wrong.
func (env environment) expand(text string) (string, []string) {
	var (
		made     strings.Builder
		problems []string
	)
	for {
		before, rest, found := strings.Cut(text, "${")
		made.WriteString(before)
		if !found {
			return made.String(), problems
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return made.String(), append(problems, "has a ${ without its }; write ${NAME} or ${file:PATH}")
		}
		value, problem := env.lookup(name)
		if problem != "" {
			problems = append(problems, problem)
		}
		made.WriteString(value)
		text = after
	}
}

func (env environment) lookup(name string) (value, problem string) {
	if path, isFile := strings.CutPrefix(name, "file:"); isFile && path != "" {
		text, err := read(path)
		if err != nil {
			return "", fmt.Sprintf("the file of ${file:%s} %v", path, err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), ""
	}
	if !namePattern.MatchString(name) {
		return "", "has a ${…} that is neither ${NAME} nor ${file:PATH}; a name is letters, digits and _"
	}
	value, set := env[name]
	if !set {
		return "", fmt.Sprintf("${%s} is not set in the environment; set %s, or write ${file:PATH}", name, name)
	}
	return value, ""
}

// overridePrefix begins a variable that stands for a key:
// GATEWAY__BREAKER__WINDOW is breaker.window.
const overridePrefix = "GATEWAY__"

// override sets every scalar that the environment names. A name reaches what
// is there: the keys of all sections, and the scenes and list entries that the
// file has. Values are taken as they are, ${…} too.
func (d *decoder) override(env environment, c *Config) {
	o := overrider{decoder: d, env: env, keys: map[string]string{}}
	o.visit(reflect.ValueOf(c).Elem(), "", strings.TrimSuffix(overridePrefix, "__"))
	names := slices.Sorted(maps.Keys(o.keys))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, known := o.keys[name]; known || !strings.HasPrefix(name, overridePrefix) {
			continue
		}
		remedy := "look at configs/defaults.yaml; scenes and list entries must be in the file"
		if meant := Nearest(name, names); meant != "" {
			remedy = "did you mean " + meant + "?"
		}
		d.mistake(Mistake{Variable: name, Text: "stands for no single value of the configuration; " + remedy})
	}
}

// An overrider walks a Config together with the names of its scalars.
type overrider struct {
	*decoder
	env  environment
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
	o.written[path] = place{variable: name}
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
