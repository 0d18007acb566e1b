package charts

import (
	"strings"
	"testing"
)

// What is refused before it reaches a cluster, and the words that say why.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		set  string // as --set takes it
		want string
	}{
		{"nosuch=1", "additional properties 'nosuch' not allowed"},
		{"service.trafficDistributon=PreferClose", "additional properties 'trafficDistributon' not allowed"},
		{"ports.otlpGrpc.hostport=4317", "additional properties 'hostport' not allowed"},
		{"resources.limit.memory=1Gi", "additional properties 'limit' not allowed"},
		{"ports.zipkin.enabled=yes", "at '/ports/zipkin/enabled': got string, want boolean"},
		{"ports.admin.containerPort=80", "at '/ports/admin/containerPort': minimum: got 80, want 1,024"},
		{"image.digest=sha256:12", "at '/image/digest': 'sha256:12' does not match pattern"},
		{"service.internalTrafficPolicy=local", "at '/service/internalTrafficPolicy': value must be one of 'Cluster', 'Local'"},
		{"config.export.compresion=gzip", "at '/config/export': additional properties 'compresion' not allowed"},
		{"config.receive.limits.connections=0", "at '/config/receive/limits/connections': minimum: got 0, want 1"},
		{"extraEnv[0].value=x", "at '/extraEnv/0': missing property 'name'"},
		{"extraEnv[0].name=A,extraEnv[0].value=1", "at '/extraEnv/0/value': got number, want string"},
		{"files.enabled=1", "at '/files/enabled': got number, want boolean"},
		{"files.stateDir=state", "at '/files/stateDir': 'state' does not match pattern"},
		{"files.extraHostPaths[0]=/", "at '/files/extraHostPaths/0': '/' does not match pattern"},
		{"service=null", "missing property 'service'"},
		{"ports.zipkin.servicePort=null", "at '/ports/zipkin': missing property 'servicePort'"},

		{"ports.otlpGrpc.hostPort=4317,updateStrategy.rollingUpdate.maxSurge=1", "updateStrategy.rollingUpdate.maxSurge: it must be 0 with a hostPort or hostNetwork"},
		{"hostNetwork=true,updateStrategy.rollingUpdate.maxSurge=10%", "updateStrategy.rollingUpdate.maxSurge: it must be 0 with a hostPort or hostNetwork"},
		{"ports.zipkin.containerPort=4318", "ports.zipkin.containerPort: 4318 is also that of ports.otlpHttp"},
		{"ports.admin.containerPort=4317", "ports.admin.containerPort: 4317 is also that of ports.otlpGrpc"},
		{"ports.als.servicePort=4317", "ports.otlpGrpc.servicePort: 4317 is also that of ports.als"},
		{"ports.zipkin.hostPort=9000,ports.otlpHttp.hostPort=9000", "ports.zipkin.hostPort: 9000 is also that of ports.otlpHttp"},
		{"hostNetwork=true,ports.zipkin.hostPort=9412", "ports.zipkin.hostPort: with hostNetwork it must be 9411, the containerPort, or 0"},
		{"config.receive.grpc.address=:1", "config.receive.grpc.address: the chart sets it; set ports.otlpGrpc.containerPort"},
		{"config.receive.als.address=:9001", "config.receive.als.address: a second listener is not needed"},
		{"config.admin.address=:1", "config.admin.address: the chart sets it; set ports.admin.containerPort"},
		{"config.export.drain=1m", "terminationGracePeriodSeconds: it must be at least 65: 5 more than config.export.drain (1m)"},
		{"terminationGracePeriodSeconds=10", "terminationGracePeriodSeconds: it must be at least 15: 5 more than config.export.drain (10s)"},
		{"lifecycle.preStop.sleep.seconds=20", "it must be at least 35: 5 more than config.export.drain (10s) and lifecycle.preStop"},
		{"serviceAccount.create=false", `serviceAccount.name: the account "default" would give the agent's rights to every pod`},
		{"files.enabled=true,updateStrategy.rollingUpdate.maxSurge=1", "updateStrategy.rollingUpdate.maxSurge: it must be 0 with files.enabled"},
		{"files.enabled=true,extraVolumes[0].name=files-0", `extraVolumes: the name "files-0" is taken by the chart`},
		{"files.enabled=true,files.extraHostPaths={/var/log/pods}", "files.extraHostPaths: /var/log/pods is mounted already"},
		{"files.enabled=true,files.extraHostPaths={/logs},files.stateDir=/logs", "files.stateDir: /logs is mounted already"},
		{"files.enabled=true,config.receive.files.paths={/var/log/pods/*/envoy/*.log,/var/log/nginx/*.log}",
			`config.receive.files.paths: "/var/log/nginx/*.log" is in no folder of the node that the pod has: add its folder to files.extraHostPaths; there is /var/log/pods`},
		{"files.enabled=true,config.receive.files.paths={/var/log/pods*/envoy/*.log}", "config.receive.files.paths: \"/var/log/pods*/envoy/*.log\" is in no folder"},
		{"files.enabled=true,config.receive.files.paths={/var/log/pods/../*.log}", "config.receive.files.paths: \"/var/log/pods/../*.log\" is in no folder"},
		{"config.receive.files.paths={/var/log/pods/*/envoy/*.log}", "is in no folder of the node that the pod has: set files.enabled to true"},
		{"files.enabled=true,config.receive.files.positions=/tmp/positions.json",
			`config.receive.files.positions: "/tmp/positions.json" is in no folder that the agent can write to: set files.stateDir to its folder; it is /var/lib/alspan`},
		{"files.enabled=true,config.receive.files.positions=/var/log/pods/positions.json", "is in no folder that the agent can write to"},
		{"config.receive.files.positions=/var/lib/alspan/positions.json", "is in no folder that the agent can write to: set files.enabled to true"},
		{"extraVolumes[0].name=config", `extraVolumes: the name "config" is taken by the chart`},
	} {
		_, err := helm(t, "template", "alspan", "alspan", "--kube-version", kube, "--set", c.set)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("--set %s: got %v, want %q", c.set, err, c.want)
		}
	}
	for version, want := range map[string]string{"1.33.0": "service.trafficDistribution: PreferSameNode needs Kubernetes 1.34, and this is v1.33.0", "1.25.0": "incompatible with Kubernetes v1.25.0"} {
		_, err := helm(t, "template", "alspan", "alspan", "--kube-version", version, "--set", "service.trafficDistribution=PreferSameNode")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Kubernetes %s: got %v, want %q", version, err, want)
		}
	}
}

