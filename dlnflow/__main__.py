"""``python -m dlnflow``."""

from dlnflow.cli import main

if __name__ == "__main__":
    main()
