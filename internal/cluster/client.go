package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Client asks the API server in JSON. Paths are those of the API: "/api/v1/namespaces/default/pods". Objects are
// whatever encoding/json takes. It keeps connections, and any number of goroutines may use it at once.
type Client struct {
	URL   string            // the API server's
	Warn  func(text string) // if it is not nil, it is told what the API server warns of
	token string
	http  *http.Client
}

// Error is what the API server says when it refuses.
type Error struct {
	Code            int // of HTTP
	Reason, Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Code, e.Reason, e.Message) }

func newClient(url, token string, pool *x509.CertPool) *Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Minute,
	}
	return &Client{URL: url, token: token, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// As gives a client with another token.
func (c *Client) As(token string) *Client {
	return &Client{URL: c.URL, Warn: c.Warn, token: token, http: c.http}
}

// Create posts an object to a collection.
func (c *Client) Create(ctx context.Context, path string, object any) error {
	return c.do(ctx, http.MethodPost, path, "application/json", object, nil)
}

// Post posts an object, such as a question about rights, and reads the answer.
func (c *Client) Post(ctx context.Context, path string, object, into any) error {
	return c.do(ctx, http.MethodPost, path, "application/json", object, into)
}

// Get reads an object or a list; into may be nil.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, into)
}

// Patch changes an object; the content type says what the body means: "application/merge-patch+json".
func (c *Client) Patch(ctx context.Context, path, contentType string, body any) error {
	return c.do(ctx, http.MethodPatch, path, contentType, body, nil)
}

// Delete deletes an object, or those of a collection.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.do(ctx, http.MethodDelete, path, "", nil, nil)
}

// Report says of a pod what its kubelet would: the phase it is in, since when it is there, and its addresses.
func (c *Client) Report(ctx context.Context, namespace, pod, phase string, began time.Time, ips ...string) error {
	var all []object
	for _, ip := range ips {
		all = append(all, object{"ip": ip})
	}
	return c.Patch(ctx, "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/status", "application/merge-patch+json", object{"status": object{
		"phase": phase, "podIP": ips[0], "podIPs": all, "startTime": began.UTC().Format(time.RFC3339)}})
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("cannot encode an object: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, sent)
	if err != nil {
		return fmt.Errorf("cannot make a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask the API server: %w", err)
	}
	defer resp.Body.Close()
	for _, header := range resp.Header.Values("Warning") {
		if text, err := strconv.Unquote(strings.TrimPrefix(header, "299 - ")); c.Warn != nil && err == nil {
			c.Warn(text)
		}
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("cannot read the API server's answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		refusal := &Error{Code: resp.StatusCode}
		if json.Unmarshal(text, refusal) != nil || refusal.Message == "" {
			refusal.Message = string(text) // /readyz answers in plain text
		}
		return fmt.Errorf("cannot %s %s: %w", method, path, refusal)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("cannot read the API server's answer to %s: %w", path, err)
	}
	return nil
}
