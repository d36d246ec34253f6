"""`python -m service.cli` is `tocsin`."""

from service.cli import main

if __name__ == "__main__":
    main()
