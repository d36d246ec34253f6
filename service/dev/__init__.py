"""The embedded development stack: a real Kafka, a real Valkey and a mail catcher, with nothing to install first."""
