package api_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"captchagate/api"
)

// order is an object with a member of each sort.
type order struct {
	Name  api.Member `json:"name"`
	Note  api.Member `json:"note"`
	Count api.Member `json:"count"`
	Share api.Member `json:"share"`
	Rest  api.Rest   `json:",embed"`
}

// read reads all of an order and says what is wrong, each as "field detail".
func read(t *testing.T, body string) (o order, wrong []string) {
	t.Helper()
	if err := api.ReadObject([]byte(body), &o); err != nil {
		return o, []string{"body " + err.Error()}
	}
	var ms api.Mistakes
	ms.Text("name", o.Name)
	ms.Foreign("note", o.Note)
	ms.Whole("count", o.Count)
	ms.Number("share", o.Share)
	ms.Unknown(o.Rest)
	for _, m := range ms {
		wrong = append(wrong, m.Field+" "+m.Detail)
	}
	return o, wrong
}

func TestObject_TellsEveryMistakeAtOnce(t *testing.T) {
	for name, row := range map[string]struct {
		body string
		want []string
	}{
		"nothing":                 {`{}`, nil},
		"all of it":               {` {"name":"a","note":"b","count":18446744073709551615,"share":-1.5e-3} `, nil},
		"an escaped name":         {`{"\u006eame":"a"}`, nil},
		"nulls":                   {`{"name":null,"note":null,"count":null,"share":null}`, []string{"name must be a string", "count must be a whole number", "share must be a number"}},
		"other types":             {`{"name":1,"note":[],"count":"1","share":"1"}`, []string{"name must be a string", "count must be a whole number", "share must be a number"}},
		"numbers out of range":    {`{"count":18446744073709551616,"share":1e999}`, []string{"count must be a whole number", "share must be a number"}},
		"a fraction":              {`{"count":1.0}`, []string{"count must be a whole number"}},
		"half a character":        {`{"name":"\ud83d","note":"\ud83d"}`, []string{"name must be a string of valid Unicode"}},
		"twice":                   {`{"name":"a","n":1,"name":"b"}`, []string{"name stands there twice", "n is not a field of this request"}},
		"twice, the first a null": {`{"name":null,"name":"b"}`, []string{"name must be a string", "name stands there twice"}},
		"twice, escaped once":     {`{"name":"a","\u006eame":"b"}`, []string{"name stands there twice"}},
		"other letters":           {`{"Name":"a"}`, []string{"Name is not a field of this request"}},
		"several unknown":         {`{"b":1,"a":{"b":[]},"b":2}`, []string{"b is not a field of this request", "a is not a field of this request", "b is not a field of this request"}},
		"no name":                 {`{"":1}`, []string{`"" is not a field of this request`}},
		"a long name":             {`{"` + strings.Repeat("€", 30) + `":1}`, []string{strings.Repeat("€", 16) + "… is not a field of this request"}},
		"a name of 64 bytes":      {`{"` + strings.Repeat("x", 64) + `":1}`, []string{strings.Repeat("x", 64) + " is not a field of this request"}},
		"half a character's name": {`{"\ud83d":1}`, []string{"\ufffd is not a field of this request"}},
		"a byte that is no UTF-8": {"{\"name\":\"\xff\",\"note\":\"\xff\"}", []string{"name must be a string of valid Unicode"}},
		"an array":                {`[{}]`, []string{"body must be a JSON object"}},
		"null":                    {`null`, []string{"body must be a JSON object"}},
		"half an array":           {`[`, []string{"body is not valid JSON near byte 1"}},
		"empty":                   {``, []string{"body is not valid JSON"}},
		"half":                    {`{"name":"a`, []string{"body is not valid JSON near byte 10"}},
		"broken inside":           {`{"name":a}`, []string{"body is not valid JSON near byte 8"}},
		"a second object":         {`{}{}`, []string{"body goes on after the JSON object"}},
		"letters behind":          {`{} x`, []string{"body goes on after the JSON object"}},
	} {
		if _, wrong := read(t, row.body); !slices.Equal(wrong, row.want) {
			t.Errorf("%s: %q, want %q", name, wrong, row.want)
		}
	}
}

func TestObject_GivesWhatWasSent(t *testing.T) {
	o, wrong := read(t, `{"name":"a\n\ud83d\ude00","note":"x\ud83dy","count":0,"share":0.25}`)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	var ms api.Mistakes
	if text, ok := ms.Text("name", o.Name); !ok || text != "a\n😀" {
		t.Errorf("the name is %q, %v", text, ok)
	}
	for body, want := range map[string]string{
		`{"note":"x\ud83dy"}`: "x\ufffdy", "{\"note\":\"x\xffy\"}": "x\xffy", `{"note":null}`: "", `{}`: "",
		`{"note":17}`: "17", `{"note":["a"]}`: `["a"]`, `{"note":{"b":1}}`: `{"b":1}`,
	} {
		o, wrong := read(t, body)
		if text := ms.Foreign("note", o.Note); text != want || len(wrong) > 0 {
			t.Errorf("the note of %s is %q, want %q; mistakes %v", body, text, want, wrong)
		}
	}
	if _, wrong := read(t, `{"note":"a","note":"b"}`); len(wrong) != 1 {
		t.Errorf("a note that stands there twice: %v", wrong)
	}
	if n, ok := ms.Whole("count", o.Count); !ok || n != 0 {
		t.Errorf("the count is %d, %v", n, ok)
	}
	if x, ok := ms.Number("share", o.Share); !ok || x != 0.25 {
		t.Errorf("the share is %v, %v", x, ok)
	}
	if text, ok := ms.Text("name", api.Member{}); ok || text != "" || len(ms) > 0 {
		t.Errorf("a member that was not sent is %q, %v; mistakes %v", text, ok, ms)
	}
}

// Thousands of mistakes are no reason for thousands of lines.
func TestRefuse_TellsTwentyMistakesAtMost(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"x":0`)
	for n := range 13_000 {
		fmt.Fprintf(&body, `,"f%d":0`, n)
	}
	body.WriteString("}")
	var o order
	if err := api.ReadObject([]byte(body.String()), &o); err != nil {
		t.Fatal(err)
	}
	var ms api.Mistakes
	ms.Unknown(o.Rest)
	w := httptest.NewRecorder()
	api.Refuse(w, 400, "wrong", append(ms, ms...)...)
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Errors) != 20 || w.Body.Len() > 4096 {
		t.Errorf("%v, %d mistakes in %d bytes", err, len(p.Errors), w.Body.Len())
	}
}

func TestProblem_SaysNothingThatATerminalObeys(t *testing.T) {
	p := &api.Problem{Detail: "\x1b]0;mine\a\nb\r\u202e", Errors: []api.Mistake{{Field: "a\r\n", Detail: "\x1b[2Jé"}}}
	if got, want := p.Error(), "\ufffd]0;mine\ufffd\nb\ufffd\ufffd: a\ufffd\ufffd: \ufffd[2Jé"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
