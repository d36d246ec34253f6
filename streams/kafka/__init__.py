"""Connections to Kafka, its errors, and patches of aiokafka."""
