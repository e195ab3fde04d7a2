package strictyaml

import (
	"fmt"
	"regexp"
	"strings"
)

// Environment holds variables by name.
type Environment map[string]string

// EnvironmentOf reads what is of the form of os.Environ.
func EnvironmentOf(environ []string) Environment {
	env := Environment{}
	for _, one := range environ {
		name, value, _ := strings.Cut(one, "=")
		env[name] = value
	}
	return env
}

// namePattern is what a variable's name may look like.
var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Expand replaces ${NAME} and ${file:PATH} in a scalar. That happens after
// parsing, so what comes in cannot change the structure. Nothing else is
// special, and what came in is not looked at again. It returns everything
// that is wrong.
func (env Environment) Expand(text string) (string, []string) {
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

func (env Environment) lookup(name string) (value, problem string) {
	if path, isFile := strings.CutPrefix(name, "file:"); isFile && path != "" {
		text, err := ReadFile(path)
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
