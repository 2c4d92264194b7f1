// The limit: a launcher of the same work with nothing but Go's standard library, to see what could be had at all.
//
// It reads a manifest of its own (JSON), fetches every secret at once, and becomes the command. It expands nothing,
// tries nothing twice and tells every failure in one line. With -load it becomes nothing, and asks as fast as it can.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Requests at once when the server is loaded.
const workers = 64

type options struct {
	connections int  // at most so many to the server
	fresh       bool // a connection for each request
}

type manifest struct {
	Cloud    string            // kakaocloud or ncloud
	Endpoint string            // without a path
	CA       string            // a file in PEM
	Secrets  map[string]string // variables and ids
}

func main() {
	load := flag.Int("load", 0, "send so many requests and tell the rate")
	how := options{}
	flag.IntVar(&how.connections, "connections", 64, "at most so many")
	flag.BoolVar(&how.fresh, "fresh", false, "a connection for each request")
	flag.Parse()
	words := flag.Args()
	asked, err := read(words[0])
	if err != nil {
		end(err)
	}
	fetch, err := newFetcher(asked, how)
	if err != nil {
		end(err)
	}
	if *load > 0 {
		fmt.Printf("%.0f\n", rate(fetch, *load))
		return
	}
	environ, err := all(fetch, asked.Secrets)
	if err != nil {
		end(err)
	}
	path, err := exec.LookPath(words[1])
	if err != nil {
		end(err)
	}
	end(syscall.Exec(path, words[1:], append(os.Environ(), environ...)))
}

func end(err error) {
	fmt.Fprintln(os.Stderr, "limit:", err)
	os.Exit(1)
}

func read(path string) (*manifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	asked := new(manifest)
	return asked, json.Unmarshal(text, asked)
}

// newClient trusts one file of authorities, and speaks HTTP/2 where it is offered.
func newClient(ca string, how options) (*http.Client, error) {
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in the file of authorities")
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: authorities},
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     how.connections,
		MaxIdleConnsPerHost: how.connections,
		DisableKeepAlives:   how.fresh,
	}
	return &http.Client{Transport: transport}, nil
}

// all fetches every secret at once: variables with their values.
func all(fetch fetcher, secrets map[string]string) ([]string, error) {
	if err := fetch.begin(); err != nil {
		return nil, err
	}
	environ := make([]string, 0, len(secrets))
	failures := make([]error, 0)
	var mutex sync.Mutex
	var group sync.WaitGroup
	for name, id := range secrets {
		group.Go(func() {
			value, err := fetch.value(id)
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				failures = append(failures, err)
				return
			}
			environ = append(environ, name+"="+value)
		})
	}
	group.Wait()
	return environ, errors.Join(failures...)
}

// rate is how many requests a second are answered.
func rate(fetch fetcher, times int) float64 {
	if err := fetch.begin(); err != nil {
		end(err)
	}
	began := time.Now()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range times / workers {
				if _, err := fetch.value("load"); err != nil {
					end(err)
				}
			}
		})
	}
	group.Wait()
	return float64(times/workers*workers) / time.Since(began).Seconds()
}
