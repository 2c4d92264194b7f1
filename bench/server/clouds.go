package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The credentials that everybody is given. They open nothing but this server.
const (
	accessKey  = "fake-access-key"
	secretKey  = "fake-secret-key"
	vaultToken = "fake-vault-token"
)

// How far the time of a signature may be off.
const skew = 5 * time.Minute

// counted counts what it passes on, and tells how many that were under /count.
type counted struct {
	handler  http.Handler
	requests atomic.Int64
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/count" {
		answer(w, http.StatusOK, map[string]int64{"requests": c.requests.Load()})
		return
	}
	c.requests.Add(1)
	c.handler.ServeHTTP(w, r)
}

// clouds knows the tokens that it has issued by their one secret part.
type clouds struct{ token string }

func newClouds() http.Handler {
	c := &clouds{token: rand.Text()}
	paths := http.NewServeMux()
	paths.HandleFunc("POST /identity/v3/auth/tokens", c.issue)
	paths.HandleFunc("GET /api/v1/secrets/{id}/versions/value", c.kakaocloud)
	paths.HandleFunc("GET /secretmanager/api/v1/secrets/{id}/active", c.ncloud)
	paths.HandleFunc("GET /v1/secret/{path...}", c.vault)
	paths.HandleFunc("GET /v1/auth/token/lookup-self", c.vaultToken)
	return paths
}

func answer(w http.ResponseWriter, status int, body any) {
	data, _ := json.Marshal(body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data)
}

type object = map[string]any

func value(id string) string { return "fake-" + id }

// issue exchanges KakaoCloud's access key for a token (IAM).
func (c *clouds) issue(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Auth struct {
			Identity struct {
				Credential struct{ ID, Secret string } `json:"application_credential"`
			}
		}
	}
	isJSON := r.Header.Get("Content-Type") == "application/json"
	if json.NewDecoder(r.Body).Decode(&asked) != nil || !isJSON {
		answer(w, http.StatusBadRequest, object{"error": object{"code": 400, "title": "Bad Request"}})
		return
	}
	if given := asked.Auth.Identity.Credential; given.ID != accessKey || given.Secret != secretKey {
		answer(w, http.StatusUnauthorized, object{"error": object{"code": 401, "title": "Unauthorized"}})
		return
	}
	w.Header().Set("X-Subject-Token", c.token)
	answer(w, http.StatusCreated, object{"token": object{"methods": []string{"application_credential"}}})
}

// kakaocloud gives a value to whoever has the token.
func (c *clouds) kakaocloud(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Auth-Token") != c.token {
		answer(w, http.StatusUnauthorized, object{"error": object{"code": "401"}})
		return
	}
	answer(w, http.StatusOK, object{"version": object{"secret": value(r.PathValue("id"))}})
}

// ncloud gives a value to whoever has signed the request.
func (c *clouds) ncloud(w http.ResponseWriter, r *http.Request) {
	if !isSigned(r) {
		answer(w, http.StatusUnauthorized, object{"error": object{"errorCode": "200", "message": "Authentication Failed"}})
		return
	}
	found := object{"value": value(r.PathValue("id")), "valueStage": "ACTIVE"}
	answer(w, http.StatusOK, object{"code": "SUCCESS", "data": object{"decryptedSecretValue": found}})
}

// isSigned verifies NAVER Cloud's signature, version 2, and its time.
func isSigned(r *http.Request) bool {
	timestamp := r.Header.Get("x-ncp-apigw-timestamp")
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.UnixMilli(milliseconds)).Abs() > skew {
		return false
	}
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("x-ncp-apigw-signature-v2"))
	if err != nil || r.Header.Get("x-ncp-iam-access-key") != accessKey {
		return false
	}
	code := hmac.New(sha256.New, []byte(secretKey))
	code.Write([]byte(r.Method + " " + r.RequestURI + "\n" + timestamp + "\n" + accessKey))
	return hmac.Equal(given, code.Sum(nil))
}

// vault gives a value of Vault's KV engine: version 2 beneath data/, else version 1. The id is the path's last part.
func (c *clouds) vault(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Vault-Token") != vaultToken {
		answer(w, http.StatusForbidden, object{"errors": []string{"permission denied"}})
		return
	}
	if r.URL.Query().Get("list") == "true" {
		answer(w, http.StatusNotFound, object{"errors": []string{}})
		return
	}
	path := r.PathValue("path")
	data := object{"value": value(path[strings.LastIndex(path, "/")+1:])}
	if strings.HasPrefix(path, "data/") {
		created := time.Now().UTC().Format(time.RFC3339Nano)
		metadata := object{"created_time": created, "deletion_time": "", "destroyed": false, "version": 1}
		data = object{"data": data, "metadata": metadata}
	}
	answer(w, http.StatusOK, object{"request_id": "1", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data})
}

func (c *clouds) vaultToken(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Vault-Token") != vaultToken {
		answer(w, http.StatusForbidden, object{"errors": []string{"permission denied"}})
		return
	}
	answer(w, http.StatusOK, object{"data": object{"id": vaultToken, "policies": []string{"default"}, "ttl": 3600}})
}
