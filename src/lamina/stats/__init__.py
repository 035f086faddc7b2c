"""The instruments: arrays in, numbers out. They know nothing of speech."""
