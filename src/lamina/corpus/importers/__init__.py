"""Importers of the corpora that researchers have, one short file a family of layouts.

importer   what an importer is, and what it finds
importing  `import_corpus`: by an importer into a corpus folder of ours
catalogue  the list of all importers, with size, licence and source
reading    read speech: LibriSpeech, VCTK, LJ Speech, Common Voice
phonetic   hand-labelled phones: TIMIT, Buckeye, EMO-DB
commands   short commands: Speech Commands, Fluent Speech Commands, Audio SNIPS
people     who speaks, and how: VoxCeleb1, LibriMix, IEMOCAP
queries    spoken queries: QUESST 2014
general    any folder, any Kaldi data folder, any CutSet
datasets   any Hugging Face dataset folder

lhotse's recipes are not called: they leave out missing files with a line in a log, hold all of a corpus in
memory, fetch lists from the network, and know neither TextGrid trees nor these splits and labels. Their tables
are used (TIMIT's), they are oracles in the tests, and what they prepare comes in by ``cuts``.
"""
