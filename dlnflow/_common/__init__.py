"""What every package may use: validation, read-only arrays, progress."""
