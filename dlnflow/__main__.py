"""``python -m dlnflow``."""

from dlnflow_command import main

if __name__ == "__main__":
    main()
