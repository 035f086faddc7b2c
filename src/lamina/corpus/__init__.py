"""Speech with time-aligned tiers, on lhotse manifests.

corpus      what all corpora are: `Segment`, `Utterance`, `Corpus`
open        `open_corpus`: the one way in
manifest    our corpus folder, written and read
trials      pairs of utterances to compare, beside the manifest
cutsets     lhotse CutSets and Shar folders
cuts        a lhotse cut from its JSON, key by key
allowed     what may stand in somebody else's manifest
spoken      when the words of a cut are spoken
mixed       audio that lhotse mixes
rows        JSON lines, plain or gzipped
tars        audio inside of tars
headers     what audio files say of themselves
folders     folders of audio with alignments
intervals   TextGrid, .lab, CTM, RTTM, CSV
segments    labels, tier names and silences, by explicit rules
voices      several people in one recording
stored      audio that is read when asked for
faults      what is wrong: raised at once, or a line each
importers   of the corpora that researchers have
batches     length-sorted padded batches
splits      who is fitted on and who is scored
divide      train, dev and test, drawn once and kept
check       look a corpus over: a line an utterance and fault
shift       do the labels lie where the sound is?
inventories phone sets that corpora use
show        one page about a corpus
spectra     log-mel spectra to look at
pictures    spectrograms with boundaries, figures
synth       synthetic speech with exact alignments, by eSpeak NG
"""
