package api_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"captchagate/api"
)

var update = flag.Bool("update", false, "write docs/index.html from openapi.yaml")

// The page at /docs/ says what openapi.yaml says. It is made here and not in the gateway,
// which has no use for a reader of OpenAPI: run the test with -update.
func TestDocs_SayWhatTheContractSays(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	page := template.Must(template.New("docs.tmpl").Funcs(template.FuncMap{"text": marked}).ParseFiles(filepath.Join("testdata", "docs.tmpl")))
	var made bytes.Buffer
	if err := page.Execute(&made, docsOf(doc)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("docs", "index.html")
	if *update {
		if err := os.WriteFile(file, made.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(there, made.Bytes()) {
		t.Error("docs/index.html is older than openapi.yaml: go test ./api -run Docs -update")
	}
	for path := range doc.Paths.Map() {
		if !bytes.Contains(there, []byte(template.HTMLEscapeString(path)+"</code>")) {
			t.Errorf("nothing is said of %s", path)
		}
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(string(there), -1) {
		if ids[id[1]] {
			t.Errorf("two elements are called %s", id[1])
		}
		ids[id[1]] = true
	}
	for _, to := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(string(there), -1) {
		if !ids[to[1]] {
			t.Errorf("a link leads to %s, which there is not", to[1])
		}
	}
}

// What the page is made of.
type (
	docs struct {
		Info    *openapi3.Info
		Groups  []group
		Schemas []field
	}
	group struct {
		Name, Description string
		Operations        []operation
	}
	operation struct {
		ID, Method, Path, Summary, Description, Security string
		Parameters                                       []field
		Body                                             *message
		Answers                                          []message
	}
	message struct {
		Status, Description string
		Kinds               []field // by content type
		Fields              []field
	}
	// field is a member, a parameter, a schema or a content type.
	field struct {
		Name, Type, Ref, Description string
		Required                     bool
		Fields                       []field
	}
)

func docsOf(doc *openapi3.T) (d docs) {
	d.Info = doc.Info
	for _, tag := range doc.Tags {
		g := group{Name: tag.Name, Description: tag.Description}
		for _, path := range doc.Paths.InMatchingOrder() {
			for method, o := range sorted(doc.Paths.Value(path).Operations()) {
				if slices.Contains(o.Tags, tag.Name) {
					g.Operations = append(g.Operations, operationOf(method, path, o))
				}
			}
		}
		slices.SortFunc(g.Operations, func(a, b operation) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(b.Method, a.Method)) }) // POST before GET
		d.Groups = append(d.Groups, g)
	}
	for name, s := range sorted(doc.Components.Schemas) {
		f := fieldOf(name, s)
		f.Name = name
		d.Schemas = append(d.Schemas, f)
	}
	return d
}

func sorted[V any](m map[string]V) func(yield func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

func operationOf(method, path string, o *openapi3.Operation) operation {
	op := operation{ID: o.OperationID, Method: method, Path: path, Summary: o.Summary, Description: o.Description}
	if o.Security != nil {
		for _, one := range *o.Security {
			for name := range one {
				op.Security = name
			}
		}
	}
	for _, p := range o.Parameters {
		f := fieldOf(p.Value.Name, p.Value.Schema)
		f.Type += " in the " + p.Value.In
		f.Required, f.Description = p.Value.Required, cmp.Or(p.Value.Description, f.Description)
		op.Parameters = append(op.Parameters, f)
	}
	if o.RequestBody != nil {
		op.Body = &message{Description: o.RequestBody.Value.Description}
		op.Body.Kinds, op.Body.Fields = contentOf(o.RequestBody.Value.Content)
	}
	for status, r := range sorted(o.Responses.Map()) {
		m := message{Status: status}
		if r.Value.Description != nil {
			m.Description = *r.Value.Description
		}
		m.Kinds, m.Fields = contentOf(r.Value.Content)
		op.Answers = append(op.Answers, m)
	}
	return op
}

// contentOf are the types of a body, and the fields where they have no schema of a name.
func contentOf(content openapi3.Content) (kinds, fields []field) {
	for kind, of := range sorted(content) {
		f := field{Name: kind}
		if of.Schema != nil {
			f.Ref = name(of.Schema.Ref)
		}
		if of.Schema != nil && f.Ref == "" {
			fields = append(fields, fieldsOf(of.Schema.Value)...)
		}
		kinds = append(kinds, f)
	}
	return kinds, fields
}

func name(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

func fieldsOf(s *openapi3.Schema) (fields []field) {
	for name, of := range sorted(s.Properties) {
		f := fieldOf(name, of)
		f.Required = slices.Contains(s.Required, name)
		fields = append(fields, f)
	}
	return fields
}

func fieldOf(called string, s *openapi3.SchemaRef) field {
	f := field{Name: called, Description: s.Value.Description}
	if f.Ref = name(s.Ref); f.Ref != "" && f.Ref != called {
		f.Description = ""
		return f
	}
	f.Ref = ""
	f.Type, f.Fields = typeOf(s.Value), fieldsOf(s.Value)
	switch {
	case s.Value.Items != nil && s.Value.Items.Ref != "":
		f.Ref = name(s.Value.Items.Ref)
	case s.Value.Items != nil:
		f.Fields = fieldsOf(s.Value.Items.Value)
	case len(s.Value.AllOf) == 1 && s.Value.AllOf[0].Ref != "":
		f.Ref = name(s.Value.AllOf[0].Ref)
	}
	return f
}

// typeOf is a schema's type with its limits, in a few words.
func typeOf(s *openapi3.Schema) string {
	var words []string
	if s.Type != nil {
		words = append(words, strings.Join(s.Type.Slice(), " or "))
	}
	if s.Items != nil {
		words = []string{"list of " + typeOf(s.Items.Value)}
		if s.Items.Ref != "" {
			words[0] = "list of "
		}
	}
	if s.Format != "" {
		words = append(words, s.Format)
	}
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprintf("%q", fmt.Sprint(v))
		}
		words = append(words, strings.Join(values, " | "))
	}
	if s.MaxLength != nil {
		words = append(words, fmt.Sprintf("at most %d bytes", *s.MaxLength))
	}
	if s.Min != nil {
		words = append(words, fmt.Sprintf("from %v", *s.Min))
	}
	if s.Max != nil {
		words = append(words, fmt.Sprintf("to %v", *s.Max))
	}
	if s.Default != nil {
		words = append(words, fmt.Sprintf("default %v", s.Default))
	}
	if s.Nullable {
		words = append(words, "or null")
	}
	return strings.Join(words, ", ")
}

var code = regexp.MustCompile("`([^`]+)`")

// marked is a description as HTML: paragraphs, and code between backticks.
func marked(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph != "" {
			b.WriteString("<p>" + code.ReplaceAllString(template.HTMLEscapeString(paragraph), "<code>$1</code>") + "</p>")
		}
	}
	return template.HTML(b.String()) // escaped above
}
