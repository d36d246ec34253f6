"""A deterministic simulation of the pipeline: virtual time, a model of Kafka, workers that die between two effects."""
