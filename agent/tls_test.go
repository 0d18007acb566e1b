package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
)

// testPKI writes a CA and one certificate for 127.0.0.1, good for both sides, and gives the file names.
func testPKI(t *testing.T) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	issue := func(c, parent *x509.Certificate, k, signer *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &k.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	now := time.Now()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	rootKey, leafKey := newKey(), newKey()
	der, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return write("ca.pem", "CERTIFICATE", issue(root, root, rootKey, rootKey)),
		write("cert.pem", "CERTIFICATE", issue(leaf, root, leafKey, rootKey)), write("key.pem", "EC PRIVATE KEY", der)
}

// Access logs come in by mutual TLS, spans go out by mutual TLS, and a client without a certificate is refused.
func TestMutualTLS(t *testing.T) {
	ca, cert, key := testPKI(t)
	server, err := serverTLS(&config.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	server.NextProtos = []string{"h2"}
	backend, err := fake.NewBackend(fake.BackendOptions{Listen: func() (net.Listener, error) { return tls.Listen("tcp", "127.0.0.1:0", server) }})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	a := startAgent(t, backend, func(c *config.Config) {
		c.Receive.TLS = config.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: ca}
		c.Export.Endpoint = "https://" + backend.Address()
		c.Export.TLS = config.ClientTLS{CAFile: ca, CertFile: cert, KeyFile: key}
	})
	envoy := func(tc *tls.Config) *fake.Envoy {
		e, err := fake.NewEnvoy(fake.EnvoyOptions{Target: a.Address(), FlushInterval: 10 * time.Millisecond, Node: fake.Node("envoy-1", "edge"),
			Dial: []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(tc))}})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	pool, err := readCAs(ca)
	if err != nil {
		t.Fatal(err)
	}
	stranger := envoy(&tls.Config{RootCAs: pool})
	stranger.Log(0, entry("/stranger"))
	stranger.Flush()
	known, err := clientTLS(&config.ClientTLS{CAFile: ca, CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	friend := envoy(known)
	if err := friend.Log(0, entry("/friend")); err != nil {
		t.Fatal(err)
	}
	spans, err := backend.Wait(t.Context(), func(s []fake.Span) bool { return len(s) > 0 })
	if err != nil || len(spans) != 1 {
		t.Fatalf("%d spans: %v", len(spans), err)
	}
	for _, attribute := range spans[0].Attributes {
		if attribute.Key == "url.path" && attribute.Value.GetStringValue() != "/friend" {
			t.Errorf("the span is that of %v", attribute.Value)
		}
	}
	a.Stop()
	checkLedgers(t, a)
	stranger.Close(t.Context())
	friend.Close(t.Context())
}

func TestTLSFilesThatAreWrong(t *testing.T) {
	ca, cert, key := testPKI(t)
	check := func(want string, f func() error) {
		t.Helper()
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v has no %q", err, want)
		}
	}
	check("cannot use receive.tls.cert_file", func() error { _, err := serverTLS(&config.ServerTLS{CertFile: ca, KeyFile: key}); return err })
	check("cannot use receive.tls.client_ca_file: cannot find a certificate", func() error {
		_, err := serverTLS(&config.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: key})
		return err
	})
	check("cannot use export.tls.ca_file", func() error { _, err := clientTLS(&config.ClientTLS{CAFile: "/nowhere"}); return err })
	check("cannot use export.tls.cert_file", func() error { _, err := clientTLS(&config.ClientTLS{CertFile: cert, KeyFile: cert}); return err })
}
