"""MR-HuBERT (Shi et al. 2024, arXiv 2310.02720) as transformers classes; HuBERT is the same body with one level.

    config       MRHubertConfig: everything that the published family varies
    plan         blocks, levels and taps of a config, by grid arithmetic alone
    layers       front end, attention layers, and norms that see real samples only
    sampling     the changes of rate between blocks
    model        MRHubertModel: one walk along the data flow
    pretraining  MRHubertForPreTraining: masked unit prediction at every level
    ctc          MRHubertForCTC
    encoder      MRHubertEncoder: the model as Lamina's encoder; s3prl's list of states

Importing this package is cheap; its classes are imported when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.encoders.mrhubert.config import MRHubertConfig as MRHubertConfig
    from lamina.encoders.mrhubert.ctc import MRHubertForCTC as MRHubertForCTC
    from lamina.encoders.mrhubert.encoder import MRHubertEncoder as MRHubertEncoder
    from lamina.encoders.mrhubert.encoder import s3prl_states as s3prl_states
    from lamina.encoders.mrhubert.model import MRHubertModel as MRHubertModel
    from lamina.encoders.mrhubert.pretraining import MRHubertForPreTraining as MRHubertForPreTraining

_HOME = {
    "MRHubertConfig": "config",
    "MRHubertModel": "model",
    "MRHubertForPreTraining": "pretraining",
    "MRHubertForCTC": "ctc",
    "MRHubertEncoder": "encoder",
    "s3prl_states": "encoder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def register() -> None:
    """Make transformers' Auto classes know MR-HuBERT: of configs, models, pretraining, CTC and feature extractors.

    `lamina.load_encoder` needs no such line; ``AutoModel.from_pretrained`` on a folder of ours and transformers'
    pipelines do. Calling it again changes nothing.
    """
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForCTC, AutoModelForPreTraining
    from transformers.models.wav2vec2.feature_extraction_wav2vec2 import Wav2Vec2FeatureExtractor

    from lamina.encoders.mrhubert.config import MRHubertConfig
    from lamina.encoders.mrhubert.ctc import MRHubertForCTC
    from lamina.encoders.mrhubert.model import MRHubertModel
    from lamina.encoders.mrhubert.pretraining import MRHubertForPreTraining

    AutoConfig.register(MRHubertConfig.model_type, MRHubertConfig, exist_ok=True)
    AutoModel.register(MRHubertConfig, MRHubertModel, exist_ok=True)
    AutoModelForPreTraining.register(MRHubertConfig, MRHubertForPreTraining, exist_ok=True)
    AutoModelForCTC.register(MRHubertConfig, MRHubertForCTC, exist_ok=True)
    AutoFeatureExtractor.register(MRHubertConfig, Wav2Vec2FeatureExtractor, exist_ok=True)
