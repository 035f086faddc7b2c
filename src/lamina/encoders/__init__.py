"""Encoders that say what each layer is and how fast it ticks.

encoder           what all share: `Tap`, `States`, `Encoder`
load              `load_encoder`: the one door
foreign           what is taken from a foreign model folder: known settings, tensors
weights           loaded exactly, told apart by a digest
mrhubert          MR-HuBERT and HuBERT as transformers classes
pretrained        any transformers speech encoder
families          what sets their families apart: taps, grids, mending
masked_norm       norms over real frames only
stepping          run a model block by block
features          log-mel and MFCC as encoders of one tap
position          where a frame lies in its utterance, nothing else
audio             what audio encoders accept
half              convolutions in half precision, right on every processor
untrained         the same model with weights drawn anew: a control
names             what others call the same tensors
fairseq           checkpoints of fairseq and s3prl, converted
fairseq_settings  their settings of a model, as a config of ours
unpickle          their pickles, read without running anything
published         the published checkpoints
"""
