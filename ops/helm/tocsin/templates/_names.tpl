{{- define "tocsin.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* 40 characters at most: the names of components are added. */}}
{{- define "tocsin.fullname" -}}
{{- $name := include "tocsin.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "tocsin.selector" -}}
app.kubernetes.io/name: {{ include "tocsin.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tocsin.labels" -}}
{{ include "tocsin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tocsin.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tocsin.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "tocsin.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Seconds for which a worker waits for relays at a stop, of the merged settings of a process. */}}
{{- define "tocsin.drain" -}}
{{- ceil (float64 (dig "TOCSIN_WORKER__DRAIN" 60 .)) | int -}}
{{- end }}

{{/* The entries of `env` for a mapping of settings. */}}
{{- define "tocsin.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ ternary $value ($value | toJson) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}

{{/* One mapping of settings, as JSON, of a list: a later one has precedence, also with `false`, 0 and "". */}}
{{- define "tocsin.merged" -}}
{{- $merged := dict -}}
{{- range . -}}
{{- range $name, $value := . -}}
{{- $_ := set $merged $name $value -}}
{{- end -}}
{{- end -}}
{{- $merged | toJson -}}
{{- end }}
