"""One pass over the audio, many questions."""
