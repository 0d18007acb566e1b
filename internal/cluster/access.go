package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// fakeNode is the annotation of nodes whose kubelet is kwok.
const fakeNode = "kwok.x-k8s.io/node"

type object = map[string]any

func (c *Cluster) writeUsers() error {
	line := c.AdminToken + ",admin,admin,system:masters\n"
	if err := os.WriteFile(c.file("users.csv"), []byte(line), 0o600); err != nil {
		return fmt.Errorf("cannot write the list of users: %w", err)
	}
	return nil
}

// Token gives a token of a ServiceAccount, as a pod of it would have. It is valid for an hour.
func (c *Cluster) Token(namespace, serviceAccount string) (string, error) {
	asked := object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{}}
	var given struct{ Status struct{ Token string } }
	path := "/api/v1/namespaces/" + namespace + "/serviceaccounts/" + serviceAccount + "/token"
	if err := c.Post(context.Background(), path, asked, &given); err != nil {
		return "", err
	}
	return given.Status.Token, nil
}

// KubeconfigFor writes a kubeconfig with a token and gives its path.
func (c *Cluster) KubeconfigFor(token string) (string, error) {
	text, err := json.MarshalIndent(object{ // JSON is YAML
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": []object{{"name": "test", "cluster": object{"server": c.URL, "certificate-authority": c.CAFile}}},
		"users":    []object{{"name": "test", "user": object{"token": token}}},
		"contexts": []object{{"name": "test", "context": object{"cluster": "test", "user": "test"}}},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("cannot encode a kubeconfig: %w", err)
	}
	path := c.file(fmt.Sprintf("kubeconfig-%d", c.files.Add(1)))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("cannot write a kubeconfig: %w", err)
	}
	return path, nil
}

// AddNode makes a node with an address of its own. With Options.Kwok it becomes ready soon.
func (c *Cluster) AddNode(name string) error {
	n := c.nodes.Add(1)
	return c.Create(context.Background(), "/api/v1/nodes", object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": object{
			"name":        name,
			"annotations": object{fakeNode: "fake"},
			"labels":      object{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
		},
		"status": object{"addresses": []object{
			{"type": "InternalIP", "address": fmt.Sprintf("172.16.%d.%d", n>>8, n&0xff)},
			{"type": "Hostname", "address": name},
		}},
	})
}
