// The server that the launchers are timed against: both clouds' APIs and Vault's, over TLS on loopback.
//
// It says where it listens in one line of JSON, answers each request after a set delay, counts them, and ends when its
// standard input does, so with its parent. Every secret exists: the value of the id X is "fake-X".
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"
)

// At most so many requests at once on one connection, as nginx has it.
const streams = 128

func main() {
	folder := flag.String("folder", ".", "where the certificate of the authority goes")
	delay := flag.Duration("delay", 0, "before each answer")
	flag.Parse()
	debug.SetGCPercent(400)
	authority, certificate := newCertificates()
	ca := filepath.Join(*folder, "ca.pem")
	if err := os.WriteFile(ca, authority, 0o600); err != nil {
		log.Fatal(err)
	}
	clouds := &counted{handler: delayed(*delay, newClouds())}
	both := listen(certificate, clouds, true)
	older := listen(certificate, clouds, false)
	ready, _ := json.Marshal(map[string]string{"h2": both, "h1": older, "ca": ca})
	fmt.Println(string(ready))
	io.Copy(io.Discard, os.Stdin)
}

// listen serves on a free port, with HTTP/2 as far as it is offered, and tells the address.
func listen(certificate tls.Certificate, handler http.Handler, newer bool) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(newer)
	server := &http.Server{
		Handler:   handler,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		Protocols: protocols,
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: streams},
		ErrorLog:  log.New(io.Discard, "", 0), // a launcher that ends with a connection open is no error
	}
	go server.ServeTLS(listener, "", "")
	return "https://" + listener.Addr().String()
}

// delayed answers after a while.
func delayed(delay time.Duration, handler http.Handler) http.Handler {
	if delay == 0 {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		handler.ServeHTTP(w, r)
	})
}
