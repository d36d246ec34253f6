"""The embedded development stack: real Kafka, real Valkey, mail catcher; nothing to install first."""
