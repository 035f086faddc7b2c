"""The instruments: arrays in, numbers out. They know nothing of speech.

moments      means and second moments, mergeable: `Moments`, `ClassMoments`
information  contingency tables, mutual information, purity: `Counts`
cca          canonical correlations from moments, fitted and held out
kmeans       streaming k-means
inference    resampling of groups, intervals, replicates on disk (no torch)
archive      statistics on disk
"""
