{{/* Labels of every object. */}}
{{- define "thaw.labels" -}}
app.kubernetes.io/name: thaw
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: thaw
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What selects a component's pods. Takes a dict: root, component. */}}
{{- define "thaw.selector" -}}
app.kubernetes.io/name: thaw
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "thaw.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "thaw.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (include "thaw.tag" .) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Runtime name → image, as JSON. */}}
{{- define "thaw.runtimes" -}}
{{- $images := dict }}
{{- range $name, $image := .Values.runtimes }}
{{- if $image }}{{ $_ := set $images $name (tpl $image $) }}{{ end }}
{{- end }}
{{- toJson $images }}
{{- end }}

{{/* The metadata of a component's pods. Takes a dict: root, component, values. */}}
{{- define "thaw.podMetadata" -}}
{{- $annotations := dict }}
{{- if .root.Values.metrics.annotations }}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/port" "9090" "prometheus.io/path" "/metrics" }}
{{- end }}
{{- $annotations = mergeOverwrite $annotations .root.Values.podAnnotations .values.podAnnotations }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "thaw.selector" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Where a component's pods may run. Takes its values. */}}
{{- define "thaw.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "thaw.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Environment of all three programs (operator/thaw/settings.py). */}}
{{- define "thaw.env" -}}
- name: THAW_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: THAW_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: THAW_NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: THAW_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
{{- end }}

{{/* What operator and gateway know of functions beyond that. */}}
{{- define "thaw.functionEnv" -}}
- name: THAW_REGION
  value: {{ .Values.region | quote }}
- name: THAW_ACCOUNT_ID
  value: {{ .Values.accountId | quote }}
- name: THAW_RUNTIMES
  value: {{ include "thaw.runtimes" . | quote }}
- name: THAW_INACTIVE_AFTER
  value: {{ .Values.snapshots.inactiveAfter | quote }}
# Whether all nodes reach the same store decides whose agents are given packages, and asked to remove what is stored.
- name: THAW_STORE_SHARED
  value: {{ or (not (hasPrefix "file:" .Values.store.url)) (ne .Values.store.persistentVolumeClaim "") | quote }}
- name: THAW_STS_ENDPOINT
  value: {{ .Values.aws.stsEndpoint | quote }}
- name: THAW_STS_AUDIENCE
  value: {{ .Values.aws.stsAudience | quote }}
- name: THAW_STS_CA_BUNDLE
  value: {{ .Values.aws.stsCaBundle | quote }}
{{- end }}

{{/* Operator and gateway need nothing of the node and no right over it. */}}
{{- define "thaw.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "thaw.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The token that agents accept: for their audience alone, so that it opens nothing else. */}}
{{- define "thaw.clientVolumes" -}}
- name: agent-token
  projected:
    sources:
      - serviceAccountToken: {path: agent-token, audience: thaw-agent, expirationSeconds: 3600}
- name: tmp
  emptyDir: {}
{{- end }}
{{- define "thaw.clientMounts" -}}
- name: agent-token
  mountPath: /var/run/secrets/thaw
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end }}
