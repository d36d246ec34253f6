{{/*
The template of a pod. Of `root`, `component`, `settings`, `args`, `resources`, `grace` (seconds), and the YAML of
`ports`, `probes` and `lifecycle`. With `hook`, it needs nothing that the chart itself installs.
*/}}
{{- define "tocsin.pod" -}}
{{- $ := .root -}}
{{- $values := $.Values -}}
metadata:
  labels:
    {{- include "tocsin.labels" $ | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or $values.podAnnotations $values.templates.version }}
  annotations:
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $values.templates.version }}
    tocsin/templates: {{ . | quote }}
    {{- end }}
  {{- end }}
spec:
  {{- if not .hook }}
  serviceAccountName: {{ include "tocsin.serviceAccount" $ }}
  {{- else }}
  restartPolicy: Never
  {{- end }}
  automountServiceAccountToken: false
  # The variables that Kubernetes would set for each Service look like settings.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $values.topologySpread (not .hook) }}
  topologySpreadConstraints:
    {{- $component := .component }}
    {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ $key }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "tocsin.selector" $ | nindent 10 }}
          app.kubernetes.io/component: {{ $component }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- $templates := and $values.templates.configMap (not .hook) }}
  {{- if $templates }}
  initContainers:
    - name: templates
      image: {{ include "tocsin.image" $ }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: [tar, --extract, --gzip, --no-same-owner, --file=/archive/{{ $values.templates.key }}, --directory=/templates]
      {{- include "tocsin.confined" . | nindent 6 }}
      resources:
        requests: {cpu: 10m, memory: 16Mi}
        limits: {memory: 64Mi}
      volumeMounts:
        - {name: archive, mountPath: /archive, readOnly: true}
        - {name: templates, mountPath: /templates}
  {{- end }}
  containers:
    - name: tocsin
      image: {{ include "tocsin.image" $ }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: {{ .args | toJson }}
      {{- $own := dict "TOCSIN_SECRETS_DIR" "/run/secrets/tocsin" }}
      {{- if $templates }}
      {{- $_ := set $own "TOCSIN_TEMPLATES__DIRECTORY" "/templates" }}
      {{- end }}
      env:
        {{- include "tocsin.env" (include "tocsin.merged" (list .settings $own) | fromJson) | nindent 8 }}
      {{- with .ports }}
      ports:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .probes }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .lifecycle }}
      lifecycle:
        {{- . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml (.resources | default dict) | nindent 8 }}
      {{- include "tocsin.confined" . | nindent 6 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: secrets, mountPath: /run/secrets/tocsin, readOnly: true}
        {{- if $values.certificates.secret }}
        - {name: certificates, mountPath: /run/certificates, readOnly: true}
        {{- end }}
        {{- if $templates }}
        - {name: templates, mountPath: /templates, readOnly: true}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    - name: secrets
      {{- if $values.secrets.csi }}
      csi:
        readOnly: true
        {{- toYaml $values.secrets.csi | nindent 8 }}
      {{- else }}
      secret: {secretName: {{ $values.secrets.existing }}, defaultMode: 0440}
      {{- end }}
    {{- with $values.certificates.secret }}
    - name: certificates
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- if $templates }}
    - name: archive
      configMap: {name: {{ $values.templates.configMap }}}
    - name: templates
      emptyDir: {sizeLimit: 32Mi}
    {{- end }}
{{- end }}

{{/* The limits of a container: those of docker-compose.yml. */}}
{{- define "tocsin.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The probes of a process: `port` names the port that answers. /readyz names what it waits for. */}}
{{- define "tocsin.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ .port }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
