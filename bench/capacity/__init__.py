"""Capacity: what a delivery costs, measured; the machines that follow from it; and queues under bursts.

1. `stack` runs the servers and a worker for each role, `measure` one round of deliveries.
2. `figures` makes costs a delivery of the rounds; figures.json holds those of the last saved run.
3. `model` turns them into cores, workers, partitions, Redis and Kafka for a demand.
4. `queues` simulates the stages, and `scenarios` compares it with the formula.
"""
