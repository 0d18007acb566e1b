{{- define "alspan.pod" -}}
serviceAccountName: {{ include "alspan.serviceAccount" . }}
automountServiceAccountToken: {{ include "alspan.token" . }}
{{- with concat (default list .Values.imagePullSecrets) (default list (default dict .Values.global).imagePullSecrets) }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with default (ternary "ClusterFirstWithHostNet" "" (default false .Values.hostNetwork)) .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
- name: alspan
  image: {{ include "alspan.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [run, --config, /etc/alspan/alspan.yaml]
  env:
  {{- range $name, $path := dict "NODE_NAME" "spec.nodeName" "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_IP" "status.podIP" }}
  - name: {{ $name }}
    valueFrom:
      fieldRef:
        fieldPath: {{ $path }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  {{- range include "alspan.ports" . | fromYamlArray }}
  - name: {{ .name }}
    containerPort: {{ int .containerPort }}
    {{- if .hostPort }}
    hostPort: {{ int .hostPort }}
    {{- end }}
  {{- end }}
  - name: admin
    containerPort: {{ int .Values.ports.admin.containerPort }}
  {{- range $probe, $path := dict "startupProbe" "/readyz" "readinessProbe" "/readyz" "livenessProbe" "/healthz" }}
  {{- with index $.Values $probe }}
  {{ $probe }}:
    httpGet:
      path: {{ $path }}
      port: admin
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with .Values.lifecycle }}
  lifecycle:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "alspan.securityContext" . | fromYaml }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
  - name: config # a folder, no subPath: only then does a change of the ConfigMap reach the pod
    mountPath: /etc/alspan
    readOnly: true
  {{- range include "alspan.folders" . | fromYamlArray }}
  - name: {{ .name }}
    mountPath: {{ .path | quote }}
    {{- if not .written }}
    readOnly: true
    {{- end }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
- name: config
  configMap:
    name: {{ include "alspan.fullname" . }}
{{- range include "alspan.folders" . | fromYamlArray }}
- name: {{ .name }}
  hostPath:
    path: {{ .path | quote }}
    type: {{ ternary "DirectoryOrCreate" "Directory" .written }}
{{- end }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
