"""Speech with time-aligned tiers, on lhotse manifests.

corpus     what all corpora are: `Segment`, `Utterance`, `Corpus`
importers  `open_corpus`: the one door
stored     corpora read from a lhotse CutSet
manifest   our corpus folder, written and read
textgrids  folders of audio with TextGrids
segments   labels, tier names and silences, by explicit rules
batches    length-sorted padded batches
splits     who is fitted on and who is scored
check      look a corpus over
synth      synthetic speech: speakers, sentences, audio
grammar    seeded sentences with a Zipf-like vocabulary
espeak     eSpeak NG in a process of its own
alignment  its events made into exact phones and words
phones     its phonemes to phone classes
syllables  phones into syllables
"""
