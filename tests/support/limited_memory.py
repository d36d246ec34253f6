"""`tocsin` with a limit on its memory: `python -m tests.support.limited_memory …`, LIMIT_MIB in the environment."""

import os
import resource

from service.cli import main

if __name__ == "__main__":
    limit = int(os.environ["LIMIT_MIB"]) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # heaps, and the stacks of threads
    main()
