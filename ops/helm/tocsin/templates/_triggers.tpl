{{/*
The triggers by which KEDA scales a worker: the lag of each consumer group, and how late the due set is. Empty for a
worker that is not scaled. A group's name is TOCSIN_KAFKA__PREFIX and a stage, of email with the lane.
*/}}
{{- define "tocsin.triggers" -}}
{{- $keda := .root.Values.keda -}}
{{- $settings := .root.Values.settings -}}
{{- $prefix := dig "TOCSIN_KAFKA__PREFIX" "" $settings -}}
{{- range $group, $records := dig "scaling" "lag" (dict) .worker }}
{{- range $topic := splitList "," (include "tocsin.groupTopics" (dict "group" $group "settings" $settings "prefix" $prefix)) }}
- type: kafka
  metadata:
    bootstrapServers: {{ $settings.TOCSIN_KAFKA__BOOTSTRAP | quote }}
    version: {{ $keda.kafkaVersion | quote }}
    consumerGroup: {{ printf "%s%s" $prefix $group | quote }}
    {{- with $topic }}
    topic: {{ . | quote }}
    {{- end }}
    lagThreshold: {{ $records | int | quote }}
    offsetResetPolicy: earliest
    {{- include "tocsin.kafkaSecurity" $settings | nindent 4 }}
  {{- if include "tocsin.triggerParameters" $.root }}
  authenticationRef:
    name: {{ include "tocsin.fullname" $.root }}-kafka
  {{- end }}
{{- end }}
{{- end }}
{{- $overdue := dig "scaling" "overdueSeconds" 0 .worker }}
{{- if and $overdue $keda.prometheus }}
- type: prometheus
  metadata:
    serverAddress: {{ $keda.prometheus | quote }}
    query: max(tocsin_due_overdue_seconds{namespace={{ .root.Release.Namespace | quote }}})
    threshold: {{ $overdue | int | quote }}
{{- end }}
{{- end }}

{{/* The topics of a group, separated by commas; empty for all topics that the group has read. */}}
{{- define "tocsin.groupTopics" -}}
{{- if eq .group "resolve" -}}
{{- $events := dig "TOCSIN_KAFKA__EVENTS" (list "events") .settings -}}
{{- if not (dig "TOCSIN_KAFKA__EVENTS_PATTERN" "" .settings) -}}
{{- join "," (kindIs "string" $events | ternary (toString $events | fromJsonArray) $events) -}}
{{- end -}}
{{- else if ne .group "tables" -}}
{{- printf "%sdispatch.%s" .prefix .group -}}
{{- end -}}
{{- end }}

{{- define "tocsin.kafkaSecurity" -}}
{{- $security := dig "TOCSIN_KAFKA__SECURITY" "PLAINTEXT" . -}}
{{- $mechanisms := dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512" -}}
sasl: {{ hasPrefix "SASL_" $security | ternary (get $mechanisms (dig "TOCSIN_KAFKA__SASL_MECHANISM" "SCRAM-SHA-512" .)) "none" }}
tls: {{ hasSuffix "SSL" $security | ternary "enable" "disable" }}
{{- end }}

{{/* The parameters of a TriggerAuthentication for Kafka; empty where the brokers ask for none. */}}
{{- define "tocsin.triggerParameters" -}}
{{- $values := .Values -}}
{{- $security := dig "TOCSIN_KAFKA__SECURITY" "PLAINTEXT" $values.settings -}}
{{- $certificates := $values.keda.kafkaCertificates -}}
{{- $sasl := hasPrefix "SASL_" $security -}}
{{- if $sasl }}
env:
  - {parameter: username, name: TOCSIN_KAFKA__USERNAME, containerName: tocsin}
{{- end }}
{{- if or $sasl $certificates.ca $certificates.cert }}
secretTargetRef:
  {{- if $sasl }}
  - parameter: password
    name: {{ required "keda.kafkaSecret: the Secret with TOCSIN_KAFKA__PASSWORD" (default $values.secrets.existing $values.keda.kafkaSecret) }}
    key: TOCSIN_KAFKA__PASSWORD
  {{- end }}
  {{- range $parameter := list "ca" "cert" "key" }}
  {{- with get $certificates $parameter }}
  - parameter: {{ $parameter }}
    name: {{ required "keda.kafkaCertificates.secret" (default $values.certificates.secret $certificates.secret) }}
    key: {{ . }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
