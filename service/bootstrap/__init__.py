"""The one place that puts adapters behind ports: settings in, ports out."""
