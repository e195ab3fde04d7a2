// A login form and its backend. With "go run ./cmd/gateway demo" running, start
// it with "go run ./examples/html-go" and open http://127.0.0.1:8090/.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
)

var gateway = &url.URL{Scheme: "http", Host: "127.0.0.1:8080"}

//go:embed login.html
var text string
var page = template.Must(template.New("login").Parse(text))

func login(w http.ResponseWriter, r *http.Request) {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	ask := map[string]string{"scene": "login", "user_ip": ip, "subject": r.FormValue("user")}
	if solution := r.FormValue("captcha-response"); r.FormValue("ticket") == "" && solution != "" {
		ask["challenge"] = solution
	} else {
		ask["ticket"], ask["randstr"] = r.FormValue("ticket"), r.FormValue("randstr")
	}
	body, _ := json.Marshal(ask)
	var d struct {
		Decision  string
		Challenge json.RawMessage
	}
	if answer, err := http.Post(gateway.String()+"/v1/verify", "application/json", bytes.NewReader(body)); err == nil {
		_ = json.NewDecoder(answer.Body).Decode(&d) // what cannot be read is no "allow"
		_ = answer.Body.Close()
	}
	if d.Decision == "allow" {
		_, _ = w.Write([]byte("Welcome.")) // now check the password
		return
	}
	_ = page.Execute(w, map[string]string{"User": r.FormValue("user"), "Decision": d.Decision, "Challenge": string(d.Challenge)})
}

func main() {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "A login form and its backend on http://127.0.0.1:8090/. It has no flags, and needs a gateway at "+gateway.String()+": go run ./cmd/gateway demo")
	}
	flag.Parse()
	own := httputil.NewSingleHostReverseProxy(gateway) // the page's part of the gateway, under the shop's own origin
	for _, path := range []string{"GET /client/", "GET /v1/mode", "GET /v1/challenge", "POST /v1/client-events"} {
		http.Handle(path, own)
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _ = page.Execute(w, nil) })
	http.HandleFunc("POST /{$}", login)
	log.Fatal(http.ListenAndServe("127.0.0.1:8090", nil))
}
