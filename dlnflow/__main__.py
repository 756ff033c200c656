"""``python -m dlnflow``; Python imports `dlnflow` before this file, so that part is unguarded."""

from dlnflow_command import main

if __name__ == "__main__":
    main()
