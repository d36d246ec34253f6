"""A deterministic world for the pipeline: virtual time, a model of Kafka, workers that die between two effects."""
