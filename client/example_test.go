package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"captchagate/client"
)

// gateway stands in for a real one here: it knows one good ticket.
func gateway() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		_ = r.Write(body)
		said := `{"decision":"deny","reason":"rejected","assurance":"none","mode":"normal","attempts":1,"decision_id":"01980000-0000-7000-8000-000000000000"}`
		if strings.Contains(body.String(), `"ticket":"good"`) {
			said = `{"decision":"allow","reason":"verified","assurance":"full","mode":"normal","attempts":1,"decision_id":"01980000-0000-7000-8000-000000000001"}`
		}
		_, _ = fmt.Fprint(w, said)
	}))
}

func ExampleClient_Verify() {
	g := gateway()
	defer g.Close()

	gate := client.Client{URL: g.URL, Key: "shop-key-0123456789"}
	answer, err := gate.Verify(context.Background(), client.Request{
		Ticket: "good", Randstr: "@abc", UserIP: "192.0.2.7", Scene: "login",
	})
	switch {
	case err != nil:
		fmt.Println("no gateway answered:", err) // what your scene does while degraded is a good choice
	case answer.Decision == client.Challenge:
		fmt.Println("show the page", string(answer.Challenge))
	case answer.Decision == client.Allow:
		fmt.Println("welcome:", answer.Reason, answer.Assurance)
	default:
		fmt.Println("please try again:", answer.Reason)
	}
	// Output: welcome: verified full
}

func ExampleGate_Protect() {
	g := gateway()
	defer g.Close()

	gate := client.Gate{Client: &client.Client{URL: g.URL, Key: "shop-key-0123456789"}, Scene: "login"}
	login := gate.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, _ := client.AnswerOf(r.Context())
		fmt.Fprintf(w, "hello %s, %s", r.PostFormValue("user"), answer.Reason)
	}))

	for _, ticket := range []string{"good", "forged"} {
		form := url.Values{"user": {"eve"}, "ticket": {ticket}, "randstr": {"@abc"}}
		r := httptest.NewRequest("POST", "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		login.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 hello eve, verified
	// 403 {"decision":"deny","decision_id":"01980000-0000-7000-8000-000000000000"}
}
