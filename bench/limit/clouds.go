package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// A fetcher reads from one cloud. begin is called once, before the first value.
type fetcher interface {
	begin() error
	value(id string) (string, error)
}

func newFetcher(asked *manifest, how options) (fetcher, error) {
	client, err := newClient(asked.CA, how)
	if err != nil {
		return nil, err
	}
	switch asked.Cloud {
	case "kakaocloud":
		return &kakaocloud{client: client, endpoint: asked.Endpoint}, nil
	case "ncloud":
		access, secret := os.Getenv("NCLOUD_ACCESS_KEY_ID"), os.Getenv("NCLOUD_SECRET_ACCESS_KEY")
		return &ncloud{client: client, endpoint: asked.Endpoint, access: access, secret: secret}, nil
	}
	return nil, fmt.Errorf("no cloud %s", asked.Cloud)
}

// ask sends a request, and reads its answer when that has the status that is expected.
func ask(client *http.Client, request *http.Request, status int, into any) (http.Header, error) {
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != status {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return answer.Header, json.Unmarshal(body, into)
}

type kakaocloud struct {
	client          *http.Client
	endpoint, token string
}

// begin exchanges the access key for a token.
func (k *kakaocloud) begin() error {
	id, secret := os.Getenv("KAKAOCLOUD_APPLICATION_CREDENTIAL_ID"), os.Getenv("KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET")
	credential := map[string]string{"id": id, "secret": secret}
	method := "application_credential"
	identity := map[string]any{"methods": []string{method}, method: credential}
	body, err := json.Marshal(map[string]any{"auth": map[string]any{"identity": identity}})
	if err != nil {
		return err
	}
	request, err := http.NewRequest("POST", k.endpoint+"/identity/v3/auth/tokens", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	header, err := ask(k.client, request, http.StatusCreated, new(any))
	k.token = header.Get("X-Subject-Token")
	return err
}

func (k *kakaocloud) value(id string) (string, error) {
	request, err := http.NewRequest("GET", k.endpoint+"/api/v1/secrets/"+id+"/versions/value", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Auth-Token", k.token)
	var found struct{ Version struct{ Secret string } }
	_, err = ask(k.client, request, http.StatusOK, &found)
	return found.Version.Secret, err
}

type ncloud struct {
	client                   *http.Client
	endpoint, access, secret string
}

func (n *ncloud) begin() error { return nil }

// value signs the request, version 2.
func (n *ncloud) value(id string) (string, error) {
	target := "/secretmanager/api/v1/secrets/" + id + "/active"
	request, err := http.NewRequest("GET", n.endpoint+target, nil)
	if err != nil {
		return "", err
	}
	timestamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	code := hmac.New(sha256.New, []byte(n.secret))
	code.Write([]byte("GET " + target + "\n" + timestamp + "\n" + n.access))
	request.Header.Set("x-ncp-apigw-timestamp", timestamp)
	request.Header.Set("x-ncp-iam-access-key", n.access)
	request.Header.Set("x-ncp-apigw-signature-v2", base64.StdEncoding.EncodeToString(code.Sum(nil)))
	var found struct {
		Data struct {
			DecryptedSecretValue struct{ Value string }
		}
	}
	_, err = ask(n.client, request, http.StatusOK, &found)
	return found.Data.DecryptedSecretValue.Value, err
}
