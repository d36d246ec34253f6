"""What operators ask and do: explain, what-if, audit, replay, redrive, privacy, rebuild."""
