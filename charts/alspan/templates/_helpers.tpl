{{- define "alspan.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 63 characters: it names a Service. A release that is called like the chart does not say it twice. */}}
{{- define "alspan.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "alspan.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* Releases of one name in several namespaces need roles of their own. */}}
{{- define "alspan.clusterName" -}}
{{- printf "%s-%s" (include "alspan.namespace" .) (include "alspan.fullname" .) }}
{{- end }}

{{/* What selects pods can never change, so nothing else may come in. */}}
{{- define "alspan.selectorLabels" -}}
app.kubernetes.io/name: {{ include "alspan.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: agent
{{- end }}

{{/* Called with a list of the context and the labels of the one object; the chart's own win. */}}
{{- define "alspan.labels" -}}
{{- $ctx := index . 0 }}
{{- $own := include "alspan.selectorLabels" $ctx | fromYaml }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $ctx.Chart.Name $ctx.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $own "app.kubernetes.io/version" ($ctx.Chart.AppVersion | replace "+" "_" | trunc 63) }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $ctx.Release.Service }}
{{- $_ := set $own "app.kubernetes.io/part-of" "alspan" }}
{{- merge $own (deepCopy (default dict (index . 1))) (deepCopy (default dict $ctx.Values.commonLabels)) | toYaml }}
{{- end }}

{{- define "alspan.image" -}}
{{- $global := default dict .Values.global }}
{{- $registry := default .Values.image.registry $global.imageRegistry }}
{{- $image := ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) (empty $registry) }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $image .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $image (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "alspan.serviceAccount" -}}
{{- default (ternary (include "alspan.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* Whether the agent looks up pods: "on", "off" or "auto". Helm's YAML takes a bare on or off for true or false. */}}
{{- define "alspan.pods" -}}
{{- $pods := default dict (default dict .Values.config).pods }}
{{- $enabled := ternary $pods.enabled "auto" (hasKey $pods "enabled") }}
{{- if kindIs "bool" $enabled }}{{ ternary "on" "off" $enabled }}{{ else }}{{ $enabled }}{{ end }}
{{- end }}

{{/* "true" if the agent has rights in the cluster. */}}
{{- define "alspan.rbac" -}}
{{- if and .Values.rbac.create (ne (include "alspan.pods" .) "off") }}true{{ end }}
{{- end }}

{{- define "alspan.token" -}}
{{- $mount := .Values.serviceAccount.automountServiceAccountToken }}
{{- if eq (toString $mount) "auto" }}{{ ternary "true" "false" (eq (include "alspan.rbac" .) "true") }}{{ else }}{{ $mount }}{{ end }}
{{- end }}

{{/* "true" if two agents have no room on one node. */}}
{{- define "alspan.onHost" -}}
{{- $on := default false .Values.hostNetwork }}
{{- range include "alspan.ports" . | fromYamlArray }}{{ if .hostPort }}{{ $on = true }}{{ end }}{{ end }}
{{- if $on }}true{{ end }}
{{- end }}

{{/* The folders of the node that log files take, as a list: the volume's name, the path on both sides, whether it is written to. */}}
{{- define "alspan.folders" -}}
{{- $list := list }}
{{- if .Values.files.enabled }}
{{- $list = append $list (dict "name" "files-pods" "path" "/var/log/pods" "written" false) }}
{{- range $i, $path := .Values.files.extraHostPaths }}
{{- $list = append $list (dict "name" (printf "files-%d" $i) "path" $path "written" false) }}
{{- end }}
{{- $list = append $list (dict "name" "files-state" "path" .Values.files.stateDir "written" true) }}
{{- end }}
{{- toYaml $list }}
{{- end }}

{{/* The container's security context. What is in the values wins. */}}
{{- define "alspan.securityContext" -}}
{{- $context := dict }}
{{- if .Values.files.enabled }}
{{- $context = dict "runAsUser" (int .Values.files.runAsUser) "runAsNonRoot" (ne (int .Values.files.runAsUser) 0) }}
{{- end }}
{{- range $key, $value := .Values.securityContext }}{{ $_ := set $context $key $value }}{{ end }}
{{- toYaml $context }}
{{- end }}

{{/* The agent's listeners, as a list: name, the section of the configuration, and what values.ports says. */}}
{{- define "alspan.ports" -}}
{{- $p := .Values.ports }}
{{- $list := list (merge (dict "name" "otlp-grpc" "key" "otlpGrpc" "section" "grpc") $p.otlpGrpc) }}
{{- if $p.otlpHttp.enabled }}{{ $list = append $list (merge (dict "name" "otlp-http" "key" "otlpHttp" "section" "http") $p.otlpHttp) }}{{ end }}
{{- if $p.zipkin.enabled }}{{ $list = append $list (merge (dict "name" "zipkin" "key" "zipkin" "section" "zipkin") $p.zipkin) }}{{ end }}
{{- toYaml $list }}
{{- end }}

{{/* The agent's configuration: values.config, the addresses from values.ports, and what values.files has for what config does not say. */}}
{{- define "alspan.config" -}}
{{- $config := deepCopy (default dict .Values.config) }}
{{- $receive := dict "http" (dict "address" "") "zipkin" (dict "address" "") }}
{{- range include "alspan.ports" . | fromYamlArray }}
{{- $_ := set $receive .section (dict "address" (printf ":%d" (int .containerPort))) }}
{{- end }}
{{- if .Values.files.enabled }}
{{- $files := dict }}
{{- $own := default dict (default dict $config.receive).files }}
{{- if kindIs "invalid" $own.paths }}{{ $_ := set $files "paths" (list "/var/log/pods/*/envoy/*.log") }}{{ end }}
{{- if kindIs "invalid" $own.positions }}{{ $_ := set $files "positions" (printf "%s/positions.json" .Values.files.stateDir) }}{{ end }}
{{- $_ := set $receive "files" $files }}
{{- end }}
{{- $fixed := dict "receive" $receive "admin" (dict "address" (printf ":%d" (int .Values.ports.admin.containerPort))) }}
{{- if hasKey (default dict $config.pods) "enabled" }}
{{- $_ := set $fixed "pods" (dict "enabled" (include "alspan.pods" .)) }}
{{- end }}
{{- mergeOverwrite $config $fixed | toYaml }}
{{- end }}
