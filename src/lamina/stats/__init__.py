"""The instruments: arrays in, numbers out. They know nothing of speech.

moments      means and second moments, mergeable: `Moments`, `ClassMoments`
spectrum     how variance spreads over directions: whitening, effective rank
information  contingency tables, mutual information, purity: `Counts`
cca          canonical correlations from moments, fitted and held out: CCA, SVCCA, PWCCA
cka          linear centred kernel alignment, unbiased, mergeable: `Kernels`, `ClassKernels`
partial      partial CCA from joint moments of three views, variance that each explains
folds        cross-validated CCA from the moments of folds, ridges chosen inside
components   principal components of standardised dimensions, and moments in them
kmeans       streaming k-means
dtw          warping of many pairs at once
edits        how far one sequence is from another (no torch)
widths       how wide a curve is (no torch)
ranking      mean average precision, term-weighted value
scaling      rows on one scale
inference    resampling of groups, intervals, replicates on disk (no torch)
power        how large a difference must be to be found, from variances of an earlier run (no torch)
arrays       named arrays on disk (no torch)
archive      what every statistic is, and how it is kept on disk
"""
