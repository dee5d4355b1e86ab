package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"tenement/bench/peers"
)

// protocols are what h2load speaks over TLS; over HTTP/2 each connection has
// ten requests under way.
var protocols = []struct {
	name  string
	flags []string
}{
	{"HTTP/1.1 over TLS", []string{"--h1", "-c", "64", "-m", "1"}},
	{"HTTP/2", []string{"-c", "8", "-m", "10"}},
}

// edgeTLS is the suite of TLS and HTTP/2: requests per CPU-second as in edge,
// with h2load as the client of everybody.
func edgeTLS(b *bench) error {
	if _, err := exec.LookPath("h2load"); err != nil {
		return errors.New("h2load is needed: apt-get install nghttp2-client")
	}
	e, err := prepareEdge(b)
	if err != nil {
		return err
	}
	if e.tls, err = selfSigned(b.work, "*.app.example.test"); err != nil {
		return err
	}
	return e.with(secured)
}

func secured(e *edgeBench) error {
	for _, protocol := range protocols {
		for _, size := range sizes[:2] {
			found, failed := map[string][]float64{}, map[string]int{}
			err := e.turns(func(c *contender) error {
				run, err := c.h2load(e, protocol.flags, size.bytes)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, protocol.name, err)
				}
				found[c.name] = append(found[c.name], float64(run.requests)/run.cpu.Seconds())
				failed[c.name] += run.errors
				return nil
			})
			if err != nil {
				return err
			}
			metric := fmt.Sprintf("%s, requests per CPU-second, %s", protocol.name, size.name)
			e.addAll(metric, "1/s", found, failed)
			e.found.add(against(metric, found, true, 0))
		}
	}
	return nil
}

// h2load has a contender serve for one turn.
func (c *contender) h2load(e *edgeBench, flags []string, size int) (loaded, error) {
	before, err := c.cpu()
	if err != nil {
		return loaded{}, err
	}
	// A number of requests: with a time, h2load 1.52 sometimes never ends.
	args := append(pinned(outerCore), "timeout", "60", "h2load", "-t", "1", "-n", fmt.Sprint(int(e.seconds*5000)), "--connect-to="+c.proxy.Address)
	args = append(append(args, flags...), fmt.Sprintf("https://%s/%d", benchHost, size))
	text, err := output("", args[0], args[1:]...)
	if err != nil {
		return loaded{}, err
	}
	after, err := c.cpu()
	if err != nil {
		return loaded{}, err
	}
	run, err := parseH2load(text)
	run.cpu = after - before
	return run, err
}

var h2loadCounts = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed`)

// parseH2load reads what h2load reports of its requests.
func parseH2load(text string) (run loaded, err error) {
	found := h2loadCounts.FindStringSubmatch(text)
	if found == nil {
		return run, fmt.Errorf("cannot read what h2load says: %.300q", text)
	}
	run.requests, _ = strconv.Atoi(found[1])
	run.errors, _ = strconv.Atoi(found[2])
	if run.requests == 0 {
		return run, fmt.Errorf("nothing was answered: %.300q", text)
	}
	return run, nil
}

// tenTLS is the part of [settings] that makes ten speak TLS at a port.
func (e *edgeBench) tenTLS() (settings string, port int, err error) {
	ports := make([]int, 2)
	for i := range ports {
		address, err := peers.FreeAddress()
		if err != nil {
			return "", 0, err
		}
		if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &ports[i]); err != nil {
			return "", 0, fmt.Errorf("cannot read the port of %s: %w", address, err)
		}
	}
	return fmt.Sprintf("[settings.tls]\nenabled = true\ncertificates = [[%q, %q]]\nhttps_port = %d\nhttp_port = %d\n", e.tls.Certificate, e.tls.Key, ports[0], ports[1]), ports[0], nil
}

// selfSigned writes a certificate for a day.
func selfSigned(dir, name string) (*peers.Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	p := &peers.Pair{Certificate: filepath.Join(dir, "site.pem"), Key: filepath.Join(dir, "site.key"), Pem: filepath.Join(dir, "both.pem")}
	for path, text := range map[string][]byte{p.Certificate: public, p.Key: private, p.Pem: append(append([]byte{}, public...), private...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	}
	return p, nil
}
