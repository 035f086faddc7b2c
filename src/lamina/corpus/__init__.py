"""Speech with time-aligned tiers, on lhotse manifests.

corpus      what all corpora are: `Segment`, `Utterance`, `Corpus`
open        `open_corpus`: the one way in
manifest    our corpus folder, written and read
trials      pairs of utterances to compare, beside the manifest
cutsets     lhotse CutSets and Shar folders
prepared    what lhotse's recipes write: recordings and supervisions apart
cuts        a lhotse cut from its JSON, key by key
allowed     what may stand in somebody else's manifest
spoken      when the words of a cut are spoken
mixed       audio that lhotse mixes
rows        JSON lines, plain or gzipped
tars        audio inside of tars
decoding    bytes and samples of audio files
headers     what audio files say of themselves
folders     folders of audio with alignments
kaldi       Kaldi's data folders
trees       the files of a folder, and those that are not read
listing     manifest.tsv in a folder of audio
matching    whose an alignment is
naming      which audio a name means
intervals   alignments as tools write them: .lab, CTM, RTTM, CSV, …
textgrid    Praat's TextGrids
xlabel      label files of ESPS, Festival, Buckeye, EMO-DB
texts       text files: encodings, lines, numbers, tables
segments    intervals in seconds made into segments in samples
labels      labels, tier names and silences, by explicit rules
phonemaps   one phone set folded into another
accounts    what a corpus is made of: speakers, splits, inventories
voices      several people in one recording
pieces      long audio in pieces
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
