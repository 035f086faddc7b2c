"""One file a task, found by its being here: a module with a ``TASK`` is a probe.

phone, syllable, word  pooled segments of a tier
pr, asr, sf            sequences, by CTC
ks, ic, sid, er        classes of utterances
asv                    speaker verification
sd                     diarization
knn, centroid          pooled segments, named by the nearest; nothing is trained, here and below
abx                    discrimination of phones
map                    discrimination of words
qbe                    spoken queries
"""
