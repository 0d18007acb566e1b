package cluster

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// find gives the paths of the binaries by their names.
func find(o Options) (map[string]string, error) {
	wanted := []toolbox.Tool{toolbox.Etcd(), toolbox.APIServer()}
	if o.Controllers {
		wanted = append(wanted, toolbox.ControllerManager(), toolbox.Scheduler())
	}
	if o.Kwok {
		wanted = append(wanted, toolbox.Kwok())
	}
	found := map[string]string{}
	for _, tool := range wanted {
		path, err := toolbox.Path(tool)
		if err != nil {
			return nil, err
		}
		found[tool.Name] = path
	}
	return found, nil
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) etcdFlags() []string {
	client := fmt.Sprintf("http://127.0.0.1:%d", c.store)
	return []string{
		"--data-dir=" + c.file("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=http://127.0.0.1:0", // one member alone has no peers
	}
}

func (c *Cluster) apiFlags() []string {
	flags := []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", c.store), "--etcd-compaction-interval=0",
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.port), "--cert-dir=" + c.dir,
		"--tls-cert-file=" + c.file("server.crt"), "--tls-private-key-file=" + c.file("server.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + c.file("accounts.key"),
		"--service-account-signing-key-file=" + c.file("accounts.key"),
		"--token-auth-file=" + c.file("users.csv"), "--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged", "--endpoint-reconciler-type=none",
		// Thousands of objects in a second are no attack here.
		"--enable-priority-and-fairness=false", "--max-requests-inflight=0", "--max-mutating-requests-inflight=0",
	}
	if !c.options.Controllers {
		flags = append(flags, "--disable-admission-plugins=ServiceAccount") // nobody makes the accounts that pods would need
	}
	return flags
}

type program struct {
	name  string
	flags []string
}

// rest gives what is started after the API server.
func (c *Cluster) rest() []program {
	var all []program
	const eager = "--kube-api-qps=1000"
	if c.options.Controllers {
		all = append(all, program{"kube-controller-manager", []string{
			"--kubeconfig=" + c.kubeconfig, "--service-account-private-key-file=" + c.file("accounts.key"), "--root-ca-file=" + c.CAFile,
			"--leader-elect=false", "--secure-port=0", eager, "--kube-api-burst=2000",
			// A busy machine is no reason to lose a node: fake kubelets report every 20 to 45 s.
			"--node-monitor-grace-period=10m",
		}}, program{"kube-scheduler", []string{
			"--kubeconfig=" + c.kubeconfig, "--leader-elect=false", "--secure-port=0", eager, "--kube-api-burst=2000",
		}})
	}
	if c.options.Kwok {
		stages := filepath.Join(filepath.Dir(c.programs["kwok"]), "stages.yaml")
		all = append(all, program{"kwok", []string{
			"--kubeconfig=" + c.kubeconfig, "--config=" + stages,
			"--manage-all-nodes=false", "--manage-nodes-with-annotation-selector=" + fakeNode + "=fake",
			"--cidr=10.128.0.0/9", "--node-ip=127.0.0.1",
		}})
	}
	return all
}

// StartAPI starts the API server, again at the same address with the same data, and waits until it is ready.
func (c *Cluster) StartAPI() (err error) {
	if c.api, err = start(c.dir, c.programs["kube-apiserver"], c.apiFlags()...); err != nil {
		return err
	}
	return c.await(func() error {
		if err := c.Get(context.Background(), "/readyz", nil); err != nil {
			return err
		}
		return c.Get(context.Background(), "/api/v1/namespaces/default", nil)
	})
}

// StopAPI kills the API server. All else goes on, and what etcd keeps stays.
func (c *Cluster) StopAPI() { c.api.kill() }

// controlled fails as long as a pod could not be made in the default namespace.
func (c *Cluster) controlled() error {
	return c.Get(context.Background(), "/api/v1/namespaces/default/serviceaccounts/default", nil)
}
