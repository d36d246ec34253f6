"""The hosts of a worker's services, chosen by TOCSIN_WORKER__SHELL: Faust, or plain asyncio.

No other folder knows them. A shell has the event loop and the signals, and runs the services by
`streams.lifecycle.run`: so they start, drain and fail in the same way in both. Live rates are counted by an agent of
Faust, else by `streams.worker.rates`.
"""
