"""Synthetic speech of many speakers with exactly known phones, syllables and words, by eSpeak NG.

config      what to synthesise
voices      the speakers
synthesis   `synthesize`: a corpus folder, the same bits in any number of workers
speaking    one speaker's work
espeak      eSpeak NG in a process of its own
alignment   its events made into exact phones and words
phones      its phonemes to phone classes
syllables   phones into syllables
material    what is said: sentences, commands, queries, texts
grammar     seeded sentences with a Zipf-like vocabulary
acoustics   noise and reverberation
trying      trials: which speaker, which query in which document
"""
