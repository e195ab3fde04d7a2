// Package apitest holds HTTP answers against api/openapi.yaml. It is for tests
// only.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"captchagate/api"
)

// Check fails the test where an answer is not one that the contract allows: an
// undeclared status, content type or field, a missing one, a value out of its
// range, fields that do not go together. Where the answer is 200, the request
// must be one that the contract allows too, unless the operation knows no 400 and
// answers wrong requests with 200.
//
// A method that the path does not know must get 405, an unknown path 404; a
// door may also answer both with 401 or 403. All of those are problem+json.
// reqBody is what the server read of the request's body. Check may be called
// from any goroutine.
func Check(t testing.TB, req *http.Request, reqBody []byte, status int, header http.Header, body []byte) {
	t.Helper()
	if err := check(req, reqBody, status, header, body); err != nil {
		t.Errorf("%s %s answered %d against the contract: %v\nheader: %v\nbody: %s",
			req.Method, req.URL.Path, status, err, header, body)
	}
}

// Handler wraps h and holds every answer of it against the contract, as Check
// does. It hands an answer on when it is complete, so it does not stream. An
// empty answer to a client that has gone away is none.
func Handler(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked := req.Clone(req.Context()) // handlers may change what they are given
		var read bytes.Buffer
		if req.Body == nil { // a request made for a client and given to a handler
			req.Body = http.NoBody
		}
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(req.Body, &read), req.Body}

		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, req)
		got := answer.Result()
		if asked.Context().Err() == nil || answer.Body.Len() > 0 {
			Check(t, asked, read.Bytes(), got.StatusCode, answer.Header(), answer.Body.Bytes())
		}

		maps.Copy(w.Header(), got.Header)
		w.WriteHeader(got.StatusCode)
		_, _ = w.Write(answer.Body.Bytes()) // a client that went away is no concern of the contract
	})
}

// contract is the document, read once and never changed.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("api/openapi.yaml cannot be read: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("api/openapi.yaml is not valid: %w", err)
	}
	return doc, nil
})

func check(req *http.Request, reqBody []byte, status int, header http.Header, body []byte) error {
	doc, err := contract()
	if err != nil {
		return err
	}
	route, known := find(doc, req)
	if route.Operation.Responses.Status(status) == nil {
		return errors.New("status is not declared")
	}
	asked := &openapi3filter.RequestValidationInput{
		Request: withBody(req, reqBody),
		Route:   route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if known && status == http.StatusOK && route.Operation.Responses.Status(http.StatusBadRequest) != nil {
		if err := openapi3filter.ValidateRequest(req.Context(), asked); err != nil {
			return fmt.Errorf("a request that it does not allow was accepted: %w", err)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: asked,
		Status:                 status,
		Header:                 header,
		Options:                &openapi3filter.Options{MultiError: true},
	}
	answer.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(req.Context(), answer); err != nil {
		return err
	}
	return wellFormed(req, status, header, body)
}

// find returns the operation that req asks for. Where there is none, the route
// has an operation that only refuses, and known is false.
func find(doc *openapi3.T, req *http.Request) (r *routers.Route, known bool) {
	r = &routers.Route{Spec: doc, Path: req.URL.Path, Method: req.Method}
	if r.PathItem, r.Path = pathItem(doc, req.URL.Path); r.PathItem == nil {
		r.Operation = refusal(doc, http.StatusNotFound, "NotFound")
		return r, false
	}
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet // it works wherever GET does
	}
	if r.Operation = r.PathItem.Operations()[method]; r.Operation == nil {
		r.Operation = refusal(doc, http.StatusMethodNotAllowed, "MethodNotAllowed")
		for _, other := range r.PathItem.Operations() {
			if off := other.Responses.Status(http.StatusNotFound); off != nil { // it may be turned off
				r.Operation.Responses.Set("404", off)
			}
		}
		return r, false
	}
	return r, true
}

// pathItem returns what stands for a path, and the pattern that it stands under.
func pathItem(doc *openapi3.T, path string) (item *openapi3.PathItem, pattern string) {
	if item = doc.Paths.Value(path); item != nil {
		return item, path
	}
	for pattern, item = range doc.Paths.Map() {
		if open, _, ok := strings.Cut(pattern, "{"); ok && strings.HasPrefix(path, open) && strings.Count(path, "/") == strings.Count(pattern, "/") {
			return item, pattern
		}
	}
	return nil, path
}

func refusal(doc *openapi3.T, status int, name string) *openapi3.Operation {
	of := doc.Components.Responses
	return &openapi3.Operation{Responses: openapi3.NewResponses(
		openapi3.WithStatus(status, of[name]),
		openapi3.WithStatus(http.StatusUnauthorized, of["Unauthorized"]),
		openapi3.WithStatus(http.StatusForbidden, of["Forbidden"]),
	)}
}

// withBody gives the validator a body of its own to read.
func withBody(req *http.Request, body []byte) *http.Request {
	copied := req.Clone(req.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	copied.ContentLength = int64(len(body))
	return copied
}

// wellFormed checks what a schema cannot say.
func wellFormed(req *http.Request, status int, header http.Header, body []byte) error {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q cannot be read: %w", header.Get("Content-Type"), err)
	}
	if req.Method == http.MethodHead || !strings.HasSuffix(kind, "json") {
		return nil
	}
	if !json.Valid(body) {
		return errors.New("the response body is not one JSON value")
	}
	var problem struct {
		Status int `json:"status"`
	}
	if kind != "application/problem+json" {
		return nil
	}
	if err := json.Unmarshal(body, &problem); err != nil || problem.Status != status {
		return fmt.Errorf("the problem says status %d", problem.Status)
	}
	return nil
}
