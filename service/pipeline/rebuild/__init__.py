"""Rebuild: Redis is filled from Kafka."""