// What comes close to being refused.
func TestNotRefused(t *testing.T) {
	for _, set := range []string{
		"ports.otlpGrpc.hostPort=4317,updateStrategy.rollingUpdate.maxSurge=0",
		"ports.otlpHttp.enabled=false,ports.zipkin.containerPort=4318,ports.zipkin.servicePort=4318",
		"ports.als.enabled=false,ports.als.servicePort=4317",
		"hostNetwork=true,ports.zipkin.hostPort=9411",
		"config.export.drain=${DRAIN}",
		"serviceAccount.create=false,rbac.create=false",
		"serviceAccount.create=false,serviceAccount.name=agent",
		"global.anything=1",
		"files.enabled=true,updateStrategy.rollingUpdate.maxSurge=0",
		"files.enabled=true,files.extraHostPaths={/var/log},config.receive.files.paths={/var/log/nginx/*.log}",
		"files.enabled=true,config.receive.files.paths[0]=${LOGS}/*.log,config.receive.files.positions=${STATE}",
		"files.enabled=true,config.receive.files.positions=",
		"extraVolumes[0].name=files-0,extraVolumeMounts[0].name=files-0,extraVolumeMounts[0].mountPath=/logs," +
			"config.receive.files.paths={/logs/*.log},config.receive.files.positions=/logs/positions.json",
		"config=null,resources=null,tolerations=null,extraEnv=null,livenessProbe=null,updateStrategy=null,files.extraHostPaths=null,podLabels=null,lifecycle=null,global=null",
	} {
		if _, err := helm(t, "template", "alspan", "alspan", "--kube-version", kube, "--set", set); err != nil {
			t.Errorf("--set %s: %v", set, err)
		}
	}
}
